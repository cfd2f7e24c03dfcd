// SPDX-License-Identifier: GPL-3.0-or-later
// The backend's functions over the sockets of udp_sockets.c. One pool of sockets and ports serves all targets of a worker;
// a target is no more than an address and its complaints. One of the targets, the watcher, serves the pool's descriptor.
#include "backend/udp_inner.h"

#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define ANSWER_BYTES 65536     // no UDP payload is larger, so none is cut
#define EVENTS_AT_ONCE 64
#define DESCRIPTORS_SPARED 128 // of the limit of open files: for everything else

// An ICMP error answers an earlier datagram, but is told by the next call on the socket.
static bool is_icmp(int code)
{
    return code == ECONNREFUSED || code == EHOSTUNREACH || code == ENETUNREACH || code == EHOSTDOWN;
}

static void count_icmp(struct dg_udp_target *target, dg_time now, int code)
{
    dg_count(target->pool->counters, DG_COUNT_BACKEND_UNREACHABLE);
    dg_complain(&target->unreachable, &target->sink, now, "backend_unreachable", strerror(code));
}

static void udp_deliver(void *backend, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct dg_udp_target *target = backend;
    struct dg_udp_pool *pool = target->pool;
    struct dg_udp_talker *talker = dg_udp_table_find(&pool->table, ref.id);
    if (talker != NULL && talker->target != target->number) {
        dg_udp_close_talker(pool, now, talker); // of the service that it had before
        talker = NULL;
    }
    if (talker == NULL) {
        talker = dg_udp_open_talker(target, now, ref);
        if (talker == NULL) {
            return;
        }
    }
    dg_udp_table_touch(&pool->table, talker, now);
    ssize_t sent = send(talker->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && is_icmp(errno)) {
        // Of an earlier datagram: this one has not been tried yet, and the service may be back.
        count_icmp(target, now, errno);
        sent = send(talker->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (sent < 0) {
        dg_count(pool->counters, DG_COUNT_BACKEND_SEND_ERROR);
        dg_complain(&target->refused, &target->sink, now, "backend_send_error", strerror(errno));
    }
}

static void udp_closed(void *backend, dg_time now, struct dg_ref ref)
{
    const struct dg_udp_target *target = backend;
    struct dg_udp_talker *talker = dg_udp_table_find(&target->pool->table, ref.id);
    if (talker != NULL && talker->target == target->number) {
        dg_udp_close_talker(target->pool, now, talker);
    }
}

// One for all targets: whichever is asked first has it.
static int udp_descriptor(void *backend)
{
    struct dg_udp_target *target = backend;
    return target->is_watcher ? target->pool->epoll_fd : -1;
}

static uint8_t next_wanted(unsigned wanted, unsigned got)
{
    if (got < wanted) {
        return got > 0 ? (uint8_t)got : 1;
    }
    return wanted < DG_UDP_ANSWERS_AT_ONCE / 2 ? (uint8_t)(2 * wanted) : DG_UDP_ANSWERS_AT_ONCE;
}

static void read_answers(struct dg_udp_pool *pool, dg_time now, struct dg_udp_talker *talker)
{
    struct dg_ref ref = talker->ref;
    struct dg_udp_target *target = pool->targets[talker->target];
    // One answer is the rule, and to look for a second one would cost nearly as much as to read it.
    unsigned wanted = talker->wanted;
    int got = recvmmsg(talker->fd, pool->messages, wanted, MSG_DONTWAIT, NULL);
    if (got < 0) {
        if (is_icmp(errno)) {
            count_icmp(target, now, errno);
        }
        return;
    }
    dg_udp_table_touch(&pool->table, talker, now);
    talker->wanted = next_wanted(wanted, (unsigned)got);
    dg_complaint_over(&target->unreachable, &target->sink, now, "backend_back", "the service answers again");
    for (int i = 0; i < got; i++) {
        // The answer may end the association, and so its talker: what else has come is then stale, and the
        // sink counts it.
        (void)target->sink.answer(target->sink.context, now, ref, pool->vectors[i].iov_base,
                                  pool->messages[i].msg_len);
    }
}

static void udp_ready(void *backend, dg_time now)
{
    struct dg_udp_pool *pool = ((struct dg_udp_target *)backend)->pool;
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(pool->epoll_fd, events, EVENTS_AT_ONCE, 0);
    for (int i = 0; i < count; i++) {
        struct dg_udp_talker *talker = dg_udp_table_by_token(&pool->table, events[i].data.u64);
        if (talker != NULL) {
            read_answers(pool, now, talker);
        }
    }
}

// Ports rest and sockets are held without a timer: looked at when one is wanted.
static dg_time udp_deadline(void *backend)
{
    const struct dg_udp_target *target = backend;
    return target->is_watcher ? dg_udp_restore_deadline(target->pool) : DG_NEVER;
}

static void udp_advance(void *backend, dg_time now)
{
    const struct dg_udp_target *target = backend;
    dg_udp_restore(target->pool, &target->sink, now);
}

void dg_udp_pool_put(struct dg_udp_pool *pool)
{
    struct dg_udp_talker *talker;
    if (pool == NULL || --pool->users > 0) {
        return;
    }
    while (pool->table.count > 0 && (talker = dg_udp_table_oldest(&pool->table)) != NULL) {
        close(talker->fd); // the port stays its association's, which the next process goes on with
        dg_udp_table_remove(&pool->table, talker);
    }
    dg_udp_table_clear(&pool->table);
    dg_port_allocator_free(pool->ports);
    if (pool->epoll_fd >= 0) {
        close(pool->epoll_fd);
    }
    free(pool->answers);
    free(pool);
}

static void udp_free(void *backend)
{
    struct dg_udp_target *target = backend;
    struct dg_udp_pool *pool = target->pool;
    // Sockets of this target go with the pool, which must not ask this target any more: all are freed together.
    pool->targets[target->number] = NULL;
    pool->is_watched = pool->is_watched && !target->is_watcher;
    free(target);
    dg_udp_pool_put(pool);
}

static const struct dg_backend_ops udp_ops = {
    .deliver = udp_deliver,
    .closed = udp_closed,
    .descriptor = udp_descriptor,
    .ready = udp_ready,
    .deadline = udp_deadline,
    .advance = udp_advance,
    .free = udp_free,
};

size_t dg_backend_udp_talking(const struct dg_backend *backend)
{
    return ((struct dg_udp_target *)backend->self)->pool->table.count;
}

// --- making ----------------------------------------------------------------------------------------------

struct dg_backend_udp_config dg_backend_udp_config_default(void)
{
    return (struct dg_backend_udp_config){
        .worker_count = 1,
        .ports = {32768, 60999},
        .quarantine = 300 * DG_SECOND,
        .hold = DG_HOUR,
    };
}

void dg_backend_udp_reserved(struct dg_port_set *ret)
{
    char text[65536];
    memset(ret, 0, sizeof *ret);
    int fd = open("/proc/sys/net/ipv4/ip_local_reserved_ports", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    // In one piece: the kernel shows what one read has room for, and nothing to a second one.
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    dg_port_set_add(ret, text);
}

static uint32_t socket_limit(const struct dg_udp_pool *pool)
{
    size_t limit = dg_port_allocator_size(pool->ports);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
        rlim_t spared = files.rlim_cur > 2 * DESCRIPTORS_SPARED ? DESCRIPTORS_SPARED : files.rlim_cur / 2;
        rlim_t share = (files.rlim_cur - spared) / pool->config.worker_count;
        limit = share < limit ? (size_t)share : limit;
    }
    if (pool->config.sockets_max != 0 && pool->config.sockets_max < limit) {
        limit = pool->config.sockets_max;
    }
    return (uint32_t)limit;
}

static bool set_up(struct dg_udp_pool *pool, char *error, size_t error_size)
{
    struct dg_port_set now;
    const struct dg_port_set *reserved = pool->config.reserved;
    if (reserved == NULL) {
        dg_backend_udp_reserved(&now);
        reserved = &now;
    }
    pool->ports = dg_port_allocator_new(pool->config.ports, reserved, pool->config.book, pool->config.worker,
                                        pool->config.worker_count, pool->config.quarantine, dg_random_u64());
    pool->answers = malloc((size_t)DG_UDP_ANSWERS_AT_ONCE * ANSWER_BYTES);
    if (pool->ports == NULL || pool->answers == NULL) {
        snprintf(error, error_size, "memory is short for the UDP backend");
        return false;
    }
    uint32_t limit = socket_limit(pool);
    if (limit == 0) {
        snprintf(error, error_size,
                 "no local port is left for worker %u of %u in %u-%u: widen the range, or lower the number of workers",
                 pool->config.worker, pool->config.worker_count, pool->config.ports.first, pool->config.ports.last);
        return false;
    }
    pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (pool->epoll_fd < 0 || !dg_udp_table_init(&pool->table, limit)) {
        snprintf(error, error_size, "memory or descriptors are short for the UDP backend");
        return false;
    }
    for (size_t i = 0; i < DG_UDP_ANSWERS_AT_ONCE; i++) {
        pool->vectors[i] = (struct iovec){.iov_base = pool->answers + i * ANSWER_BYTES, .iov_len = ANSWER_BYTES};
        pool->messages[i].msg_hdr = (struct msghdr){.msg_iov = &pool->vectors[i], .msg_iovlen = 1};
    }
    return true;
}

struct dg_udp_pool *dg_udp_pool_new(const struct dg_backend_udp_config *config, struct dg_counters *counters,
                                    char *error, size_t error_size)
{
    struct dg_udp_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        snprintf(error, error_size, "memory is short for the UDP backend");
        return NULL;
    }
    pool->config = *config;
    pool->restore_next = config->book.words != NULL ? config->ports.first : UINT32_MAX;
    pool->restore_again_at = DG_NEVER;
    pool->counters = counters;
    pool->epoll_fd = -1;
    pool->users = 1;
    if (!set_up(pool, error, error_size)) {
        dg_udp_pool_put(pool);
        return NULL;
    }
    return pool;
}

struct dg_backend dg_udp_pool_target(struct dg_udp_pool *pool, uint16_t number, const struct dg_address *address,
                                     const struct dg_backend_sink *sink, char *error, size_t error_size)
{
    struct dg_backend backend = {.ops = &udp_ops};
    DG_BUG_UNLESS(number < DG_BACKENDS_MAX && pool->targets[number] == NULL);
    if (!pool->config.allow_beyond_loopback && !dg_address_is_loopback(address)) {
        char text[DG_ADDRESS_TEXT];
        dg_address_format(address, text);
        snprintf(error, error_size,
                 "backend udp:%s is not on this host: the way to it is neither encrypted nor authenticated, so it "
                 "takes an explicit word",
                 text);
        return backend;
    }
    struct dg_udp_target *target = calloc(1, sizeof *target);
    if (target == NULL) {
        snprintf(error, error_size, "memory is short for the UDP backend");
        return backend;
    }
    *target = (struct dg_udp_target){.pool = pool, .number = number, .sink = *sink, .address = *address};
    target->name_size = dg_sockaddr_from(&target->name, address);
    target->is_watcher = !pool->is_watched;
    pool->is_watched = true;
    if (sink->claim == NULL) {
        pool->restore_next = UINT32_MAX;
    }
    pool->targets[number] = target;
    pool->users++;
    backend.self = target;
    return backend;
}

struct dg_backend dg_backend_udp_new(const struct dg_backend_udp_config *config, const struct dg_backend_sink *sink,
                                     struct dg_counters *counters, char *error, size_t error_size)
{
    struct dg_udp_pool *pool = dg_udp_pool_new(config, counters, error, error_size);
    if (pool == NULL) {
        return (struct dg_backend){.ops = &udp_ops};
    }
    struct dg_backend backend = dg_udp_pool_target(pool, 0, &config->target, sink, error, error_size);
    dg_udp_pool_put(pool);
    return backend;
}
