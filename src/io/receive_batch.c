// SPDX-License-Identifier: GPL-3.0-or-later
// recvmmsg(2) with packet info, joined datagrams (udp(7), UDP_GRO) and the count of what the kernel dropped
// (socket(7), SO_RXQ_OVFL). The buffers lie in one mapping whose pages are touched only as far as messages
// are long. Never allocates after new.
#include "base/secret.h"
#include "io/receive_batch.h"

#include "core/wire_constants.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// The largest message there is, joined or not, and a cache line more: buffers a power of two apart would all
// want the same few places of the cache.
#define MESSAGE_BYTES 65536
#define BUFFER_STRIDE (MESSAGE_BYTES + DG_CACHE_LINE)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define MAPPING_BYTES                                                                                              \
    (((size_t)DG_RECEIVE_BATCH_MAX * BUFFER_STRIDE + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES)
#define CONTROL_BYTES                                                                                              \
    (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint32_t)))

struct dg_receive_batch {
    const struct dg_socket *sockets;
    size_t socket_count;
    struct dg_counters *counters;
    uint32_t *dropped;   // one for each socket: the kernel's count as last seen
    const struct dg_socket *socket; // of the last read
    size_t message_count;
    size_t message;      // the next to be taken from
    size_t offset;       // in it
    struct dg_path path; // of it, and the size of its datagrams, once offset is above 0
    size_t segment;
    bool is_for_many;    // it went to a group or a network, not to us
    struct mmsghdr messages[DG_RECEIVE_BATCH_MAX];
    struct iovec vectors[DG_RECEIVE_BATCH_MAX];
    union dg_sockaddr names[DG_RECEIVE_BATCH_MAX];
    struct control {
        _Alignas(struct cmsghdr) uint8_t bytes[CONTROL_BYTES];
    } controls[DG_RECEIVE_BATCH_MAX];
    struct dg_received received[DG_RECEIVE_BATCH_MAX];
    uint8_t *buffers;
};

// What a socket has dropped before we read from it, in an earlier process perhaps.
static uint32_t dropped_so_far(const struct dg_socket *socket)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof info;
    return getsockopt(socket->fd, SOL_SOCKET, SO_MEMINFO, info, &size) == 0 ? info[SK_MEMINFO_DROPS] : 0;
}

// The kernel shortens what it has written, so the messages of a read are made ready again for the next.
static void prepare(struct dg_receive_batch *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        batch->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &batch->names[i],
            .msg_namelen = sizeof batch->names[i],
            .msg_iov = &batch->vectors[i],
            .msg_iovlen = 1,
            .msg_control = batch->controls[i].bytes,
            .msg_controllen = CONTROL_BYTES,
        };
    }
}

struct dg_receive_batch *dg_receive_batch_new(const struct dg_socket *sockets, size_t count,
                                              struct dg_counters *counters)
{
    struct dg_receive_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return NULL;
    }
    dg_wipe(batch, sizeof *batch); // its pages exist from now on: a flood that fills it makes nothing grow
    batch->dropped = calloc(count > 0 ? count : 1, sizeof *batch->dropped);
    void *buffers = mmap(NULL, MAPPING_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (batch->dropped == NULL || buffers == MAP_FAILED) {
        if (buffers != MAP_FAILED) {
            DG_BUG_UNLESS(munmap(buffers, MAPPING_BYTES) == 0);
        }
        free(batch->dropped);
        free(batch);
        return NULL;
    }
    batch->sockets = sockets;
    batch->socket_count = count;
    batch->counters = counters;
    batch->buffers = buffers;
    for (size_t i = 0; i < count; i++) {
        batch->dropped[i] = dropped_so_far(&sockets[i]);
    }
    for (size_t i = 0; i < DG_RECEIVE_BATCH_MAX; i++) {
        batch->vectors[i] =
            (struct iovec){.iov_base = batch->buffers + i * BUFFER_STRIDE, .iov_len = MESSAGE_BYTES};
    }
    prepare(batch, DG_RECEIVE_BATCH_MAX);
    return batch;
}

void dg_receive_batch_free(struct dg_receive_batch *batch)
{
    if (batch == NULL) {
        return;
    }
    // Opened in place: the buffers hold plaintext.
    DG_BUG_UNLESS(munmap(batch->buffers, MAPPING_BYTES) == 0);
    free(batch->dropped);
    free(batch);
}

// --- reading ---------------------------------------------------------------------------------------------

size_t dg_receive_batch_read(struct dg_receive_batch *batch, size_t socket)
{
    DG_BUG_UNLESS(socket < batch->socket_count);
    batch->socket = &batch->sockets[socket];
    batch->message = 0;
    batch->offset = 0;
    prepare(batch, batch->message_count);
    int got = recvmmsg(batch->socket->fd, batch->messages, DG_RECEIVE_BATCH_MAX, MSG_DONTWAIT, NULL);
    // Below 0: nothing there, a signal, or an error that belongs to a datagram sent earlier.
    batch->message_count = got > 0 ? (size_t)got : 0;
    return batch->message_count;
}

