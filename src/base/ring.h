// SPDX-License-Identifier: GPL-3.0-or-later
// A bounded ring of messages between exactly one writer thread and one reader thread. Messages are
// plain bytes, copied in and out; never a pointer into either side. Never blocks: a full ring says so.
#ifndef DG_BASE_RING_H
#define DG_BASE_RING_H

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_ring {
    _Alignas(DG_CACHE_LINE) _Atomic uint64_t head; // bytes ever written; the writer's
    _Atomic uint64_t most; // bytes that have ever waited at once; the writer's
    _Alignas(DG_CACHE_LINE) _Atomic uint64_t tail; // bytes ever read; the reader's
    _Alignas(DG_CACHE_LINE) uint64_t size_bytes;   // a power of two
    uint8_t *bytes;                                // pages touched only as far as they are used
};

// size_bytes: a power of two, 8 at least, else a bug. False when memory is short. A ring on the heap
// needs aligned_alloc: its struct is aligned to the cache line.
DG_MUST_USE bool dg_ring_init(struct dg_ring *ring, size_t size_bytes);
void dg_ring_clear(struct dg_ring *ring); // wipes: messages carry keys. After both threads have ended.

// Writer: appends one message made of `part_count` parts laid end to end. False: full, nothing written
// (a message larger than size_bytes - 8 never fits). A message takes 8 bytes besides its own, and its
// size is rounded up to 8.
struct dg_ring_part {
    const void *data;
    size_t size_bytes;
};
DG_MUST_USE bool dg_ring_put(struct dg_ring *ring, uint32_t kind, const struct dg_ring_part *parts, size_t part_count);

// Reader: copies the oldest message into buffer (capacity_bytes at least the largest message ever put,
// else a bug) and wipes it in the ring. False: empty.
DG_MUST_USE bool dg_ring_get(struct dg_ring *ring, uint32_t *ret_kind, void *buffer, size_t capacity_bytes,
                             size_t *ret_size_bytes);
uint64_t dg_ring_most(const struct dg_ring *ring); // any thread
// A snapshot: exact for the reader when it says "not empty", for the writer when it says "empty".
bool dg_ring_is_empty(const struct dg_ring *ring);

#endif
