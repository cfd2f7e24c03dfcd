// SPDX-License-Identifier: GPL-3.0-or-later
// One epoll set for each thread, level-triggered but for wake-ups: what a bounded turn leaves behind is reported
// again.
#include "io/loop.h"

#include "base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

// What an event is about: a socket's number, or one of these.
#define EVENT_WAKE UINT32_MAX
#define EVENT_EXTRA (UINT32_MAX - 64) // + the bit of a further descriptor
#define EVENTS_MAX (DG_LOOP_SOCKETS_MAX + 1 + 64)
#define MESSAGE_ROOM ((DG_MESSAGE_BYTES_MAX + DG_CACHE_LINE - 1) / DG_CACHE_LINE * DG_CACHE_LINE)

static bool watch(struct dg_loop *loop, int operation, int fd, uint32_t what, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = what};
    return epoll_ctl(loop->epoll_fd, operation, fd, &event) == 0;
}

bool dg_loop_init(struct dg_loop *loop, struct dg_mesh *mesh, uint32_t self, const struct dg_socket *sockets,
                  size_t socket_count, struct dg_counters *counters, char *error, size_t error_size)
{
    memset(loop, 0, sizeof *loop);
    loop->epoll_fd = -1;
    if (socket_count > DG_LOOP_SOCKETS_MAX) {
        snprintf(error, error_size, "%zu listening addresses, at most %d are possible", socket_count,
                 DG_LOOP_SOCKETS_MAX);
        return false;
    }
    loop->mesh = mesh;
    loop->self = self;
    loop->sockets = sockets;
    loop->socket_count = socket_count;
    loop->counters = counters;
    atomic_init(&loop->stop, (uint32_t)DG_STOP_NOT);
    loop->receive = dg_receive_batch_new(sockets, socket_count, counters);
    loop->send = dg_send_batch_new(sockets, socket_count, counters);
    loop->message = dg_secret_new(MESSAGE_ROOM); // hand-overs carry keys
    if (loop->receive == NULL || loop->send == NULL || loop->message == NULL) {
        snprintf(error, error_size, "memory is short for a thread's batches");
        dg_loop_clear(loop);
        return false;
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    bool is_watched =
        loop->epoll_fd >= 0 && watch(loop, EPOLL_CTL_ADD, dg_mesh_wake(mesh, self)->fd, EVENT_WAKE, EPOLLIN | EPOLLET);
    for (size_t i = 0; i < socket_count && is_watched; i++) {
        is_watched = watch(loop, EPOLL_CTL_ADD, sockets[i].fd, (uint32_t)i, EPOLLIN);
    }
    if (!is_watched) {
        snprintf(error, error_size, "cannot wait for sockets: %s", strerror(errno));
        dg_loop_clear(loop);
        return false;
    }
    return true;
}

void dg_loop_clear(struct dg_loop *loop)
{
    if (loop->epoll_fd > 0) {
        close(loop->epoll_fd);
    }
    if (loop->message != NULL) {
        dg_secret_free(loop->message, MESSAGE_ROOM);
    }
    dg_send_batch_free(loop->send);
    dg_receive_batch_free(loop->receive);
    memset(loop, 0, sizeof *loop);
    loop->epoll_fd = -1;
}

bool dg_loop_watch(struct dg_loop *loop, unsigned bit, int fd)
{
    DG_BUG_UNLESS(bit < 64);
    return watch(loop, EPOLL_CTL_ADD, fd, EVENT_EXTRA + bit, EPOLLIN);
}

// Rounded up: a wait that ends just before its deadline would be followed by one of 0 ms, again and again.
static int wait_ms(dg_time now, dg_time deadline)
{
    if (deadline == DG_NEVER) {
        return -1;
    }
    dg_time left = dg_time_since(deadline, now);
    if (left > DG_HOUR) {
        left = DG_HOUR;
    }
    return (int)((left + DG_MILLISECOND - 1) / DG_MILLISECOND);
}

void dg_loop_wait(struct dg_loop *loop, dg_time now, dg_time deadline)
{
    struct dg_wake *wake = dg_mesh_wake(loop->mesh, loop->self);
    uint64_t turns = atomic_load_explicit(&loop->turns, memory_order_relaxed);
    atomic_store_explicit(&loop->turns, turns + 1, memory_order_relaxed);
    memset(loop->is_readable, 0, sizeof loop->is_readable);
    loop->extras_readable = 0;
    int timeout = wait_ms(now, deadline);
    dg_wake_will_sleep(wake);
    // The last look, after the word was given: see wake.c.
    if (!dg_mesh_is_empty(loop->mesh, loop->self)) {
        timeout = 0;
    }
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, timeout);
    dg_wake_is_awake(wake);
    for (int i = 0; i < count; i++) {
        uint32_t what = events[i].data.u32;
        if (what == EVENT_WAKE) {
            continue; // it has done its work
        }
        if (what >= EVENT_EXTRA) {
            loop->extras_readable |= UINT64_C(1) << (what - EVENT_EXTRA);
        } else {
            // An error that waits on a socket is read, and so cleared, like a datagram.
            loop->is_readable[what] = (events[i].events & (EPOLLIN | EPOLLERR)) != 0;
            if ((events[i].events & EPOLLOUT) != 0) {
                dg_send_batch_writable(loop->send, what);
            }
        }
    }
}

