// SPDX-License-Identifier: GPL-3.0-or-later
// Plaintext is collected behind its header and handed to the kernel with few system calls, at the latest at the end of the
// batch that brought it. The socket is connected: the kernel itself takes answers from nobody but the service. A Unix
// socket is connected before it has a name, so that there is no moment at which another could send to it.
#include "backend/proxy.h"

#include "backend/complaint.h"
#include "backend/proxy_header.h"
#include "core/wire_constants.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SENT_AT_ONCE 64
#define QUEUE_MAX 1024              // datagrams that the service has not taken yet
#define QUEUE_BYTES (512 * 1024)
#define ANSWERS_AT_ONCE 64
#define BATCHES_AT_ONCE 2           // of answers, before datagrams have their turn
#define ANSWER_BYTES (DG_PLAINTEXT_MAX + 4 * DG_PROXY_HEADER_MAX)
#define OPEN_EVERY (100 * DG_MILLISECOND) // a service that is not there is looked for at most so often
#define SOCKET_BYTES (4 * 1024 * 1024)    // wished for

struct proxy {
    struct dg_backend_proxy_config config;
    struct dg_backend_sink sink;
    struct dg_counters *counters;
    int fd;           // -1: the service is not there
    int epoll_fd;
    dg_time tried_at; // to reach it
    bool is_blocked;  // the socket takes nothing more for now
    struct dg_complaint absent, full, unreachable, refused;
    // the queue: waiting[head..head+count) lie one behind the other in bytes[..used)
    uint32_t head, count;
    size_t used;
    struct iovec waiting[QUEUE_MAX];
    uint8_t *bytes;   // QUEUE_BYTES
    struct mmsghdr out[SENT_AT_ONCE];
    struct mmsghdr in[ANSWERS_AT_ONCE];
    struct iovec in_vectors[ANSWERS_AT_ONCE];
    uint8_t *answers; // ANSWERS_AT_ONCE buffers of ANSWER_BYTES
};

// --- the socket ------------------------------------------------------------------------------------------

static void close_socket(struct proxy *proxy)
{
    if (proxy->fd >= 0)
        close(proxy->fd); // which also takes it out of the epoll set
    proxy->fd = -1;
    proxy->is_blocked = false;
}

static bool watch(const struct proxy *proxy, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = proxy->fd};
    return epoll_ctl(proxy->epoll_fd, operation, proxy->fd, &event) == 0;
}

static bool connect_udp(const struct proxy *proxy)
{
    union dg_sockaddr name;
    socklen_t size = dg_sockaddr_from(&name, &proxy->config.target);
    return connect(proxy->fd, &name.any, size) == 0;
}

// Bound after it is connected, to an abstract name that the kernel chooses: nothing stays in the file system, and a
// connected socket takes datagrams from its peer alone.
static bool connect_unix(const struct proxy *proxy)
{
    struct sockaddr_un peer = {.sun_family = AF_UNIX};
    const struct sockaddr_un any_name = {.sun_family = AF_UNIX};
    memcpy(peer.sun_path, proxy->config.path, strlen(proxy->config.path) + 1);
    return connect(proxy->fd, (const struct sockaddr *)&peer, sizeof peer) == 0 &&
           bind(proxy->fd, (const struct sockaddr *)&any_name, sizeof any_name.sun_family) == 0;
}

