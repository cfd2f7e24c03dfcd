// SPDX-License-Identifier: GPL-3.0-or-later
// Deadlines by number: a binary min-heap over ids 0..capacity-1, each with at most one deadline.
// Owns two arrays of the fixed capacity; never allocates after init, never reads a clock.
#ifndef DG_BASE_TIMER_HEAP_H
#define DG_BASE_TIMER_HEAP_H

#include "base/attributes.h"
#include "base/time_value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_timer_heap {
    struct dg_timer_entry {
        dg_time deadline;
        uint32_t id;
    } *entries;          // heap order
    uint32_t *places;    // id -> place in entries + 1, 0 when not set
    uint32_t count;
    uint32_t capacity;
};

// An id at or over the capacity is a bug. Equal deadlines come out in no promised order.

// False when memory is short. clear frees; fine on a zeroed struct.
DG_MUST_USE bool dg_timer_heap_init(struct dg_timer_heap *heap, uint32_t capacity);
void dg_timer_heap_clear(struct dg_timer_heap *heap);
// Sets or moves id's deadline; DG_NEVER removes it.
void dg_timer_heap_set(struct dg_timer_heap *heap, uint32_t id, dg_time deadline);
dg_time dg_timer_heap_get(const struct dg_timer_heap *heap, uint32_t id); // DG_NEVER when not set
dg_time dg_timer_heap_next(const struct dg_timer_heap *heap);             // DG_NEVER when empty
// Takes out one id whose deadline is at or before now; false when there is none.
DG_MUST_USE bool dg_timer_heap_pop(struct dg_timer_heap *heap, dg_time now, uint32_t *ret_id);

#endif
