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
    uint32_t cid_size;    // bytes of our connection IDs
};

// The shard of an association without connection ID: a hash over the peer's address and port with
// operations that a classic BPF program has. All values are 32 bits, arithmetic is modulo 2^32, words are
// read in network order (what BPF_LD|BPF_W|BPF_ABS gives):
//
//   h = seed
//   IPv4: for the one word of the source address              (also where it reached an IPv6 socket)
//   IPv6: for each of the four words of the source address, first to last
//   then: for the source port as a number (BPF_LD|BPF_H)
//       h = h xor word
//       h = h * DG_STEER_MULTIPLY_1
//       h = h xor (h >> DG_STEER_SHIFT_1)
//       h = h * DG_STEER_MULTIPLY_2
//       h = h xor (h >> DG_STEER_SHIFT_2)
//   shard = h and (shard_count - 1)
//
// The scope of a link-local address is no part of it: the filter does not see one.
#define DG_STEER_MULTIPLY_1 UINT32_C(0x9e3779b1) // odd, so that each step is a bijection of h
#define DG_STEER_MULTIPLY_2 UINT32_C(0x85a3f4cd)
#define DG_STEER_SHIFT_1 15
#define DG_STEER_SHIFT_2 14
uint32_t dg_steer_address_shard(const struct dg_steer *steer, const struct dg_address *peer);

#define DG_STEER_FRONT UINT32_MAX
// The shard that owns the datagram, or DG_STEER_FRONT. In this order, where size is that of the UDP
// payload and each test that fails to hold leads to the front:
//   size 0: front
//   first byte and 0xe0 is 0x20 (unified header):
//       first byte and 3 is 2: front (a handshake's epoch; also 6, 10, ..: the front passes those on)
//       first byte and 0x10 is 0 (no connection ID): the address's shard
//       size >= 1 + cid_size: shard of the ID at offset 1, that is, byte 1 and (shard_count - 1)
//   first byte 25: size >= 11 + cid_size: shard of the ID at offset 11, that is, byte 11 and
//       (shard_count - 1); the epoch is not looked at
//   first byte 21 or 23: size >= 13 and the epoch (the half word at offset 3) is not 0: the address's shard
//   everything else (20, 22, 26, junk): front
uint32_t dg_steer_datagram(const struct dg_steer *steer, const struct dg_address *peer, const uint8_t *data,
                           size_t size);
// Which worker serves a shard.
static inline uint32_t dg_steer_worker(uint32_t shard, uint32_t worker_count) { return shard % worker_count; }

#endif
