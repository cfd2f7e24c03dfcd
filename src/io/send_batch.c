// SPDX-License-Identifier: GPL-3.0-or-later
// sendmmsg(2) with packet info and segmentation. A queue of entries whose bytes lie one behind the other in one
// arena; both start over when the queue is empty, and move up when it is not. Never allocates after new.
#include "base/secret.h"
#include "io/send_batch.h"

#include "core/wire_constants.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_BYTES (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)))
#define NO_SOCKET SIZE_MAX
#define SEGMENTS_MAX 64         // of one message: UDP_MAX_SEGMENTS before Linux 6.9
#define SEGMENTED_BYTES 65000   // of one message: less than any IP packet holds

_Static_assert(DG_SEND_QUEUE_BYTES >= 2 * DG_DATAGRAM_MAX, "a datagram always fits an empty queue");

struct entry {
    struct dg_address peer;
    struct dg_address local;
    uint32_t socket; // number in sockets
    uint32_t offset; // in the arena
    uint32_t size;
    bool is_done;    // sent, or given up
};

// One listener's socket.
struct outlet {
    bool is_blocked;
    bool can_segment;
    uint32_t waiting_count; // kept while it is blocked
    size_t waiting_bytes;
};

struct dg_send_batch {
    const struct dg_socket *sockets;
    size_t socket_count;
    struct dg_counters *counters;
    struct outlet *outlets; // one for each socket
    size_t entry_count;
    size_t arena_used;
    size_t reserved; // bytes behind arena_used that reserve gave out
    struct entry entries[DG_SEND_QUEUE_MAX];
    struct mmsghdr messages[DG_SEND_BATCH_MAX];
    struct iovec vectors[DG_SEND_BATCH_MAX];
    size_t segments[DG_SEND_BATCH_MAX]; // datagrams of each message
    union dg_sockaddr names[DG_SEND_BATCH_MAX];
    struct control {
        _Alignas(struct cmsghdr) uint8_t bytes[CONTROL_BYTES];
    } controls[DG_SEND_BATCH_MAX];
    uint8_t arena[DG_SEND_QUEUE_BYTES];
};

struct dg_send_batch *dg_send_batch_new(const struct dg_socket *sockets, size_t count, struct dg_counters *counters)
{
    struct dg_send_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return NULL;
    }
    dg_wipe(batch, sizeof *batch); // its pages exist from now on: a flood that fills it makes nothing grow
    batch->outlets = calloc(count > 0 ? count : 1, sizeof *batch->outlets);
    if (batch->outlets == NULL) {
        free(batch);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        batch->outlets[i].can_segment = dg_socket_facts(&sockets[i]).can_segment;
    }
    batch->sockets = sockets;
    batch->socket_count = count;
    batch->counters = counters;
    return batch;
}

void dg_send_batch_free(struct dg_send_batch *batch)
{
    if (batch == NULL) {
        return;
    }
    free(batch->outlets);
    free(batch);
}

// --- filling ---------------------------------------------------------------------------------------------

static bool has_room(const struct dg_send_batch *batch, size_t capacity)
{
    return batch->entry_count < DG_SEND_QUEUE_MAX && capacity <= sizeof batch->arena - batch->arena_used;
}

static uint8_t *reserve(void *context, size_t capacity)
{
    struct dg_send_batch *batch = context;
    if (!has_room(batch, capacity)) {
        dg_send_batch_flush(batch);
        if (!has_room(batch, capacity)) {
            return NULL;
        }
    }
    batch->reserved = capacity;
    return batch->arena + batch->arena_used;
}

static size_t find_socket(const struct dg_send_batch *batch, uint64_t listener)
{
    for (size_t i = 0; i < batch->socket_count; i++) {
        if (batch->sockets[i].listener == listener) {
            return i;
        }
    }
    return NO_SOCKET;
}

// What may wait for one full socket: so much that all of them together leave room for a datagram of another.
static bool is_within_share(const struct dg_send_batch *batch, const struct outlet *outlet, size_t size)
{
    if (batch->socket_count < 2) {
        return true; // nobody else wants the room
    }
    return outlet->waiting_count < (DG_SEND_QUEUE_MAX - DG_SEND_BATCH_MAX) / batch->socket_count &&
           outlet->waiting_bytes + size <= (DG_SEND_QUEUE_BYTES - 2 * DG_DATAGRAM_MAX) / batch->socket_count;
}

