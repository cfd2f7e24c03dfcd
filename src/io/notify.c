// SPDX-License-Identifier: GPL-3.0-or-later
// systemd's protocol by hand: sd_notify(3) calls it stable and asks programs to speak it without libsystemd where that is
// all they need of it (docs/dependencies.md).
#include "io/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define FIRST_INHERITED_FD 3 // sd_listen_fds(3)
#define SEND_SECONDS 5       // a manager that does not read for so long is not waited for any longer
#define WATCHDOG_LONGEST (24 * DG_HOUR) // who is given longer says so more often than asked

// A decimal number of the environment, taken out of it. False: there is none, or no such.
static bool take_number(const char *name, uint64_t max, uint64_t *ret)
{
    const char *text = getenv(name);
    char *end = NULL;
    errno = 0;
    uint64_t value = text != NULL ? strtoull(text, &end, 10) : 0;
    bool is_number = text != NULL && *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && value <= max;
    unsetenv(name);
    if (is_number) {
        *ret = value;
    }
    return is_number;
}

static void wait_only_so_long(int fd)
{
    const struct timeval limit = {.tv_sec = SEND_SECONDS};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// A path, or with '@' first an abstract name; other kinds of address are not for descriptors.
static bool name_from(struct dg_notify *notify, const char *text)
{
    size_t size = strlen(text);
    if ((text[0] != '/' && text[0] != '@') || size < 2 || size >= sizeof notify->name.sun_path) {
        return false;
    }
    notify->name = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(notify->name.sun_path, text, size);
    bool is_abstract = text[0] == '@';
    if (is_abstract) {
        notify->name.sun_path[0] = '\0';
    }
    notify->name_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (is_abstract ? 0 : 1));
    return true;
}

void dg_notify_open(struct dg_notify *notify)
{
    *notify = (struct dg_notify){.fd = -1};
    uint64_t number = 0;
    if (take_number(DG_NOTIFY_RESTARTS, UINT32_MAX, &number)) {
        notify->restarts = (uint32_t)number;
    }
    uint64_t watched = 0;
    bool is_ours = !take_number("WATCHDOG_PID", INT32_MAX, &watched) || watched == (uint64_t)getpid();
    if (take_number("WATCHDOG_USEC", UINT64_MAX, &number) && is_ours) {
        bool is_long = number >= WATCHDOG_LONGEST / (DG_MILLISECOND / 1000);
        notify->watchdog = is_long ? WATCHDOG_LONGEST : number * (DG_MILLISECOND / 1000);
    }
    notify->replaces = take_number(DG_NOTIFY_REPLACES, 1, &number) && number == 1;
    // Who has a keeper speaks to that alone; the keeper speaks to the manager.
    if (take_number(DG_NOTIFY_KEEPER_FD, INT32_MAX, &number) && fcntl((int)number, F_SETFD, FD_CLOEXEC) == 0) {
        notify->fd = (int)number;
        notify->has_keeper = true;
    } else {
        const char *text = getenv("NOTIFY_SOCKET");
        if (text != NULL && name_from(notify, text)) {
            notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        }
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("FDSTORE");
    if (notify->fd >= 0) {
        wait_only_so_long(notify->fd);
    }
}

void dg_notify_close(struct dg_notify *notify)
{
    if (notify->fd >= 0) {
        close(notify->fd);
    }
    *notify = (struct dg_notify){.fd = -1};
}

// --- what comes in ---------------------------------------------------------------------------------------

// The names between ':' in turn; where there are too few, the descriptor has none and nobody will want it.
static const char *next_name(const char *names, char ret[DG_INHERITED_NAME])
{
    size_t size = strcspn(names, ":");
    size_t kept = size < DG_INHERITED_NAME ? size : 0;
    memcpy(ret, names, kept);
    ret[kept] = '\0';
    return names[size] == ':' ? names + size + 1 : names + size;
}

static bool take_descriptors(struct dg_inheritance *ret, size_t count, char *error, size_t error_size)
{
    const char *names = getenv("LISTEN_FDNAMES");
    names = names != NULL ? names : "";
    ret->items = calloc(count, sizeof *ret->items);
    if (ret->items == NULL) {
        snprintf(error, error_size, "memory is short for %zu inherited descriptors", count);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        int fd = FIRST_INHERITED_FD + (int)i;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
            snprintf(error, error_size, "LISTEN_FDS promises descriptor %d: %s; start the server without LISTEN_FDS", fd,
                     strerror(errno));
            free(ret->items);
            *ret = (struct dg_inheritance){0};
            return false;
        }
        ret->items[i].fd = fd;
        names = next_name(names, ret->items[i].name);
    }
    ret->count = count;
    return true;
}

