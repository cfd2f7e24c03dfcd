// SPDX-License-Identifier: GPL-3.0-or-later
// epoll_pwait2(2) over sockets of src/io, in lanes: each lane has a send batch, so that many sockets do not slow down
// the few that are in use.
#include "load/sockets.h"

#include "io/send_batch.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LANE_SOCKETS 16
#define EVENTS_MAX 64
#define READS_OF_ONE 4              // batches of one socket before another has its turn
#define RETRY (200 * DG_MICROSECOND) // where a socket was full

struct lane {
    struct dg_send_batch *send;
    bool is_filled;
};

struct dg_load_sockets {
    uint32_t count;
    struct dg_socket *items;
    uint16_t *ports;
    uint16_t of_port[UINT16_MAX + 1]; // by port: its number
    struct lane *lanes;
    uint32_t lane_count;
    bool any_filled;
    struct dg_counters *counters;
    struct dg_receive_batch *receive;
    uint32_t reading; // the socket that was read last
    int epoll_fd;
    struct epoll_event events[EVENTS_MAX];
    int event_count, event_at, reads_of_event;
    bool is_taking;  // of the last read, datagrams may be left
    uint32_t socket; // of the last read
};

bool dg_load_source_towards(const struct dg_address *server, struct dg_address *ret, char *error, size_t error_size)
{
    union dg_sockaddr name;
    socklen_t size = dg_sockaddr_from(&name, server);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool done = fd >= 0 && connect(fd, &name.any, size) == 0;
    size = sizeof name;
    done = done && getsockname(fd, &name.any, &size) == 0 && dg_sockaddr_to(&name, size, ret);
    if (!done)
        snprintf(error, error_size, "no way to the server: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    ret->port = 0;
    return done;
}

// --- made and freed -----------------------------------------------------------------------------------------

static bool open_one(struct dg_load_sockets *sockets, uint32_t i, bool is_ipv4, char *error, size_t error_size)
{
    struct dg_address any = {0};
    if (is_ipv4)
        any.ip[10] = any.ip[11] = 0xff; // ::ffff:0.0.0.0
    if (!dg_socket_group_open(&any, &sockets->items[i], 1, error, error_size))
        return false;
    sockets->ports[i] = sockets->items[i].address.port;
    sockets->of_port[sockets->ports[i]] = (uint16_t)i;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    return epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, sockets->items[i].fd, &event) == 0;
}

static bool make_lane(struct dg_load_sockets *sockets, uint32_t i)
{
    uint32_t first = i * LANE_SOCKETS;
    uint32_t size = sockets->count - first < LANE_SOCKETS ? sockets->count - first : LANE_SOCKETS;
    sockets->lanes[i].send = dg_send_batch_new(sockets->items + first, size, sockets->counters);
    return sockets->lanes[i].send != NULL;
}

struct dg_load_sockets *dg_load_sockets_open(uint32_t count, bool is_ipv4, struct dg_counters *counters, char *error,
                                             size_t error_size)
{
    struct dg_load_sockets *sockets = calloc(1, sizeof *sockets);
    snprintf(error, error_size, "memory or descriptors are short for %u sockets", count);
    if (!sockets)
        return NULL;
    sockets->counters = counters;
    sockets->lane_count = (count + LANE_SOCKETS - 1) / LANE_SOCKETS;
    sockets->items = calloc(count, sizeof *sockets->items);
    sockets->ports = calloc(count, sizeof *sockets->ports);
    sockets->lanes = calloc(sockets->lane_count, sizeof *sockets->lanes);
    sockets->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    bool done = sockets->items && sockets->ports && sockets->lanes && sockets->epoll_fd >= 0;
    while (done && sockets->count < count) {
        done = open_one(sockets, sockets->count, is_ipv4, error, error_size);
        sockets->count++;
    }
    for (uint32_t i = 0; done && i < sockets->lane_count; i++)
        done = make_lane(sockets, i);
    if (done)
        sockets->receive = dg_receive_batch_new(sockets->items, count, counters);
    if (sockets->receive)
        return sockets;
    dg_load_sockets_close(sockets);
    return NULL;
}

void dg_load_sockets_close(struct dg_load_sockets *sockets)
{
    if (!sockets)
        return;
    for (uint32_t i = 0; sockets->lanes && i < sockets->lane_count; i++)
        dg_send_batch_free(sockets->lanes[i].send);
    for (uint32_t i = 0; i < sockets->count; i++)
        if (sockets->items[i].fd >= 0)
            dg_socket_group_close(&sockets->items[i], 1);
    dg_receive_batch_free(sockets->receive);
    if (sockets->epoll_fd >= 0)
        close(sockets->epoll_fd);
    free(sockets->lanes);
    free(sockets->ports);
    free(sockets->items);
    free(sockets);
}