static void commit(void *context, const struct dg_path *path, size_t size)
{
    struct dg_send_batch *batch = context;
    DG_BUG_UNLESS(size <= batch->reserved);
    batch->reserved = 0;
    size_t socket = find_socket(batch, path->listener);
    if (socket == NO_SOCKET) {
        // An association whose listener was taken out of the configuration.
        dg_count(batch->counters, DG_COUNT_DROP_SEND_ERROR);
        return;
    }
    struct outlet *outlet = &batch->outlets[socket];
    if (outlet->is_blocked) {
        if (!is_within_share(batch, outlet, size)) {
            dg_count(batch->counters, DG_COUNT_DROP_SEND_FULL);
            return;
        }
        outlet->waiting_count++;
        outlet->waiting_bytes += size;
    }
    batch->entries[batch->entry_count++] = (struct entry){
        .peer = path->peer,
        .local = path->local,
        .socket = (uint32_t)socket,
        .offset = (uint32_t)batch->arena_used,
        .size = (uint32_t)size,
    };
    batch->arena_used += size;
}

struct dg_output dg_send_batch_output(struct dg_send_batch *batch)
{
    return (struct dg_output){.context = batch, .reserve = reserve, .commit = commit};
}

// --- messages --------------------------------------------------------------------------------------------

// One more piece of control data behind those of size bytes. Returns the size of all.
static size_t append_control(struct control *control, size_t size, int level, int type, const void *data,
                             size_t data_size)
{
    struct cmsghdr *part = (struct cmsghdr *)(void *)(control->bytes + size);
    part->cmsg_level = level;
    part->cmsg_type = type;
    part->cmsg_len = CMSG_LEN(data_size);
    memcpy(CMSG_DATA(part), data, data_size);
    return size + CMSG_SPACE(data_size);
}

