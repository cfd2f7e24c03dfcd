// SPDX-License-Identifier: GPL-3.0-or-later
// Sockets and permissions of an upgrade. What happens between asking and answering is keeper.c's.
#include "keeper/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CALLERS_WAITING 4

static bool name_of(struct sockaddr_un *ret, const char *path, char *error, size_t error_size)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof ret->sun_path) {
        snprintf(error, error_size, "the path of an upgrade socket has at most %zu characters", sizeof ret->sun_path - 1);
        return false;
    }
    memcpy(ret->sun_path, path, strlen(path));
    return true;
}

static int connect_to(const struct sockaddr_un *name)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)name, sizeof *name) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        fd = -1;
    }
    return fd;
}

// A keeper that was killed leaves its socket behind. One that somebody listens at stays.
static void remove_left_behind(const struct sockaddr_un *name)
{
    struct stat status;
    if (lstat(name->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int fd = connect_to(name);
    if (fd >= 0)
        close(fd);
    else if (errno == ECONNREFUSED)
        (void)unlink(name->sun_path);
}

int dg_upgrade_listen(const char *path, char *error, size_t error_size)
{
    struct sockaddr_un name;
    if (!name_of(&name, path, error, error_size))
        return -1;
    remove_left_behind(&name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    bool done = fd >= 0 && bind(fd, (const struct sockaddr *)&name, sizeof name) == 0 && listen(fd, CALLERS_WAITING) == 0;
    int reason = errno;
    umask(before);
    if (!done) {
        snprintf(error, error_size, "--upgrade-socket %.200s: %s", path, strerror(reason));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

int dg_upgrade_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -1;
    struct ucred caller;
    socklen_t size = sizeof caller;
    bool may = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &caller, &size) == 0 && (caller.uid == 0 || caller.uid == geteuid());
    if (!may) {
        close(fd);
        return -1;
    }
    return fd;
}

void dg_upgrade_answer(int fd, const char *answer)
{
    if (fd < 0)
        return;
    (void)send(fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

int dg_upgrade_open_binary(const char *path, char *error, size_t error_size)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        snprintf(error, error_size, "%.200s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    const char *wrong = NULL;
    if (!S_ISREG(status.st_mode))
        wrong = "is no file";
    else if (status.st_uid != 0 && status.st_uid != geteuid())
        wrong = "belongs to another user than root or the server's: it is not started";
    else if (status.st_mode & (S_IWGRP | S_IWOTH))
        wrong = "can be written by others than its owner: it is not started; do: chmod go-w";
    else if (!(status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
        wrong = "is not executable";
    if (wrong) {
        snprintf(error, error_size, "%.200s %s", path, wrong);
        close(fd);
        return -1;
    }
    return fd;
}

bool dg_upgrade_ask(const char *path, char answer[DG_UPGRADE_ANSWER])
{
    struct sockaddr_un name;
    if (!name_of(&name, path, answer, DG_UPGRADE_ANSWER))
        return false;
    int fd = connect_to(&name);
    if (fd < 0) {
        snprintf(answer, DG_UPGRADE_ANSWER, "%.200s: %s%s", path, strerror(errno),
                 errno == ENOENT || errno == ECONNREFUSED ? "; is a server running with --upgrade-socket?" : "");
        return false;
    }
    ssize_t size = recv(fd, answer, DG_UPGRADE_ANSWER - 1, 0);
    int reason = errno;
    close(fd);
    if (size <= 0) {
        snprintf(answer, DG_UPGRADE_ANSWER, "no answer: %s",
                 size == 0 ? "the server's keeper ended, or we are another user than it" : strerror(reason));
        return false;
    }
    answer[size] = '\0';
    return true;
}
