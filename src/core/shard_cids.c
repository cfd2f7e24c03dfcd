// SPDX-License-Identifier: GPL-3.0-or-later
// The connection IDs of a slot beyond its first: ours are made, found and given back here; the peer's take the
// place of the one in use. Never decides when, and never sends.
#include "base/random.h"
#include "base/secret.h"
#include "core/connection_ids.h"
#include "core/crash_point.h"
#include "core/shard_private.h"

#include <string.h>

// --- which one ----------------------------------------------------------------

// In the index, the spares of a flight side slot follow each other.
static uint32_t number_of(const struct dg_shard *shard, const struct dg_side_flight *flight, uint32_t place)
{
    return dg_shard_flight_number(shard, flight) * DG_CID_SPARES + place;
}

static struct dg_side_cids *cids_at(const struct dg_shard *shard, uint32_t number)
{
    return dg_side_cids_of(dg_shard_flight(shard, number / DG_CID_SPARES));
}

static uint64_t hash_of(const void *context, uint32_t number)
{
    const struct dg_shard *shard = context;
    return dg_hash(&shard->hash_key, cids_at(shard, number)->own[number % DG_CID_SPARES], shard->cid_size);
}

static bool matches(const void *context, uint32_t number, const void *key)
{
    const struct dg_shard *shard = context;
    return dg_cid_key_fits(key, cids_at(shard, number)->own[number % DG_CID_SPARES]);
}

static uint8_t state_of(const struct dg_side_cids *cids, uint32_t place)
{
    return atomic_load_explicit(&cids->own_state[place], memory_order_acquire);
}

static void set_state(struct dg_side_cids *cids, uint32_t place, uint8_t state)
{
    DG_STORE_ORDER();
    atomic_store_explicit(&cids->own_state[place], state, memory_order_release);
    DG_STORE_ORDER();
}

static struct dg_side_flight *flight_of(const struct dg_shard *shard, const struct dg_slot *slot)
{
    return slot->side != DG_NO_SIDE ? dg_shard_flight_find(shard, slot, DG_FLIGHT_CIDS) : NULL;
}

struct dg_side_cids *dg_shard_cids(const struct dg_shard *shard, const struct dg_slot *slot)
{
    struct dg_side_flight *flight = flight_of(shard, slot);
    return flight != NULL ? dg_side_cids_of(flight) : NULL;
}

struct dg_side_cids *dg_shard_cids_make(struct dg_shard *shard, struct dg_slot *slot)
{
    struct dg_side_flight *flight = flight_of(shard, slot);
    if (flight == NULL) {
        flight = dg_shard_flight_new(shard, slot, DG_FLIGHT_CIDS);
        if (flight == NULL) {
            return NULL;
        }
        flight->size = sizeof(struct dg_side_cids);
        atomic_store_explicit(&shard->head->has_spares, 1, memory_order_relaxed);
        dg_shard_flight_link(shard, slot, flight);
    }
    return dg_side_cids_of(flight);
}

// --- the index ----------------------------------------------------------------

bool dg_shard_spares_init(struct dg_shard *shard)
{
    uint32_t count = shard->memory->shape.flights_per_shard * DG_CID_SPARES;
    _Static_assert(DG_FLIGHTS_PER_SHARD_MAX * DG_CID_SPARES <= DG_INDEX_SLOT_MAX + 1, "spares have numbers");
    shard->by_spare = dg_slot_index_new(count, hash_of, matches, shard);
    return shard->by_spare != NULL;
}

struct dg_slot *dg_shard_find_spare(const struct dg_shard *shard, const struct dg_cid_key *key)
{
    uint32_t number = dg_slot_index_find(shard->by_spare, key->hash, key);
    if (number == DG_NO_SLOT) {
        return NULL;
    }
    const struct dg_side_flight *flight = dg_shard_flight(shard, number / DG_CID_SPARES);
    return &shard->slots[atomic_load_explicit(&flight->owner, memory_order_relaxed) - 1];
}

bool dg_shard_spare_is_taken(const struct dg_shard *shard, const struct dg_slot *slot)
{
    const struct dg_side_cids *cids = dg_shard_cids(shard, slot);
    for (uint32_t place = 0; cids != NULL && place < DG_CID_SPARES; place++) {
        if (state_of(cids, place) != DG_OWN_CID_NONE && dg_shard_look_up_cid(shard, cids->own[place]) != NULL) {
            return true;
        }
    }
    if ((slot->flags & DG_SLOT_HAS_CID) == 0) {
        return false;
    }
    struct dg_cid_key key = dg_cid_key_of(shard, slot->cid);
    return dg_shard_find_spare(shard, &key) != NULL;
}

bool dg_shard_spares_put(struct dg_shard *shard, const struct dg_slot *slot)
{
    struct dg_side_flight *flight = flight_of(shard, slot);
    for (uint32_t place = 0; flight != NULL && place < DG_CID_SPARES; place++) {
        if (state_of(dg_side_cids_of(flight), place) != DG_OWN_CID_NONE &&
            !dg_slot_index_insert(shard->by_spare, number_of(shard, flight, place))) {
            dg_shard_spares_remove(shard, slot); // none is found that leads to a slot which is then quarantined
            return false;
        }
    }
    return true;
}

void dg_shard_spares_remove(struct dg_shard *shard, const struct dg_slot *slot)
{
    struct dg_side_flight *flight = flight_of(shard, slot);
    for (uint32_t place = 0; flight != NULL && place < DG_CID_SPARES; place++) {
        if (state_of(dg_side_cids_of(flight), place) != DG_OWN_CID_NONE) {
            (void)dg_slot_index_remove(shard->by_spare, number_of(shard, flight, place));
        }
    }
}

