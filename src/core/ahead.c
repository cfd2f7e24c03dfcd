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

static void find_shard(const struct dg_engine *engine, struct dg_ahead *ahead)
{
    const struct dg_steer *steer = &engine->memory->header->steer;
    ahead->cid = cid_in(steer, ahead->data, ahead->size);
    uint32_t number = ahead->cid != NULL ? dg_cid_shard(ahead->cid, steer->shard_count)
                                         : dg_steer_address_shard(steer, &ahead->path->peer);
    ahead->shard = engine->by_number[number];
    ahead->slot = NULL;
    if (ahead->shard != NULL)
        fetch(ahead->shard, sizeof *ahead->shard);
}

static void find_index(struct dg_ahead *ahead)
{
    ahead->index = ahead->cid != NULL ? ahead->shard->by_cid : ahead->shard->by_address;
    __builtin_prefetch(ahead->index);
    __builtin_prefetch(ahead->shard->head, 1);
}

static void find_entry(struct dg_ahead *ahead)
{
    ahead->hash = ahead->cid != NULL
                      ? dg_cid_key_of(ahead->shard, ahead->cid).hash
                      : dg_shard_address_hash(ahead->shard, &ahead->path->peer, ahead->path->listener);
    dg_slot_index_prefetch(ahead->index, ahead->hash);
}

static void find_slot(struct dg_ahead *ahead)
{
    uint32_t number = dg_slot_index_guess(ahead->index, ahead->hash);
    if (number == DG_NO_SLOT)
        return;
    ahead->slot = &ahead->shard->slots[number];
    __builtin_prefetch(ahead->slot, 1);
    __builtin_prefetch(&ahead->slot->side, 1);
}

// Read, and not only asked for: it lies on a page of its own, and asking does not always wait for an address to be
// translated.
static void find_side(struct dg_ahead *ahead)
{
    if (ahead->slot->side < ahead->shard->fresh_flight)
        ahead->side_kind = ahead->shard->flights[ahead->slot->side].kind;
}

// Passes, and not one datagram after the other: each step waits for what the one before asked for, and so the waits
// of many overlap. Most of it is waiting for addresses to be translated: every slot lies on another page.
void dg_ahead_batch(const struct dg_engine *engine, struct dg_ahead *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        find_shard(engine, &all[i]);
    for (size_t i = 0; i < count; i++)
        if (all[i].shard != NULL)
            find_index(&all[i]);
    for (size_t i = 0; i < count; i++)
        if (all[i].shard != NULL)
            find_entry(&all[i]);
    for (size_t i = 0; i < count; i++)
        if (all[i].shard != NULL)
            find_slot(&all[i]);
    for (size_t i = 0; i < count; i++)
        if (all[i].slot != NULL)
            find_side(&all[i]);
}

void dg_ahead_slot(const struct dg_ahead *ahead)
{
    if (ahead->slot != NULL)
        fetch(ahead->slot, SLOT_READ);
}
