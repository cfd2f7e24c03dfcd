// SPDX-License-Identifier: GPL-3.0-or-later
// Says to the processor what will be read soon. Never follows anything that it would have to believe: a wrong guess
// costs a line of the cache.
#include "core/ahead.h"

#include "core/engine_internal.h"
#include "core/shard_private.h"

// The cache lines of a slot from its first one on, in this number: all but the last, which holds the identity.
#define SLOT_LINES (DG_SLOT_SIZE / DG_CACHE_LINE - 1)

// Where the connection ID lies that nominates; NULL: an address does.
static const uint8_t *cid_in(const struct dg_steer *steer, const uint8_t *data, size_t size)
{
    size_t at = 0;
    if (size > 0 && data[0] == DG_CONTENT_TLS12_CID)
        at = DG_RECORD12_CID_OFFSET;
    else if (size > 0 && (data[0] & (DG_UNIFIED_FIXED_MASK | DG_UNIFIED_CID)) == (DG_UNIFIED_FIXED | DG_UNIFIED_CID))
        at = 1;
    return at > 0 && size >= at + steer->cid_size ? data + at : NULL;
}

void dg_ahead_index(const struct dg_engine *engine, const struct dg_path *path, const uint8_t *data, size_t size,
                    struct dg_ahead *ret)
{
    const struct dg_steer *steer = &engine->memory->header->steer;
    const uint8_t *cid = cid_in(steer, data, size);
    uint32_t number = cid != NULL ? dg_cid_shard(cid, steer->shard_count) : dg_steer_address_shard(steer, &path->peer);
    const struct dg_shard *shard = engine->by_number[number];
    *ret = (struct dg_ahead){.shard = shard};
    if (shard == NULL)
        return;
    ret->index = cid != NULL ? shard->by_cid : shard->by_address;
    ret->hash = cid != NULL ? dg_cid_key_of(shard, cid).hash
                            : dg_shard_address_hash(shard, &path->peer, path->listener);
    dg_slot_index_prefetch(ret->index, ret->hash);
}

void dg_ahead_slot(struct dg_ahead *ahead)
{
    if (ahead->shard == NULL)
        return;
    uint32_t number = dg_slot_index_guess(ahead->index, ahead->hash);
    if (number == DG_NO_SLOT)
        return;
    ahead->slot = &ahead->shard->slots[number];
    for (size_t i = 0; i < SLOT_LINES; i++)
        __builtin_prefetch((const uint8_t *)ahead->slot + i * DG_CACHE_LINE, 1);
}

void dg_ahead_side(const struct dg_ahead *ahead)
{
    if (ahead->slot != NULL && ahead->slot->side < ahead->shard->fresh_flight)
        __builtin_prefetch(&ahead->shard->flights[ahead->slot->side], 1);
}
