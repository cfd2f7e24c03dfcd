// SPDX-License-Identifier: GPL-3.0-or-later
// Watches a handshake's records in both directions: which numbers the library used, which it consumed, and
// the messages that may have to go out again. Opens what it can with its own keys, so that the take-over
// knows instead of guessing. Never changes a record, never sends.
#ifndef DG_CRYPTO_TAP_H
#define DG_CRYPTO_TAP_H

#include "core/handover.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_handshake;

struct dg_tap_message {
    uint16_t size;  // of bytes, 0: none yet
    bool too_long;
    uint8_t bytes[DG_FLIGHT_BYTES]; // header and body, as if never fragmented
};

struct dg_tap {
    // DTLS 1.3: what the library told of its secrets, and the keys made of them
    uint8_t secret_size;
    uint8_t secrets_known;          // bits of enum tap_secret
    struct dg_key_material keys[4]; // client and server handshake, client and server application
    uint8_t keys_made;

    bool broken;           // a record of ours did not open: never take over
    bool sent_certificate; // ours, in DTLS 1.3
    uint64_t plain_next;   // epoch 0: next free number
    uint64_t sent_next;    // application epoch: next free number
    uint64_t nonce_next;   // 1.2: first record number whose nonce is above all explicit nonces in our range
    bool sent_protected;
    uint64_t flight_next;  // 1.3 epoch 2, for reconstruction
    bool sent_any_message;
    uint16_t message_next; // of our handshake messages
    struct dg_tap_message ticket, finished;
    uint64_t ticket_epoch, ticket_sequence;

    // the client's: epoch 1 of 1.2, epoch 2 of 1.3
    uint64_t received_next;
    struct dg_replay received;
    bool finished_seen;
    uint16_t finished_message_seq;
    unsigned unopened;     // records of that epoch that did not open: a wrong key, or a forger
};

enum { DG_TAP_CLIENT_HANDSHAKE, DG_TAP_SERVER_HANDSHAKE, DG_TAP_CLIENT_DATA, DG_TAP_SERVER_DATA };

void dg_tap_clear(struct dg_tap *tap); // wipes
void dg_tap_secret(struct dg_tap *tap, int which, const uint8_t *secret, size_t size);
// A datagram that the library sends.
void dg_tap_sent(struct dg_handshake *handshake, const uint8_t *bytes, size_t size);
// A record that the library has been given; call after it has seen it.
void dg_tap_received(struct dg_handshake *handshake, const uint8_t *record, size_t size);
// DTLS 1.3: the keys of one direction and epoch; NULL when the library has not told the secret.
const struct dg_key_material *dg_tap_keys(struct dg_handshake *handshake, int which);
// DTLS 1.2: the library's keys of one direction. False: an AEAD that is none of ours.
DG_MUST_USE bool dg_tap_keys12(struct dg_handshake *handshake, bool client, struct dg_key_material *ret);

#endif
