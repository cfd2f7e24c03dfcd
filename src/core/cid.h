// SPDX-License-Identifier: GPL-3.0-or-later
// The layout of our own connection IDs, for the issuer, the table, the socket filter and their tests:
// DG_CID_SIZE random bytes (RFC 9146 8), of which the first, modulo the shard count (a power of two),
// is the shard. Never carries anything about the association.
#ifndef DG_CORE_CID_H
#define DG_CORE_CID_H

#include <stdint.h>

#define DG_CID_SIZE 8        // bytes of the IDs that we issue
#define DG_CID_PEER_MAX 64   // longest ID of a peer that is accepted (RFC 9146 3 allows 255); see docs/wolfssl.md
#define DG_CID_SHARD_BYTE 0  // its place inside the ID

static inline uint32_t dg_cid_shard(const uint8_t *cid, uint32_t shard_count)
{
    return cid[DG_CID_SHARD_BYTE] & (shard_count - 1);
}

#endif
