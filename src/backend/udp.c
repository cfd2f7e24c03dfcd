// SPDX-License-Identifier: GPL-3.0-or-later
// The sockets towards the service: opened at an association's first plaintext, bound to exactly the port
// that the allocator gives, connected, so that the kernel itself refuses everybody but the service, and
// closed with the association. A closed socket's port rests, and nothing can arrive at it meanwhile.
#include "backend/udp.h"

#include "backend/udp_table.h"
#include "base/log.h"
#include "base/random.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define ANSWERS_AT_ONCE 8      // read at most from one socket before the next has its turn
#define ANSWER_BYTES 65536     // no UDP payload is larger, so none is cut
#define EVENTS_AT_ONCE 64
#define PORT_ATTEMPTS 32       // ports that others use, tried in a row for one plaintext
#define COMPLAINT_EVERY (10 * DG_SECOND)
#define DESCRIPTORS_SPARED 128 // of the limit of open files: for everything else
#define RESTORED_AT_ONCE 32    // sockets opened again before datagrams have their turn
#define LOOKED_AT_AT_ONCE 4096 // ports in the book, the same

// A log line at once, and then at most one in COMPLAINT_EVERY, with how many were left out.
struct complaint {
    dg_time said_at;
    uint64_t unsaid;
};

struct udp {
    struct dg_backend_udp_config config;
    struct dg_backend_sink sink;
    struct dg_counters *counters;
    struct dg_port_allocator *ports;
    uint32_t restore_next; // port to look at; above the range: all has been bound again
    struct dg_udp_table table;
    union dg_sockaddr target;
    socklen_t target_size;
    int epoll_fd;
    struct complaint no_port, unreachable, refused;
    struct mmsghdr messages[ANSWERS_AT_ONCE];
    struct iovec vectors[ANSWERS_AT_ONCE];
    uint8_t *answers; // ANSWERS_AT_ONCE buffers of ANSWER_BYTES
};

static void complain(struct udp *udp, dg_time now, struct complaint *complaint, const char *event, const char *reason)
{
    if (complaint->said_at != 0 && dg_time_since(now, complaint->said_at) < COMPLAINT_EVERY) {
        complaint->unsaid++;
        return;
    }
    char target[DG_ADDRESS_TEXT];
    dg_address_format(&udp->config.target, target);
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_WARNING, event);
    dg_log_text(&line, "backend", target);
    dg_log_text(&line, "reason", reason);
    dg_log_u64(&line, "not_logged_before", complaint->unsaid);
    dg_log_end(&line);
    *complaint = (struct complaint){.said_at = now};
}

// --- sockets ---------------------------------------------------------------------------------------------

static void close_talker(struct udp *udp, dg_time now, struct dg_udp_talker *talker)
{
    close(talker->fd); // which also takes it out of the epoll set
    dg_port_allocator_release(udp->ports, now, talker->port);
    dg_udp_table_remove(&udp->table, talker);
}

