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

struct WOLFSSL;

struct dg_tap_message {
    uint16_t size;  // of bytes, 0: none yet
    bool too_long;
    uint8_t bytes[DG_FLIGHT_BYTES]; // header and body, as if never fragmented
};

struct dg_tap {
    struct WOLFSSL *ssl; // the library's object that is watched; not owned
    bool is_client;      // we are; the peer is the other one

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
    uint64_t message_end;  // the end of the furthest part of them that was sent: its message's number and 24 bits of bytes
    bool is_repeating;     // the message sent last in this call of the library was sent before; what is none goes with it
    struct dg_tap_message ticket, finished;
    uint64_t ticket_epoch, ticket_sequence;

    // the peer's: epoch 1 of 1.2, epoch 2 of 1.3
    uint64_t received_next;
    struct dg_replay received;
    bool finished_seen;
    uint16_t finished_message_seq;
    uint16_t peer_message_most; // of its protected messages, the number that is furthest ahead
    unsigned unopened;     // records of the peer's that did not open: a wrong key, or a forger
    // as client of 1.3: the server's epoch 3
    uint64_t data_received_next;
    struct dg_replay data_received;
    bool peer_ticket_seen;     // a whole NewSessionTicket was given to the library
    uint16_t peer_ticket_next; // message_seq of the server's next message after its Finished
    uint32_t peer_ticket_have; // bytes that the library has of a ticket under that number
};

enum { DG_TAP_CLIENT_HANDSHAKE, DG_TAP_SERVER_HANDSHAKE, DG_TAP_CLIENT_DATA, DG_TAP_SERVER_DATA };
static inline int dg_tap_own_handshake(const struct dg_tap *tap)
{
    return tap->is_client ? DG_TAP_CLIENT_HANDSHAKE : DG_TAP_SERVER_HANDSHAKE;
}
static inline int dg_tap_own_data(const struct dg_tap *tap)
{
    return tap->is_client ? DG_TAP_CLIENT_DATA : DG_TAP_SERVER_DATA;
}
static inline int dg_tap_peer_handshake(const struct dg_tap *tap)
{
    return tap->is_client ? DG_TAP_SERVER_HANDSHAKE : DG_TAP_CLIENT_HANDSHAKE;
}
static inline int dg_tap_peer_data(const struct dg_tap *tap)
{
    return tap->is_client ? DG_TAP_SERVER_DATA : DG_TAP_CLIENT_DATA;
}

// Forgets everything that was watched, wiped, and begins with this object.
void dg_tap_begin(struct dg_tap *tap, struct WOLFSSL *ssl, bool is_client);
void dg_tap_secret(struct dg_tap *tap, int which, const uint8_t *secret, size_t size);
// A datagram that the library sends.
void dg_tap_sent(struct dg_tap *tap, const uint8_t *bytes, size_t size);
// A record that the library has been given; call after it has seen it.
void dg_tap_received(struct dg_tap *tap, const uint8_t *record, size_t size);

// What a record of the peer would be, without noting it as received.
struct dg_tap_look {
    bool is_opened;  // protected, and under keys that are known
    bool is_unified; // DTLS 1.3
    bool is_ticket;  // nothing but NewSessionTicket, and what the library has to get next
    uint16_t epoch;
    uint8_t type;    // where it opened
    uint16_t message_seq; // of the first message, where it opened and is of the handshake
};
struct dg_tap_look dg_tap_peek(struct dg_tap *tap, const uint8_t *record, size_t size);

// DTLS 1.3: the keys of one direction and epoch; NULL when the library has not told the secret.
const struct dg_key_material *dg_tap_keys(struct dg_tap *tap, int which);
// DTLS 1.2: the library's keys of one direction. False: an AEAD that is none of ours.
DG_MUST_USE bool dg_tap_keys12(struct dg_tap *tap, bool of_client, struct dg_key_material *ret);
// The library's secret call-back; context is a struct dg_tap.
int dg_tap_on_secret(struct WOLFSSL *ssl, int id, const unsigned char *secret, int size, void *tap);

#endif
