// SPDX-License-Identifier: GPL-3.0-or-later
// A binary min-heap of deadlines with a table from id to place, so that any deadline can be moved or taken
// out in logarithmic time. Owns its two arrays; never allocates after init, never reads a clock.
#include "base/timer_heap.h"

#include <stdlib.h>

bool dg_timer_heap_init(struct dg_timer_heap *heap, uint32_t capacity)
{
    DG_BUG_UNLESS(capacity < UINT32_MAX); // a place + 1 must fit
    size_t count = capacity > 0 ? capacity : 1;
    struct dg_timer_entry *entries = calloc(count, sizeof *entries);
    uint32_t *places = calloc(count, sizeof *places);
    if (entries == NULL || places == NULL) {
        free(places);
        free(entries);
        return false;
    }
    *heap = (struct dg_timer_heap){.entries = entries, .places = places, .count = 0, .capacity = capacity};
    return true;
}

void dg_timer_heap_clear(struct dg_timer_heap *heap)
{
    free(heap->places);
    free(heap->entries);
    *heap = (struct dg_timer_heap){0};
}

static void put_at(struct dg_timer_heap *heap, uint32_t place, struct dg_timer_entry entry)
{
    heap->entries[place] = entry;
    heap->places[entry.id] = place + 1;
}

// Both sifts carry one entry to its place through a hole, moving the others by one step each.
static void sift_up(struct dg_timer_heap *heap, uint32_t place, struct dg_timer_entry entry)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / 2;
        if (heap->entries[parent].deadline <= entry.deadline) {
            break;
        }
        put_at(heap, place, heap->entries[parent]);
        place = parent;
    }
    put_at(heap, place, entry);
}

static void sift_down(struct dg_timer_heap *heap, uint32_t place, struct dg_timer_entry entry)
{
    for (;;) {
        uint64_t child = 2 * (uint64_t)place + 1;
        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && heap->entries[child + 1].deadline < heap->entries[child].deadline) {
            child++;
        }
        if (entry.deadline <= heap->entries[child].deadline) {
            break;
        }
        put_at(heap, place, heap->entries[child]);
        place = (uint32_t)child;
    }
    put_at(heap, place, entry);
}

static void settle(struct dg_timer_heap *heap, uint32_t place, struct dg_timer_entry entry)
{
    if (place > 0 && entry.deadline < heap->entries[(place - 1) / 2].deadline) {
        sift_up(heap, place, entry);
    } else {
        sift_down(heap, place, entry);
    }
}

static void remove_at(struct dg_timer_heap *heap, uint32_t place)
{
    heap->places[heap->entries[place].id] = 0;
    heap->count--;
    if (place < heap->count) {
        settle(heap, place, heap->entries[heap->count]);
    }
}

void dg_timer_heap_set(struct dg_timer_heap *heap, uint32_t id, dg_time deadline)
{
    DG_BUG_UNLESS(id < heap->capacity);
    uint32_t held = heap->places[id];
    if (deadline == DG_NEVER) {
        if (held != 0) {
            remove_at(heap, held - 1);
        }
        return;
    }
    struct dg_timer_entry entry = {.deadline = deadline, .id = id};
    if (held != 0) {
        settle(heap, held - 1, entry);
        return;
    }
    heap->count++; // at most capacity, since each id is in once
    sift_up(heap, heap->count - 1, entry);
}

dg_time dg_timer_heap_get(const struct dg_timer_heap *heap, uint32_t id)
{
    DG_BUG_UNLESS(id < heap->capacity);
    uint32_t held = heap->places[id];
    return held != 0 ? heap->entries[held - 1].deadline : DG_NEVER;
}

dg_time dg_timer_heap_next(const struct dg_timer_heap *heap)
{
    return heap->count > 0 ? heap->entries[0].deadline : DG_NEVER;
}

bool dg_timer_heap_pop(struct dg_timer_heap *heap, dg_time now, uint32_t *ret_id)
{
    if (heap->count == 0 || heap->entries[0].deadline > now) {
        return false;
    }
    *ret_id = heap->entries[0].id;
    remove_at(heap, 0);
    return true;
}