void dg_loop_flush(struct dg_loop *loop)
{
    dg_send_batch_flush(loop->send);
    for (size_t i = 0; i < loop->socket_count; i++) {
        bool is_blocked = dg_send_batch_is_blocked(loop->send, i);
        if (is_blocked != loop->is_armed[i]) {
            uint32_t events = is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
            DG_BUG_UNLESS(watch(loop, EPOLL_CTL_MOD, loop->sockets[i].fd, (uint32_t)i, events));
            loop->is_armed[i] = is_blocked;
        }
    }
    dg_mesh_wake_waiting(loop->mesh, loop->self);
}

void dg_loop_serve_sockets(struct dg_loop *loop, dg_time now, const struct dg_loop_owner *owner)
{
    for (size_t i = 0; i < loop->socket_count; i++) {
        if (!loop->is_readable[i]) {
            continue;
        }
        (void)dg_receive_batch_read(loop->receive, i);
        struct dg_received *received;
        size_t count;
        while ((count = dg_receive_batch_take(loop->receive, &received)) > 0) {
            owner->datagrams(owner->context, now, received, count);
            dg_loop_flush(loop);
        }
    }
}

void dg_loop_serve_messages(struct dg_loop *loop, dg_time now, const struct dg_loop_owner *owner)
{
    for (uint32_t i = 0; i < DG_LOOP_MESSAGES_MAX; i++) {
        uint32_t kind;
        size_t size;
        if (!dg_mesh_get(loop->mesh, loop->self, &kind, loop->message, &size)) {
            return;
        }
        owner->message(owner->context, now, kind, loop->message, size);
    }
}

bool dg_loop_has_turned(struct dg_loop *loop, uint64_t *turns)
{
    uint64_t before = *turns;
    *turns = atomic_load_explicit(&loop->turns, memory_order_relaxed);
    dg_wake_surely(dg_mesh_wake(loop->mesh, loop->self));
    return *turns != before;
}

void dg_loop_stop(struct dg_loop *loop, enum dg_stop how)
{
    uint32_t now = atomic_load_explicit(&loop->stop, memory_order_relaxed);
    while (now < (uint32_t)how &&
           !atomic_compare_exchange_weak_explicit(&loop->stop, &now, (uint32_t)how, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
    dg_wake_surely(dg_mesh_wake(loop->mesh, loop->self));
}

enum dg_stop dg_loop_stopping(const struct dg_loop *loop)
{
    return (enum dg_stop)atomic_load_explicit(&loop->stop, memory_order_relaxed);
}

void dg_loop_pass_on(struct dg_loop *loop, uint32_t to, const struct dg_path *path, enum dg_datagram_errand errand,
                     bool is_rest, const uint8_t *data, size_t size)
{
    struct dg_message_datagram head = {.path = *path, .errand = (uint32_t)errand, .is_rest = is_rest};
    const struct dg_ring_part parts[] = {{&head, sizeof head}, {data, size}};
    bool is_put = dg_mesh_put(loop->mesh, loop->self, to, DG_MESSAGE_DATAGRAM, parts, 2);
    dg_count(loop->counters, is_put ? DG_COUNT_FORWARDED : DG_COUNT_DROP_RING_FULL);
    if (!is_put && !is_rest) {
        dg_datagrams_dropped(loop->counters, DG_COUNT_DROP_RING_FULL, 1);
    }
}

bool dg_loop_read_datagram(uint8_t *message, size_t size, struct dg_message_datagram *ret_head, uint8_t **ret_data,
                           size_t *ret_size)
{
    if (size < sizeof *ret_head) {
        return false;
    }
    memcpy(ret_head, message, sizeof *ret_head);
    *ret_data = message + sizeof *ret_head;
    *ret_size = size - sizeof *ret_head;
    return true;
}
