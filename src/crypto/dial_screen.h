// SPDX-License-Identifier: GPL-3.0-or-later
// What of a server's unprotected handshake messages reaches the library. Nobody vouches for them: they are put
// together, put in order and held until something speaks for them, and where two contradict each other neither is
// believed (RFC 6347 4.1.2.7, RFC 9147 4.5.2). Owns copies of messages; never sends, includes no wolfSSL header.
#ifndef DG_CRYPTO_DIAL_SCREEN_H
#define DG_CRYPTO_DIAL_SCREEN_H

#include "base/attributes.h"
#include "base/hash.h"
#include "base/wire.h"
#include "core/counters.h"
#include "core/wire_constants.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_SCREEN_MESSAGES 8       // of one flight
#define DG_SCREEN_RECORD_MAX 16384 // bytes of a record that the library reads
#define DG_SCREEN_MESSAGE_MAX (DG_SCREEN_RECORD_MAX - DG_RECORD12_HEADER - DG_HANDSHAKE_HEADER) // a chain of certificates

struct dg_screen_message { // being put together, or whole and waiting
    uint8_t *record;       // header, message header, body; NULL: this place is empty
    uint8_t *present;      // a bit for each byte of the body
    uint8_t type;
    uint16_t message_seq;
    uint32_t length, received;
};

// How far the handshake is, by what the library has been given.
enum dg_screen_stage {
    DG_SCREEN_HELLO,  // nothing but a question for a cookie or a key share, if that
    DG_SCREEN_FLIGHT, // DTLS 1.2: the server's hello, and what belongs to it as it is given
    DG_SCREEN_TICKET, // DTLS 1.2: all of that; a ticket may still come
    DG_SCREEN_TRIED,  // DTLS 1.3: the server's hello; nothing has opened under its keys yet
    DG_SCREEN_OVER,   // the server is known by its keys: nothing more of it is unprotected
};

struct dg_screen {
    enum dg_screen_stage stage;
    uint16_t next_seq;    // of the message that is given next
    uint64_t next_number; // of the record that is given next
    struct dg_hash_key key;
    bool is_again;        // the dial has begun anew: answers to its earlier hellos may still come
    uint64_t hashes[2 * DG_SCREEN_MESSAGES]; // of what was given, by message_seq
    bool has_asked;       // a HelloVerifyRequest or HelloRetryRequest was given
    bool has_refused_large; // a message beyond DG_SCREEN_MESSAGE_MAX
    struct dg_screen_message messages[DG_SCREEN_MESSAGES];
    struct dg_screen_message *given; // valid until the next call
    uint8_t change[14];   // a ChangeCipherSpec, when it is given
};

void dg_screen_begin(struct dg_screen *screen, bool is_again);
void dg_screen_clear(struct dg_screen *screen); // what it holds; fine on a zeroed struct
bool dg_screen_is_retry(struct dg_bytes random); // RFC 8446 4.1.3: a HelloRetryRequest's, not a ServerHello's

// An unprotected record, header and body. Why it is dropped; DG_COUNT_NONE: kept, or nothing to be said about it.
// ret_is_contested: another message than the one that was given under its number. One of the two is forged: if nothing
// opens, the handshake has to begin anew.
enum dg_counter dg_screen_receive(struct dg_screen *screen, const uint8_t *record, size_t size, bool *ret_is_contested);

// What the library may be given now, each once, in order, as one record; valid until the next call. Size 0: nothing.
// With each reason to believe more, more is given:
enum dg_screen_proof {
    DG_SCREEN_NOTHING,  // questions for a cookie, and a whole flight of DTLS 1.2
    DG_SCREEN_RECORD12, // a protected record of this version has come: the ServerHello by itself, so that it can be
    DG_SCREEN_RECORD13, // tried
    DG_SCREEN_FINISHED, // a protected message of this number has opened: all before it, and the change of keys
};
struct dg_bytes dg_screen_next(struct dg_screen *screen, enum dg_screen_proof proof, uint16_t message_seq);
// A protected record of the server has opened: from now on it is known. DTLS 1.2: the change of keys (RFC 5246 7.1),
// which the library is given before that record; the one on the wire is never taken. Else size 0.
struct dg_bytes dg_screen_opened(struct dg_screen *screen);

#endif
