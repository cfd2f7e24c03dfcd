// SPDX-License-Identifier: GPL-3.0-or-later
// Says to the processor what will be read soon. Never follows anything that it would have to believe: a wrong guess
// costs a line of the cache.
#include "core/ahead.h"

#include "core/engine_internal.h"
#include "core/shard_private.h"

// What a record reads of its slot: all but the last cache line, which holds most of the identity.
#define SLOT_READ (DG_SLOT_SIZE - DG_CACHE_LINE)

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

static void fetch(const void *from, size_t size)
{
    for (size_t i = 0; i < size; i += DG_CACHE_LINE)
        __builtin_prefetch((const uint8_t *)from + i, 1);
}

// Passes, and not one datagram after the other, so that the waits of many overlap.
void dg_ahead_entries(const struct dg_engine *engine, struct dg_ahead *all, size_t count)
{
    const struct dg_steer *steer = &engine->memory->header->steer;
    for (size_t i = 0; i < count; i++) {
        all[i].cid = cid_in(steer, all[i].data, all[i].size);
        uint32_t number = all[i].cid != NULL ? dg_cid_shard(all[i].cid, steer->shard_count)
                                             : dg_steer_address_shard(steer, &all[i].path->peer);
        all[i].shard = engine->by_number[number];
        all[i].index = NULL;
        all[i].slot = NULL;
        if (all[i].shard != NULL)
            fetch(all[i].shard, sizeof *all[i].shard);
    }
    for (size_t i = 0; i < count; i++) {
        if (all[i].shard == NULL)
            continue;
        all[i].index = all[i].cid != NULL ? all[i].shard->by_cid : all[i].shard->by_address;
        __builtin_prefetch(all[i].index);
        __builtin_prefetch(all[i].shard->head, 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (all[i].shard == NULL)
            continue;
        all[i].hash = all[i].cid != NULL ? dg_cid_key_of(all[i].shard, all[i].cid).hash
                                         : dg_shard_address_hash(all[i].shard, &all[i].path->peer,
                                                                 all[i].path->listener);
        dg_slot_index_prefetch(all[i].index, all[i].hash);
    }
}

void dg_ahead_slot(struct dg_ahead *ahead)
{
    if (ahead->shard == NULL)
        return;
    uint32_t number = dg_slot_index_guess(ahead->index, ahead->hash);
    if (number == DG_NO_SLOT)
        return;
    ahead->slot = &ahead->shard->slots[number];
    fetch(ahead->slot, SLOT_READ);
}

void dg_ahead_side(const struct dg_ahead *ahead)
{
    if (ahead->slot != NULL && ahead->slot->side < ahead->shard->fresh_flight)
        __builtin_prefetch(&ahead->shard->flights[ahead->slot->side], 1);
}
