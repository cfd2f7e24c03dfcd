// SPDX-License-Identifier: GPL-3.0-or-later
// Side slots of a shard: keysets that do not lie inline, and flights. Owns the books of the vacant ones and the
// flights' timers. A side slot names its owner before it is used and loses the name after it was wiped, so
// that an attaching process finds every one that a dead process left behind.
#include "core/shard_private.h"

#include "base/secret.h"
#include "core/crash_point.h"

#include <string.h>

static uint32_t owner_of(const struct dg_shard *shard, const struct dg_slot *slot)
{
    return dg_shard_slot_number(shard, slot) + 1;
}

// --- wide side slots ----------------------------------------------------------

// DG_NO_SIDE: none left.
static uint32_t wide_take(struct dg_shard *shard, uint32_t owner)
{
    bool has_fresh = shard->fresh_wide < dg_memory_wide_count(&shard->memory->shape);
    uint32_t number = dg_shard_take_vacant(shard, &shard->vacant_wides, has_fresh);
    if (number == DG_NOTHING_VACANT) {
        if (!has_fresh) {
            return DG_NO_SIDE;
        }
        number = shard->fresh_wide++;
        atomic_store_explicit(&shard->head->wides_used, shard->fresh_wide, memory_order_release);
        DG_CRASH_POINT(SIDE_MARK_RAISED);
    }
    struct dg_side_wide *wide = &shard->wides[number];
    dg_wipe(wide->keyset, sizeof wide->keyset); // is zero, unless the head was damaged
    atomic_store_explicit(&wide->owner, owner, memory_order_release);
    DG_CRASH_POINT(SIDE_OWNED);
    return number;
}

void dg_shard_wide_release(struct dg_shard *shard, uint32_t number)
{
    struct dg_side_wide *wide = &shard->wides[number];
    dg_wipe(wide->keyset, sizeof wide->keyset);
    dg_wipe(wide->spare, sizeof wide->spare);
    DG_CRASH_POINT(SIDE_WIPED);
    atomic_store_explicit(&wide->owner, 0, memory_order_release);
    dg_vacancy_put(&shard->vacant_wides, number);
    shard->wants_trim = true;
}

// --- keysets ------------------------------------------------------------------

struct places {
    uint32_t tx, rx, rx_old;
};

static struct places places_of(const struct dg_slot *slot)
{
    return (struct places){.tx = atomic_load_explicit(&slot->tx_place, memory_order_relaxed),
                           .rx = atomic_load_explicit(&slot->rx_place, memory_order_relaxed),
                           .rx_old = atomic_load_explicit(&slot->rx_old_place, memory_order_relaxed)};
}

static bool refers_to(const struct dg_slot *slot, uint32_t place)
{
    struct places in_use = places_of(slot);
    return in_use.tx == place || in_use.rx == place || in_use.rx_old == place;
}

struct dg_keyset *dg_shard_keyset(const struct dg_shard *shard, const struct dg_slot *slot, uint32_t place)
{
    // The slot is ours to write; its constness says that finding a keyset changes nothing.
    struct dg_slot *own = (struct dg_slot *)(uintptr_t)slot;
    switch (place) {
    case DG_PLACE_NONE:
        return NULL;
    case DG_PLACE_INLINE_0:
        return (struct dg_keyset *)(void *)own->keysets;
    case DG_PLACE_INLINE_1:
        return (struct dg_keyset *)(void *)(own->keysets + DG_KEYSET_NARROW);
    default:
        DG_BUG_UNLESS(place - DG_PLACE_SIDE < shard->fresh_wide);
        return (struct dg_keyset *)(void *)shard->wides[place - DG_PLACE_SIDE].keyset;
    }
}

uint32_t dg_shard_keyset_new(struct dg_shard *shard, struct dg_slot *slot)
{
    if (!refers_to(slot, DG_PLACE_INLINE_0)) {
        return DG_PLACE_INLINE_0;
    }
    if (!dg_slot_has_wide_keysets(slot) && !refers_to(slot, DG_PLACE_INLINE_1)) {
        return DG_PLACE_INLINE_1;
    }
    uint32_t number = wide_take(shard, owner_of(shard, slot));
    if (number == DG_NO_SIDE) {
        dg_count(shard->counters, DG_COUNT_SIDE_FULL);
        return DG_PLACE_NONE;
    }
    return DG_PLACE_SIDE + number;
}

