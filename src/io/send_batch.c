// SPDX-License-Identifier: GPL-3.0-or-later
// sendmmsg(2) with packet info. A queue of entries whose bytes lie one behind the other in one arena; both
// start over when the queue is empty, and move up when it is not. Never allocates after new.
#include "io/send_batch.h"

#include "core/wire_constants.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_BYTES 64
#define NO_SOCKET SIZE_MAX

_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) <= CONTROL_BYTES, "packet info fits");
_Static_assert(DG_SEND_QUEUE_BYTES >= 2 * DG_DATAGRAM_MAX, "a datagram always fits an empty queue");

struct entry {
    struct dg_address peer;
    struct dg_address local;
    uint32_t socket; // number in sockets
    uint32_t offset; // in the arena
    uint32_t size;
    bool is_done;    // sent, or given up
};

struct dg_send_batch {
    const struct dg_socket *sockets;
    size_t socket_count;
    struct dg_counters *counters;
    bool *blocked; // one for each socket
    size_t entry_count;
    size_t arena_used;
    size_t reserved; // bytes behind arena_used that reserve gave out
    struct entry entries[DG_SEND_QUEUE_MAX];
    struct mmsghdr messages[DG_SEND_BATCH_MAX];
    struct iovec vectors[DG_SEND_BATCH_MAX];
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
    batch->blocked = calloc(count > 0 ? count : 1, sizeof *batch->blocked);
    if (batch->blocked == NULL) {
        free(batch);
        return NULL;
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
    free(batch->blocked);
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

// --- sending ---------------------------------------------------------------------------------------------

// The answer leaves from the address that was spoken to. Returns the control data's size, 0 where that
// address is not known: the kernel then chooses.
static size_t write_source(struct control *control, const struct dg_address *local)
{
    if (dg_address_is_wildcard(local)) {
        return 0;
    }
    memset(control, 0, sizeof *control);
    struct cmsghdr *part = (struct cmsghdr *)(void *)control->bytes;
    if (dg_address_is_ipv4(local)) {
        struct in_pktinfo info = {.ipi_spec_dst = dg_address_get_v4(local)};
        part->cmsg_level = IPPROTO_IP;
        part->cmsg_type = IP_PKTINFO;
        part->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(part), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    struct in6_pktinfo info = {.ipi6_ifindex = local->scope};
    memcpy(&info.ipi6_addr, local->ip, sizeof local->ip);
    part->cmsg_level = IPPROTO_IPV6;
    part->cmsg_type = IPV6_PKTINFO;
    part->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(part), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

static void fill_message(struct dg_send_batch *batch, size_t place, const struct entry *entry)
{
    batch->vectors[place] = (struct iovec){.iov_base = batch->arena + entry->offset, .iov_len = entry->size};
    socklen_t name_size = dg_sockaddr_from(&batch->names[place], &entry->peer);
    size_t control_size = write_source(&batch->controls[place], &entry->local);
    batch->messages[place] = (struct mmsghdr){.msg_hdr = {
        .msg_name = &batch->names[place],
        .msg_namelen = name_size,
        .msg_iov = &batch->vectors[place],
        .msg_iovlen = 1,
        .msg_control = control_size > 0 ? batch->controls[place].bytes : NULL,
        .msg_controllen = control_size,
    }};
}

static bool is_full(int code)
{
    return code == EAGAIN || code == EWOULDBLOCK || code == ENOBUFS || code == ENOMEM;
}

// Sends messages[0..count-1], whose entries are chosen[]. False: the socket is full, the rest waits.
static bool send_chosen(struct dg_send_batch *batch, size_t socket, struct entry *const *chosen, size_t count)
{
    size_t done = 0;
    while (done < count) {
        int sent = sendmmsg(batch->sockets[socket].fd, batch->messages + done, (unsigned)(count - done), MSG_DONTWAIT);
        if (sent > 0) {
            dg_count_by(batch->counters, DG_COUNT_DATAGRAMS_SENT, (uint64_t)sent);
            for (size_t i = 0; i < (size_t)sent; i++) {
                chosen[done + i]->is_done = true;
            }
            done += (size_t)sent; // a short count: the next call says what is wrong with the next one
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (is_full(errno)) {
            return false;
        }
        // EPERM (a packet filter), EMSGSIZE, ECONNREFUSED (of an earlier one), ENETUNREACH, ...: the first
        // of these datagrams is refused, the others are not.
        dg_count(batch->counters, DG_COUNT_DROP_SEND_ERROR);
        chosen[done]->is_done = true;
        done++;
    }
    return true;
}

static void flush_socket(struct dg_send_batch *batch, size_t socket)
{
    struct entry *chosen[DG_SEND_BATCH_MAX];
    size_t count = 0;
    for (size_t i = 0; i < batch->entry_count; i++) {
        if (batch->entries[i].socket != socket) {
            continue;
        }
        chosen[count] = &batch->entries[i];
        fill_message(batch, count, chosen[count]);
        count++;
        if (count == DG_SEND_BATCH_MAX) {
            if (!send_chosen(batch, socket, chosen, count)) {
                batch->blocked[socket] = true;
                return;
            }
            count = 0;
        }
    }
    if (count > 0 && !send_chosen(batch, socket, chosen, count)) {
        batch->blocked[socket] = true;
    }
}

// Moves what waits to the beginning, in its order.
static void move_up(struct dg_send_batch *batch)
{
    size_t kept = 0;
    size_t used = 0;
    for (size_t i = 0; i < batch->entry_count; i++) {
        struct entry *entry = &batch->entries[i];
        if (entry->is_done) {
            continue;
        }
        if (entry->offset != used) {
            memmove(batch->arena + used, batch->arena + entry->offset, entry->size);
        }
        entry->offset = (uint32_t)used;
        used += entry->size;
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
    bool tried = false;
    for (size_t i = 0; i < batch->socket_count; i++) {
        if (!batch->blocked[i]) {
            flush_socket(batch, i);
            tried = true;
        }
    }
    if (tried) {
        move_up(batch);
    }
}

size_t dg_send_batch_waiting(const struct dg_send_batch *batch) { return batch->entry_count; }

bool dg_send_batch_is_blocked(const struct dg_send_batch *batch, size_t socket) { return batch->blocked[socket]; }

void dg_send_batch_writable(struct dg_send_batch *batch, size_t socket)
{
    batch->blocked[socket] = false;
    dg_send_batch_flush(batch);
}
