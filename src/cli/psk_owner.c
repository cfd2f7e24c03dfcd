// SPDX-License-Identifier: GPL-3.0-or-later
// Root opens no other user's store: SQLite goes by names, so that whoever owns the folder could lead what root writes to any
// file of the host, by a link in the place of the store or of its journal; and whoever owns the file decides what root's SQLite
// reads. As that user the command can do no more than the user could anyway.
#include "cli/psk_owner.h"

#include "credentials/file.h"
#include "credentials/file_name.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 64

// As a shell takes it: who has no name has a number, behind a mark for sudo, without one for chown and install.
static void name_of(uid_t user, const char *mark, char ret[NAME_SIZE])
{
    const struct passwd *entry = getpwuid(user);
    if (entry)
        snprintf(ret, NAME_SIZE, "%s", entry->pw_name);
    else
        snprintf(ret, NAME_SIZE, "%s%u", mark, (unsigned)user);
}

static bool refuse(const char *path, uid_t owner, const char *first, char *error, size_t error_size)
{
    char sudo[NAME_SIZE];
    name_of(owner, "\\#", sudo);
    snprintf(error, error_size, "%s: the store, or its folder, belongs to user %u, and this is user %u; do: %ssudo -u %s dtlsgate "
             "psk ...", path, (unsigned)owner, (unsigned)geteuid(), first, sudo);
    return false;
}

bool dg_psk_owner_check(const char *store, char *error, size_t error_size)
{
    char path[DG_FILE_NAME_MAX], name[NAME_SIZE], first[160] = "";
    struct stat file, folder;
    if (!dg_file_name(store, path, error, error_size))
        return false;
    bool is_there = stat(path, &file) == 0;
    char *place = dg_file_folder(path);
    bool is_placed = place && stat(place, &folder) == 0;
    free(place);
    if (!is_placed)
        return true; // opening it says why
    uid_t owner = folder.st_uid == 0 && is_there ? file.st_uid : folder.st_uid;
    if (owner == 0 || owner == geteuid())
        return true;
    name_of(owner, "", name);
    if (folder.st_uid == 0)
        snprintf(first, sizeof first, "move it into a folder of that user's (install -d -o %s -m 700 FOLDER), then ", name);
    else if (is_there && file.st_uid != owner)
        snprintf(first, sizeof first, "chown %s the store, then ", name);
    return refuse(path, owner, first, error, error_size);
}
