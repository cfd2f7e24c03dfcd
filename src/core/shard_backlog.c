// SPDX-License-Identifier: GPL-3.0-or-later
// Judges what another process left behind, each slot once: when it is found, or when its turn comes. What was left half
// done is finished or wiped, what fails its check is quarantined alone, and last the side slots that no sane slot
// refers to are freed. Until then free places are taken from beyond the marks. Never looks at a slot of this process.
#include "core/shard_private.h"

#include "base/secret.h"
#include "core/crash_point.h"

#include <stdlib.h>
#include <string.h>

static uint64_t *bits_new(uint32_t count) { return calloc(count / 64 + 1, sizeof(uint64_t)); }

bool dg_shard_backlog_new(struct dg_shard *shard)
{
    struct dg_shard_backlog *backlog = calloc(1, sizeof *backlog);
    if (backlog == NULL) {
        return false;
    }
    shard->backlog = backlog;
    *backlog = (struct dg_shard_backlog){
        .slot_count = shard->fresh_slot,
        .judged = bits_new(shard->fresh_slot),
        .marks = {.wide_count = shard->fresh_wide,
                  .flight_count = shard->fresh_flight,
                  .wides = bits_new(shard->fresh_wide),
                  .flights = bits_new(shard->fresh_flight)},
        .slots_left = shard->fresh_slot,
        .wides_left = shard->fresh_wide,
        .flights_left = shard->fresh_flight,
    };
    return backlog->judged != NULL && backlog->marks.wides != NULL && backlog->marks.flights != NULL;
}

void dg_shard_backlog_free(struct dg_shard *shard)
{
    struct dg_shard_backlog *backlog = shard->backlog;
    if (backlog == NULL) {
        return;
    }
    free(backlog->marks.flights);
    free(backlog->marks.wides);
    free(backlog->judged);
    free(backlog);
    shard->backlog = NULL;
}

// --- slots --------------------------------------------------------------------

static void set_state(struct dg_slot *slot, enum dg_slot_state state)
{
    atomic_store_explicit(&slot->state, (uint32_t)state, memory_order_release);
    DG_STORE_ORDER();
}

// Keys are gone for ever: a slot that is not what it was can be neither served nor trusted with a number.
// The rest stays for whoever wants to know what happened.
void dg_shard_quarantine(struct dg_shard *shard, struct dg_slot *slot)
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

static void schedule(struct dg_shard *shard, const struct dg_slot *slot)
{
    for (uint32_t number = slot->side; number != DG_NO_SIDE;) {
        const struct dg_side_flight *flight = dg_shard_flight(shard, number);
        dg_shard_flight_schedule(shard, flight);
        number = flight->next;
    }
}

bool dg_shard_judge_live(struct dg_shard *shard, struct dg_slot *slot)
{
    struct dg_shard_backlog *backlog = shard->backlog;
    uint32_t number = dg_shard_slot_number(shard, slot);
    if (number >= backlog->slot_count || dg_is_marked(backlog->judged, number)) {
        return true; // this process made it live, or has judged it and found it sane
    }
    dg_mark(backlog->judged, number);
    uint32_t before = dg_shard_serve(shard, slot);
    bool is_sane = dg_shard_slot_is_sane(shard, slot, &backlog->marks) && !dg_shard_spare_is_taken(shard, slot) &&
                   dg_shard_spares_put(shard, slot);
    dg_shard_served(shard, before);
    if (!is_sane) {
        dg_shard_index_remove(shard, slot); // as it was put there, by whatever key it has
        dg_shard_quarantine(shard, slot);
        dg_shard_live_add(shard, UINT32_MAX);
        return false;
    }
    repair(slot);
    dg_shard_path_recover(shard, slot);
    dg_shard_cids_recover(shard, slot);
    schedule(shard, slot);
    return true;
}

static void judge(struct dg_shard *shard, uint32_t number)
{
    struct dg_slot *slot = &shard->slots[number];
    if (dg_is_marked(shard->backlog->judged, number)) {
        return;
    }
    switch (dg_slot_state_of(slot)) {
    case DG_SLOT_LIVE:
        (void)dg_shard_judge_live(shard, slot);
        break;
    case DG_SLOT_DYING: // the end was begun
    case DG_SLOT_FREE:  // perhaps half filled, with keys in it
        dg_shard_slot_wipe(slot);
        set_state(slot, DG_SLOT_FREE);
        dg_shard_slot_is_vacant(shard, number);
        break;
    default: // quarantined before, or a state that nobody ever stores
        dg_shard_quarantine(shard, slot);
        break;
    }
    dg_mark(shard->backlog->judged, number);
}

// --- side slots ---------------------------------------------------------------

// Every slot has been judged by now. A side slot that a sane one referred to is marked: it is still in use, or this
// process has freed it already, which made it vacant. All others are nobody's, whatever they say.
static bool is_left_over(const struct dg_shard *shard, const uint64_t *marks, uint32_t number, uint32_t owner)
{
    if (!dg_is_marked(marks, number)) {
        return true;
    }
    // One that was found bad may have marked some on the way. Whoever else is not live is being taken over by this
    // process, which has come here for want of side slots.
    return owner != 0 &&
           (owner > shard->fresh_slot || dg_slot_state_of(&shard->slots[owner - 1]) == DG_SLOT_QUARANTINED);
}

static void judge_wide(struct dg_shard *shard, uint32_t number)
{
    uint32_t owner = atomic_load_explicit(&shard->wides[number].owner, memory_order_relaxed);
    if (is_left_over(shard, shard->backlog->marks.wides, number, owner)) {
        dg_shard_wide_release(shard, number);
    }
}

static void judge_flight(struct dg_shard *shard, uint32_t number)
{
    uint32_t owner = atomic_load_explicit(&shard->flights[number].owner, memory_order_relaxed);
    if (is_left_over(shard, shard->backlog->marks.flights, number, owner)) {
        dg_shard_flight_release(shard, number);
    }
}

bool dg_shard_settle(struct dg_shard *shard, uint32_t budget)
{
    struct dg_shard_backlog *backlog = shard->backlog;
    if (backlog == NULL) {
        return false;
    }
    if (!backlog->is_found) {
        dg_shard_find_all(shard);
        return true;
    }
    for (; budget > 0; budget--) {
        if (backlog->slots_left > 0) {
            judge(shard, --backlog->slots_left);
        } else if (backlog->wides_left > 0) {
            judge_wide(shard, --backlog->wides_left);
        } else if (backlog->flights_left > 0) {
            judge_flight(shard, --backlog->flights_left);
        } else {
            dg_shard_backlog_free(shard);
            return false;
        }
    }
    return true;
}

uint32_t dg_shard_take_vacant(struct dg_shard *shard, struct dg_vacancy *vacancy, bool has_fresh)
{
    uint32_t number = dg_vacancy_take(vacancy);
    while (number == DG_NOTHING_VACANT && !has_fresh && dg_shard_settle(shard, 1)) {
        number = dg_vacancy_take(vacancy);
    }
    return number;
}

bool dg_shard_is_found(const struct dg_shard *shard) { return shard->backlog == NULL || shard->backlog->is_found; }
