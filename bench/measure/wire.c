// SPDX-License-Identifier: GPL-3.0-or-later
// One unconnected socket; the source address goes with each datagram as packet info.
#include "measure/wire.h"

#include "measure/process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOSS_MS 200
#define SOURCES_MAX 1000000 // addresses from 127.0.1.1 on
#define NAP_NS 200000
#define LOSS_NAPS (LOSS_MS * 1000000 / NAP_NS)
#define CONTROL CMSG_SPACE(sizeof(struct in_pktinfo))

struct envelope {
    struct sockaddr_in to;
    struct iovec vector;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL];
};

void bench_wire_open(struct bench_wire *wire, uint16_t port)
{
    *wire = (struct bench_wire){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .port = port};
    struct sockaddr_in any = {.sin_family = AF_INET};
    int size = 4 << 20;
    (void)setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(wire->fd, (struct sockaddr *)&any, sizeof any) != 0)
        BENCH_FAIL("cannot bind a socket");
}

void bench_wire_close(struct bench_wire *wire)
{
    close(wire->fd);
    wire->fd = -1;
}

static void address(struct envelope *envelope, struct msghdr *message, uint16_t port, uint32_t source,
                    const uint8_t *bytes, size_t size)
{
    memset(envelope, 0, sizeof *envelope);
    envelope->to = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    envelope->vector = (struct iovec){(void *)(uintptr_t)bytes, size};
    struct cmsghdr *part = (struct cmsghdr *)(void *)envelope->control;
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(0x7f000101 + source % SOURCES_MAX)};
    part->cmsg_level = IPPROTO_IP;
    part->cmsg_type = IP_PKTINFO;
    part->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(part), &info, sizeof info);
    *message = (struct msghdr){.msg_name = &envelope->to,
                               .msg_namelen = sizeof envelope->to,
                               .msg_iov = &envelope->vector,
                               .msg_iovlen = 1,
                               .msg_control = envelope->control,
                               .msg_controllen = CONTROL};
}

static int64_t now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void note(struct bench_script *script, bool is_sent, size_t size)
{
    if (script == NULL)
        return;
    if (script->count == sizeof script->events / sizeof script->events[0])
        BENCH_FAIL("a script is too short for what goes over the wire");
    int64_t now = now_ns();
    int64_t after = script->count > 0 ? now - script->last_ns : 0;
    script->events[script->count++] = (struct bench_event){is_sent, (uint16_t)size, after};
    script->last_ns = now;
}

void bench_wire_send(void *context, const uint8_t *bytes, size_t size)
{
    struct bench_wire *wire = context;
    if (wire->into != NULL) {
        struct bench_burst *burst = wire->into;
        if (burst->count == BENCH_BURST || size > BENCH_DATAGRAM_MAX)
            BENCH_FAIL("a burst is too small");
        struct bench_datagram *datagram = &burst->datagrams[burst->count++];
        memcpy(datagram->bytes, bytes, size);
        datagram->size = size;
        datagram->source = wire->source;
        return;
    }
    struct envelope envelope;
    struct msghdr message;
    address(&envelope, &message, wire->port, wire->source, bytes, size);
    if (sendmsg(wire->fd, &message, 0) != (ssize_t)size)
        BENCH_FAIL("a datagram does not go out");
    wire->traffic.sent++;
    wire->traffic.bytes += size;
    note(wire->script, true, size);
}

size_t bench_wire_receive(void *context, uint8_t *buffer, size_t capacity)
{
    struct bench_wire *wire = context;
    ssize_t size = recv(wire->fd, buffer, capacity, MSG_DONTWAIT);
    if (size <= 0)
        return 0;
    wire->traffic.received++;
    wire->traffic.bytes += (uint64_t)size;
    note(wire->script, false, (size_t)size);
    return (size_t)size;
}

bool bench_wire_wait(const struct bench_wire *wire, int milliseconds)
{
    struct pollfd waiting = {.fd = wire->fd, .events = POLLIN};
    int64_t deadline = now_ns() + (int64_t)milliseconds * 1000000;
    do {
        if (poll(&waiting, 1, 0) == 1)
            return true;
    } while (now_ns() < deadline);
    return false;
}