bool dg_notify_inherit(struct dg_inheritance *ret, char *error, size_t error_size)
{
    *ret = (struct dg_inheritance){0};
    uint64_t pid = 0, count = 0;
    bool is_ours = take_number("LISTEN_PID", INT32_MAX, &pid) && pid == (uint64_t)getpid();
    bool has_count = take_number("LISTEN_FDS", DG_INHERITANCE_MAX, &count);
    bool done = true;
    if (is_ours && !has_count) {
        snprintf(error, error_size, "LISTEN_FDS is no number up to %d", DG_INHERITANCE_MAX);
        done = false;
    } else if (is_ours && count > 0) {
        done = take_descriptors(ret, count, error, error_size);
    }
    unsetenv("LISTEN_FDNAMES");
    unsetenv("LISTEN_PIDFDID");
    return done;
}

// --- what goes out ---------------------------------------------------------------------------------------

static bool say_with(const struct dg_notify *notify, const char *text, int fd)
{
    if (notify->fd < 0) {
        return true;
    }
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (notify->name_size > 0) {
        message.msg_name = (void *)(uintptr_t)&notify->name;
        message.msg_namelen = notify->name_size;
    }
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control.room;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        *head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    ssize_t sent;
    do {
        sent = sendmsg(notify->fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

bool dg_notify_say(const struct dg_notify *notify, const char *text)
{
    return say_with(notify, text, -1);
}

bool dg_notify_store(const struct dg_notify *notify, const struct dg_inherited *item)
{
    char text[DG_NOTIFY_MESSAGE];
    // FDPOLL=0: systemd would watch the descriptor and throw it away at an error, as an ICMP message makes on a socket.
    snprintf(text, sizeof text, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", item->name);
    return say_with(notify, text, item->fd);
}

bool dg_notify_forget(const struct dg_notify *notify, const char *name)
{
    char text[DG_NOTIFY_MESSAGE];
    snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", name);
    return say_with(notify, text, -1);
}

static bool holds(const struct dg_inheritance *list, const struct dg_inherited *item)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].fd == item->fd && strcmp(list->items[i].name, item->name) == 0) {
            return true;
        }
    }
    return false;
}

// True: something that was inherited under this name is no longer wanted. Names are forgotten whole.
static bool is_stale(const char *name, const struct dg_inheritance *inherited, const struct dg_inheritance *wanted)
{
    for (size_t i = 0; i < inherited->count; i++) {
        if (strcmp(inherited->items[i].name, name) == 0 && !holds(wanted, &inherited->items[i])) {
            return true;
        }
    }
    return false;
}

static void forget_stale(const struct dg_notify *notify, const struct dg_inheritance *inherited,
                         const struct dg_inheritance *wanted)
{
    for (size_t i = 0; i < inherited->count; i++) {
        if (!holds(wanted, &inherited->items[i])) {
            (void)dg_notify_forget(notify, inherited->items[i].name);
        }
    }
}

bool dg_notify_keep(const struct dg_notify *notify, const struct dg_inheritance *inherited,
                    const struct dg_inheritance *wanted)
{
    if (notify->fd < 0) {
        return true;
    }
    forget_stale(notify, inherited, wanted);
    for (size_t i = 0; i < wanted->count; i++) {
        const struct dg_inherited *item = &wanted->items[i];
        bool is_kept = holds(inherited, item) && !is_stale(item->name, inherited, wanted);
        if (!is_kept && !dg_notify_store(notify, item)) {
            return false;
        }
    }
    return true;
}

void dg_notify_watched(const struct dg_notify *notify, dg_time limit)
{
    char text[DG_NOTIFY_MESSAGE];
    if (!notify->has_keeper) {
        return; // systemd has a limit of its own
    }
    snprintf(text, sizeof text, "WATCHDOG_USEC=%llu", (unsigned long long)(limit / (DG_MILLISECOND / 1000)));
    (void)dg_notify_say(notify, text);
}

void dg_notify_ready(const struct dg_notify *notify)
{
    (void)dg_notify_say(notify, "READY=1");
    if (notify->has_keeper) {
        (void)prctl(PR_SET_PDEATHSIG, 0);
    }
}
