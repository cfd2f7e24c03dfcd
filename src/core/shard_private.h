// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of the shard share with each other and with nobody else.
#ifndef DG_CORE_SHARD_PRIVATE_H
#define DG_CORE_SHARD_PRIVATE_H

#include "core/index.h"
#include "core/shard.h"

#include <string.h>

static inline uint32_t dg_slot_state_of(const struct dg_slot *slot)
{
    return atomic_load_explicit(&slot->state, memory_order_acquire);
}

static inline bool dg_slot_is_live(const struct dg_slot *slot)
{
    return dg_slot_state_of(slot) == DG_SLOT_LIVE;
}

static inline bool dg_slot_has_wide_keysets(const struct dg_slot *slot)
{
    return dg_keyset_is_wide((enum dg_aead_id)slot->aead, (enum dg_hash_id)slot->hash);
}

// A connection ID of ours as the indexes look for it: two registers, zero behind the ID as in a slot, and its hash.
struct dg_cid_key {
    uint64_t word[2];
    uint64_t hash;
};
_Static_assert(sizeof(uint64_t[2]) == DG_CID_SIZE_MAX, "a connection ID of ours fits two registers");

static inline struct dg_cid_key dg_cid_key_of(const struct dg_shard *shard, const uint8_t *cid)
{
    struct dg_cid_key key = {.hash = dg_hash(&shard->hash_key, cid, shard->cid_size)};
    if (shard->cid_size == DG_CID_SIZE_DEFAULT) {
        memcpy(key.word, cid, DG_CID_SIZE_DEFAULT); // a single load
    } else {
        memcpy(key.word, cid, shard->cid_size);
    }
    return key;
}

// Of one that is stored with its zeros.
static inline bool dg_cid_key_fits(const struct dg_cid_key *key, const uint8_t cid[DG_CID_SIZE_MAX])
{
    uint64_t other[2];
    memcpy(other, cid, sizeof other);
    return other[0] == key->word[0] && other[1] == key->word[1];
}

// One more, or with UINT32_MAX one less: here, for other threads, and for whoever comes after.
static inline void dg_shard_live_add(struct dg_shard *shard, uint32_t change)
{
    uint32_t live = atomic_load_explicit(&shard->live, memory_order_relaxed) + change;
    atomic_store_explicit(&shard->live, live, memory_order_relaxed);
    atomic_store_explicit(&shard->head->live, live, memory_order_relaxed);
}

// shard.c
void dg_shard_find_all(struct dg_shard *shard); // the live slots of the process before, into the indexes

// shard_find.c
bool dg_shard_indexes_init(struct dg_shard *shard); // false: memory short
void dg_shard_indexes_clear(struct dg_shard *shard);
// As the public functions, without judging what is found.
struct dg_slot *dg_shard_look_up_cid(const struct dg_shard *shard, const uint8_t *cid);
bool dg_shard_find_spares(struct dg_shard *shard); // all further IDs are known from now on; false: they were before
struct dg_slot *dg_shard_look_up_key(const struct dg_shard *shard, const struct dg_slot *slot); // who has its first key
// Of its first key alone; its further connection IDs have functions of their own.
DG_MUST_USE bool dg_shard_index_put(struct dg_shard *shard, const struct dg_slot *slot); // false: memory short
void dg_shard_index_remove(struct dg_shard *shard, const struct dg_slot *slot);
uint64_t dg_shard_address_hash(const struct dg_shard *shard, const struct dg_address *peer, uint64_t listener);

// shard_slots.c
// The sum that dg_slot.check holds: over id, version, aead, hash, flags other than CLOSE_*, cid, identity_kind,
// identity_size, the identity wherever it lies, listener, credential, leaf, opened_tick, expires_s, suite, group.
uint32_t dg_shard_slot_check(const struct dg_shard *shard, const struct dg_slot *slot);
void dg_shard_slot_wipe(struct dg_slot *slot); // all but its state
void dg_shard_slot_is_vacant(struct dg_shard *shard, uint32_t number); // wiped, and free in the region

