// SPDX-License-Identifier: GPL-3.0-or-later
// Finds slots: by connection ID, by path, by reference, one after the other. Owns the two indexes, which
// are rebuilt at every attach. Finding proves nothing: the AEAD decides.
#include "core/shard_private.h"

#include <string.h>

// --- keys ---------------------------------------------------------------------

// Two of 8 bytes or more, without padding, so that they can be hashed as bytes.
struct path_key {
    uint64_t ip[2];
    uint32_t scope;
    uint32_t port;
    uint64_t listener;
};
_Static_assert(sizeof(struct path_key) == 32, "path_key has no padding");

static struct path_key path_key(const struct dg_address *peer, uint64_t listener)
{
    struct path_key key = {.scope = peer->scope, .port = peer->port, .listener = listener};
    memcpy(key.ip, peer->ip, sizeof key.ip);
    return key;
}

static uint64_t cid_hash_of(const void *context, uint32_t slot)
{
    const struct dg_shard *shard = context;
    return dg_hash(&shard->hash_key, shard->slots[slot].cid, shard->cid_size);
}

static bool cid_matches(const void *context, uint32_t slot, const void *key)
{
    const struct dg_shard *shard = context;
    return dg_cid_key_fits(key, shard->slots[slot].cid);
}

static uint64_t path_hash_of(const void *context, uint32_t slot)
{
    const struct dg_shard *shard = context;
    struct path_key key = path_key(&shard->slots[slot].peer, shard->slots[slot].listener);
    return dg_hash(&shard->hash_key, &key, sizeof key);
}

static bool path_matches(const void *context, uint32_t slot, const void *key)
{
    const struct dg_shard *shard = context;
    const struct path_key *wanted = key;
    struct path_key own = path_key(&shard->slots[slot].peer, shard->slots[slot].listener);
    return own.ip[0] == wanted->ip[0] && own.ip[1] == wanted->ip[1] && own.scope == wanted->scope &&
           own.port == wanted->port && own.listener == wanted->listener;
}

// --- the indexes --------------------------------------------------------------

bool dg_shard_indexes_init(struct dg_shard *shard)
{
    shard->hash_key = dg_hash_key_new();
    uint32_t slot_count = shard->memory->shape.slots_per_shard;
    shard->by_cid = dg_slot_index_new(slot_count, cid_hash_of, cid_matches, shard);
    shard->by_address = dg_slot_index_new(slot_count, path_hash_of, path_matches, shard);
    // Room for those that are there already, at once: growing would look at each of them again and again.
    return shard->by_cid != NULL && shard->by_address != NULL && dg_shard_spares_init(shard) &&
           dg_slot_index_reserve(shard->by_cid, shard->fresh_slot) &&
           dg_slot_index_reserve(shard->by_address, shard->fresh_slot);
}

void dg_shard_indexes_clear(struct dg_shard *shard)
{
    dg_slot_index_free(shard->by_address);
    dg_slot_index_free(shard->by_cid);
    dg_slot_index_free(shard->by_spare);
    shard->by_cid = shard->by_address = shard->by_spare = NULL;
}

static struct dg_slot_index *index_of(const struct dg_shard *shard, const struct dg_slot *slot)
{
    return (slot->flags & DG_SLOT_HAS_CID) != 0 ? shard->by_cid : shard->by_address;
}

bool dg_shard_index_put(struct dg_shard *shard, const struct dg_slot *slot)
{
    return dg_slot_index_insert(index_of(shard, slot), dg_shard_slot_number(shard, slot));
}

void dg_shard_index_remove(struct dg_shard *shard, const struct dg_slot *slot)
{
    (void)dg_slot_index_remove(index_of(shard, slot), dg_shard_slot_number(shard, slot));
}

// --- finding ------------------------------------------------------------------

static struct dg_slot *slot_or_null(const struct dg_shard *shard, uint32_t number)
{
    return number != DG_NO_SLOT ? &shard->slots[number] : NULL;
}

static struct dg_slot *look_up_first_cid(const struct dg_shard *shard, const struct dg_cid_key *key)
{
    return slot_or_null(shard, dg_slot_index_find(shard->by_cid, key->hash, key));
}

uint64_t dg_shard_address_hash(const struct dg_shard *shard, const struct dg_address *peer, uint64_t listener)
{
    struct path_key key = path_key(peer, listener);
    return dg_hash(&shard->hash_key, &key, sizeof key);
}

static struct dg_slot *look_up_address(const struct dg_shard *shard, const struct dg_address *peer, uint64_t listener)
{
    struct path_key key = path_key(peer, listener);
    uint64_t hash = dg_hash(&shard->hash_key, &key, sizeof key);
    return slot_or_null(shard, dg_slot_index_find(shard->by_address, hash, &key));
}