// --- ours ---------------------------------------------------------------------

// RFC 9146 8: random, but for the shard, which the socket filter reads from it.
static void draw(const struct dg_shard *shard, uint8_t cid[DG_CID_SIZE_MAX])
{
    uint32_t mask = shard->memory->shape.shard_count - 1;
    do {
        dg_random_bytes(cid, shard->cid_size);
        cid[DG_CID_SHARD_BYTE] = (uint8_t)((cid[DG_CID_SHARD_BYTE] & ~mask) | shard->number);
    } while (dg_shard_look_up_cid(shard, cid) != NULL);
}

bool dg_shard_cid_add(struct dg_shard *shard, const struct dg_slot *slot, uint32_t place)
{
    struct dg_side_flight *flight = flight_of(shard, slot);
    struct dg_side_cids *cids = dg_side_cids_of(flight);
    DG_BUG_UNLESS(state_of(cids, place) == DG_OWN_CID_NONE);
    (void)dg_shard_find_spares(shard); // an unjudged slot that had the same one would be quarantined for it
    draw(shard, cids->own[place]);
    if (!dg_slot_index_insert(shard->by_spare, number_of(shard, flight, place))) {
        return false;
    }
    DG_CRASH_POINT(CID_WRITTEN);
    set_state(cids, place, DG_OWN_CID_ROUTABLE);
    DG_CRASH_POINT(CID_ROUTABLE);
    return true;
}

void dg_shard_cid_mark(struct dg_side_cids *cids, uint32_t place, uint8_t state)
{
    DG_BUG_UNLESS(state_of(cids, place) != DG_OWN_CID_NONE && state != DG_OWN_CID_NONE);
    set_state(cids, place, state);
}

void dg_shard_cid_retire(struct dg_shard *shard, const struct dg_slot *slot, uint32_t place)
{
    struct dg_side_flight *flight = flight_of(shard, slot);
    struct dg_side_cids *cids = dg_side_cids_of(flight);
    (void)dg_slot_index_remove(shard->by_spare, number_of(shard, flight, place)); // while it still has its key
    set_state(cids, place, DG_OWN_CID_NONE);
    DG_CRASH_POINT(CID_RETIRED);
    dg_wipe(cids->own[place], DG_CID_SIZE_MAX);
}

// --- the peer's ---------------------------------------------------------------

static void copy(struct dg_slot *slot, const uint8_t *data, size_t size)
{
    memcpy(slot->peer_cid, data, size);
    DG_STORE_ORDER();
    DG_CRASH_POINT(PEER_CID_HALF_COPIED);
    slot->peer_cid_size = (uint8_t)size;
}

static void set_changing(struct dg_side_cids *cids, uint32_t is_changing)
{
    DG_STORE_ORDER();
    atomic_store_explicit(&cids->is_changing, is_changing, memory_order_release);
    DG_STORE_ORDER();
}

void dg_shard_peer_cid_change(struct dg_shard *shard, struct dg_slot *slot, struct dg_bytes cid)
{
    DG_BUG_UNLESS(cid.size <= DG_SLOT_PEER_CID);
    struct dg_side_cids *cids = dg_shard_cids(shard, slot);
    if (cids != NULL) {
        memcpy(cids->change.bytes, cid.data, cid.size);
        cids->change.size = (uint8_t)cid.size;
        set_changing(cids, 1);
        DG_CRASH_POINT(PEER_CID_CHANGING);
    }
    copy(slot, cid.data, cid.size);
    if (cids != NULL) {
        set_changing(cids, 0);
    }
    DG_CRASH_POINT(PEER_CID_CHANGED);
    struct dg_side_flight *aside = dg_shard_flight_find(shard, slot, DG_FLIGHT_PEER_CID);
    if (aside != NULL) {
        dg_shard_flight_free(shard, slot, aside);
    }
}

// A long ID that lay aside stays there, unused, as long as its slot or until the next change.
void dg_shard_cids_recover(struct dg_shard *shard, struct dg_slot *slot)
{
    struct dg_side_cids *cids = dg_shard_cids(shard, slot);
    if (cids == NULL || atomic_load_explicit(&cids->is_changing, memory_order_relaxed) == 0) {
        return;
    }
    copy(slot, cids->change.bytes, cids->change.size);
    set_changing(cids, 0);
}

// --- the judgement of an attaching process ------------------------------------

bool dg_shard_cids_are_sane(const struct dg_shard *shard, const struct dg_slot *slot,
                            const struct dg_side_cids *cids)
{
    if (dg_side_cids_peer_count(cids) > DG_CID_SPARES || cids->newest > DG_CID_SPARES ||
        cids->before > DG_CID_SPARES || cids->change.size > DG_SLOT_PEER_CID) {
        return false;
    }
    for (uint32_t place = 0; place < DG_CID_SPARES; place++) {
        const uint8_t *own = cids->own[place];
        uint8_t state = state_of(cids, place);
        if (cids->peer[place].size > DG_SLOT_PEER_CID || state > DG_OWN_CID_SEEN) {
            return false;
        }
        if (state == DG_OWN_CID_NONE) {
            continue;
        }
        if ((slot->flags & DG_SLOT_HAS_CID) == 0 ||
            dg_cid_shard(own, shard->memory->shape.shard_count) != shard->number ||
            memcmp(own, slot->cid, DG_CID_SIZE_MAX) == 0) {
            return false;
        }
        for (uint32_t other = 0; other < place; other++) {
            if (state_of(cids, other) != DG_OWN_CID_NONE && memcmp(own, cids->own[other], DG_CID_SIZE_MAX) == 0) {
                return false;
            }
        }
    }
    return true;
}