static int collect_now(const struct bench_wire *wire, int wanted)
{
    static uint8_t buffers[BENCH_BURST][BENCH_DATAGRAM_MAX];
    struct iovec vectors[BENCH_BURST];
    struct mmsghdr messages[BENCH_BURST];
    if (wanted > BENCH_BURST)
        wanted = BENCH_BURST;
    for (int i = 0; i < wanted; i++) {
        vectors[i] = (struct iovec){buffers[i], sizeof buffers[i]};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i], .msg_iovlen = 1}};
    }
    int got = recvmmsg(wire->fd, messages, (unsigned)wanted, MSG_DONTWAIT, NULL);
    return got > 0 ? got : 0;
}

int bench_wire_play_bursts(const struct bench_wire *wire, const struct bench_burst *bursts, int count, int rate)
{
    int64_t due = now_ns();
    int came = 0;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < bursts[i].count; k++, due += 1000000000 / rate) {
            const struct bench_datagram *datagram = &bursts[i].datagrams[k];
            struct envelope envelope;
            struct msghdr message;
            address(&envelope, &message, wire->port, datagram->source, datagram->bytes, datagram->size);
            while (now_ns() < due) {
            }
            if (sendmsg(wire->fd, &message, 0) < 0)
                BENCH_FAIL("a datagram does not go out");
        }
        came += collect_now(wire, BENCH_BURST);
    }
    return came;
}

int bench_wire_collect(const struct bench_wire *wire, int wanted)
{
    int came = 0;
    for (int naps = 0; came < wanted && naps < LOSS_NAPS; naps++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        came += collect_now(wire, wanted - came);
    }
    return came;
}

bool bench_wire_collect_one(const struct bench_wire *wire)
{
    return bench_wire_wait(wire, LOSS_MS) && collect_now(wire, 1) == 1;
}

void bench_wire_send_burst(const struct bench_wire *wire, const struct bench_burst *burst)
{
    struct envelope envelopes[BENCH_BURST];
    struct mmsghdr messages[BENCH_BURST];
    for (int i = 0; i < burst->count; i++) {
        const struct bench_datagram *datagram = &burst->datagrams[i];
        messages[i].msg_len = 0;
        address(&envelopes[i], &messages[i].msg_hdr, wire->port, datagram->source, datagram->bytes, datagram->size);
    }
    for (int sent = 0; sent < burst->count;) {
        int now = sendmmsg(wire->fd, messages + sent, (unsigned)(burst->count - sent), 0);
        if (now <= 0)
            BENCH_FAIL("a burst does not go out");
        sent += now;
    }
}

// The first byte says how many answers are wanted, two more for each how long.
static size_t write_order(const struct bench_script *script, unsigned at, uint8_t *bytes)
{
    unsigned answers = 0;
    for (unsigned i = at + 1; i < script->count && !script->events[i].is_sent; i++, answers++) {
        bytes[1 + 2 * answers] = (uint8_t)(script->events[i].size >> 8);
        bytes[2 + 2 * answers] = (uint8_t)script->events[i].size;
    }
    bytes[0] = (uint8_t)answers;
    if (1 + 2 * (size_t)answers > script->events[at].size)
        BENCH_FAIL("a datagram is too short to say what answers it");
    return script->events[at].size;
}

#define ANSWER_MS 2000 // on a busy machine a server may not run for long

void bench_wire_play(const struct bench_wire *wire, const struct bench_script *script)
{
    static struct bench_burst burst = {.count = 1};
    int64_t last = now_ns();
    for (unsigned i = 0; i < script->count; i++) {
        if (!script->events[i].is_sent) {
            if (!bench_wire_wait(wire, ANSWER_MS) || collect_now(wire, 1) != 1)
                BENCH_FAIL("the plain server lost a datagram");
        } else {
            burst.datagrams[0].size = write_order(script, i, burst.datagrams[0].bytes);
            while (now_ns() - last < script->events[i].after_ns) {
            }
            bench_wire_send_burst(wire, &burst);
        }
        last = now_ns();
    }
}
