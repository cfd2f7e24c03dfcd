// SPDX-License-Identifier: GPL-3.0-or-later
// The result of a handshake as plain data: what a front thread hands to the worker that owns the shard.
// No pointer into either side. Carries keys: wiped by whoever is done with it.
#ifndef DG_CORE_HANDOVER_H
#define DG_CORE_HANDOVER_H

#include "core/address.h"
#include "core/keyset.h"
#include "core/replay.h"
#include "core/side.h"
#include "core/slot.h"

#include <stdint.h>

#define DG_IDENTITY_MAX 255 // bytes
#define DG_EARLY_MAX 4      // records of application data held while the handshake ends (RFC 9147 5.8.1: bounded)

struct dg_handover {
    struct dg_path path;
    uint8_t version;    // 12 or 13
    uint8_t aead;       // dg_aead_id
    uint8_t hash;       // dg_hash_id of the suite
    uint8_t resumed;    // 1: with a ticket
    uint8_t is_client;  // 1: we dialled; tx and rx are ours and the server's all the same
    uint8_t has_rrc;    // 1: return_routability_check was negotiated (RFC 9853 3); only with connection IDs
    uint16_t suite;     // IANA
    uint16_t group;     // IANA, 0: plain PSK
    uint8_t cid_size;   // ours: 0, or the memory file's
    uint8_t peer_has_cid; // negotiated: what we send carries peer_cid (which may be of size 0: then no ID)
    uint8_t peer_cid_size;
    uint8_t identity_kind; // dg_identity_kind
    uint8_t cid[DG_CID_SIZE_MAX];
    uint8_t peer_cid[DG_CID_PEER_MAX];

    // application keys: epoch 1 of 1.2 (key and iv), epoch 3 of 1.3 (all)
    struct dg_key_material tx, rx;
    uint64_t tx_next;       // next free number, from the watched records: never a constant (handover rule 2)
    uint64_t rx_next;       // 1.2: highest number of epoch 1 that wolfSSL consumed + 1; 1.3: 0
    struct dg_replay rx_replay;
    uint16_t tx_message_seq;
    uint16_t rx_message_seq;

    // final flight of a full 1.2 handshake: ticket message (may be 0 bytes), then Finished, each a whole
    // handshake message with its header; 1.3: the NewSessionTicket message that wolfSSL sent
    uint64_t plain_next;    // 1.2: next free number of epoch 0
    uint16_t ticket_size;
    uint16_t finished_size; // 1.2 full handshake only
    uint8_t flight[DG_FLIGHT_BYTES];
    uint64_t ticket_epoch, ticket_sequence; // 1.3: under which the ticket went out
    // 1.3: the client's handshake traffic keys (epoch 2) and what of it was consumed
    struct dg_key_material handshake_rx;
    uint64_t handshake_rx_next;
    struct dg_replay handshake_rx_replay;

    uint16_t rtt_ms;        // one round trip of the proven peer, at least 1; 0: not known
    uint64_t credential;    // digest of what proved the peer
    uint64_t leaf;          // of the client certificate's issuer and serial; 0: there is none
    uint32_t expires_s;     // certificate's notAfter, CLOCK_REALTIME seconds; 0: none
    uint32_t policy_generation;
    uint8_t identity_size;
    uint8_t identity[DG_IDENTITY_MAX];
    char suite_name[48];    // for the log line, NUL-terminated
    char group_name[24];
};

#endif
