// SPDX-License-Identifier: GPL-3.0-or-later
// The layout of our own connection IDs, for the issuer, the table, the socket filter and their tests: random bytes
// (RFC 9146 8), of which the first, modulo the shard count (a power of two), is the shard. All of one memory file have
// one length, since a record is parsed by it before anything is looked up (RFC 9146 3). Never carries anything about
// the association.
#ifndef DG_CORE_CID_H
#define DG_CORE_CID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_CID_SIZE_MIN 4     // bytes of the IDs that we issue: the memory file's, dg_memory_shape.cid_size
#define DG_CID_SIZE_DEFAULT 8
#define DG_CID_SIZE_MAX 16    // room for one of ours; what it does not fill is zero
#define DG_CID_PEER_MAX 64    // longest ID of a peer that is accepted (RFC 9146 3 allows 255); see docs/wolfssl.md
#define DG_CID_SHARD_BYTE 0   // its place inside the ID

static inline uint32_t dg_cid_shard(const uint8_t *cid, uint32_t shard_count)
{
    return cid[DG_CID_SHARD_BYTE] & (shard_count - 1);
}

static inline bool dg_cid_size_is_sane(size_t size) { return size >= DG_CID_SIZE_MIN && size <= DG_CID_SIZE_MAX; }

// A newcomer's ID is drawn without a look at the associations, which are other threads'; one that is somebody's already
// costs that handshake. That is to happen to one handshake in this many at most (docs/memory.md).
#define DG_CID_SPARSENESS 4096
static inline uint64_t dg_cid_associations_max(size_t size)
{
    return (size < 8 ? UINT64_C(1) << 8 * size : UINT64_MAX) / DG_CID_SPARSENESS;
}

#endif
