// SPDX-License-Identifier: GPL-3.0-or-later
// Which slot was being served when a process crashed, and how often that happened: a slot that ends the process twice
// is quarantined before it can do so a third time. Only what a crash handler noted counts; a process that was killed
// from outside says nothing about the slot that it happened to serve.
#include "core/shard_private.h"

#include "core/crash_point.h"

#define CRASHES_MAX 2u

// A word of dg_memory_shard_head.suspects. The id's half tells a later association in the same slot.
static uint64_t word_of(uint32_t number, uint64_t id, uint32_t crashes)
{
    return id << 32 | (uint64_t)number << 8 | crashes;
}

static uint32_t crashes_of(uint64_t word) { return (uint32_t)(word & 0xff); }

// The word that says this slot already, else an empty one, else that of the least guilty.
static _Atomic uint64_t *find(struct dg_memory_shard_head *head, uint64_t wanted)
{
    _Atomic uint64_t *found = &head->suspects[0];
    for (uint32_t i = 0; i < DG_SUSPECTS; i++) {
        uint64_t word = atomic_load_explicit(&head->suspects[i], memory_order_relaxed);
        if (word >> 8 == wanted >> 8) {
            return &head->suspects[i];
        }
        if (crashes_of(word) < crashes_of(atomic_load_explicit(found, memory_order_relaxed))) {
            found = &head->suspects[i];
        }
    }
    return found;
}

void dg_shard_suspects_note(struct dg_shard *shard)
{
    struct dg_memory_shard_head *head = shard->head;
    uint32_t crashed = atomic_load_explicit(&head->crashed, memory_order_relaxed);
    atomic_store_explicit(&head->serving, 0, memory_order_relaxed);
    if (crashed == 0) {
        return;
    }
    // First forgotten, then counted: a death in between loses a count, and the slot has to end the process once more.
    atomic_store_explicit(&head->crashed, 0, memory_order_relaxed);
    DG_CRASH_POINT(SUSPECT_FORGOTTEN);
    if (crashed > shard->fresh_slot || !dg_slot_is_live(&shard->slots[crashed - 1])) {
        return;
    }
    struct dg_slot *slot = &shard->slots[crashed - 1];
    uint64_t wanted = word_of(crashed - 1, slot->id, 0);
    _Atomic uint64_t *place = find(head, wanted);
    uint64_t word = atomic_load_explicit(place, memory_order_relaxed);
    uint32_t crashes = (word >> 8 == wanted >> 8 ? crashes_of(word) : 0) + 1;
    atomic_store_explicit(place, wanted | crashes, memory_order_relaxed);
    DG_CRASH_POINT(SUSPECT_COUNTED);
    if (crashes >= CRASHES_MAX) {
        dg_mark(shard->backlog->judged, crashed - 1);
        dg_shard_quarantine(shard, slot);
        if (shard->live > 0) {
            dg_shard_live_add(shard, UINT32_MAX);
        }
    }
}

// One plain store each: the processor keeps their order for whoever comes after a death, the fence keeps the compiler's.
uint32_t dg_shard_serve(struct dg_shard *shard, const struct dg_slot *slot)
{
    uint32_t before = atomic_load_explicit(&shard->head->serving, memory_order_relaxed);
    uint32_t serving = slot != NULL ? dg_shard_slot_number(shard, slot) + 1 : 0;
    atomic_store_explicit(&shard->head->serving, serving, memory_order_relaxed);
    DG_STORE_ORDER();
    return before;
}

void dg_shard_served(struct dg_shard *shard, uint32_t before)
{
    DG_STORE_ORDER();
    atomic_store_explicit(&shard->head->serving, before, memory_order_relaxed);
}
