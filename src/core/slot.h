// SPDX-License-Identifier: GPL-3.0-or-later
// The slot: one established association as plain data of fixed size, in memory that outlives the process.
// No pointer. Only its shard's worker writes it. The order of stores is in docs/memory.md.
#ifndef DG_CORE_SLOT_H
#define DG_CORE_SLOT_H

#include "core/address.h"
#include "core/aead.h"
#include "core/cid.h"
#include "base/time_value.h"
#include "core/keyset.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define DG_SLOT_SIZE 448
#define DG_SLOT_IDENTITY 32  // bytes of identity kept inline; longer ones take a side slot
#define DG_SLOT_PEER_CID 20  // bytes of the peer's ID kept inline; longer ones take a side slot
#define DG_NO_SIDE UINT32_MAX

enum dg_slot_state {
    DG_SLOT_FREE = 0,     // never read, may be given out
    DG_SLOT_LIVE = 0x4c495645,
    DG_SLOT_DYING = 0x44594e47, // being wiped: an attaching process finishes the wiping
    DG_SLOT_QUARANTINED = 0x42414421, // failed its check when attached: keys wiped, never used again
};

enum dg_slot_flags {
    DG_SLOT_HAS_CID = 1 << 0,         // we issued one: found by ID, not by address
    DG_SLOT_PEER_HAS_CID = 1 << 1,    // the peer wants one, of at least a byte, in what we send
    DG_SLOT_RESUMED = 1 << 2,
    DG_SLOT_CLOSE_SENT = 1 << 3,
    DG_SLOT_CLOSE_RECEIVED = 1 << 4,
    DG_SLOT_IS_CLIENT = 1 << 5,       // we dialled
    DG_SLOT_HAS_RRC = 1 << 6,         // return_routability_check was negotiated (RFC 9853)
};

enum dg_identity_kind { // how the peer proved itself
    DG_IDENTITY_NONE = 0, // client authentication switched off by an explicit word
    DG_IDENTITY_PSK = 1,
    DG_IDENTITY_CERTIFICATE = 2,
    DG_IDENTITY_RAW_PUBLIC_KEY = 3,
};

// "none", "psk", "certificate", "raw-public-key": for logs, status and rules. Static.
const char *dg_identity_kind_name(uint8_t identity_kind);

// Where a keyset lies: inline place 0 or 1 of its own slot (a wide one at 0 spans both), or a side slot.
#define DG_PLACE_NONE 0u
#define DG_PLACE_INLINE_0 1u
#define DG_PLACE_INLINE_1 2u
#define DG_PLACE_SIDE 3u // + number of the wide side slot

struct dg_slot {
    // hot: read for every datagram
    _Atomic uint32_t state; // dg_slot_state; live is stored last, dying first
    uint8_t version;        // 12 or 13
    uint8_t aead;           // dg_aead_id
    uint8_t hash;           // dg_hash_id
    uint8_t flags;          // dg_slot_flags
    uint64_t id;            // random, never reused
    _Atomic uint32_t tx_place;      // keysets, by one store each (KeyUpdate)
    _Atomic uint32_t rx_place;
    _Atomic uint32_t rx_old_place;  // the epoch before, until a record of the new one has opened
    uint32_t policy_generation;     // under which authorisation was last checked
    _Atomic uint64_t active_at;     // dg_time of the take-over, then of the last record that opened
    uint8_t cid[DG_CID_SIZE_MAX];   // ours
    uint8_t peer_cid[DG_SLOT_PEER_CID];
    uint8_t peer_cid_size;          // above DG_SLOT_PEER_CID: in the peer-ID side slot
    uint8_t identity_kind;          // dg_identity_kind
    uint8_t identity_size;          // above DG_SLOT_IDENTITY: 255, in the identity side slot
    uint8_t garbage;                // authentic records that made no sense since the last data; its worker's (RFC 9147 5.10)
    struct dg_address peer;         // written by its worker only; not part of the check
    // inline keysets: tx and rx of the take-over where they are narrow
    _Alignas(8) uint8_t keysets[2 * DG_KEYSET_NARROW];
    // cold
    uint8_t local_ip[16];           // an answer leaves from here
    uint32_t listener;              // digests: stable over reloads and restarts; this one is dg_path.listener, which fits
    uint32_t opened_tick;           // dg_slot_tick, see dg_slot_age
    uint64_t credential;
    uint64_t leaf;                  // of the client certificate's issuer and serial, which can be revoked alone; 0: none
    uint32_t side;                  // first of this slot's flight side slots, or DG_NO_SIDE
    uint16_t tx_message_seq;        // next of our post-handshake messages
    uint16_t rx_message_seq;        // next expected of the peer's
    uint32_t expires_s;             // CLOCK_REALTIME seconds of the certificate's notAfter; 0: none
    uint16_t suite;                 // IANA numbers, for logs and status
    uint16_t group;
    uint16_t backend_port;          // local port towards the backend, 0: none
    uint16_t local_port;
    uint32_t check;                 // over the fields that never change while live (dg_shard_slot_check)
    uint8_t identity[DG_SLOT_IDENTITY];
    uint16_t failures_second;       // second of `now`, modulo 2^16, in which records did not open last, and how many
    uint16_t failures_in_second;    // then: paces forgeries (K7); its worker's
    uint16_t rtt_ms;                // to the peer as last measured, by the handshake or a challenge; 0: not yet (RFC 9853 5.5)
    uint16_t rule;                  // of the policy of policy_generation that allows it: means nothing under another one
};
_Static_assert(sizeof(struct dg_slot) == DG_SLOT_SIZE, "slot size");

// Ticks of 2^24 ns, about 17 ms, modulo 2^32: they come round after 2.3 years; age-max is below that.
#define DG_SLOT_TICK_BITS 24
#define DG_SLOT_TICKS_BEFORE (UINT32_C(1) << 16) // what looks like an age above all these is a time before
static inline uint32_t dg_slot_tick(dg_time now) { return (uint32_t)(now >> DG_SLOT_TICK_BITS); }

// Ticks from one to the other; 0 where that is a time before.
static inline uint32_t dg_slot_ticks_since(uint32_t opened_tick, uint32_t now_tick)
{
    uint32_t ticks = now_tick - opened_tick;
    return ticks < UINT32_MAX - DG_SLOT_TICKS_BEFORE ? ticks : 0;
}

// How long it has been open, to within a tick; 0 for a time before that.
static inline dg_time dg_slot_age(const struct dg_slot *slot, dg_time now)
{
    return (dg_time)dg_slot_ticks_since(slot->opened_tick, dg_slot_tick(now)) << DG_SLOT_TICK_BITS;
}

static inline bool dg_slot_was_opened_after(const struct dg_slot *slot, dg_time time)
{
    return slot->opened_tick != dg_slot_tick(time) && dg_slot_ticks_since(slot->opened_tick, dg_slot_tick(time)) == 0;
}

#endif
