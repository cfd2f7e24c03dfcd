// SPDX-License-Identifier: GPL-3.0-or-later
// Which thread a datagram belongs to. The one definition that the socket filter (src/io) is generated
// from and tested against, and by which a thread forwards what reached it by mistake. Never looks up.
#ifndef DG_CORE_STEER_H
#define DG_CORE_STEER_H

#include "core/address.h"

#include <stddef.h>
#include <stdint.h>

// Kept in the memory file: a slot's shard must be the same in every run.
struct dg_steer {
    uint32_t shard_count; // power of two, at most 256
    uint32_t seed;        // random; keys the address hash
};

// The shard of an association without connection ID: a hash over the peer's address and port with
// operations that a classic BPF program has (32-bit add, multiply, xor, shift).
uint32_t dg_steer_address_shard(const struct dg_steer *steer, const struct dg_address *peer);

#define DG_STEER_FRONT UINT32_MAX
// The shard that owns the datagram, or DG_STEER_FRONT. By first byte, epoch, connection ID, address:
//   type 25 and unified headers with C=1: the ID's shard, if the datagram is long enough to hold one;
//   type 23 and type 21 of epoch 1.., unified headers with C=0: the address's shard;
//   unified headers with epoch bits 2 (a handshake's epoch; also 6, 10, ..: the front passes those on),
//   types 20, 22, 26, epoch 0, everything else: front.
uint32_t dg_steer_datagram(const struct dg_steer *steer, const struct dg_address *peer, const uint8_t *data,
                           size_t size);
// Which worker serves a shard.
static inline uint32_t dg_steer_worker(uint32_t shard, uint32_t worker_count) { return shard % worker_count; }

#endif