// -1: errno says why.
static int open_socket(const struct udp *udp, uint16_t port)
{
    struct dg_address source = {.port = port};
    bool is_loopback = dg_address_is_loopback(&udp->config.target);
    if (udp->target.any.sa_family == AF_INET) {
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
    if (bind(fd, &name.any, name_size) != 0 || connect(fd, &udp->target.any, udp->target_size) != 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

// A socket on the next port that is free; 0 ret_port: none.
static int open_on_any_port(struct udp *udp, dg_time now, uint16_t *ret_port, const char **ret_reason)
{
    for (unsigned attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
        uint16_t port = dg_port_allocator_take(udp->ports, now);
        if (port == 0) {
            *ret_reason = "every port of the range is in use or resting";
            return -1;
        }
        int fd = open_socket(udp, port);
        if (fd >= 0) {
            *ret_port = port;
            return fd;
        }
        int code = errno;
        if (code == EADDRINUSE || code == EACCES) {
            dg_port_allocator_release(udp->ports, now, port); // for others to be done with it
        } else {
            // Nothing was sent from it. Were it to rest, a network that is down would use up the range in a moment.
            dg_port_allocator_take_back(udp->ports, port);
            *ret_reason = code == EMFILE || code == ENFILE ? "the limit of open files is reached" : strerror(code);
            return -1;
        }
    }
    *ret_reason = "other programs use the ports of the range";
    return -1;
}

static bool make_room(struct udp *udp, dg_time now)
{
    if (udp->table.count < udp->table.capacity) {
        return true;
    }
    struct dg_udp_talker *oldest = dg_udp_table_oldest(&udp->table);
    if (dg_time_since(now, oldest->active_at) < udp->config.hold) {
        return false;
    }
    struct dg_ref ref = oldest->ref;
    close_talker(udp, now, oldest);
    udp->sink.port_changed(udp->sink.context, ref, 0);
    return true;
}

static struct dg_udp_talker *add_talker(struct udp *udp, dg_time now, struct dg_ref ref, int fd, uint16_t port)
{
    // Before anything is sent from it: whoever comes after a death must not give it to another.
    dg_port_book_use(udp->config.book, port, ref.shard, ref.slot);
    struct dg_udp_talker *talker = dg_udp_table_add(&udp->table, now, ref);
    DG_BUG_UNLESS(talker != NULL);
    talker->fd = fd;
    talker->port = port;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = dg_udp_table_token(&udp->table, talker)};
    if (epoll_ctl(udp->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        dg_count(udp->counters, DG_COUNT_BACKEND_NO_PORT);
        complain(udp, now, &udp->no_port, "backend_no_port", strerror(errno));
        close_talker(udp, now, talker);
        return NULL;
    }
    udp->sink.port_changed(udp->sink.context, ref, port);
    return talker;
}

// The port that the association held before this process began. NULL: it held none, or another program has it now, or
// the book says otherwise: who died between the two stores of a port's end left it resting, and the slot as it was.
static struct dg_udp_talker *open_again(struct udp *udp, dg_time now, struct dg_ref ref, uint16_t port)
{
    if (port == 0 || dg_port_book_read(udp->config.book, port) != dg_port_word(ref.shard, ref.slot) ||
        udp->table.count >= udp->table.capacity) {
        return NULL;
    }
    int fd = open_socket(udp, port);
    if (fd >= 0) {
        return add_talker(udp, now, ref, fd, port);
    }
    complain(udp, now, &udp->no_port, "backend_port_lost", strerror(errno));
    dg_port_allocator_release(udp->ports, now, port);
    udp->sink.port_changed(udp->sink.context, ref, 0);
    return NULL;
}

static struct dg_udp_talker *open_talker(struct udp *udp, dg_time now, struct dg_ref ref)
{
    bool has_room = make_room(udp, now);
    uint16_t before = udp->sink.port_of != NULL ? udp->sink.port_of(udp->sink.context, ref) : 0;
    struct dg_udp_talker *again = open_again(udp, now, ref, before);
    if (again != NULL) {
        return again;
    }
    const char *reason = "every socket is held by an association that talked not long ago";
    uint16_t port = 0;
    int fd = has_room ? open_on_any_port(udp, now, &port, &reason) : -1;
    if (fd < 0) {
        dg_count(udp->counters, DG_COUNT_BACKEND_NO_PORT);
        complain(udp, now, &udp->no_port, "backend_no_port", reason);
        return NULL;
    }
    return add_talker(udp, now, ref, fd, port);
}

// True: a socket was opened for it.
static bool restore_port(struct udp *udp, dg_time now, uint16_t port)
{
    uint64_t word = dg_port_book_read(udp->config.book, port);
    struct dg_ref ref;
    if (!dg_port_is_in_use(word)) {
        return false;
    }
    switch (udp->sink.claim(udp->sink.context, dg_port_shard(word), dg_port_slot(word), port, &ref)) {
    case DG_PORT_CLAIMED:
        return dg_udp_table_find(&udp->table, ref.id) == NULL && open_again(udp, now, ref, port) != NULL;
    case DG_PORT_NOBODYS: // its association ended with the process, or after it
        dg_port_allocator_release(udp->ports, now, port);
        return false;
    case DG_PORT_ELSEWHERE:
        return false;
    }
    return false;
}

static bool has_to_restore(const struct udp *udp) { return udp->restore_next <= udp->config.ports.last; }

static void restore(struct udp *udp, dg_time now)
{
    unsigned opened = 0;
    for (unsigned i = 0; i < LOOKED_AT_AT_ONCE && opened < RESTORED_AT_ONCE && has_to_restore(udp); i++) {
        opened += restore_port(udp, now, (uint16_t)udp->restore_next++);
    }
}

// --- the backend's functions -----------------------------------------------------------------------------

// An ICMP error answers an earlier datagram, but is told by the next call on the socket.
static bool is_icmp(int code)
{
    return code == ECONNREFUSED || code == EHOSTUNREACH || code == ENETUNREACH || code == EHOSTDOWN;
}

static void count_icmp(struct udp *udp, dg_time now, int code)
{
    dg_count(udp->counters, DG_COUNT_BACKEND_UNREACHABLE);
    complain(udp, now, &udp->unreachable, "backend_unreachable", strerror(code));
}

static void udp_deliver(void *backend, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct udp *udp = backend;
    struct dg_udp_talker *talker = dg_udp_table_find(&udp->table, ref.id);
    if (talker == NULL) {
        talker = open_talker(udp, now, ref);
        if (talker == NULL) {
            return;
        }
    }
    dg_udp_table_touch(&udp->table, talker, now);
    ssize_t sent = send(talker->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && is_icmp(errno)) {
        // Of an earlier datagram: this one has not been tried yet, and the service may be back.
        count_icmp(udp, now, errno);
        sent = send(talker->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (sent < 0) {
        dg_count(udp->counters, DG_COUNT_BACKEND_SEND_ERROR);
        complain(udp, now, &udp->refused, "backend_send_error", strerror(errno));
    }
}

static void udp_closed(void *backend, dg_time now, struct dg_ref ref)
{
    struct udp *udp = backend;
    struct dg_udp_talker *talker = dg_udp_table_find(&udp->table, ref.id);
    if (talker != NULL) {
        close_talker(udp, now, talker);
    }
}

static int udp_descriptor(void *backend) { return ((struct udp *)backend)->epoll_fd; }

static uint16_t next_wanted(unsigned wanted, unsigned got)
{
    if (got < wanted) {
        return got > 0 ? (uint16_t)got : 1;
    }
    return wanted < ANSWERS_AT_ONCE / 2 ? (uint16_t)(2 * wanted) : ANSWERS_AT_ONCE;
}

static void read_answers(struct udp *udp, dg_time now, struct dg_udp_talker *talker)
{
    struct dg_ref ref = talker->ref;
    // One answer is the rule, and to look for a second one would cost nearly as much as to read it.
    unsigned wanted = talker->wanted;
    int got = recvmmsg(talker->fd, udp->messages, wanted, MSG_DONTWAIT, NULL);
    if (got < 0) {
        if (is_icmp(errno)) {
            count_icmp(udp, now, errno);
        }
        return;
    }
    dg_udp_table_touch(&udp->table, talker, now);
    talker->wanted = next_wanted(wanted, (unsigned)got);
    for (int i = 0; i < got; i++) {
        // The answer may end the association, and so its talker: what else has come is then stale, and the
        // sink counts it.
        (void)udp->sink.answer(udp->sink.context, now, ref, udp->vectors[i].iov_base, udp->messages[i].msg_len);
    }
}

static void udp_ready(void *backend, dg_time now)
{
    struct udp *udp = backend;
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(udp->epoll_fd, events, EVENTS_AT_ONCE, 0);
    for (int i = 0; i < count; i++) {
        struct dg_udp_talker *talker = dg_udp_table_by_token(&udp->table, events[i].data.u64);
        if (talker != NULL) {
            read_answers(udp, now, talker);
        }
    }
}

// Ports rest and sockets are held without a timer: looked at when one is wanted.
static dg_time udp_deadline(void *backend) { return has_to_restore(backend) ? 0 : DG_NEVER; }

static void udp_advance(void *backend, dg_time now) { restore(backend, now); }

static void udp_free(void *backend)
{
    struct udp *udp = backend;
    struct dg_udp_talker *talker;
    while (udp->table.count > 0 && (talker = dg_udp_table_oldest(&udp->table)) != NULL) {
        close(talker->fd); // the port stays its association's, which the next process goes on with
        dg_udp_table_remove(&udp->table, talker);
    }
    dg_udp_table_clear(&udp->table);
    dg_port_allocator_free(udp->ports);
    if (udp->epoll_fd >= 0) {
        close(udp->epoll_fd);
    }
    free(udp->answers);
    free(udp);
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

size_t dg_backend_udp_talking(const struct dg_backend *backend) { return ((struct udp *)backend->self)->table.count; }

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

// Ports that the administrator keeps for somebody else. No such file: none.
static void read_reserved(struct dg_port_set *set)
{
    char text[65536];
    memset(set, 0, sizeof *set);
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "re");
    if (file == NULL) {
        return;
    }
    if (fgets(text, sizeof text, file) != NULL) {
        dg_port_set_add(set, text);
    }
    fclose(file);
}

static uint32_t socket_limit(const struct udp *udp)
{
    size_t limit = dg_port_allocator_size(udp->ports);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
        rlim_t spared = files.rlim_cur > 2 * DESCRIPTORS_SPARED ? DESCRIPTORS_SPARED : files.rlim_cur / 2;
        rlim_t share = (files.rlim_cur - spared) / udp->config.worker_count;
        limit = share < limit ? (size_t)share : limit;
    }
    if (udp->config.sockets_max != 0 && udp->config.sockets_max < limit) {
        limit = udp->config.sockets_max;
    }
    return (uint32_t)limit;
}

static bool set_up(struct udp *udp, char *error, size_t error_size)
{
    if (!udp->config.allow_beyond_loopback && !dg_address_is_loopback(&udp->config.target)) {
        char target[DG_ADDRESS_TEXT];
        dg_address_format(&udp->config.target, target);
        snprintf(error, error_size,
                 "backend udp:%s is not on this host: the way to it is neither encrypted nor authenticated, so it "
                 "takes an explicit word",
                 target);
        return false;
    }
    struct dg_port_set reserved;
    read_reserved(&reserved);
    udp->ports = dg_port_allocator_new(udp->config.ports, &reserved, udp->config.book, udp->config.worker,
                                       udp->config.worker_count, udp->config.quarantine, dg_random_u64());
    udp->answers = malloc((size_t)ANSWERS_AT_ONCE * ANSWER_BYTES);
    if (udp->ports == NULL || udp->answers == NULL) {
        snprintf(error, error_size, "memory is short for the UDP backend");
        return false;
    }
    uint32_t limit = socket_limit(udp);
    if (limit == 0) {
        snprintf(error, error_size,
                 "no local port is left for worker %u of %u in %u-%u: widen the range, or lower the number of workers",
                 udp->config.worker, udp->config.worker_count, udp->config.ports.first, udp->config.ports.last);
        return false;
    }
    udp->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (udp->epoll_fd < 0 || !dg_udp_table_init(&udp->table, limit)) {
        snprintf(error, error_size, "memory or descriptors are short for the UDP backend");
        return false;
    }
    for (size_t i = 0; i < ANSWERS_AT_ONCE; i++) {
        udp->vectors[i] = (struct iovec){.iov_base = udp->answers + i * ANSWER_BYTES, .iov_len = ANSWER_BYTES};
        udp->messages[i].msg_hdr = (struct msghdr){.msg_iov = &udp->vectors[i], .msg_iovlen = 1};
    }
    return true;
}

struct dg_backend dg_backend_udp_new(const struct dg_backend_udp_config *config, const struct dg_backend_sink *sink,
                                     struct dg_counters *counters, char *error, size_t error_size)
{
    struct udp *udp = calloc(1, sizeof *udp);
    if (udp == NULL) {
        snprintf(error, error_size, "memory is short for the UDP backend");
        return (struct dg_backend){.ops = &udp_ops};
    }
    udp->config = *config;
    udp->restore_next = sink->claim != NULL && config->book.words != NULL ? config->ports.first : UINT32_MAX;
    udp->sink = *sink;
    udp->counters = counters;
    udp->epoll_fd = -1;
    udp->target_size = dg_sockaddr_from(&udp->target, &config->target);
    if (!set_up(udp, error, error_size)) {
        udp_free(udp);
        return (struct dg_backend){.ops = &udp_ops};
    }
    return (struct dg_backend){.ops = &udp_ops, .self = udp};
}
