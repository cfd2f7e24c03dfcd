// SPDX-License-Identifier: GPL-3.0-or-later
// recvmmsg(2) with packet info. The buffers lie in one mapping whose pages are touched only as far as
// datagrams are long. Never allocates after new.
#include "io/receive_batch.h"

#include "core/wire_constants.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// One byte more than the largest datagram, so that the kernel marks what is longer; rounded up to the cache
// line.
#define BUFFER_BYTES ((DG_DATAGRAM_MAX + 1 + 63) / 64 * 64)
#define CONTROL_BYTES 64 // room for an in6_pktinfo and its header

_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) <= CONTROL_BYTES, "packet info fits");

struct dg_receive_batch {
    struct mmsghdr messages[DG_RECEIVE_BATCH_MAX];
    struct iovec vectors[DG_RECEIVE_BATCH_MAX];
    union dg_sockaddr names[DG_RECEIVE_BATCH_MAX];
    struct control {
        _Alignas(struct cmsghdr) uint8_t bytes[CONTROL_BYTES];
    } controls[DG_RECEIVE_BATCH_MAX];
    struct dg_received received[DG_RECEIVE_BATCH_MAX];
    uint8_t *buffers;
};

struct dg_receive_batch *dg_receive_batch_new(void)
{
    struct dg_receive_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return NULL;
    }
    void *buffers = mmap(NULL, (size_t)DG_RECEIVE_BATCH_MAX * BUFFER_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffers == MAP_FAILED) {
        free(batch);
        return NULL;
    }
    batch->buffers = buffers;
    for (size_t i = 0; i < DG_RECEIVE_BATCH_MAX; i++) {
        batch->vectors[i] = (struct iovec){.iov_base = batch->buffers + i * BUFFER_BYTES,
                                           .iov_len = DG_DATAGRAM_MAX + 1};
    }
    return batch;
}

void dg_receive_batch_free(struct dg_receive_batch *batch)
{
    if (batch == NULL) {
        return;
    }
    // Opened in place: the buffers hold plaintext.
    DG_BUG_UNLESS(munmap(batch->buffers, (size_t)DG_RECEIVE_BATCH_MAX * BUFFER_BYTES) == 0);
    free(batch);
}

// The kernel shortens these to what it wrote, so they are set before every call.
static void prepare(struct dg_receive_batch *batch)
{
    for (size_t i = 0; i < DG_RECEIVE_BATCH_MAX; i++) {
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

// The address that the datagram was sent to. Where the kernel says nothing it stays the bound one.
static void read_local(struct msghdr *message, struct dg_address *local)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(part), sizeof info);
            // Not ipi_addr: that may be a broadcast address, from which no answer can leave.
            dg_address_set_v4(local, &info.ipi_spec_dst);
        } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(part), sizeof info);
            memcpy(local->ip, &info.ipi6_addr, sizeof local->ip);
            local->scope = dg_address_is_link_local(local) ? (uint32_t)info.ipi6_ifindex : 0;
        }
    }
}

size_t dg_receive_batch_read(struct dg_receive_batch *batch, const struct dg_socket *socket,
                             struct dg_counters *counters, struct dg_received **ret_received, size_t *ret_count)
{
    *ret_received = batch->received;
    *ret_count = 0;
    prepare(batch);
    int got = recvmmsg(socket->fd, batch->messages, DG_RECEIVE_BATCH_MAX, MSG_DONTWAIT, NULL);
    if (got <= 0) {
        return 0; // nothing there, a signal, or an error that belongs to a datagram sent earlier
    }
    dg_count_by(counters, DG_COUNT_DATAGRAMS_RECEIVED, (uint64_t)got);
    size_t usable = 0;
    for (size_t i = 0; i < (size_t)got; i++) {
        struct msghdr *message = &batch->messages[i].msg_hdr;
        struct dg_received *received = &batch->received[usable];
        if ((message->msg_flags & MSG_TRUNC) != 0 || batch->messages[i].msg_len > DG_DATAGRAM_MAX) {
            dg_count(counters, DG_COUNT_DROP_RECORD_TOO_LONG);
            continue;
        }
        if (!dg_sockaddr_to(message->msg_name, message->msg_namelen, &received->path.peer)) {
            dg_count(counters, DG_COUNT_DROP_SOURCE_IMPOSSIBLE);
            continue;
        }
        received->path.local = socket->address;
        received->path.listener = socket->listener;
        read_local(message, &received->path.local);
        received->data = batch->vectors[i].iov_base;
        received->size = batch->messages[i].msg_len;
        usable++;
    }
    *ret_count = usable;
    return (size_t)got;
}