// False: errno says why.
static bool open_socket(struct proxy *proxy)
{
    const int bytes = SOCKET_BYTES;
    int family = proxy->config.is_unix                             ? AF_UNIX
                 : dg_address_is_ipv4(&proxy->config.target) ? AF_INET
                                                              : AF_INET6;
    proxy->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (proxy->fd < 0)
        return false;
    (void)setsockopt(proxy->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    (void)setsockopt(proxy->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    if ((proxy->config.is_unix ? connect_unix(proxy) : connect_udp(proxy)) && watch(proxy, EPOLL_CTL_ADD, EPOLLIN))
        return true;
    int code = errno;
    close_socket(proxy);
    errno = code;
    return false;
}

static const char *reason_of_absence(int code)
{
    switch (code) {
    case ENOENT:
        return "no socket is there: start the service, or correct the path";
    case ECONNREFUSED:
        return "nobody listens at the socket: start the service";
    case EACCES:
        return "this user may not write to the socket: give it the right to, by the socket's mode and group";
    case EPROTOTYPE:
        return "it is no datagram socket: the service must open one (SOCK_DGRAM)";
    default:
        return strerror(code);
    }
}

static bool is_there(struct proxy *proxy, dg_time now)
{
    if (proxy->fd >= 0)
        return true;
    if (proxy->tried_at != 0 && dg_time_since(now, proxy->tried_at) < OPEN_EVERY)
        return false;
    proxy->tried_at = now;
    if (!open_socket(proxy)) {
        dg_complain(&proxy->absent, &proxy->sink, now, "backend_absent", reason_of_absence(errno));
        return false;
    }
    dg_complaint_over(&proxy->absent, &proxy->sink, now, "backend_back", "the service is there again");
    return true;
}

// --- the way out -----------------------------------------------------------------------------------------

static void forget_first(struct proxy *proxy, uint32_t count)
{
    proxy->head += count;
    proxy->count -= count;
    if (proxy->count == 0) {
        proxy->head = 0;
        proxy->used = 0;
    }
}

static void drop_all(struct proxy *proxy, enum dg_counter reason)
{
    dg_count_by(proxy->counters, reason, proxy->count);
    forget_first(proxy, proxy->count);
}

static void set_blocked(struct proxy *proxy, bool is_blocked)
{
    if (is_blocked != proxy->is_blocked) {
        DG_BUG_UNLESS(watch(proxy, EPOLL_CTL_MOD, is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN));
        proxy->is_blocked = is_blocked;
    }
}

static bool is_icmp(int code)
{
    return code == ECONNREFUSED || code == EHOSTUNREACH || code == ENETUNREACH || code == EHOSTDOWN;
}

// The service's end of a Unix socket is gone, or another has taken its path.
static bool is_gone(int code)
{
    return code == ECONNREFUSED || code == ECONNRESET || code == ENOTCONN || code == EDESTADDRREQ || code == ENOENT ||
           code == EPIPE;
}

// Of an earlier datagram: the service may be back.
static void note_icmp(struct proxy *proxy, dg_time now, int code)
{
    dg_count(proxy->counters, DG_COUNT_BACKEND_UNREACHABLE);
    dg_complain(&proxy->unreachable, &proxy->sink, now, "backend_unreachable", strerror(code));
}

// What to do after a datagram that was not taken. False: no more for now.
static bool after_error(struct proxy *proxy, dg_time now, int code, unsigned *errors)
{
    if (code == EAGAIN || code == EWOULDBLOCK) {
        set_blocked(proxy, true);
        return false;
    }
    bool is_first = (*errors)++ == 0;
    if (proxy->config.is_unix && is_gone(code)) {
        close_socket(proxy);
        proxy->tried_at = is_first ? 0 : now; // a service that was started again is there already
        if (is_there(proxy, now))
            return true;
        drop_all(proxy, DG_COUNT_BACKEND_ABSENT);
        return false;
    }
    if (!proxy->config.is_unix && is_icmp(code) && is_first) {
        note_icmp(proxy, now, code); // told once; this datagram has not been tried yet
        return true;
    }
    dg_count(proxy->counters, DG_COUNT_BACKEND_SEND_ERROR);
    dg_complain(&proxy->refused, &proxy->sink, now, "backend_send_error", strerror(code));
    forget_first(proxy, 1);
    return true;
}

static void proxy_flush(void *backend, dg_time now)
{
    struct proxy *proxy = backend;
    unsigned errors = 0;
    while (proxy->count > 0 && !proxy->is_blocked) {
        unsigned count = proxy->count < SENT_AT_ONCE ? proxy->count : SENT_AT_ONCE;
        for (unsigned i = 0; i < count; i++)
            proxy->out[i].msg_hdr = (struct msghdr){.msg_iov = &proxy->waiting[proxy->head + i], .msg_iovlen = 1};
        int sent = sendmmsg(proxy->fd, proxy->out, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            forget_first(proxy, (uint32_t)sent);
            errors = 0;
        } else if (!after_error(proxy, now, errno, &errors)) {
            return;
        }
    }
    if (proxy->count == 0)
        dg_complaint_over(&proxy->full, &proxy->sink, now, "backend_back", "the service takes datagrams again");
}

// What waits moves to the beginning, where the sent left room.
static void compact(struct proxy *proxy)
{
    size_t used = 0;
    for (uint32_t i = 0; i < proxy->count; i++) {
        struct iovec from = proxy->waiting[proxy->head + i];
        memmove(proxy->bytes + used, from.iov_base, from.iov_len);
        proxy->waiting[i] = (struct iovec){.iov_base = proxy->bytes + used, .iov_len = from.iov_len};
        used += from.iov_len;
    }
    proxy->head = 0;
    proxy->used = used;
}

static bool has_room(const struct proxy *proxy, size_t size)
{
    return proxy->head + proxy->count < QUEUE_MAX && QUEUE_BYTES - proxy->used >= size;
}

// An eighth of the queue: a service that takes one datagram now and then does not make each cost a copy of all that wait.
static bool is_worth_compacting(const struct proxy *proxy)
{
    if (proxy->count == 0)
        return false;
    const uint8_t *first = proxy->waiting[proxy->head].iov_base;
    return proxy->head >= QUEUE_MAX / 8 || (size_t)(first - proxy->bytes) >= QUEUE_BYTES / 8;
}

static bool make_room(struct proxy *proxy, dg_time now, size_t size)
{
    if (has_room(proxy, size))
        return true;
    proxy_flush(proxy, now);
    if (!has_room(proxy, size) && is_worth_compacting(proxy))
        compact(proxy);
    return has_room(proxy, size);
}

static void proxy_deliver(void *backend, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct proxy *proxy = backend;
    struct dg_backend_subject subject;
    if (!is_there(proxy, now)) {
        dg_count(proxy->counters, DG_COUNT_BACKEND_ABSENT);
        return;
    }
    // To make room is to send, which may find the service gone, and what waited is dropped.
    if (!make_room(proxy, now, DG_PROXY_HEADER_MAX + size) || proxy->fd < 0) {
        dg_count(proxy->counters, proxy->fd < 0 ? DG_COUNT_BACKEND_ABSENT : DG_COUNT_BACKEND_FULL);
        if (proxy->fd >= 0)
            dg_complain(&proxy->full, &proxy->sink, now, "backend_full",
                        "the service takes datagrams too slowly: what it does not take is dropped");
        return;
    }
    if (!proxy->sink.describe(proxy->sink.context, ref, &subject))
        return; // ended, which is counted where it ends
    struct dg_writer writer = dg_writer_of(proxy->bytes + proxy->used, QUEUE_BYTES - proxy->used);
    dg_proxy_write(&writer, ref, &subject);
    dg_write_bytes(&writer, data, size);
    DG_BUG_UNLESS(!writer.failed);
    proxy->waiting[proxy->head + proxy->count++] =
        (struct iovec){.iov_base = proxy->bytes + proxy->used, .iov_len = dg_writer_size(&writer)};
    proxy->used += dg_writer_size(&writer);
    if (proxy->count >= SENT_AT_ONCE)
        proxy_flush(proxy, now);
}

// --- the way back ----------------------------------------------------------------------------------------

static void take_answer(struct proxy *proxy, dg_time now, const struct mmsghdr *message)
{
    struct dg_ref ref;
    struct dg_bytes payload;
    const struct dg_bytes datagram = {message->msg_hdr.msg_iov->iov_base, message->msg_len};
    if ((message->msg_hdr.msg_flags & MSG_TRUNC) != 0 || !dg_proxy_read(datagram, &ref, &payload)) {
        dg_count(proxy->counters, DG_COUNT_BACKEND_ANSWER_MALFORMED);
        return;
    }
    proxy->sink.route(proxy->sink.context, now, ref, payload.data, payload.size);
}

// False: nothing more is there.
static bool read_answers(struct proxy *proxy, dg_time now)
{
    int got = recvmmsg(proxy->fd, proxy->in, ANSWERS_AT_ONCE, MSG_DONTWAIT, NULL);
    if (got < 0) {
        if (!proxy->config.is_unix && is_icmp(errno))
            note_icmp(proxy, now, errno);
        return false;
    }
    dg_complaint_over(&proxy->unreachable, &proxy->sink, now, "backend_back", "the service answers again");
    for (int i = 0; i < got; i++)
        take_answer(proxy, now, &proxy->in[i]);
    return got == ANSWERS_AT_ONCE;
}

static void proxy_ready(void *backend, dg_time now)
{
    struct proxy *proxy = backend;
    for (int i = 0; i < BATCHES_AT_ONCE && proxy->fd >= 0 && read_answers(proxy, now); i++) {
    }
    if (proxy->is_blocked && proxy->fd >= 0) {
        set_blocked(proxy, false); // it says so again if it is
        proxy_flush(proxy, now);
    }
}

// --- the rest --------------------------------------------------------------------------------------------

static void proxy_closed(void *backend, dg_time now, struct dg_ref ref)
{
    (void)backend;
    (void)now;
    (void)ref;
}

static int proxy_descriptor(void *backend) { return ((struct proxy *)backend)->epoll_fd; }

static dg_time proxy_deadline(void *backend)
{
    (void)backend;
    return DG_NEVER;
}

static void proxy_advance(void *backend, dg_time now)
{
    (void)backend;
    (void)now;
}

static void proxy_free(void *backend)
{
    struct proxy *proxy = backend;
    close_socket(proxy);
    if (proxy->epoll_fd >= 0)
        close(proxy->epoll_fd);
    free(proxy->bytes);
    free(proxy->answers);
    free(proxy);
}

static const struct dg_backend_ops proxy_ops = {
    .deliver = proxy_deliver,
    .closed = proxy_closed,
    .descriptor = proxy_descriptor,
    .ready = proxy_ready,
    .flush = proxy_flush,
    .deadline = proxy_deadline,
    .advance = proxy_advance,
    .free = proxy_free,
};

struct dg_backend dg_backend_proxy_new(const struct dg_backend_proxy_config *config, const struct dg_backend_sink *sink,
                                       struct dg_counters *counters, char *error, size_t error_size)
{
    struct dg_backend backend = {.ops = &proxy_ops};
    struct proxy *proxy = calloc(1, sizeof *proxy);
    if (proxy == NULL) {
        snprintf(error, error_size, "memory is short for the proxy backend");
        return backend;
    }
    proxy->config = *config;
    proxy->sink = *sink;
    proxy->counters = counters;
    proxy->fd = -1;
    proxy->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    proxy->bytes = malloc(QUEUE_BYTES);
    proxy->answers = malloc((size_t)ANSWERS_AT_ONCE * ANSWER_BYTES);
    if (proxy->epoll_fd < 0 || proxy->bytes == NULL || proxy->answers == NULL) {
        snprintf(error, error_size, "memory or descriptors are short for the proxy backend");
        proxy_free(proxy);
        return backend;
    }
    for (size_t i = 0; i < ANSWERS_AT_ONCE; i++) {
        proxy->in_vectors[i] = (struct iovec){.iov_base = proxy->answers + i * ANSWER_BYTES, .iov_len = ANSWER_BYTES};
        proxy->in[i].msg_hdr = (struct msghdr){.msg_iov = &proxy->in_vectors[i], .msg_iovlen = 1};
    }
    backend.self = proxy;
    return backend;
}
