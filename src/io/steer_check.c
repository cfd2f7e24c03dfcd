// SPDX-License-Identifier: GPL-3.0-or-later
// The self-check of the filter: does a datagram for each thread reach that thread's socket? Kept apart from
// the program that it checks; never corrects anything.
#include "io/steer_filter.h"

#include "base/random.h"
#include "core/cid.h"
#include "core/wire_constants.h"
#include "io/clock.h"
#include "io/sockaddr.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_BYTES 16
#define PROBE_BYTES (DG_RECORD12_CID_OFFSET + DG_CID_SIZE_MAX + TOKEN_BYTES)
// Loopback delivers before sendto returns, but does not promise it. A bound for all of one probe: while strangers
// keep the queues full the probe may be lost, and what they send would be read for ever.
#define PATIENCE (200 * DG_MILLISECOND)

// A type that is none for the front, a record with a connection ID of shard worker - 1 for a worker.
static void make_probe(uint8_t probe[PROBE_BYTES], uint32_t thread)
{
    dg_random_bytes(probe, PROBE_BYTES);
    probe[0] = thread == 0 ? 0 : DG_CONTENT_TLS12_CID;
    probe[DG_RECORD12_CID_OFFSET + DG_CID_SHARD_BYTE] = (uint8_t)(thread - 1);
}

// The probe holds 16 random bytes and more, so that no stranger's datagram is taken for it.
static bool equals(const uint8_t *a, const uint8_t *b)
{
    uint8_t difference = 0;
    for (size_t i = 0; i < PROBE_BYTES; i++) {
        difference |= (uint8_t)(a[i] ^ b[i]);
    }
    return difference == 0;
}

// The socket that got the probe, or count.
static uint32_t find_probe(const struct dg_socket *sockets, uint32_t count, struct pollfd *polled,
                           const uint8_t *probe)
{
    for (uint32_t i = 0; i < count; i++) {
        polled[i] = (struct pollfd){.fd = sockets[i].fd, .events = POLLIN};
    }
    dg_time deadline = dg_clock_now() + PATIENCE;
    dg_time now;
    while ((now = dg_clock_now()) < deadline &&
           poll(polled, count, (int)((deadline - now + DG_MILLISECOND - 1) / DG_MILLISECOND)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            uint8_t got[PROBE_BYTES + 1];
            if ((polled[i].revents & POLLIN) == 0) {
                continue;
            }
            if (recv(sockets[i].fd, got, sizeof got, MSG_DONTWAIT) == PROBE_BYTES && equals(got, probe)) {
                return i;
            }
        }
    }
    return count;
}

enum dg_steer_check dg_steer_filter_check(const struct dg_socket *sockets, uint32_t worker_count,
                                          const struct dg_steer *steer)
{
    uint32_t count = 1 + worker_count;
    struct dg_address to = sockets[0].address;
    if (dg_address_is_wildcard(&to)) { // our own host by another name
        to.ip[15] = 1;
        if (dg_address_is_ipv4(&to)) {
            to.ip[12] = 127;
        }
    }
    union dg_sockaddr name;
    socklen_t name_size = dg_sockaddr_from(&name, &to);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct pollfd *polled = calloc(count, sizeof *polled);
    enum dg_steer_check found = fd >= 0 && polled != NULL ? DG_STEER_RIGHT : DG_STEER_UNKNOWN;
    for (uint32_t thread = 0; thread < count && found == DG_STEER_RIGHT; thread++) {
        if (thread > steer->shard_count) {
            break; // more workers than shards: the rest have none
        }
        uint8_t probe[PROBE_BYTES];
        make_probe(probe, thread);
        bool is_sent = sendto(fd, probe, sizeof probe, 0, &name.any, name_size) == (ssize_t)sizeof probe;
        uint32_t reached = is_sent ? find_probe(sockets, count, polled, probe) : count;
        if (reached != thread) {
            found = reached == count ? DG_STEER_UNKNOWN : DG_STEER_WRONG;
        }
    }
    free(polled);
    if (fd >= 0) {
        close(fd);
    }
    return found;
}
