// SPDX-License-Identifier: GPL-3.0-or-later
// Side slots: what an association has only for a while, or only some have. Two sizes: wide (a keyset
// that does not fit inline) and flight (messages that may have to go out again, long identities).
// Bounded; when full, what wanted one goes on without, counted. Plain data, numbers instead of pointers.
#ifndef DG_CORE_SIDE_H
#define DG_CORE_SIDE_H

#include "base/time_value.h"
#include "core/keyset.h"

#include <stdint.h>

struct dg_side_wide {
    _Atomic uint32_t owner;  // slot number + 1; 0: free
    uint32_t reserved;
    _Alignas(8) uint8_t keyset[DG_KEYSET_WIDE];
    uint8_t spare[16];
};
_Static_assert(sizeof(struct dg_side_wide) == 192, "wide side slot");

enum dg_flight_kind {
    DG_FLIGHT_FREE = 0,
    DG_FLIGHT_FINAL_12 = 1,  // last flight of a full 1.2 handshake: [NewSessionTicket] CCS Finished (RFC 6347 4.2.4)
    DG_FLIGHT_EPOCH_2 = 2,   // 1.3: the client's handshake keys, to acknowledge its repeated Finished (RFC 9147 5.8.1)
    DG_FLIGHT_MESSAGE = 3,   // 1.3: a post-handshake message of ours until it is acknowledged (RFC 9147 5.8.4)
    DG_FLIGHT_IDENTITY = 4,  // an identity above DG_SLOT_IDENTITY bytes; lives as long as its slot
    DG_FLIGHT_CLOSING = 6,   // 1.3: the peer's close_notify: its number in sent_*[0]; the association ends at deadline
    DG_FLIGHT_PATH = 7,      // an address that the client has begun to send from (path.h)
    DG_FLIGHT_CIDS = 8,      // 1.3: connection IDs beyond the first (connection_ids.h); lives as long as its slot
    DG_FLIGHT_KEPT = 9,      // a part of an answer that may have gone where the client is no more (path_kept.c)
    DG_FLIGHT_PEER_CID = 5,  // a peer's connection ID above DG_SLOT_PEER_CID bytes; lives as long as its slot
};

#define DG_FLIGHT_BYTES 576
#define DG_FLIGHT_SENT_MAX 8 // record numbers remembered: the acknowledgement of any transmission counts (RFC 9147 7.2)

struct dg_side_flight {
    _Atomic uint32_t owner;   // slot number + 1; 0: free
    uint32_t next;            // of the same slot, or DG_NO_SIDE
    uint8_t kind;             // dg_flight_kind
    uint8_t message_type;     // FLIGHT_MESSAGE: dg_handshake_type
    uint16_t message_seq;     // FLIGHT_MESSAGE, FLIGHT_FINAL_12 (of our Finished)
    uint16_t size;            // of bytes
    uint16_t attempts;        // FLIGHT_MESSAGE: transmissions; PATH: acknowledgements that proved something
    dg_time deadline;         // given up, or wiped, then; DG_NEVER: with its slot
    dg_time next_send;        // FLIGHT_MESSAGE: retransmission; FINAL_12, EPOCH_2: earliest next answer; PATH: challenge
    uint64_t plain_sequence;  // FINAL_12: next number of epoch 0
    uint64_t sent_epoch[DG_FLIGHT_SENT_MAX]; // FLIGHT_MESSAGE: numbers under which it went out; PATH: of probes
    uint64_t sent_sequence[DG_FLIGHT_SENT_MAX];
    uint32_t sent_count;
    uint16_t ticket_size;     // FINAL_12: of bytes, the NewSessionTicket message; the rest is Finished
    uint16_t spare;
    _Alignas(8) uint8_t bytes[DG_FLIGHT_BYTES]; // EPOCH_2: a keyset (dg_side_flight_keyset); PATH: path.h
};
_Static_assert(sizeof(struct dg_side_flight) == 752, "flight side slot");

// EPOCH_2: the client's handshake keys.
static inline struct dg_keyset *dg_side_flight_keyset(struct dg_side_flight *flight)
{
    return (struct dg_keyset *)(void *)flight->bytes;
}

#endif
