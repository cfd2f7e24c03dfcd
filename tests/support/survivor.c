// SPDX-License-Identifier: GPL-3.0-or-later
// Processes, their descriptors over SCM_RIGHTS, and questions to them over the same socket.
#include "support/survivor.h"

#include "base/log.h"
#include "io/sockaddr.h"
#include "server/server.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "survivor: %s\n", what);
    abort();
}

// --- descriptors between processes -----------------------------------------------------------------------

struct parcel {
    size_t count;
    char names[SURVIVOR_DESCRIPTORS][DG_INHERITED_NAME];
};

union rights {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int) * SURVIVOR_DESCRIPTORS)];
};

static void send_items(int socket, const struct dg_inherited *items, size_t count)
{
    static struct parcel parcel;
    static union rights rights;
    int fds[SURVIVOR_DESCRIPTORS];
    demand(count <= SURVIVOR_DESCRIPTORS, "too many descriptors");
    parcel.count = count;
    for (size_t i = 0; i < count; i++) {
        memcpy(parcel.names[i], items[i].name, sizeof parcel.names[i]);
        fds[i] = items[i].fd;
    }
    struct iovec vector = {.iov_base = &parcel, .iov_len = sizeof parcel};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    rights.head = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * count)};
    memcpy(CMSG_DATA(&rights.head), fds, sizeof(int) * count);
    demand(sendmsg(socket, &message, 0) == (ssize_t)sizeof parcel, "sending descriptors");
}

static size_t receive_items(int socket, struct dg_inherited *items)
{
    static struct parcel parcel;
    static union rights rights;
    struct iovec vector = {.iov_base = &parcel, .iov_len = sizeof parcel};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes};
    demand(recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == (ssize_t)sizeof parcel, "the server did not start");
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    demand(head != NULL && head->cmsg_len == CMSG_LEN(sizeof(int) * parcel.count), "descriptors are missing");
    for (size_t i = 0; i < parcel.count; i++) {
        memcpy(items[i].name, parcel.names[i], sizeof items[i].name);
        memcpy(&items[i].fd, CMSG_DATA(head) + sizeof(int) * i, sizeof(int));
    }
    return parcel.count;
}

// --- in the server's process -----------------------------------------------------------------------------

struct question {
    char what; // a: associations, c: a counter, h: hand over, r: reload
    char name[NAME_MAX_BYTES];
};

_Noreturn static void answer(struct dg_server *server, int control)
{
    struct question question;
    char error[512];
    while (recv(control, &question, sizeof question, 0) == (ssize_t)sizeof question) {
        uint64_t value = 0;
        switch (question.what) {
        case 'a':
            value = dg_server_associations(server);
            break;
        case 'c':
            value = dg_server_counter(server, question.name);
            break;
        case 'r':
            value = dg_server_reload(server, NULL, error, sizeof error);
            break;
        default:
            dg_server_hand_over(server, 1000);
            break;
        }
        if (send(control, &value, sizeof value, MSG_NOSIGNAL) != (ssize_t)sizeof value || question.what == 'h')
            break;
    }
    _exit(0);
}

struct life {
    struct survivor *survivor;
    int control;
};

static void *live(void *context)
{
    static struct dg_inherited items[DG_INHERITANCE_MAX];
    const struct life *life = context;
    struct survivor *survivor = life->survivor;
    int control = life->control;
    char error[512];
    if (survivor->before)
        survivor->before();
    const struct dg_inheritance inherited = {.items = survivor->items, .count = survivor->count};
    struct dg_server *server = dg_server_new_from(&survivor->options, survivor->on_datagram, NULL, &inherited, error, sizeof error);
    if (!server || !dg_server_start(server, error, sizeof error)) {
        fprintf(stderr, "survivor: %s\n", error);
        _exit(1);
    }
    send_items(control, items, dg_server_keep(server, items));
    answer(server, control);
}

// In a thread of its own: what the forking thread keeps in memory that children do not see, it would look for in vain.
_Noreturn static void serve(struct survivor *survivor, int control)
{
    struct life life = {.survivor = survivor, .control = control};
    pthread_t thread;
    demand(pthread_create(&thread, NULL, live, &life) == 0 && pthread_join(thread, NULL) == 0, "no thread");
    _exit(1); // never: the thread ends the process
}

// --- in the test -----------------------------------------------------------------------------------------

void survivor_set(struct survivor *survivor, const char *name, const char *value)
{
    char error[512];
    if (!dg_options_set(&survivor->options, name, value, error, sizeof error))
        demand(false, error);
}