// --- taking ----------------------------------------------------------------------------------------------

// The kernel's count is of the socket's whole life, and wraps. A datagram carries the count of when it was queued: what
// already waited when we began carries less than we began with.
static void count_dropped(struct dg_receive_batch *batch, uint32_t dropped)
{
    uint32_t *before = &batch->dropped[batch->socket - batch->sockets];
    uint32_t more = dropped - *before;
    if (more > UINT32_MAX / 2) {
        return;
    }
    dg_count_by(batch->counters, DG_COUNT_DROP_KERNEL, more);
    *before = dropped;
}

// What came along with the message: the address that it was sent to (where the kernel says nothing it stays the
// bound one), and the size of each of the datagrams that it joins (0: it is one).
static void read_control(struct dg_receive_batch *batch, struct msghdr *message)
{
    struct dg_address *local = &batch->path.local;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(part), sizeof info);
            // Not ipi_addr: that may be a broadcast address, from which no answer can leave. It is where the two differ.
            dg_address_set_v4(local, &info.ipi_spec_dst);
            batch->is_for_many = !dg_address_is_wildcard(local) && info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr;
        } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(part), sizeof info);
            memcpy(local->ip, &info.ipi6_addr, sizeof local->ip);
            local->scope = dg_address_is_link_local(local) ? (uint32_t)info.ipi6_ifindex : 0;
            batch->is_for_many = IN6_IS_ADDR_MULTICAST(&info.ipi6_addr);
        } else if (part->cmsg_level == IPPROTO_UDP && part->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(part), sizeof segment);
            batch->segment = segment > 0 ? (size_t)segment : 0;
        } else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SO_RXQ_OVFL) {
            uint32_t dropped;
            memcpy(&dropped, CMSG_DATA(part), sizeof dropped);
            count_dropped(batch, dropped);
        }
    }
}

// Begins with a message. False: it cannot be used, and is counted.
static bool begin_message(struct dg_receive_batch *batch, struct msghdr *message, size_t size)
{
    batch->path.local = batch->socket->address;
    batch->path.listener = batch->socket->listener;
    batch->segment = 0;
    batch->is_for_many = false;
    read_control(batch, message);
    if (batch->segment == 0) {
        batch->segment = size;
    }
    uint64_t datagrams = batch->segment > 0 ? (size + batch->segment - 1) / batch->segment : 1;
    dg_count_by(batch->counters, DG_COUNT_DATAGRAMS_RECEIVED, datagrams);
    if ((message->msg_flags & MSG_TRUNC) != 0 || batch->segment > DG_DATAGRAM_MAX) {
        dg_count_by(batch->counters, DG_COUNT_DROP_RECORD_TOO_LONG, datagrams);
        dg_datagrams_dropped(batch->counters, DG_COUNT_DROP_RECORD_TOO_LONG, datagrams);
        return false;
    }
    if (!dg_sockaddr_to(message->msg_name, message->msg_namelen, &batch->path.peer)) {
        dg_count_by(batch->counters, DG_COUNT_DROP_SOURCE_IMPOSSIBLE, datagrams);
        dg_datagrams_dropped(batch->counters, DG_COUNT_DROP_SOURCE_IMPOSSIBLE, datagrams);
        return false;
    }
    // Every socket of the group gets a copy, and each would be answered: many datagrams out for one in.
    if (batch->is_for_many) {
        dg_count_by(batch->counters, DG_COUNT_DROP_FOR_MANY, datagrams);
        dg_datagrams_dropped(batch->counters, DG_COUNT_DROP_FOR_MANY, datagrams);
        return false;
    }
    return true;
}

size_t dg_receive_batch_take(struct dg_receive_batch *batch, struct dg_received **ret_received)
{
    size_t count = 0;
    *ret_received = batch->received;
    while (batch->message < batch->message_count && count < DG_RECEIVE_BATCH_MAX) {
        struct mmsghdr *message = &batch->messages[batch->message];
        size_t size = message->msg_len;
        if (batch->offset == 0 && !begin_message(batch, &message->msg_hdr, size)) {
            batch->message++;
            continue;
        }
        size_t left = size - batch->offset;
        // Of the datagrams that a message joins all are equally long but the last, which may be shorter.
        size_t length = left < batch->segment ? left : batch->segment;
        batch->received[count++] = (struct dg_received){
            .path = batch->path,
            .data = (uint8_t *)batch->vectors[batch->message].iov_base + batch->offset,
            .size = length,
        };
        batch->offset += length;
        if (batch->offset >= size) {
            batch->message++;
            batch->offset = 0;
        }
    }
    return count;
}
