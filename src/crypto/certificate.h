// SPDX-License-Identifier: GPL-3.0-or-later
// Facts about one certificate or public key, read out of its DER: names, uses, strength, life. Verifies no
// signature and trusts nobody.
#ifndef DG_CRYPTO_CERTIFICATE_H
#define DG_CRYPTO_CERTIFICATE_H

#include "base/wire.h"
#include "core/handover.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Kinds of keys that decide by what a signature is made and who can verify it.
enum dg_key_kind {
    DG_KEY_OTHER,
    DG_KEY_P256,
    DG_KEY_P384,
    DG_KEY_P521,
    DG_KEY_RSA,
    DG_KEY_ED25519,
};

struct dg_certificate_facts {
    bool is_ca;
    bool may_sign;             // keyUsage absent, or with digitalSignature
    bool may_sign_crls;        // keyUsage absent, or with cRLSign
    bool may_be_client;        // extendedKeyUsage absent, or with clientAuth or any
    bool may_be_server;
    bool is_expired, is_not_yet_valid; // by the wall clock, now
    enum dg_key_kind key_kind;
    const char *weakness;      // NULL: strong enough; else what is too weak, in words
    uint32_t expires_s;        // notAfter; UINT32_MAX above 2106
    uint8_t subject_hash[32], issuer_hash[32]; // zero-padded
    uint8_t key_id[32], issuer_key_id[32];     // zero-padded; all 0: none
    uint64_t leaf;             // digest of issuer and serial, by which it is revoked; never 0
    // Who this is: the first URI, else the first DNS name among the subject alternative names, else the
    // common name. Size 0: none of these, or none that could be an identity (empty, long, with NUL).
    uint8_t identity_size;
    uint8_t identity[DG_IDENTITY_MAX];
};

// False: not a certificate.
DG_MUST_USE bool dg_certificate_read(struct dg_bytes der, struct dg_certificate_facts *ret);
// A SubjectPublicKeyInfo. NULL: strong enough and of a kind that we take; else what is wrong with it.
const char *dg_public_key_weakness(struct dg_bytes der);

// Is the certificate for this name (RFC 9525 6.3: subject alternative names, a wildcard for the first label only;
// the common name where there are no alternative names at all) or, where it is an IP address, for that address?
bool dg_certificate_is_for(struct dg_bytes der, const char *name);

// What a certificate is revoked by: its issuer's Name (DER) and its serial number without leading zeros. Never 0.
uint64_t dg_certificate_leaf(struct dg_bytes issuer, struct dg_bytes serial);

enum dg_name_kind { DG_NAME_DNS, DG_NAME_URI, DG_NAME_EMAIL, DG_NAME_COMMON, DG_NAME_UNIT };
// Shows each name of the certificate until on_name returns true, which is then the result; unproven, no text of one kind
// or language.
bool dg_certificate_names(struct dg_bytes der,
                          bool (*on_name)(void *context, enum dg_name_kind kind, struct dg_bytes name), void *context);

// The blocks of a PEM file, one after the other.
struct dg_pem_block {
    bool is_label_wanted; // its label was the wanted one
    unsigned line;        // where it begins, from 1
    struct dg_bytes text; // from BEGIN through END
};
struct dg_pem_reader {
    struct dg_bytes left;
    unsigned line;
};
// False at the end of the file. A BEGIN without its END makes a block of size 0.
DG_MUST_USE bool dg_pem_next(struct dg_pem_reader *reader, const char *label, struct dg_pem_block *ret);

#endif
