// SPDX-License-Identifier: GPL-3.0-or-later
// What SQLite reports of a store, in words that say what to do.
#include "credentials/psk_store_error.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN 64 // escaped characters of SQLite's words

// By what the system has said, and whose the file is: "unable to open database file" helps nobody.
static void complain_of_opening(sqlite3 *database, const char *path, char *error, size_t error_size)
{
    struct stat status;
    int number = sqlite3_system_errno(database);
    const char *said = number ? strerror(number) : sqlite3_errstr(SQLITE_CANTOPEN);
    if (stat(path, &status) == 0 && status.st_uid != geteuid())
        snprintf(error, error_size, "%s: cannot be opened by user %u: %s; it belongs to user %u; do: chown it to user %u, in a "
                 "folder of that user's", path, (unsigned)geteuid(), said, (unsigned)status.st_uid, (unsigned)geteuid());
    else
        snprintf(error, error_size, "%s: it, or its journal, cannot be opened by user %u: %s", path,
                 (unsigned)geteuid(), said);
}

static void complain_of_writing(const char *path, int code, char *error, size_t error_size)
{
    struct stat status;
    if (code == SQLITE_READONLY_DIRECTORY)
        snprintf(error, error_size, "%s: its folder may not be written by user %u, and a change needs a journal there; do: put "
                 "the store into a folder of that user's", path, (unsigned)geteuid());
    else if (stat(path, &status) == 0)
        snprintf(error, error_size, "%s: may not be written by user %u: it has mode %04o and belongs to user %u; expected 0600, "
                 "and that user, on a file system that may be written", path, (unsigned)geteuid(),
                 (unsigned)(status.st_mode & 07777), (unsigned)status.st_uid);
    else
        snprintf(error, error_size, "%s: may not be written by user %u", path, (unsigned)geteuid());
}

bool dg_psk_store_complain(sqlite3 *database, const char *path, char *error, size_t error_size)
{
    int code = sqlite3_extended_errcode(database);
    if ((code & 0xff) == SQLITE_NOTADB)
        snprintf(error, error_size, "%s: is no SQLite database; expected a store made by dtlsgate psk add or import; a text "
                 "file of keys is given by --psk-file, or taken into a store by dtlsgate psk import", path);
    else if ((code & 0xff) == SQLITE_BUSY)
        snprintf(error, error_size, "%s: somebody else has been changing it for %d seconds; do: try again", path,
                 DG_PSK_STORE_BUSY_MS / 1000);
    else if (code == SQLITE_READONLY_ROLLBACK || code == SQLITE_CANTOPEN_DIRTYWAL || code == SQLITE_READONLY_RECOVERY)
        snprintf(error, error_size, "%s: a change of it was interrupted; do: dtlsgate psk list --store %s, as its owner, "
                 "which undoes that change", path, path);
    else if ((code & 0xff) == SQLITE_READONLY)
        complain_of_writing(path, code, error, error_size);
    else if ((code & 0xff) == SQLITE_CANTOPEN)
        complain_of_opening(database, path, error, error_size);
    else {
        const char *words = sqlite3_errmsg(database); // never a value, but maybe names out of a file's schema
        char shown[4 * SHOWN + 1];
        dg_escape(shown, sizeof shown, words, strlen(words));
        snprintf(error, error_size, "%s: SQLite: %s", path, shown);
    }
    return false;
}
