// SPDX-License-Identifier: GPL-3.0-or-later
// Attaching to a shard of the region: what a dead process left half done is finished or wiped, what fails
// its check is quarantined alone, indexes, free lists and timers are made anew. Attaching may itself be
// interrupted at any place and begun again.
#include "core/shard_private.h"

#include "base/secret.h"
#include "core/crash_point.h"

#include <stdlib.h>
#include <string.h>

static void set_state(struct dg_slot *slot, enum dg_slot_state state)
{
    atomic_store_explicit(&slot->state, (uint32_t)state, memory_order_release);
    DG_STORE_ORDER();
}

// Keys are gone for ever: a slot that is not what it was can be neither served nor trusted with a number.
// The rest stays for whoever wants to know what happened.
static void quarantine(struct dg_shard *shard, struct dg_slot *slot)
{
    set_state(slot, DG_SLOT_QUARANTINED);
    dg_wipe(slot->keysets, sizeof slot->keysets);
    shard->quarantined++;
    dg_count(shard->counters, DG_COUNT_SLOTS_QUARANTINED);
}

static void repair(struct dg_slot *slot)
{
    uint32_t rx = atomic_load_explicit(&slot->rx_place, memory_order_relaxed);
    if (atomic_load_explicit(&slot->rx_old_place, memory_order_relaxed) == rx) {
        atomic_store_explicit(&slot->rx_old_place, DG_PLACE_NONE, memory_order_relaxed);
    }
    dg_shard_inline_wipe_unused(slot); // keys that were never published, or no longer used and not yet wiped
}

// False: memory is short.
static bool attach_live(struct dg_shard *shard, struct dg_slot *slot, struct dg_shard_marks *marks)
{
    if (!dg_shard_slot_is_sane(shard, slot, marks) || dg_shard_key_is_taken(shard, slot)) {
        quarantine(shard, slot);
        return true;
    }
    repair(slot);
    dg_shard_path_recover(shard, slot);
    dg_shard_cids_recover(shard, slot);
    if (!dg_shard_index_put(shard, slot)) {
        return false;
    }
    shard->live++;
    return true;
}

static bool attach_slots(struct dg_shard *shard, struct dg_shard_marks *marks)
{
    // From the last to the first, so that low numbers are given out first.
    for (uint32_t number = shard->fresh_slot; number-- > 0;) {
        struct dg_slot *slot = &shard->slots[number];
        switch (dg_slot_state_of(slot)) {
        case DG_SLOT_LIVE:
            if (!attach_live(shard, slot, marks)) {
                return false;
            }
            break;
        case DG_SLOT_DYING: // the end was begun
        case DG_SLOT_FREE:  // perhaps half filled, with keys in it
            dg_shard_slot_wipe(slot);
            set_state(slot, DG_SLOT_FREE);
            dg_shard_slot_push_free(shard, number);
            break;
        default: // quarantined before, or a state that nobody ever stores
            quarantine(shard, slot);
            break;
        }
    }
    return true;
}

// A mark alone is not enough: a slot that was found bad may have marked some on the way.
static bool is_in_use(const struct dg_shard *shard, const uint64_t *marks, uint32_t number, uint32_t owner)
{
    bool marked = (marks[number / 64] >> number % 64 & 1) != 0;
    return marked && owner >= 1 && owner <= shard->fresh_slot && dg_slot_is_live(&shard->slots[owner - 1]);
}

static void attach_sides(struct dg_shard *shard, const struct dg_shard_marks *marks)
{
    for (uint32_t number = shard->fresh_wide; number-- > 0;) {
        uint32_t owner = atomic_load_explicit(&shard->wides[number].owner, memory_order_relaxed);
        if (!is_in_use(shard, marks->wides, number, owner)) {
            dg_shard_wide_release(shard, number);
        }
    }
    for (uint32_t number = shard->fresh_flight; number-- > 0;) {
        uint32_t owner = atomic_load_explicit(&shard->flights[number].owner, memory_order_relaxed);
        if (is_in_use(shard, marks->flights, number, owner)) {
            dg_shard_flight_schedule(shard, &shard->flights[number]);
        } else {
            dg_shard_flight_release(shard, number);
        }
    }
}

static bool attach(struct dg_shard *shard)
{
    struct dg_shard_marks marks = {
        .wides = calloc(shard->fresh_wide / 64 + 1, sizeof(uint64_t)),
        .flights = calloc(shard->fresh_flight / 64 + 1, sizeof(uint64_t)),
    };
    bool done = marks.wides != NULL && marks.flights != NULL && attach_slots(shard, &marks);
    if (done) {
        attach_sides(shard, &marks);
    }
    free(marks.flights);
    free(marks.wides);
    return done;
}

static uint32_t used(const _Atomic uint32_t *mark, uint32_t capacity)
{
    uint32_t value = atomic_load_explicit(mark, memory_order_acquire);
    return value <= capacity ? value : capacity;
}

bool dg_shard_init(struct dg_shard *shard, const struct dg_memory *memory, uint32_t number,
                   struct dg_counters *counters)
{
    DG_BUG_UNLESS(number < memory->shape.shard_count);
    struct dg_memory_shard_head *head = dg_memory_shard_head(memory, number);
    *shard = (struct dg_shard){
        .memory = memory,
        .counters = counters,
        .head = head,
        .slots = dg_memory_slot(memory, number, 0),
        .wides = dg_memory_wide(memory, number, 0),
        .flights = dg_memory_flight(memory, number, 0),
        .number = number,
        .cid_size = memory->shape.cid_size,
        .free_slot = DG_NO_SIDE,
        .free_wide = DG_NO_SIDE,
        .free_flight = DG_NO_SIDE,
        .fresh_slot = used(&head->slots_used, memory->shape.slots_per_shard),
        .fresh_wide = used(&head->wides_used, dg_memory_wide_count(&memory->shape)),
        .fresh_flight = used(&head->flights_used, memory->shape.flights_per_shard),
    };
    if (!dg_timer_heap_init(&shard->timers, memory->shape.flights_per_shard) || !dg_shard_indexes_init(shard) ||
        !attach(shard)) {
        dg_shard_clear(shard);
        return false;
    }
    return true;
}

void dg_shard_clear(struct dg_shard *shard)
{
    dg_shard_indexes_clear(shard);
    dg_timer_heap_clear(&shard->timers);
    shard->live = 0;
}