void survivor_prepare(struct survivor *survivor, const char *const *options)
{
    static const char *const USUAL[] = {"listen", "127.0.0.1:0", "backend", "echo", "workers", "2", "associations-max",
                                        "4096", "handshakes-max", "16", "log-level", "error", NULL};
    memset(survivor, 0, sizeof *survivor);
    survivor->control = -1;
    live_psk_make(&survivor->psk);
    dg_options_default(&survivor->options);
    for (const char *const *option = USUAL; *option; option += 2)
        survivor_set(survivor, option[0], option[1]);
    survivor_set(survivor, "psk-file", survivor->psk.path);
    for (const char *const *option = options; option && *option; option += 2)
        survivor_set(survivor, option[0], option[1]);
}

static void close_items(struct survivor *survivor)
{
    for (size_t i = 0; i < survivor->count; i++)
        close(survivor->items[i].fd);
    survivor->count = 0;
}

static void learn_address(struct survivor *survivor)
{
    for (size_t i = 0; i < survivor->count; i++) {
        union dg_sockaddr name;
        socklen_t size = sizeof name;
        if (strcmp(survivor->items[i].name, "socket-0") == 0)
            demand(getsockname(survivor->items[i].fd, &name.any, &size) == 0 &&
                       dg_sockaddr_to(&name, size, &survivor->address),
                   "no address");
    }
}

void survivor_start(struct survivor *survivor)
{
    int pair[2];
    demand(survivor->pid == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "no socket pair");
    survivor->pid = fork();
    demand(survivor->pid >= 0, "no process");
    if (survivor->pid == 0) {
        close(pair[0]);
        serve(survivor, pair[1]);
    }
    close(pair[1]);
    survivor->control = pair[0];
    static struct dg_inherited items[SURVIVOR_DESCRIPTORS];
    size_t count = receive_items(survivor->control, items);
    close_items(survivor); // copies of those that the process has retired go here too
    memcpy(survivor->items, items, sizeof items);
    survivor->count = count;
    learn_address(survivor);
}

int survivor_wait(struct survivor *survivor)
{
    int status = 0;
    demand(waitpid(survivor->pid, &status, 0) == survivor->pid, "waiting for the server's end");
    close(survivor->control);
    survivor->control = -1;
    survivor->pid = 0;
    return status;
}

void survivor_kill(struct survivor *survivor)
{
    demand(survivor->pid > 0 && kill(survivor->pid, SIGKILL) == 0, "killing the server");
    (void)survivor_wait(survivor);
}

static void begin_to_ask(const struct survivor *survivor, char what, const char *name)
{
    struct question question = {.what = what};
    snprintf(question.name, sizeof question.name, "%s", name);
    demand(send(survivor->control, &question, sizeof question, MSG_NOSIGNAL) == (ssize_t)sizeof question,
           "the server does not listen");
}

static uint64_t hear(const struct survivor *survivor)
{
    uint64_t value = 0;
    demand(recv(survivor->control, &value, sizeof value, 0) == (ssize_t)sizeof value, "the server does not answer");
    return value;
}

static uint64_t ask(const struct survivor *survivor, char what, const char *name)
{
    begin_to_ask(survivor, what, name);
    return hear(survivor);
}

void survivor_hand_over_begin(struct survivor *survivor) { begin_to_ask(survivor, 'h', ""); }

void survivor_hand_over(struct survivor *survivor)
{
    survivor_hand_over_begin(survivor);
    survivor_hand_over_end(survivor);
}

void survivor_hand_over_end(struct survivor *survivor)
{
    int status = survivor_wait(survivor);
    demand(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server did not end well");
}

size_t survivor_associations(const struct survivor *survivor) { return (size_t)ask(survivor, 'a', ""); }

uint64_t survivor_counter(const struct survivor *survivor, const char *name) { return ask(survivor, 'c', name); }

bool survivor_reload(const struct survivor *survivor) { return ask(survivor, 'r', "") != 0; }

void survivor_reload_begin(const struct survivor *survivor) { begin_to_ask(survivor, 'r', ""); }

bool survivor_reload_is_over(const struct survivor *survivor)
{
    struct pollfd readable = {.fd = survivor->control, .events = POLLIN};
    return poll(&readable, 1, 0) == 1;
}

bool survivor_reload_end(const struct survivor *survivor) { return hear(survivor) != 0; }

int survivor_memory(const struct survivor *survivor)
{
    for (size_t i = 0; i < survivor->count; i++)
        if (strcmp(survivor->items[i].name, "memory") == 0)
            return survivor->items[i].fd;
    demand(false, "there is no memory file");
    return -1;
}

void survivor_free(struct survivor *survivor)
{
    if (survivor->pid > 0)
        survivor_kill(survivor);
    close_items(survivor);
    live_psk_remove(&survivor->psk);
}
