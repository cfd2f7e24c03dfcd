// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of this room share and nobody else sees: the gate and a handshake from the inside.
// Includes wolfSSL; only files of src/crypto include it.
#ifndef DG_CRYPTO_INNER_H
#define DG_CRYPTO_INNER_H

// wolfSSL's options come before any of its headers.
#include <wolfssl/options.h>

#include "core/key_turns.h"
#include "crypto/gate.h"
#include "crypto/library_io.h"
#include "crypto/name_rule.h"
#include "crypto/own.h"
#include "crypto/peek.h"
#include "crypto/revocation.h"
#include "crypto/suites.h"

#include <wolfssl/ssl.h>

#include <stdatomic.h>

#define DG_ANCHORS_MAX 64   // CA certificates in a client-ca file
#define DG_RAW_KEYS_MAX 4096 // keys in a client-keys file

// A CA certificate that client chains may end in.
struct dg_anchor {
    uint8_t *der;
    size_t size;
    unsigned line;            // of the file, for messages
    uint64_t credential;      // dg_credential_of_anchor
    uint64_t leaf;            // by which another CA may have revoked it
    bool is_revoked;          // it has: proves nobody
    bool may_sign_crls;
    int64_t crl_from_s, crl_until_s; // its revocation list, CLOCK_REALTIME seconds; 0: there is none
    uint32_t expires_s;
    uint8_t subject_hash[32]; // what wolfSSL compares names by, zero-padded
    uint8_t key_id[32];       // subject key identifier, zero-padded; all 0: none
};

// Everything about peers' public keys that has been parsed out of a snapshot.
struct dg_trust {
    struct dg_anchor *anchors;
    size_t anchor_count;
    uint8_t (*raw_keys)[32]; // SHA-256 of each SubjectPublicKeyInfo
    size_t raw_key_count;
    const struct dg_fingerprints *fingerprints; // of certificates that need no CA; the snapshot's
    struct dg_name_rule *rules; // one must fit a certificate's names; none: all do
    size_t rule_count;
    struct dg_revocation revocation;
};

// Who the peer is and by what: proven, or on the way to it.
struct dg_proof {
    bool known;
    uint8_t kind; // dg_identity_kind
    uint8_t identity_size;
    uint8_t identity[DG_IDENTITY_MAX];
    uint64_t credential;
    uint64_t leaf; // of a client's certificate: what it can be revoked by; 0: none
    uint32_t expires_s;
};

// One of our certificates with what serves the clients that get it. A gate without certificates has one, empty.
struct dg_side {
    WOLFSSL_CTX *context;
    struct dg_handshake *listener; // the object for hellos without state; no user of the gate
    uint32_t seeded_in;            // the cookies' generation in which the context's random generator was seeded last
};

struct dg_gate {
    atomic_uint users;
    struct dg_gate_config config;
    struct dg_credentials *credentials;
    struct dg_trust trust;
    struct dg_own own[DG_CERTIFICATES_MAX];
    struct dg_side sides[DG_CERTIFICATES_MAX];
    size_t side_count;
    size_t side;               // of the hello at hand; while the gate is made, of the context at hand
    uint8_t dummy_secret[32];  // makes keys for unknown identities (RFC 4279 2)
    struct dg_key_turns *turns; // of identities with two keys, its own or config's; NULL: there are none
    uint32_t cookie_generation; // of which cookie_keys are made; odd: none yet
    uint8_t cookie_keys[2][2][32]; // current and previous; for 1.2 and for 1.3
    struct {
        bool is_set;
        uint8_t random[32]; // of the hello
        struct dg_address peer;
        int match;
    } judged; // the cookie that was checked last: the front asks, and gives the same hello to the listener
};

struct dg_handshake {
    struct dg_gate *gate;
    size_t side; // of the gate's: which of our certificates the client gets
    WOLFSSL *ssl;
    struct dg_library_io io;
    bool started;  // has a cookie: counts as a user of the gate
    bool done;
    bool failed;

    dg_time deadline;

    struct dg_peek peek;
    uint16_t hello_seq; // message_seq of the hello
    uint64_t exchange;  // hash of the first ClientKeyExchange in clear; 0: none has come
    bool is_contested;  // another one came that differs
    uint8_t cid_size; // of the ID that the front gave to offer; 0: none
    uint8_t cid[DG_CID_SIZE_MAX];
    struct dg_proof ticket;      // what the accepted ticket says
    uint8_t ticket_iv[16];       // of the one ticket that this hello may use
    bool ticket_seen;
    struct dg_proof certificate; // what the verify call-back accepted
    struct dg_proof claim;       // what the peer says it is, unproven
    bool claim_is_known;         // the claimed PSK identity is in the snapshot
    uint8_t psk_count;           // of its keys
    uint8_t psk_number;          // of these, the one that the library was given; beyond them: a dummy
    uint8_t psk_try;             // DTLS 1.3: the number of the key that is tried
    bool doubts_told;
    struct dg_proof proof;       // the result
    struct dg_handshake_failure failure;
    int plain_alert;             // description of the first unprotected alert, -1: none; only for why()
};

// gate.c
void dg_gate_rotate(struct dg_gate *gate, dg_time now);

// failure.c: what an alert of the client says about the failure.
struct dg_failure_words {
    enum dg_counter counter;
    const char *reason; // static
};
struct dg_failure_words dg_failure_of_alert(const struct dg_handshake *handshake, int alert);

// listener.c
void dg_listener_install(WOLFSSL_CTX *context);
struct dg_handshake *dg_listener_new(struct dg_gate *gate); // of the side at hand
enum dg_hello_verdict dg_listener_hello(void *gate, dg_time now, const struct dg_path *path,
                                        const struct dg_hello *hello, struct dg_bytes cid,
                                        const struct dg_output *output, struct dg_handshake **ret);

// handshake.c
void dg_handshake_free(struct dg_handshake *handshake);
// Runs the library's state machine over what its io holds.
enum dg_handshake_step dg_handshake_run(struct dg_handshake *handshake, dg_time now);
int dg_handshake_on_done(WOLFSSL *ssl, void *context);

// failure.c
void dg_failure_from_library(struct dg_handshake *handshake, int error);
void dg_failure_set(struct dg_handshake *handshake, enum dg_counter counter, const char *reason);

// proof.c
uint64_t dg_credential_of_psk(const struct dg_psk *psk);
uint64_t dg_credential_of_bytes(const void *bytes, size_t size);
// Who has proven itself, as far as the handshake has come: from the ticket, the certificate or the PSK.
void dg_proof_resolve(struct dg_handshake *handshake);
bool dg_proof_is_current(const struct dg_gate *gate, const struct dg_proof *proof);

// psk.c
DG_MUST_USE bool dg_psk_install(struct dg_gate *gate); // false: memory is short
// The client's first protected record did not open; its key was the right one.
void dg_psk_doubted(struct dg_handshake *handshake);
void dg_psk_proven(struct dg_handshake *handshake);

// tickets.c
void dg_tickets_install(struct dg_gate *gate);
// The library's SessionTicketEncCb: name of 16 bytes, iv of 16, mac of 32, buffer in place.
int dg_tickets_on_ticket(WOLFSSL *ssl, unsigned char *name, unsigned char *iv, unsigned char *mac, int is_encrypt,
                         unsigned char *buffer, int size, int *ret_size, void *context);

// verify.c
int dg_verify_peer(int accepted, WOLFSSL_X509_STORE_CTX *store);

#endif
