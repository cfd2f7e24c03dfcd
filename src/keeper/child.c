// SPDX-License-Identifier: GPL-3.0-or-later
// fork, descriptors into their places, exec. Between the two the child owns a copy of everything and touches nothing
// that the keeper has open but copies.
#include "keeper/child.h"

#include "io/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3 // sd_listen_fds(3)
#define DESCRIPTORS_MAX 8 // of one message that are looked at; a server sends one
#define EXIT_NOT_RUN 127

// --- in the child --------------------------------------------------------------------------------------------------

static void set_number(const char *name, unsigned long value)
{
    char text[24];
    snprintf(text, sizeof text, "%lu", value);
    setenv(name, text, 1);
}

static void set_names(const struct dg_store *store)
{
    static char names[DG_INHERITANCE_MAX * DG_INHERITED_NAME];
    size_t size = 0;
    for (size_t i = 0; i < store->count; i++)
        size += (size_t)snprintf(names + size, sizeof names - size, "%s%s", i > 0 ? ":" : "", store->items[i].name);
    setenv("LISTEN_FDNAMES", names, 1);
}

// The kept descriptors to 3 and up, the pair's end behind them. All are moved out of the way first: a place may be
// taken by one that is still to be copied.
static bool place(const struct dg_child_start *how, int pair, int *ret_pair, int *ret_binary)
{
    static int moved[DG_INHERITANCE_MAX];
    size_t count = how->store->count;
    int after = FIRST_FD + (int)count;
    for (size_t i = 0; i < count; i++)
        if ((moved[i] = fcntl(how->store->items[i].fd, F_DUPFD_CLOEXEC, after + 1)) < 0)
            return false;
    int moved_pair = fcntl(pair, F_DUPFD_CLOEXEC, after + 1);
    *ret_binary = fcntl(how->binary, F_DUPFD_CLOEXEC, after + 1);
    if (moved_pair < 0 || *ret_binary < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (dup2(moved[i], FIRST_FD + (int)i) < 0)
            return false;
    *ret_pair = after;
    return dup2(moved_pair, after) >= 0;
}

static void say_why_not(int pair, const char *step)
{
    char text[DG_NOTIFY_MESSAGE];
    int size = snprintf(text, sizeof text, "STATUS=%s: %s", step, strerror(errno));
    (void)!write(pair, text, (size_t)size);
}

static _Noreturn void become_server(const struct dg_child_start *how, int pair, pid_t keeper)
{
    // A keeper that dies before the server is ready leaves nothing behind; the server calls this off when it is.
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper)
        _exit(EXIT_NOT_RUN);
    int place_of_pair = -1, binary = -1;
    if (!place(how, pair, &place_of_pair, &binary)) {
        say_why_not(pair, "the kept descriptors could not be handed on (raise LimitNOFILE)");
        _exit(EXIT_NOT_RUN);
    }
    if (how->store->count > 0) {
        set_number("LISTEN_PID", (unsigned long)getpid());
        set_number("LISTEN_FDS", how->store->count);
        set_names(how->store);
    }
    set_number(DG_NOTIFY_KEEPER_FD, (unsigned long)place_of_pair);
    set_number(DG_NOTIFY_RESTARTS, how->restarts);
    if (how->replaces)
        set_number(DG_NOTIFY_REPLACES, 1);
    (void)execveat(binary, "", how->argv, environ, AT_EMPTY_PATH);
    say_why_not(place_of_pair, "the program cannot be run");
    _exit(EXIT_NOT_RUN);
}

// --- in the keeper -------------------------------------------------------------------------------------------------

bool dg_child_start(struct dg_child *child, const struct dg_child_start *how, char *error, size_t error_size)
{
    *child = (struct dg_child){.fd = -1, .binary = -1};
    int pair[2];
    // Packets: each message comes whole and in order, and the end of the other side is seen.
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        snprintf(error, error_size, "a server cannot be started: %s", strerror(errno));
        return false;
    }
    int binary = fcntl(how->binary, F_DUPFD_CLOEXEC, FIRST_FD);
    pid_t keeper = getpid();
    pid_t pid = binary >= 0 ? fork() : -1;
    if (pid == 0)
        become_server(how, pair[1], keeper);
    int reason = errno;
    close(pair[1]);
    if (pid < 0) {
        snprintf(error, error_size, "a server cannot be started: %s", strerror(reason));
        close(pair[0]);
        if (binary >= 0)
            close(binary);
        return false;
    }
    child->pid = pid;
    child->fd = pair[0];
    child->binary = binary;
    return true;
}

// The first descriptor; more than one is not ours to keep.
static int take_descriptors(struct msghdr *message)
{
    int kept = -1;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
            if (kept < 0)
                kept = fd;
            else
                close(fd);
        }
    }
    return kept;
}

bool dg_child_hear(struct dg_child *child, struct dg_child_news *ret)
{
    if (child->fd < 0)
        return false;
    char text[DG_NOTIFY_MESSAGE];
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = text, .iov_len = sizeof text};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    ssize_t size;
    do {
        size = recvmsg(child->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (size <= 0) {
        close(child->fd);
        child->fd = -1;
        return false;
    }
    dg_notice_parse(&ret->notice, text, (size_t)size);
    ret->fd = take_descriptors(&message);
    return true;
}

void dg_child_clear(struct dg_child *child)
{
    if (child->fd >= 0)
        close(child->fd);
    if (child->binary >= 0)
        close(child->binary);
    *child = (struct dg_child){.fd = -1, .binary = -1};
}
