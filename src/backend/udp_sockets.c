// SPDX-License-Identifier: GPL-3.0-or-later
// The sockets towards services: opened at an association's first plaintext, bound to exactly the port that the allocator
// gives, connected, so that the kernel itself refuses everybody but the service, and closed with the association. A closed
// socket's port rests, and nothing can arrive at it meanwhile. Never reads or writes a datagram.
#include "backend/udp_inner.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PORT_ATTEMPTS 32       // ports that others use, tried in a row for one plaintext
#define RESTORED_AT_ONCE 32    // sockets opened again before datagrams have their turn
#define RESTORE_PAUSE (10 * DG_SECOND) // before ports that could not be opened yet are looked at once more
#define LOOKED_AT_AT_ONCE 4096 // ports in the book, the same

void dg_udp_close_talker(struct dg_udp_pool *pool, dg_time now, struct dg_udp_talker *talker)
{
    close(talker->fd); // which also takes it out of the epoll set
    dg_port_allocator_release(pool->ports, now, talker->port);
    dg_udp_table_remove(&pool->table, talker);
}

// -1: errno says why. ret_is_taken: the port cannot be ours, which is another thing than a network that refuses.
static int open_socket(const struct dg_udp_target *target, uint16_t port, bool *ret_is_taken)
{
    *ret_is_taken = false;
    struct dg_address source = {.port = port};
    bool is_loopback = dg_address_is_loopback(&target->address);
    if (target->name.any.sa_family == AF_INET) {
        struct in_addr ip = {.s_addr = htonl(is_loopback ? INADDR_LOOPBACK : INADDR_ANY)};
        dg_address_set_v4(&source, &ip);
    } else {
        source.ip[15] = is_loopback ? 1 : 0;
    }
    union dg_sockaddr name;
    socklen_t name_size = dg_sockaddr_from(&name, &source);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    // Without SO_REUSEADDR: a port that anybody else uses must be refused.
    bool is_bound = bind(fd, &name.any, name_size) == 0;
    if (!is_bound || connect(fd, &target->name.any, target->name_size) != 0) {
        int code = errno;
        *ret_is_taken = !is_bound && (code == EADDRINUSE || code == EACCES);
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

static const char *why_not(int code)
{
    return code == EMFILE || code == ENFILE ? "the limit of open files is reached" : strerror(code);
}

// A socket on the next port that is free; 0 ret_port: none.
static int open_on_any_port(struct dg_udp_target *target, dg_time now, uint16_t *ret_port, const char **ret_reason)
{
    struct dg_udp_pool *pool = target->pool;
    for (unsigned attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
        uint16_t port = dg_port_allocator_take(pool->ports, now);
        if (port == 0) {
            *ret_reason = "every port of the range is in use or resting";
            return -1;
        }
        bool is_taken;
        int fd = open_socket(target, port, &is_taken);
        if (fd >= 0) {
            *ret_port = port;
            return fd;
        }
        if (is_taken) {
            dg_port_allocator_release(pool->ports, now, port); // for others to be done with it
        } else {
            // Nothing was sent from it. Were it to rest, a network that is down would use up the range in a moment.
            *ret_reason = why_not(errno);
            dg_port_allocator_take_back(pool->ports, port);
            return -1;
        }
    }
    *ret_reason = "other programs use the ports of the range";
    return -1;
}

static bool make_room(struct dg_udp_pool *pool, dg_time now)
{
    if (pool->table.count < pool->table.capacity) {
        return true;
    }
    struct dg_udp_talker *oldest = dg_udp_table_oldest(&pool->table);
    if (dg_time_since(now, oldest->active_at) < pool->config.hold) {
        return false;
    }
    struct dg_ref ref = oldest->ref;
    const struct dg_backend_sink *sink = &pool->targets[oldest->target]->sink;
    dg_udp_close_talker(pool, now, oldest);
    sink->port_changed(sink->context, ref, 0);
    return true;
}

static struct dg_udp_talker *add_talker(struct dg_udp_target *target, dg_time now, struct dg_ref ref, int fd, uint16_t port)
{
    struct dg_udp_pool *pool = target->pool;
    // Before anything is sent from it: whoever comes after a death must not give it to another.
    dg_port_book_use(pool->config.book, port, ref.shard, ref.slot);
    struct dg_udp_talker *talker = dg_udp_table_add(&pool->table, now, ref);
    DG_BUG_UNLESS(talker != NULL);
    talker->fd = fd;
    talker->target = (uint8_t)target->number;
    talker->port = port;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = dg_udp_table_token(&pool->table, talker)};
    if (epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        dg_count(pool->counters, DG_COUNT_BACKEND_NO_PORT);
        dg_complain(&target->no_port, &target->sink, now, "backend_no_port", strerror(errno));
        dg_udp_close_talker(pool, now, talker);
        return NULL;
    }
    target->sink.port_changed(target->sink.context, ref, port);
    return talker;
}

// Is the port that its slot names the association's? The book decides: who died between the two stores of a port's end
// left it resting, and the slot as it was.
static bool holds(const struct dg_udp_pool *pool, struct dg_ref ref, uint16_t port)
{
    return port != 0 && dg_port_book_read(pool->config.book, port) == dg_port_word(ref.shard, ref.slot);
}

// At the ports that are held, after a while.
static void look_again(struct dg_udp_pool *pool, dg_time now)
{
    if (pool->restore_again_at == DG_NEVER) {
        pool->restore_again_at = now + RESTORE_PAUSE;
    }
}

// The port that the association holds since before this process began, while there is room in the table. NULL: another
// program has it now, and it is nobody's any more; or the network refuses, and it stays the association's for as long as
// that lives, which is looked at again later.
static struct dg_udp_talker *open_again(struct dg_udp_target *target, dg_time now, struct dg_ref ref, uint16_t port,
                                        const char **ret_reason)
{
    struct dg_udp_pool *pool = target->pool;
    bool is_taken;
    int fd = open_socket(target, port, &is_taken);
    if (fd >= 0) {
        return add_talker(target, now, ref, fd, port);
    }
    *ret_reason = why_not(errno);
    if (is_taken) {
        dg_complain(&target->no_port, &target->sink, now, "backend_port_lost", *ret_reason);
        dg_port_allocator_release(pool->ports, now, port);
        target->sink.port_changed(target->sink.context, ref, 0);
    } else if (target->sink.claim != NULL) {
        look_again(pool, now);
    }
    return NULL;
}

struct dg_udp_talker *dg_udp_open_talker(struct dg_udp_target *target, dg_time now, struct dg_ref ref)
{
    struct dg_udp_pool *pool = target->pool;
    const struct dg_backend_sink *sink = &target->sink;
    bool has_room = make_room(pool, now);
    uint16_t before = sink->port_of != NULL ? sink->port_of(sink->context, ref) : 0;
    const char *reason = "every socket is held by an association that talked not long ago";
    if (has_room && holds(pool, ref, before)) {
        struct dg_udp_talker *again = open_again(target, now, ref, before, &reason);
        if (again != NULL) {
            return again;
        }
    }
    uint16_t port = 0;
    int fd = has_room && !holds(pool, ref, before) ? open_on_any_port(target, now, &port, &reason) : -1;
    if (fd < 0) {
        dg_count(pool->counters, DG_COUNT_BACKEND_NO_PORT);
        dg_complain(&target->no_port, sink, now, "backend_no_port", reason);
        return NULL;
    }
    return add_talker(target, now, ref, fd, port);
}

// True: that took a while, to open a socket or to end its association. sink: any target's, to ask with.
static bool restore_port(struct dg_udp_pool *pool, const struct dg_backend_sink *sink, dg_time now, uint16_t port)
{
    uint64_t word = dg_port_book_read(pool->config.book, port);
    struct dg_ref ref;
    uint16_t number = DG_NO_BACKEND;
    if (!dg_port_is_in_use(word)) {
        return false;
    }
    enum dg_port_claim claim =
        sink->claim(sink->context, now, dg_port_shard(word), dg_port_slot(word), port, &ref, &number);
    if (claim == DG_PORT_LATER) {
        look_again(pool, now);
    }
    // To claim it may have ended its association for a limit, and with it the port's use.
    bool has_ended = dg_port_book_read(pool->config.book, port) != word;
    if (claim == DG_PORT_ELSEWHERE || claim == DG_PORT_LATER || has_ended ||
        (claim == DG_PORT_CLAIMED && dg_udp_table_find(&pool->table, ref.id) != NULL)) {
        return has_ended;
    }
    struct dg_udp_target *target = claim == DG_PORT_CLAIMED && number < DG_BACKENDS_MAX ? pool->targets[number] : NULL;
    if (target != NULL) {
        const char *ignored; // told when the association speaks
        if (pool->table.count < pool->table.capacity)
            (void)open_again(target, now, ref, port, &ignored);
        return true;
    }
    // Its association ended with the process or after it, or has another kind of backend now.
    dg_port_allocator_release(pool->ports, now, port);
    if (claim == DG_PORT_CLAIMED) {
        sink->port_changed(sink->context, ref, 0);
    }
    return false;
}

static bool has_to_restore(const struct dg_udp_pool *pool) { return pool->restore_next <= pool->config.ports.last; }

dg_time dg_udp_restore_deadline(const struct dg_udp_pool *pool)
{
    return has_to_restore(pool) ? 0 : pool->restore_again_at;
}

void dg_udp_restore(struct dg_udp_pool *pool, const struct dg_backend_sink *sink, dg_time now)
{
    if (!has_to_restore(pool) && pool->restore_again_at <= now) {
        pool->restore_again_at = DG_NEVER;
        pool->restore_next = pool->config.ports.first;
    }
    unsigned wanted = 0;
    for (unsigned i = 0; i < LOOKED_AT_AT_ONCE && wanted < RESTORED_AT_ONCE && has_to_restore(pool); i++) {
        wanted += restore_port(pool, sink, now, (uint16_t)pool->restore_next++);
    }
}