// shard_sides.c
// The side slots of a slot that is not live, or no longer: wiped and free.
void dg_shard_sides_release(struct dg_shard *shard, struct dg_slot *slot);
void dg_shard_inline_wipe_unused(struct dg_slot *slot); // inline places that the slot does not refer to
// Wiped, then free: owner is stored last.
void dg_shard_wide_release(struct dg_shard *shard, uint32_t number);
void dg_shard_flight_release(struct dg_shard *shard, uint32_t number);

// shard_path.c
// A move that another process began is completed. For a slot that was found sane.
void dg_shard_path_recover(struct dg_shard *shard, struct dg_slot *slot);

// shard_cids.c
bool dg_shard_spares_init(struct dg_shard *shard); // false: memory short
struct dg_slot *dg_shard_find_spare(const struct dg_shard *shard, const struct dg_cid_key *key);
// One of its own by another, or its first one by another's spare.
bool dg_shard_spare_is_taken(const struct dg_shard *shard, const struct dg_slot *slot);
DG_MUST_USE bool dg_shard_spares_put(struct dg_shard *shard, const struct dg_slot *slot); // false: memory short
void dg_shard_spares_remove(struct dg_shard *shard, const struct dg_slot *slot);
bool dg_shard_cids_are_sane(const struct dg_shard *shard, const struct dg_slot *slot,
                            const struct dg_side_cids *cids);
// A change of the peer's ID that another process began is completed. For a slot that was found sane.
void dg_shard_cids_recover(struct dg_shard *shard, struct dg_slot *slot);

// shard_trim.c
#define DG_SHARD_AREAS 3 // flights, wides, slots

// shard_check.c
// What attaching knows of the side slots that it found: which of them a sane live slot refers to. Process-local.
struct dg_shard_marks {
    uint32_t wide_count, flight_count;
    uint64_t *wides;   // a bit each
    uint64_t *flights;
};
static inline bool dg_is_marked(const uint64_t *bits, uint32_t number) { return (bits[number / 64] >> number % 64 & 1) != 0; }
static inline void dg_mark(uint64_t *bits, uint32_t number) { bits[number / 64] |= UINT64_C(1) << number % 64; }
// Every index and length of a live slot and of what it refers to, and the check. Marks what it refers to.
DG_MUST_USE bool dg_shard_slot_is_sane(const struct dg_shard *shard, const struct dg_slot *slot,
                                       struct dg_shard_marks *marks);

// shard_backlog.c
struct dg_shard_backlog {
    bool is_found;        // the indexes know them
    uint32_t slot_count;  // found below the mark; each has a bit in judged
    uint64_t *judged;
    struct dg_shard_marks marks;
    uint32_t slots_left, wides_left, flights_left; // numbers below these have still to be looked at, in this order
};
bool dg_shard_backlog_new(struct dg_shard *shard); // false: memory short
void dg_shard_backlog_free(struct dg_shard *shard);
void dg_shard_quarantine(struct dg_shard *shard, struct dg_slot *slot);
// Before anybody is looked for, or joins.
static inline void dg_shard_ready(struct dg_shard *shard)
{
    if (shard->backlog != NULL && !shard->backlog->is_found) {
        dg_shard_find_all(shard);
    }
}
// False: it has been quarantined.
bool dg_shard_judge_live(struct dg_shard *shard, struct dg_slot *slot);
// The same for what was found and perhaps judged before; NULL stays NULL.
static inline struct dg_slot *dg_shard_judged(struct dg_shard *shard, struct dg_slot *slot)
{
    return slot == NULL || shard->backlog == NULL || dg_shard_judge_live(shard, slot) ? slot : NULL;
}
// A vacant place. Where there are no fresh ones either, judging goes on until one is found or nothing is left to judge:
// then DG_NOTHING_VACANT.
uint32_t dg_shard_take_vacant(struct dg_shard *shard, struct dg_vacancy *vacancy, bool has_fresh);

// shard_suspects.c
// Slots of whom two crashes are known are quarantined. Before anything else is read of a slot.
void dg_shard_suspects_note(struct dg_shard *shard);

#endif
