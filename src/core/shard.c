// SPDX-License-Identifier: GPL-3.0-or-later
// Attaching to a shard of the region: at first nothing is looked at, so that the first answer does not wait for a
// million slots. When somebody of the shard is asked for, or its turn comes, its live slots are found, by state and key;
// shard_backlog.c judges them. Attaching may itself be interrupted at any place and begun again.
#include "core/shard_private.h"

#include "core/crash_point.h"

// Slots further on are asked for while one is looked at: what is wanted of each is in its first cache line, or, where it
// has no connection ID, in two others too. Those at hand are mostly of one kind.
#define AHEAD 16

static void fetch(const struct dg_shard *shard, uint32_t number, bool by_path)
{
    const struct dg_slot *slot = &shard->slots[number];
    __builtin_prefetch(slot);
    if (by_path) {
        __builtin_prefetch(&slot->peer);
        __builtin_prefetch(&slot->listener);
    }
}

// Two live slots with one key: whichever is sane stays.
static void find_live(struct dg_shard *shard, struct dg_slot *slot)
{
    struct dg_slot *other = dg_shard_look_up_key(shard, slot);
    if (other != NULL && dg_shard_judge_live(shard, other)) {
        dg_mark(shard->backlog->judged, dg_shard_slot_number(shard, slot));
        dg_shard_quarantine(shard, slot);
        return;
    }
    DG_BUG_UNLESS(dg_shard_index_put(shard, slot)); // there is room for all of them (dg_shard_indexes_init)
}

// From the last to the first, as they are judged: of two with the same key the later one stays.
void dg_shard_find_all(struct dg_shard *shard)
{
    shard->backlog->is_found = true;
    bool by_path = false;
    for (uint32_t number = shard->fresh_slot; number-- > 0;) {
        if (number >= AHEAD) {
            fetch(shard, number - AHEAD, by_path);
        }
        struct dg_slot *slot = &shard->slots[number];
        by_path = (slot->flags & DG_SLOT_HAS_CID) == 0;
        if (dg_slot_is_live(slot)) {
            find_live(shard, slot);
        }
    }
    // In one step: other threads read it.
    uint32_t found = dg_slot_index_count(shard->by_cid) + dg_slot_index_count(shard->by_address);
    dg_shard_live_add(shard, found - atomic_load_explicit(&shard->live, memory_order_relaxed));
}

static bool books_init(struct dg_shard *shard)
{
    const struct dg_memory_shape *shape = &shard->memory->shape;
    return dg_vacancy_init(&shard->vacant_slots, shape->slots_per_shard) &&
           dg_vacancy_init(&shard->vacant_wides, dg_memory_wide_count(shape)) &&
           dg_vacancy_init(&shard->vacant_flights, shape->flights_per_shard);
}

static uint32_t used(const _Atomic uint32_t *mark, uint32_t capacity)
{
    uint32_t value = atomic_load_explicit(mark, memory_order_acquire);
    return value <= capacity ? value : capacity;
}

bool dg_shard_attach(struct dg_shard *shard, const struct dg_memory *memory, uint32_t number,
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
        .fresh_slot = used(&head->slots_used, memory->shape.slots_per_shard),
        .fresh_wide = used(&head->wides_used, dg_memory_wide_count(&memory->shape)),
        .fresh_flight = used(&head->flights_used, memory->shape.flights_per_shard),
    };
    if (!books_init(shard) || !dg_timer_heap_init(&shard->timers, memory->shape.flights_per_shard) ||
        !dg_shard_indexes_init(shard) || !dg_shard_backlog_new(shard)) {
        dg_shard_clear(shard);
        return false;
    }
    atomic_store_explicit(&shard->live, used(&head->live, shard->fresh_slot), memory_order_relaxed); // found: counted
    dg_shard_suspects_note(shard);
    return true;
}

bool dg_shard_init(struct dg_shard *shard, const struct dg_memory *memory, uint32_t number,
                   struct dg_counters *counters)
{
    if (!dg_shard_attach(shard, memory, number, counters)) {
        return false;
    }
    while (dg_shard_settle(shard, UINT32_MAX)) {
    }
    return true;
}

void dg_shard_clear(struct dg_shard *shard)
{
    dg_shard_backlog_free(shard);
    dg_shard_indexes_clear(shard);
    dg_timer_heap_clear(&shard->timers);
    dg_vacancy_clear(&shard->vacant_flights);
    dg_vacancy_clear(&shard->vacant_wides);
    dg_vacancy_clear(&shard->vacant_slots);
    shard->live = 0;
}