static void inline_wipe(struct dg_slot *slot, uint32_t place)
{
    if (dg_slot_has_wide_keysets(slot)) {
        dg_wipe(slot->keysets, sizeof slot->keysets);
        return;
    }
    size_t at = place == DG_PLACE_INLINE_1 ? DG_KEYSET_NARROW : 0;
    dg_wipe(slot->keysets + at, DG_KEYSET_NARROW);
}

void dg_shard_keyset_free(struct dg_shard *shard, struct dg_slot *slot, uint32_t place)
{
    if (place == DG_PLACE_NONE) {
        return;
    }
    DG_BUG_UNLESS(!refers_to(slot, place));
    if (place < DG_PLACE_SIDE) {
        inline_wipe(slot, place);
        return;
    }
    uint32_t number = place - DG_PLACE_SIDE;
    DG_BUG_UNLESS(number < shard->fresh_wide);
    DG_BUG_UNLESS(atomic_load_explicit(&shard->wides[number].owner, memory_order_relaxed) == owner_of(shard, slot));
    dg_shard_wide_release(shard, number);
}

void dg_shard_inline_wipe_unused(struct dg_slot *slot)
{
    if (!refers_to(slot, DG_PLACE_INLINE_0)) {
        inline_wipe(slot, DG_PLACE_INLINE_0);
    }
    if (!dg_slot_has_wide_keysets(slot) && !refers_to(slot, DG_PLACE_INLINE_1)) {
        inline_wipe(slot, DG_PLACE_INLINE_1);
    }
}

// --- flight side slots --------------------------------------------------------

struct dg_side_flight *dg_shard_flight(const struct dg_shard *shard, uint32_t number)
{
    DG_BUG_UNLESS(number < shard->fresh_flight);
    return &shard->flights[number];
}

uint32_t dg_shard_flight_number(const struct dg_shard *shard, const struct dg_side_flight *flight)
{
    return (uint32_t)(flight - shard->flights);
}

static struct dg_side_flight *flight_or_null(const struct dg_shard *shard, uint32_t number)
{
    return number != DG_NO_SIDE ? dg_shard_flight(shard, number) : NULL;
}

struct dg_side_flight *dg_shard_flight_next(const struct dg_shard *shard, const struct dg_side_flight *flight)
{
    return flight_or_null(shard, flight->next);
}

struct dg_side_flight *dg_shard_flight_find(const struct dg_shard *shard, const struct dg_slot *slot,
                                            enum dg_flight_kind kind)
{
    struct dg_side_flight *flight = flight_or_null(shard, slot->side);
    while (flight != NULL && flight->kind != kind) {
        flight = dg_shard_flight_next(shard, flight);
    }
    return flight;
}

static void wipe_flight(struct dg_side_flight *flight)
{
    size_t kept = offsetof(struct dg_side_flight, next);
    dg_wipe((uint8_t *)flight + kept, sizeof *flight - kept);
}

struct dg_side_flight *dg_shard_flight_new(struct dg_shard *shard, struct dg_slot *slot, enum dg_flight_kind kind)
{
    bool has_fresh = shard->fresh_flight < shard->memory->shape.flights_per_shard;
    uint32_t number = dg_shard_take_vacant(shard, &shard->vacant_flights, has_fresh);
    if (number == DG_NOTHING_VACANT) {
        if (!has_fresh) {
            dg_count(shard->counters, DG_COUNT_SIDE_FULL);
            return NULL;
        }
        number = shard->fresh_flight++;
        atomic_store_explicit(&shard->head->flights_used, shard->fresh_flight, memory_order_release);
        DG_CRASH_POINT(SIDE_MARK_RAISED);
    }
    struct dg_side_flight *flight = &shard->flights[number];
    wipe_flight(flight); // is zero, unless the head was damaged
    atomic_store_explicit(&flight->owner, owner_of(shard, slot), memory_order_release);
    DG_CRASH_POINT(SIDE_OWNED);
    flight->next = DG_NO_SIDE;
    flight->kind = (uint8_t)kind;
    flight->deadline = DG_NEVER;
    return flight;
}

