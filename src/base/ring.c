// SPDX-License-Identifier: GPL-3.0-or-later
// The ring's bytes and the order in which its two sides see them. Owns its mapping; never lets a message
// stay in it after it was read, never blocks.
//
// A message is a head of eight bytes (kind, size) and its bytes, padded to eight: a head therefore never
// wraps around the end, only the bytes may. Each side stores only its own counter, with release, after it
// is done with the bytes, and loads the other's with acquire before it touches them.
#include "base/ring.h"

#include "base/secret.h"

#include <string.h>
#include <sys/mman.h>

#define HEAD_BYTES 8u

struct message_head {
    uint32_t kind;
    uint32_t size_bytes;
};
_Static_assert(sizeof(struct message_head) == HEAD_BYTES, "a head never wraps");

bool dg_ring_init(struct dg_ring *ring, size_t size_bytes)
{
    DG_BUG_UNLESS(size_bytes >= HEAD_BYTES && (size_bytes & (size_bytes - 1)) == 0);
    // A mapping rather than a heap block: untouched pages cost nothing, and the rest can be shielded.
    void *bytes = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        return false;
    }
    dg_secret_shield(bytes, size_bytes);
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    atomic_init(&ring->most, 0);
    ring->size_bytes = size_bytes;
    ring->bytes = bytes;
    return true;
}

static uint64_t padded(uint64_t size_bytes)
{
    return (size_bytes + 7) & ~UINT64_C(7);
}

// How many of size_bytes bytes from position on lie before the end of the mapping.
static size_t before_wrap(const struct dg_ring *ring, uint64_t position, size_t size_bytes)
{
    uint64_t room = ring->size_bytes - (position & (ring->size_bytes - 1));
    return size_bytes < room ? size_bytes : (size_t)room;
}

static uint8_t *at(const struct dg_ring *ring, uint64_t position)
{
    return ring->bytes + (position & (ring->size_bytes - 1));
}

static void copy_in(struct dg_ring *ring, uint64_t position, const void *data, size_t size_bytes)
{
    if (size_bytes == 0) {
        return;
    }
    const uint8_t *from = data;
    size_t first = before_wrap(ring, position, size_bytes);
    memcpy(at(ring, position), from, first);
    memcpy(ring->bytes, from + first, size_bytes - first);
}

static void move_out(struct dg_ring *ring, uint64_t position, void *data, size_t size_bytes)
{
    if (size_bytes == 0) {
        return;
    }
    uint8_t *to = data;
    size_t first = before_wrap(ring, position, size_bytes);
    memcpy(to, at(ring, position), first);
    dg_wipe(at(ring, position), first);
    memcpy(to + first, ring->bytes, size_bytes - first);
    dg_wipe(ring->bytes, size_bytes - first);
}

void dg_ring_clear(struct dg_ring *ring)
{
    if (ring->bytes == NULL) {
        return;
    }
    // Everything before tail was wiped as it was read. Wiping the rest only, the pages that were never
    // used stay untouched.
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    size_t held = (size_t)(head - tail);
    if (held > 0) {
        size_t first = before_wrap(ring, tail, held);
        dg_wipe(at(ring, tail), first);
        dg_wipe(ring->bytes, held - first);
    }
    DG_BUG_UNLESS(munmap(ring->bytes, ring->size_bytes) == 0);
    ring->bytes = NULL;
    ring->size_bytes = 0;
    atomic_store_explicit(&ring->tail, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->head, 0, memory_order_relaxed);
}

bool dg_ring_put(struct dg_ring *ring, uint32_t kind, const struct dg_ring_part *parts, size_t part_count)
{
    // Against the ring's size at each step, so that no sum of sizes can wrap.
    uint64_t most = ring->size_bytes - HEAD_BYTES;
    uint64_t size = 0;
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].size_bytes > most - size) {
            return false;
        }
        size += parts[i].size_bytes;
    }
    if (size > UINT32_MAX) {
        return false;
    }

    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t needed = HEAD_BYTES + padded(size);
    if (needed > ring->size_bytes - (head - tail)) {
        return false;
    }
    struct message_head message = {.kind = kind, .size_bytes = (uint32_t)size};
    copy_in(ring, head, &message, sizeof message);
    uint64_t position = head + HEAD_BYTES;
    for (size_t i = 0; i < part_count; i++) {
        copy_in(ring, position, parts[i].data, parts[i].size_bytes);
        position += parts[i].size_bytes;
    }
    atomic_store_explicit(&ring->head, head + needed, memory_order_release);
    uint64_t waiting = head + needed - tail;
    if (waiting > atomic_load_explicit(&ring->most, memory_order_relaxed)) {
        atomic_store_explicit(&ring->most, waiting, memory_order_relaxed);
    }
    return true;
}

uint64_t dg_ring_most(const struct dg_ring *ring) { return atomic_load_explicit(&ring->most, memory_order_relaxed); }

bool dg_ring_get(struct dg_ring *ring, uint32_t *ret_kind, void *buffer, size_t capacity_bytes, size_t *ret_size_bytes)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (head == tail) {
        return false;
    }
    struct message_head message;
    move_out(ring, tail, &message, sizeof message);
    DG_BUG_UNLESS(message.size_bytes <= capacity_bytes);
    move_out(ring, tail + HEAD_BYTES, buffer, message.size_bytes);
    *ret_kind = message.kind;
    *ret_size_bytes = message.size_bytes;
    atomic_store_explicit(&ring->tail, tail + HEAD_BYTES + padded(message.size_bytes), memory_order_release);
    return true;
}

bool dg_ring_is_empty(const struct dg_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_acquire) ==
           atomic_load_explicit(&ring->tail, memory_order_acquire);
}
