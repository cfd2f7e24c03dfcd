// SPDX-License-Identifier: GPL-3.0-or-later
// One line, one write(2), at the end of the file: several threads and processes may append. What could not be written is
// lost, and no handshake waits for it.
#include "crypto/key_log.h"

#include "base/secret.h"
#include "crypto/inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANDOM 32
#define SECRET_MOST 64
#define LABEL_MOST 40

static _Atomic int log_fd = -1;

static bool complain(const char *path, const char *reason, char *error, size_t error_size)
{
    snprintf(error, error_size, "--key-log: %.200s: %s", path, reason);
    return false;
}

bool dg_key_log_open(const char *path, char *error, size_t error_size)
{
    struct stat file;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0)
        return complain(path, errno == ELOOP ? "a symbolic link; expected a file" : strerror(errno), error, error_size);
    const char *reason = fstat(fd, &file) != 0         ? strerror(errno)
                         : !S_ISREG(file.st_mode)      ? "no regular file"
                         : file.st_uid != geteuid()    ? "it belongs to another user"
                         : (file.st_mode & 077) != 0   ? "others may read or write it: chmod 600, or begin a new one"
                                                       : NULL;
    if (reason != NULL) {
        close(fd);
        return complain(path, reason, error, error_size);
    }
    int before = atomic_exchange(&log_fd, fd);
    if (before >= 0)
        close(before);
    return true;
}

void dg_key_log_close(void)
{
    int fd = atomic_exchange(&log_fd, -1);
    if (fd >= 0)
        close(fd);
}

static size_t put_hex(char *text, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return 2 * size;
}

void dg_key_log_secret(struct WOLFSSL *ssl, const char *label, const uint8_t *secret, size_t size)
{
    uint8_t random[RANDOM];
    char line[LABEL_MOST + 2 * RANDOM + 2 * SECRET_MOST + 3];
    int fd = atomic_load_explicit(&log_fd, memory_order_relaxed);
    if (fd < 0 || size > SECRET_MOST || strlen(label) >= LABEL_MOST ||
        wolfSSL_get_client_random(ssl, random, sizeof random) != sizeof random)
        return;
    int begun = snprintf(line, sizeof line, "%s ", label);
    size_t used = begun > 0 ? (size_t)begun : 0;
    used += put_hex(line + used, random, sizeof random);
    line[used++] = ' ';
    used += put_hex(line + used, secret, size);
    line[used++] = '\n';
    while (write(fd, line, used) < 0 && errno == EINTR) {
    }
    dg_wipe(line, sizeof line);
}
