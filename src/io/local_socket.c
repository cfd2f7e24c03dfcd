// SPDX-License-Identifier: GPL-3.0-or-later
// Binding, accepting and connecting at a path. Owns no descriptor: whoever asked for one closes it.
#include "io/local_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool name_of(struct sockaddr_un *ret, const char *path)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof ret->sun_path) {
        errno = size == 0 ? ENOENT : ENAMETOOLONG;
        return false;
    }
    memcpy(ret->sun_path, path, size);
    return true;
}

int dg_local_connect(const char *path, int type)
{
    struct sockaddr_un name;
    if (!name_of(&name, path))
        return -1;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof name) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

// Whoever was killed leaves its socket behind. One that somebody has stays. It is asked for with a type that is never listened
// with: the kernel says that the type is wrong where somebody is there, who then has no caller, since at some sockets to
// connect is to ask for something.
static void remove_left_behind(const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int fd = dg_local_connect(path, SOCK_DGRAM | SOCK_NONBLOCK);
    if (fd >= 0)
        close(fd);
    else if (errno == ECONNREFUSED)
        (void)unlink(path);
}

static const char *what_to_do(int reason)
{
    switch (reason) {
    case EADDRINUSE:
        return "; another server listens there, or a file that is no socket is in the way";
    case ENOENT:
        return "; its folder does not exist: make it, or let systemd do that (RuntimeDirectory=)";
    case EACCES:
    case EPERM:
        return "; the server's user may not write to its folder";
    case ENAMETOOLONG:
        return "; a path of at most 107 characters is possible";
    default:
        return "";
    }
}

int dg_local_listen(const char *path, int type, int callers_waiting, char *error, size_t error_size)
{
    struct sockaddr_un name;
    int fd = -1, reason = 0;
    bool done = name_of(&name, path);
    if (done) {
        remove_left_behind(path);
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        mode_t before = umask(0177);
        done = fd >= 0 && bind(fd, (const struct sockaddr *)&name, sizeof name) == 0 && listen(fd, callers_waiting) == 0;
        reason = errno;
        umask(before);
    } else {
        reason = errno;
    }
    if (done)
        return fd;
    snprintf(error, error_size, "%.200s: %s%s", path, strerror(reason), what_to_do(reason));
    if (fd >= 0)
        close(fd);
    return -1;
}

int dg_local_accept(int listener, bool *ret_is_refused)
{
    *ret_is_refused = false;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -1;
    struct ucred caller;
    socklen_t size = sizeof caller;
    bool may = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &caller, &size) == 0 && (caller.uid == 0 || caller.uid == geteuid());
    if (may)
        return fd;
    *ret_is_refused = true;
    close(fd);
    return -1;
}