struct dg_slot *dg_shard_look_up_cid(const struct dg_shard *shard, const uint8_t *cid)
{
    struct dg_cid_key key = dg_cid_key_of(shard, cid);
    struct dg_slot *slot = look_up_first_cid(shard, &key);
    return slot != NULL ? slot : dg_shard_find_spare(shard, &key);
}

struct dg_slot *dg_shard_look_up_key(const struct dg_shard *shard, const struct dg_slot *slot)
{
    if ((slot->flags & DG_SLOT_HAS_CID) != 0) {
        struct dg_cid_key key = dg_cid_key_of(shard, slot->cid);
        return look_up_first_cid(shard, &key);
    }
    return look_up_address(shard, &slot->peer, slot->listener);
}

// Further IDs are known of judged slots only. Where nobody ever had any, this costs nothing.
bool dg_shard_find_spares(struct dg_shard *shard)
{
    if (shard->backlog == NULL || atomic_load_explicit(&shard->head->has_spares, memory_order_relaxed) == 0) {
        return false;
    }
    while (dg_shard_settle(shard, UINT32_MAX)) {
    }
    return true;
}

struct dg_slot *dg_shard_find_cid(struct dg_shard *shard, const uint8_t *cid)
{
    dg_shard_ready(shard);
    struct dg_slot *slot = dg_shard_look_up_cid(shard, cid);
    if (slot == NULL && dg_shard_find_spares(shard)) {
        slot = dg_shard_look_up_cid(shard, cid);
    }
    return dg_shard_judged(shard, slot);
}

struct dg_slot *dg_shard_find_address(struct dg_shard *shard, const struct dg_address *peer, uint64_t listener)
{
    dg_shard_ready(shard);
    return dg_shard_judged(shard, look_up_address(shard, peer, listener));
}

struct dg_slot *dg_shard_find_ref(struct dg_shard *shard, struct dg_ref ref)
{
    dg_shard_ready(shard);
    if (ref.id == 0 || ref.shard != shard->number || ref.slot >= shard->fresh_slot) {
        return NULL;
    }
    struct dg_slot *slot = &shard->slots[ref.slot];
    return dg_slot_is_live(slot) && slot->id == ref.id ? dg_shard_judged(shard, slot) : NULL;
}

uint32_t dg_shard_slot_number(const struct dg_shard *shard, const struct dg_slot *slot)
{
    return (uint32_t)(slot - shard->slots);
}

struct dg_ref dg_shard_ref(const struct dg_shard *shard, const struct dg_slot *slot)
{
    return (struct dg_ref){.id = slot->id, .shard = shard->number, .slot = dg_shard_slot_number(shard, slot)};
}

struct dg_slot *dg_shard_next_live_before(struct dg_shard *shard, uint32_t *cursor, uint32_t end)
{
    dg_shard_ready(shard);
    while (*cursor < shard->fresh_slot && *cursor < end) {
        struct dg_slot *slot = &shard->slots[(*cursor)++];
        if (dg_slot_is_live(slot) && dg_shard_judged(shard, slot) != NULL) {
            return slot;
        }
    }
    return NULL;
}

struct dg_slot *dg_shard_next_live(struct dg_shard *shard, uint32_t *cursor)
{
    return dg_shard_next_live_before(shard, cursor, UINT32_MAX);
}

struct dg_bytes dg_shard_identity(const struct dg_shard *shard, const struct dg_slot *slot)
{
    if (slot->identity_size <= DG_SLOT_IDENTITY) {
        return (struct dg_bytes){.data = slot->identity, .size = slot->identity_size};
    }
    const struct dg_side_flight *side = dg_shard_flight_find(shard, slot, DG_FLIGHT_IDENTITY);
    if (side == NULL) {
        return (struct dg_bytes){.data = slot->identity, .size = 0};
    }
    return (struct dg_bytes){.data = side->bytes, .size = side->size};
}

struct dg_bytes dg_shard_peer_cid(const struct dg_shard *shard, const struct dg_slot *slot)
{
    if (slot->peer_cid_size <= DG_SLOT_PEER_CID) {
        return (struct dg_bytes){.data = slot->peer_cid, .size = slot->peer_cid_size};
    }
    const struct dg_side_flight *side = dg_shard_flight_find(shard, slot, DG_FLIGHT_PEER_CID);
    if (side == NULL) {
        return (struct dg_bytes){.data = slot->peer_cid, .size = 0};
    }
    return (struct dg_bytes){.data = side->bytes, .size = side->size};
}
