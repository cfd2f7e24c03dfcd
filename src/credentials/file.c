// SPDX-License-Identifier: GPL-3.0-or-later
// Reads credential files. Owns the permission rule: a secret that others can read is no secret.
#include "credentials/file.h"

#include "base/secret.h"
#include "credentials/file_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// systemd lets the unit's user read a credential by an access list, whose mask shows as the group's bit for reading; only
// that user can enter the folder.
static mode_t others_may(const char *path)
{
    return dg_file_name_is_handed_over(path) ? S_IRGRP : 0;
}

static bool check_secret_file(const char *path, const char *what, const struct stat *status, char *error,
                              size_t error_size)
{
    if (status->st_mode & (S_IRWXG | S_IRWXO) & ~others_may(path)) {
        snprintf(error, error_size,
                 "%s: the file with the %s has mode %04o, so that others may use it; expected 0600 or stricter; "
                 "do: chmod 600 %s",
                 path, what, (unsigned)(status->st_mode & 07777), path);
        return false;
    }
    if (status->st_uid != geteuid() && status->st_uid != 0) {
        snprintf(error, error_size,
                 "%s: the file with the %s belongs to user %u; expected root or the user that runs dtlsgate (%u); "
                 "do: chown it to user %u",
                 path, what, (unsigned)status->st_uid, (unsigned)geteuid(), (unsigned)geteuid());
        return false;
    }
    return true;
}

static bool read_all(int fd, const char *path, const char *what, struct dg_file *file, char *error, size_t error_size)
{
    while (file->size_bytes < file->capacity_bytes - 1) {
        ssize_t got = read(fd, file->data + file->size_bytes, file->capacity_bytes - 1 - file->size_bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            snprintf(error, error_size, "%s: cannot read the %s: %s", path, what, strerror(errno));
            return false;
        }
        if (got == 0)
            break;
        file->size_bytes += (size_t)got;
    }
    file->data[file->size_bytes] = '\0';
    return true;
}

static bool read_open_file(int fd, const char *path, const char *what, bool is_secret, size_t size_max,
                           struct dg_file *ret, char *error, size_t error_size)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        snprintf(error, error_size, "%s: is not a regular file; expected one with the %s", path, what);
        return false;
    }
    if (is_secret && !check_secret_file(path, what, &status, error, error_size))
        return false;
    if ((uint64_t)status.st_size > size_max) {
        snprintf(error, error_size, "%s: has %lld bytes; expected the %s in at most %zu", path,
                 (long long)status.st_size, what, size_max);
        return false;
    }
    struct dg_file file = {.capacity_bytes = (size_t)status.st_size + 1};
    file.data = dg_secret_new(file.capacity_bytes);
    if (!file.data) {
        snprintf(error, error_size, "%s: no memory for %zu bytes", path, file.capacity_bytes);
        return false;
    }
    if (!read_all(fd, path, what, &file, error, error_size)) {
        dg_file_clear(&file);
        return false;
    }
    *ret = file;
    return true;
}

bool dg_file_read(const char *given, const char *what, bool is_secret, size_t size_max, struct dg_file *ret, char *error,
                  size_t error_size)
{
    char path[DG_FILE_NAME_MAX];
    if (!dg_file_name(given, path, error, error_size))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        snprintf(error, error_size, "%s: cannot open the file with the %s: %s", path, what, strerror(errno));
        return false;
    }
    bool done = read_open_file(fd, path, what, is_secret, size_max, ret, error, error_size);
    close(fd);
    return done;
}

bool dg_file_read_pem(const char *given, const char *what, bool is_secret, const char *marker, size_t size_max,
                      struct dg_file *ret, char *error, size_t error_size)
{
    if (!dg_file_read(given, what, is_secret, size_max, ret, error, error_size))
        return false;
    if (strstr(ret->data, marker))
        return true;
    snprintf(error, error_size, "%s: holds no PEM block \"%s...\"; expected the %s in PEM form", given, marker, what);
    return false;
}

bool dg_file_check_secret(const char *path, const char *what, char *error, size_t error_size)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        snprintf(error, error_size, "%s: cannot open the file with the %s: %s", path, what, strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(error, error_size, "%s: is not a regular file; expected one with the %s", path, what);
        return false;
    }
    return check_secret_file(path, what, &status, error, error_size);
}

char *dg_file_folder(const char *path)
{
    char *folder = realpath(path, NULL); // the links of it are followed by whoever opens it, too
    if (!folder)
        folder = strdup(strchr(path, '/') ? path : "./"); // it is not there yet, or not for us
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    return folder;
}

bool dg_file_check_folder(const char *path, const char *what, char *error, size_t error_size)
{
    struct stat status;
    char *folder = dg_file_folder(path);
    bool done = false;
    if (!folder || stat(folder, &status) != 0)
        snprintf(error, error_size, "%s: cannot look at the folder of the %s: %s", path, what, strerror(errno));
    else if (status.st_mode & (S_IWGRP | S_IWOTH))
        snprintf(error, error_size,
                 "%s: the folder of the %s, %s, has mode %04o, so that others may put files beside them; expected a folder "
                 "that only its owner writes to; do: chmod go-w %s, or put them into a folder of their own",
                 path, what, folder, (unsigned)(status.st_mode & 07777), folder);
    else if (status.st_uid != geteuid() && status.st_uid != 0)
        snprintf(error, error_size,
                 "%s: the folder of the %s, %s, belongs to user %u; expected root or the user that runs dtlsgate (%u); do: put "
                 "them into a folder of that user's", path, what, folder, (unsigned)status.st_uid, (unsigned)geteuid());
    else
        done = true;
    free(folder);
    return done;
}

#define STREAM_MAX (1u << 20) // bytes of a stream, whose size nobody knows before

bool dg_file_read_stream(int fd, const char *name, const char *what, struct dg_file *ret, char *error, size_t error_size)
{
    struct dg_file file = {.capacity_bytes = STREAM_MAX + 1};
    file.data = dg_secret_new(file.capacity_bytes);
    bool done = false;
    if (!file.data)
        snprintf(error, error_size, "%s: no memory for %zu bytes", name, file.capacity_bytes);
    else if (read_all(fd, name, what, &file, error, error_size)) {
        done = file.size_bytes < STREAM_MAX;
        if (!done)
            snprintf(error, error_size, "%s: has more than %u bytes; do: give the %s in a file", name, STREAM_MAX - 1, what);
    }
    if (done)
        *ret = file;
    else
        dg_file_clear(&file);
    return done;
}

void dg_file_clear(struct dg_file *file)
{
    if (file->data)
        dg_secret_free(file->data, file->capacity_bytes);
    *file = (struct dg_file){0};
}
