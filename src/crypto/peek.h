// SPDX-License-Identifier: GPL-3.0-or-later
// What of a ClientHello's extensions must be known before the TLS library reads them: which identity the
// client offers, which kinds of certificates, which suite a PSK would go with. Never answers.
#ifndef DG_CRYPTO_PEEK_H
#define DG_CRYPTO_PEEK_H

#include "core/handover.h"
#include "core/hello.h"

#include <stdbool.h>
#include <stdint.h>

#define DG_SERVER_NAME_MAX 254 // RFC 1035 2.3.4, with its NUL

struct dg_credentials;

// What a client can verify: its signature_algorithms, those that a certificate of ours could be for.
enum {
    DG_SCHEME_ECDSA_P256 = 1 << 0, // with SHA-256; DTLS 1.2 knows hashes alone
    DG_SCHEME_ECDSA_P384 = 1 << 1,
    DG_SCHEME_ECDSA_P521 = 1 << 2,
    DG_SCHEME_RSA_PKCS1 = 1 << 3,  // DTLS 1.2
    DG_SCHEME_RSA_PSS = 1 << 4,
    DG_SCHEME_ED25519 = 1 << 5,
};
enum {
    DG_CURVE_P256 = 1 << 0,
    DG_CURVE_P384 = 1 << 1,
    DG_CURVE_P521 = 1 << 2,
};

struct dg_peek {
    bool offers_13;
    bool has_cid;
    bool has_rrc;             // RFC 9853 3
    bool has_ems;             // extended_master_secret (RFC 7627)
    bool has_ticket12;        // session_ticket holds one (RFC 5077 3.2)
    bool has_psk_dhe;         // psk_key_exchange_modes names psk_dhe_ke (RFC 8446 4.2.9)
    bool wants_raw_server_key; // server_certificate_type puts it first, or names nothing else (RFC 7250 4.1)
    char server_name[DG_SERVER_NAME_MAX]; // in lower case (RFC 6066 3); empty: none that could be one
    unsigned schemes;         // DG_SCHEME_*
    bool has_groups;
    unsigned curves;          // DG_CURVE_*, where has_groups
    bool has_ecdsa_suite, has_rsa_suite; // of DTLS 1.2
    // DTLS 1.3: the one external PSK identity that this hello may use
    bool has_psk;
    bool psk_is_known;
    uint8_t psk_size;
    char psk_identity[DG_IDENTITY_MAX + 1];
    const char *psk_suite;    // wolfSSL's name; NULL: no suite in common that a PSK goes with
};

// hello has been parsed strictly; its blocks point into the caller's record.
void dg_peek_hello(const struct dg_hello *hello, const struct dg_credentials *credentials, struct dg_peek *ret);

#endif
