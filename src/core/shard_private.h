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

// A connection ID of ours as the indexes compare it: two registers, zero behind the ID as in a slot.
struct dg_cid_key {
    uint64_t word[2];
};
_Static_assert(sizeof(struct dg_cid_key) == DG_CID_SIZE_MAX, "a connection ID of ours fits two registers");

static inline struct dg_cid_key dg_cid_key_of(const uint8_t *cid, size_t size)
{
    struct dg_cid_key key = {0};
    if (size == DG_CID_SIZE_DEFAULT) {
        memcpy(key.word, cid, DG_CID_SIZE_DEFAULT); // a single load
    } else {
        memcpy(key.word, cid, size);
    }
    return key;
}

// Of one that is stored with its zeros.
static inline bool dg_cid_key_fits(const struct dg_cid_key *key, const uint8_t cid[DG_CID_SIZE_MAX])
{
    struct dg_cid_key other;
    memcpy(other.word, cid, sizeof other.word);
    return other.word[0] == key->word[0] && other.word[1] == key->word[1];
}

// shard_find.c
bool dg_shard_indexes_init(struct dg_shard *shard); // false: memory short
void dg_shard_indexes_clear(struct dg_shard *shard);
// Is there a live slot with the key that this one has? Asked before it is put into its index.
bool dg_shard_key_is_taken(const struct dg_shard *shard, const struct dg_slot *slot);
DG_MUST_USE bool dg_shard_index_put(struct dg_shard *shard, const struct dg_slot *slot); // false: memory short
void dg_shard_index_remove(struct dg_shard *shard, const struct dg_slot *slot);

// shard_slots.c
// The sum that dg_slot.check holds: over id, version, aead, hash, flags other than CLOSE_*, cid, identity_kind,
// identity_size, the identity wherever it lies, listener, credential, opened_at, expires_s, suite, group.
uint32_t dg_shard_slot_check(const struct dg_shard *shard, const struct dg_slot *slot);
void dg_shard_slot_wipe(struct dg_slot *slot); // all but its state
void dg_shard_slot_push_free(struct dg_shard *shard, uint32_t number);

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
struct dg_slot *dg_shard_find_spare(const struct dg_shard *shard, const struct dg_cid_key *key,
                                    uint64_t hash);
bool dg_shard_spare_is_taken(const struct dg_shard *shard, const struct dg_slot *slot); // one of its own, by another
DG_MUST_USE bool dg_shard_spares_put(struct dg_shard *shard, const struct dg_slot *slot); // false: memory short
void dg_shard_spares_remove(struct dg_shard *shard, const struct dg_slot *slot);
bool dg_shard_cids_are_sane(const struct dg_shard *shard, const struct dg_slot *slot,
                            const struct dg_side_cids *cids);
// A change of the peer's ID that another process began is completed. For a slot that was found sane.
void dg_shard_cids_recover(struct dg_shard *shard, struct dg_slot *slot);

// shard_check.c
// What attaching knows of the side slots: which of them a sane live slot refers to. Process-local.
struct dg_shard_marks {
    uint64_t *wides;   // a bit each
    uint64_t *flights;
};
// Every index and length of a live slot and of what it refers to, and the check. Marks what it refers to.
DG_MUST_USE bool dg_shard_slot_is_sane(const struct dg_shard *shard, const struct dg_slot *slot,
                                       struct dg_shard_marks *marks);

#endif
