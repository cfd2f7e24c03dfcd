// SPDX-License-Identifier: GPL-3.0-or-later
// The cipher suites that the gate can negotiate, in one table: IANA number, names, AEAD, hash, key
// exchange, profile. Never negotiates.
#ifndef DG_CRYPTO_SUITES_H
#define DG_CRYPTO_SUITES_H

#include "core/aead.h"
#include "crypto/gate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dg_suite_exchange {
    DG_EXCHANGE_13,        // DTLS 1.3: the suite does not say
    DG_EXCHANGE_ECDHE,     // certificates
    DG_EXCHANGE_ECDHE_PSK, // RFC 5489, RFC 8442
    DG_EXCHANGE_PSK,       // RFC 4279: no forward secrecy
};

struct dg_suite {
    uint16_t number;       // IANA
    const char *name;      // IANA
    const char *wolf_name; // as wolfSSL spells it
    enum dg_aead_id aead;
    enum dg_hash_id hash;
    enum dg_suite_exchange exchange;
    enum dg_profile profile; // the smallest that has it
};

#define DG_SUITE_LIST_MAX 1024 // bytes of a list of names

// NULL: not one of ours.
const struct dg_suite *dg_suite_find(uint16_t number);
// wolfSSL's names with colons between, the server's preference first: PSK before certificates, since a
// client that offers a PSK has one, while many offer the certificate suites always.
void dg_suites_list(enum dg_profile profile, bool with_psk, bool with_certificates, char list[DG_SUITE_LIST_MAX]);
// The DTLS 1.3 suite for a PSK among those that a client offers (RFC 8446 4.2.11: an external PSK goes with
// SHA-256). NULL: none in common.
const struct dg_suite *dg_suite_for_psk13(struct dg_bytes offered);

#endif
