// SPDX-License-Identifier: GPL-3.0-or-later
// Sockets and permissions of an upgrade. What happens between asking and answering is keeper.c's.
#include "keeper/upgrade.h"

#include "base/looks_secret.h"
#include "io/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALLERS_WAITING 4

int dg_upgrade_listen(const char *path, char *error, size_t error_size)
{
    char reason[400];
    int fd = dg_local_listen(path, SOCK_SEQPACKET, CALLERS_WAITING, reason, sizeof reason);
    if (fd < 0)
        snprintf(error, error_size, "--upgrade-socket %s", reason);
    return fd;
}

int dg_upgrade_accept(int listener)
{
    bool is_refused;
    return dg_local_accept(listener, &is_refused);
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
    int fd = dg_local_connect(path, SOCK_SEQPACKET);
    if (fd < 0) {
        snprintf(answer, DG_UPGRADE_ANSWER, "%.200s: %s%s", dg_word_shown(path), strerror(errno),
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
