// SPDX-License-Identifier: GPL-3.0-or-later
// Resolves names of credential files. Owns the words "credential:" and "env:"; reads the environment, opens nothing.
#include "credentials/file_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CREDENTIAL "credential:"
#define ENVIRONMENT "env:"
#define FOLDER_VARIABLE "CREDENTIALS_DIRECTORY" // systemd.exec(5)

static bool join(char path[DG_FILE_NAME_MAX], const char *folder, const char *name, char *error, size_t error_size)
{
    int size = snprintf(path, DG_FILE_NAME_MAX, "%s%s%s", folder, folder[0] ? "/" : "", name);
    if (size >= 0 && size < DG_FILE_NAME_MAX)
        return true;
    snprintf(error, error_size, "the name of a credential file is longer than %d bytes", DG_FILE_NAME_MAX - 1);
    return false;
}

static bool from_systemd(const char *name, char path[DG_FILE_NAME_MAX], char *error, size_t error_size)
{
    if (!name[0] || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        snprintf(error, error_size, CREDENTIAL "%.80s: expected the name of a credential behind the colon, as in "
                 "LoadCredential=NAME:PATH, without a slash", name);
        return false;
    }
    const char *folder = getenv(FOLDER_VARIABLE);
    if (!folder || folder[0] != '/') {
        snprintf(error, error_size, CREDENTIAL "%.80s: the environment variable " FOLDER_VARIABLE " %s; systemd sets it for "
                 "units with LoadCredential=; do: add LoadCredential=%.80s:PATH to the unit, or give a path",
                 name, folder ? "is no absolute path" : "is not set", name);
        return false;
    }
    if (!join(path, folder, name, error, error_size))
        return false;
    if (access(path, F_OK) == 0)
        return true;
    snprintf(error, error_size, CREDENTIAL "%.80s: no such credential in %.200s; do: add LoadCredential=%.80s:PATH to the "
             "unit, and restart it: systemd hands credentials over at the start only", name, folder, name);
    return false;
}

// What stands in the variable is never repeated: it may be the secret itself, by mistake.
static bool from_environment(const char *name, char path[DG_FILE_NAME_MAX], char *error, size_t error_size)
{
    const char *value = name[0] ? getenv(name) : NULL;
    if (!value || !value[0]) {
        snprintf(error, error_size, ENVIRONMENT "%.80s: the environment variable %.80s is %s; expected the name of the file in "
                 "it", name, name[0] ? name : "(none)", value ? "empty" : "not set");
        return false;
    }
    if (!join(path, "", value, error, error_size))
        return false;
    if (access(path, F_OK) == 0)
        return true;
    snprintf(error, error_size, ENVIRONMENT "%.80s: the environment variable %.80s holds no name of a file that can be reached "
             "(%s); expected one, and nothing else: the variable must not hold the secret", name, name, strerror(errno));
    return false;
}

bool dg_file_name(const char *given, char path[DG_FILE_NAME_MAX], char *error, size_t error_size)
{
    if (strncmp(given, CREDENTIAL, strlen(CREDENTIAL)) == 0)
        return from_systemd(given + strlen(CREDENTIAL), path, error, error_size);
    if (strncmp(given, ENVIRONMENT, strlen(ENVIRONMENT)) == 0)
        return from_environment(given + strlen(ENVIRONMENT), path, error, error_size);
    return join(path, "", given, error, error_size);
}

bool dg_file_name_is_handed_over(const char *path)
{
    const char *folder = getenv(FOLDER_VARIABLE);
    size_t size = folder ? strlen(folder) : 0;
    while (size > 1 && folder[size - 1] == '/')
        size--;
    if (size < 2 || folder[0] != '/' || strncmp(path, folder, size) != 0 || path[size] != '/' ||
        strchr(path + size + 1, '/') != NULL)
        return false;
    struct stat status;
    return stat(folder, &status) == 0 && S_ISDIR(status.st_mode) && (status.st_mode & (S_IWGRP | S_IRWXO)) == 0 &&
           (status.st_uid == 0 || status.st_uid == geteuid());
}