// The answer leaves from the address that was spoken to. Returns the control data's size, 0 where that
// address is not known: the kernel then chooses.
static size_t write_source(struct control *control, const struct dg_address *local)
{
    if (dg_address_is_wildcard(local)) {
        return 0;
    }
    if (dg_address_is_ipv4(local)) {
        struct in_pktinfo info = {.ipi_spec_dst = dg_address_get_v4(local)};
        return append_control(control, 0, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
    struct in6_pktinfo info = {.ipi6_ifindex = local->scope};
    memcpy(&info.ipi6_addr, local->ip, sizeof local->ip);
    return append_control(control, 0, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
}

// How many of chosen[0..count-1] go as one message: to one peer from one address, one behind the other in the
// arena, all of the first one's size but the last, which may be shorter.
static size_t run_of(const struct dg_send_batch *batch, struct entry *const *chosen, size_t count)
{
    const struct entry *first = chosen[0];
    if (!batch->outlets[first->socket].can_segment || first->size == 0) {
        return 1;
    }
    size_t run = 1;
    size_t bytes = first->size;
    while (run < count && run < SEGMENTS_MAX) {
        const struct entry *next = chosen[run];
        if (next->size > first->size || next->size == 0 || next->offset != first->offset + bytes ||
            bytes + next->size > SEGMENTED_BYTES || !dg_address_equal(&next->peer, &first->peer) ||
            !dg_address_equal(&next->local, &first->local)) {
            break;
        }
        bytes += next->size;
        run++;
        if (next->size < first->size) {
            break;
        }
    }
    return run;
}

// A message of run entries, which lie one behind the other.
static void fill_message(struct dg_send_batch *batch, size_t place, struct entry *const *chosen, size_t run)
{
    const struct entry *first = chosen[0];
    const struct entry *last = chosen[run - 1];
    batch->vectors[place] = (struct iovec){.iov_base = batch->arena + first->offset,
                                           .iov_len = last->offset + last->size - first->offset};
    batch->segments[place] = run;
    socklen_t name_size = dg_sockaddr_from(&batch->names[place], &first->peer);
    struct control *control = &batch->controls[place];
    size_t control_size = write_source(control, &first->local);
    if (run > 1) {
        uint16_t segment = (uint16_t)first->size;
        control_size = append_control(control, control_size, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    }
    batch->messages[place] = (struct mmsghdr){.msg_hdr = {
        .msg_name = &batch->names[place],
        .msg_namelen = name_size,
        .msg_iov = &batch->vectors[place],
        .msg_iovlen = 1,
        .msg_control = control_size > 0 ? control->bytes : NULL,
        .msg_controllen = control_size,
    }};
}

// Messages of as many of the entries as fit a batch; the first `singly` of them one by one. Returns how many messages.
static size_t fill_messages(struct dg_send_batch *batch, struct entry *const *chosen, size_t count, size_t singly)
{
    size_t place = 0;
    for (size_t at = 0; at < count && place < DG_SEND_BATCH_MAX; place++) {
        size_t run = at < singly ? 1 : run_of(batch, chosen + at, count - at);
        fill_message(batch, place, chosen + at, run);
        at += run;
    }
    return place;
}

// --- sending ---------------------------------------------------------------------------------------------

static bool is_full(int code)
{
    return code == EAGAIN || code == EWOULDBLOCK || code == ENOBUFS || code == ENOMEM;
}

static void mark_done(struct entry *const *chosen, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        chosen[i]->is_done = true;
    }
}

// The kernel took the first so many messages. Returns how many entries these were.
static size_t sent(struct dg_send_batch *batch, struct entry *const *chosen, size_t messages)
{
    size_t count = 0;
    for (size_t i = 0; i < messages; i++) {
        count += batch->segments[i];
    }
    mark_done(chosen, count);
    dg_count_by(batch->counters, DG_COUNT_DATAGRAMS_SENT, count);
    return count;
}

// The kernel refuses to segment the first message: it may still take the datagrams one by one. Where the device
// cannot compute checksums (EIO) it will refuse the next message too; everything else is about this one: datagrams
// above the path's MTU (EINVAL, EMSGSIZE), which otherwise go out as fragments, or a firewall's word (EPERM).
static void refuse_segmentation(struct dg_send_batch *batch, size_t socket, int code)
{
    dg_count(batch->counters, DG_COUNT_SEGMENTATION_REFUSED);
    if (code == EIO || code == EOPNOTSUPP || code == ENOPROTOOPT) {
        batch->outlets[socket].can_segment = false;
    }
}

// False: the socket is full, the rest waits.
static bool send_chosen(struct dg_send_batch *batch, size_t socket, struct entry *const *chosen, size_t count)
{
    size_t singly = 0;
    size_t messages = fill_messages(batch, chosen, count, singly);
    size_t done = 0;
    while (done < count) {
        int taken = sendmmsg(batch->sockets[socket].fd, batch->messages, (unsigned)messages, MSG_DONTWAIT);
        if (taken < 0 && errno == EINTR) {
            continue;
        }
        if (taken < 0 && is_full(errno)) {
            return false;
        }
        size_t gone;
        if (taken > 0) {
            gone = sent(batch, chosen + done, (size_t)taken); // after a short count the next call says what is wrong
        } else if (batch->segments[0] > 1) {
            refuse_segmentation(batch, socket, errno);
            singly = batch->segments[0];
            gone = 0;
        } else {
            // EPERM (a packet filter), EMSGSIZE, ECONNREFUSED (of an earlier one), ENETUNREACH, ...: the first
            // of these datagrams is refused, the others are not.
            dg_count(batch->counters, DG_COUNT_DROP_SEND_ERROR);
            mark_done(chosen + done, 1);
            gone = 1;
        }
        done += gone;
        singly = singly > gone ? singly - gone : 0;
        messages = fill_messages(batch, chosen + done, count - done, singly);
    }
    return true;
}

static void flush_socket(struct dg_send_batch *batch, size_t socket)
{
    struct entry *chosen[DG_SEND_QUEUE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < batch->entry_count; i++) {
        if (batch->entries[i].socket == socket) {
            chosen[count++] = &batch->entries[i];
        }
    }
    if (count > 0) {
        batch->outlets[socket].is_blocked = !send_chosen(batch, socket, chosen, count);
    }
}

// Moves what waits to the beginning, in its order; of what waits for a full socket, its share.
static void move_up(struct dg_send_batch *batch)
{
    size_t kept = 0;
    size_t used = 0;
    for (size_t i = 0; i < batch->socket_count; i++) {
        batch->outlets[i].waiting_count = 0;
        batch->outlets[i].waiting_bytes = 0;
    }
    for (size_t i = 0; i < batch->entry_count; i++) {
        struct entry *entry = &batch->entries[i];
        struct outlet *outlet = &batch->outlets[entry->socket];
        if (entry->is_done) {
            continue;
        }
        if (outlet->is_blocked && !is_within_share(batch, outlet, entry->size)) {
            dg_count(batch->counters, DG_COUNT_DROP_SEND_FULL);
            continue;
        }
        if (entry->offset != used) {
            memmove(batch->arena + used, batch->arena + entry->offset, entry->size);
        }
        entry->offset = (uint32_t)used;
        used += entry->size;
        outlet->waiting_count++;
        outlet->waiting_bytes += entry->size;
        batch->entries[kept++] = *entry;
    }
    batch->entry_count = kept;
    batch->arena_used = used;
}

void dg_send_batch_flush(struct dg_send_batch *batch)
{
    if (batch->entry_count == 0) {
        return;
    }
    bool is_tried = false;
    for (size_t i = 0; i < batch->socket_count; i++) {
        if (!batch->outlets[i].is_blocked) {
            flush_socket(batch, i);
            is_tried = true;
        }
    }
    if (is_tried) {
        move_up(batch);
    }
}

size_t dg_send_batch_waiting(const struct dg_send_batch *batch) { return batch->entry_count; }

bool dg_send_batch_is_blocked(const struct dg_send_batch *batch, size_t socket)
{
    return batch->outlets[socket].is_blocked;
}

void dg_send_batch_writable(struct dg_send_batch *batch, size_t socket)
{
    batch->outlets[socket].is_blocked = false;
    dg_send_batch_flush(batch);
}