void dg_shard_flight_link(struct dg_shard *shard, struct dg_slot *slot, struct dg_side_flight *flight)
{
    flight->next = slot->side;
    DG_CRASH_POINT(FLIGHT_FILLED);
    slot->side = dg_shard_flight_number(shard, flight);
    DG_CRASH_POINT(FLIGHT_LINKED);
    dg_shard_flight_schedule(shard, flight);
}

static void set_timer(struct dg_shard *shard, uint32_t number, dg_time at)
{
    struct dg_soonest *soonest = shard->soonest;
    if (soonest != NULL && at < soonest->at) {
        *soonest = (struct dg_soonest){.at = at};
    } else if (soonest != NULL && at > soonest->at && dg_timer_heap_get(&shard->timers, number) == soonest->at) {
        soonest->is_stale = true;
    }
    dg_timer_heap_set(&shard->timers, number, at);
}

void dg_shard_flight_release(struct dg_shard *shard, uint32_t number)
{
    set_timer(shard, number, DG_NEVER);
    struct dg_side_flight *flight = &shard->flights[number];
    wipe_flight(flight);
    DG_CRASH_POINT(SIDE_WIPED);
    atomic_store_explicit(&flight->owner, 0, memory_order_release);
    flight->next = 0; // all zeros, as a page that was given back
    dg_vacancy_put(&shard->vacant_flights, number);
    shard->wants_trim = true;
}

static void unlink_flight(struct dg_shard *shard, struct dg_slot *slot, const struct dg_side_flight *flight)
{
    uint32_t number = dg_shard_flight_number(shard, flight);
    uint32_t *link = &slot->side;
    while (*link != DG_NO_SIDE) {
        if (*link == number) {
            *link = flight->next;
            return;
        }
        link = &dg_shard_flight(shard, *link)->next;
    }
}

void dg_shard_flight_free(struct dg_shard *shard, struct dg_slot *slot, struct dg_side_flight *flight)
{
    DG_BUG_UNLESS(atomic_load_explicit(&flight->owner, memory_order_relaxed) == owner_of(shard, slot));
    unlink_flight(shard, slot, flight); // one that was never linked is not found, and that is fine
    DG_CRASH_POINT(FLIGHT_UNLINKED);
    dg_shard_flight_release(shard, dg_shard_flight_number(shard, flight));
}

void dg_shard_flight_schedule(struct dg_shard *shard, const struct dg_side_flight *flight)
{
    dg_time at = DG_NEVER;
    switch ((enum dg_flight_kind)flight->kind) {
    case DG_FLIGHT_MESSAGE:
    case DG_FLIGHT_PATH:
        at = dg_time_min(flight->deadline, flight->next_send);
        break;
    case DG_FLIGHT_FINAL_12:
    case DG_FLIGHT_EPOCH_2:
    case DG_FLIGHT_CLOSING:
    case DG_FLIGHT_KEPT:
        at = flight->deadline; // next_send only says before when not to answer
        break;
    case DG_FLIGHT_FREE:
    case DG_FLIGHT_IDENTITY:
    case DG_FLIGHT_PEER_CID:
    case DG_FLIGHT_CIDS:
        break; // as long as the slot
    }
    set_timer(shard, dg_shard_flight_number(shard, flight), at);
}

void dg_shard_sides_release(struct dg_shard *shard, struct dg_slot *slot)
{
    while (slot->side != DG_NO_SIDE) {
        uint32_t number = slot->side;
        slot->side = dg_shard_flight(shard, number)->next;
        dg_shard_flight_release(shard, number);
    }
    struct places places = places_of(slot);
    uint32_t all[] = {places.tx, places.rx, places.rx_old != places.rx ? places.rx_old : DG_PLACE_NONE};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] >= DG_PLACE_SIDE) {
            dg_shard_wide_release(shard, all[i] - DG_PLACE_SIDE);
        }
    }
}
