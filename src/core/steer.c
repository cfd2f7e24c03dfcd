// SPDX-License-Identifier: GPL-3.0-or-later
// Which thread a datagram belongs to: the rules of steer.h in C. Never looks up.
#include "core/steer.h"

#include "base/wire.h"
#include "core/cid.h"
#include "core/wire_constants.h"

static uint32_t mix(uint32_t hash, uint32_t word)
{
    hash ^= word;
    hash *= DG_STEER_MULTIPLY_1;
    hash ^= hash >> DG_STEER_SHIFT_1;
    hash *= DG_STEER_MULTIPLY_2;
    hash ^= hash >> DG_STEER_SHIFT_2;
    return hash;
}

uint32_t dg_steer_address_shard(const struct dg_steer *steer, const struct dg_address *peer)
{
    struct dg_reader reader = dg_reader_of(peer->ip, sizeof peer->ip);
    uint32_t hash = steer->seed;

    if (dg_address_is_ipv4(peer))
        (void)dg_read_bytes(&reader, 12); // the IPv4 header has only the last word
    while (dg_reader_left(&reader) > 0)
        hash = mix(hash, dg_read_u32(&reader));
    hash = mix(hash, peer->port);
    return hash & (steer->shard_count - 1);
}

// Types 21 and 23: protected ones go to the association's owner.
static uint32_t steer_record12(const struct dg_steer *steer, const struct dg_address *peer, const uint8_t *data,
                               size_t size)
{
    if (size < DG_RECORD12_HEADER)
        return DG_STEER_FRONT;
    if (data[3] == 0 && data[4] == 0) // the epoch
        return DG_STEER_FRONT;
    return dg_steer_address_shard(steer, peer);
}

static uint32_t steer_unified(const struct dg_steer *steer, const struct dg_address *peer, const uint8_t *data,
                              size_t size)
{
    if ((data[0] & DG_UNIFIED_EPOCH_MASK) == DG_EPOCH13_HANDSHAKE)
        return DG_STEER_FRONT;
    if ((data[0] & DG_UNIFIED_CID) == 0)
        return dg_steer_address_shard(steer, peer);
    if (size < 1 + steer->cid_size)
        return DG_STEER_FRONT;
    return dg_cid_shard(data + 1, steer->shard_count);
}

uint32_t dg_steer_datagram(const struct dg_steer *steer, const struct dg_address *peer, const uint8_t *data,
                           size_t size)
{
    if (size == 0)
        return DG_STEER_FRONT;
    if ((data[0] & DG_UNIFIED_FIXED_MASK) == DG_UNIFIED_FIXED)
        return steer_unified(steer, peer, data, size);
    switch (data[0]) {
    case DG_CONTENT_TLS12_CID:
        if (size < DG_RECORD12_CID_OFFSET + steer->cid_size)
            return DG_STEER_FRONT;
        return dg_cid_shard(data + DG_RECORD12_CID_OFFSET, steer->shard_count);
    case DG_CONTENT_ALERT:
    case DG_CONTENT_APPLICATION_DATA:
        return steer_record12(steer, peer, data, size);
    default:
        return DG_STEER_FRONT;
    }
}