const uint16_t *dg_load_sockets_ports(const struct dg_load_sockets *sockets)
{
    return sockets->ports;
}

uint32_t dg_load_sockets_of_port(const struct dg_load_sockets *sockets, uint16_t port)
{
    return sockets->of_port[port];
}

// --- the way out --------------------------------------------------------------------------------------------

void dg_load_sockets_send(struct dg_load_sockets *sockets, uint32_t socket, const struct dg_path *path,
                          const uint8_t *data, size_t size)
{
    struct lane *lane = &sockets->lanes[socket / LANE_SOCKETS];
    struct dg_output output = dg_send_batch_output(lane->send);
    uint8_t *room = output.reserve(output.context, size);
    if (!room) {
        dg_count(sockets->counters, DG_COUNT_DROP_SEND_FULL);
        return;
    }
    struct dg_path to = *path;
    to.listener = sockets->items[socket].listener;
    memcpy(room, data, size);
    output.commit(output.context, &to, size);
    lane->is_filled = true;
    sockets->any_filled = true;
}

// A socket that was full is tried again with the next flush, as the wait is short then.
static void retry_full(struct dg_load_sockets *sockets, uint32_t lane)
{
    uint32_t first = lane * LANE_SOCKETS;
    for (uint32_t i = first; i < sockets->count && i < first + LANE_SOCKETS; i++)
        if (dg_send_batch_is_blocked(sockets->lanes[lane].send, i - first))
            dg_send_batch_writable(sockets->lanes[lane].send, i - first);
}

void dg_load_sockets_flush(struct dg_load_sockets *sockets)
{
    if (!sockets->any_filled)
        return;
    sockets->any_filled = false;
    for (uint32_t i = 0; i < sockets->lane_count; i++) {
        struct lane *lane = &sockets->lanes[i];
        if (!lane->is_filled)
            continue;
        retry_full(sockets, i);
        dg_send_batch_flush(lane->send);
        lane->is_filled = dg_send_batch_waiting(lane->send) > 0;
        sockets->any_filled = sockets->any_filled || lane->is_filled;
    }
}

// --- the way in ---------------------------------------------------------------------------------------------

void dg_load_sockets_wait(struct dg_load_sockets *sockets, dg_time now, dg_time deadline)
{
    dg_time left = dg_time_since(dg_time_min(deadline, now + DG_SECOND), now);
    if (sockets->any_filled)
        left = dg_time_min(left, RETRY);
    const struct timespec timeout = {.tv_sec = (time_t)(left / DG_SECOND), .tv_nsec = (long)(left % DG_SECOND)};
    sockets->event_at = sockets->reads_of_event = 0;
    sockets->event_count = epoll_pwait2(sockets->epoll_fd, sockets->events, EVENTS_MAX, &timeout, NULL);
    if (sockets->event_count < 0 && errno == ENOSYS) // a kernel before 5.11: to the millisecond, then
        sockets->event_count = epoll_wait(sockets->epoll_fd, sockets->events, EVENTS_MAX,
                                          (int)((left + DG_MILLISECOND - 1) / DG_MILLISECOND));
}

// Reads from the sockets that are readable until one gives something. False: none does.
static bool read_next(struct dg_load_sockets *sockets)
{
    while (sockets->event_at < sockets->event_count) {
        size_t got = dg_receive_batch_read(sockets->receive, sockets->events[sockets->event_at].data.u32);
        sockets->reads_of_event++;
        sockets->socket = sockets->events[sockets->event_at].data.u32;
        // A batch that is not full was the last.
        if (got < DG_RECEIVE_BATCH_MAX || sockets->reads_of_event == READS_OF_ONE) {
            sockets->event_at++;
            sockets->reads_of_event = 0;
        }
        if (got > 0)
            return true;
    }
    return false;
}

bool dg_load_sockets_read(struct dg_load_sockets *sockets, uint32_t *ret_socket, struct dg_received **ret_received,
                          size_t *ret_count)
{
    for (;;) {
        if (!sockets->is_taking && !read_next(sockets))
            return false;
        *ret_count = dg_receive_batch_take(sockets->receive, ret_received);
        *ret_socket = sockets->socket;
        sockets->is_taking = *ret_count > 0;
        if (sockets->is_taking)
            return true;
    }
}

uint64_t dg_load_sockets_overflows(const struct dg_load_sockets *sockets)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < sockets->count; i++) {
        uint32_t facts[SK_MEMINFO_VARS] = {0};
        socklen_t size = sizeof facts;
        if (getsockopt(sockets->items[i].fd, SOL_SOCKET, SO_MEMINFO, facts, &size) == 0)
            sum += facts[SK_MEMINFO_DROPS];
    }
    return sum;
}
