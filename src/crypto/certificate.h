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

struct dg_certificate_facts {
    bool is_ca;
    bool may_sign;             // keyUsage absent, or with digitalSignature
    bool may_be_client;        // extendedKeyUsage absent, or with clientAuth or any
    bool may_be_server;
    bool is_expired, is_not_yet_valid; // by the wall clock, now
    const char *weakness;      // NULL: strong enough; else what is too weak, in words
    uint32_t expires_s;        // notAfter; UINT32_MAX above 2106
    uint8_t subject_hash[32], issuer_hash[32]; // zero-padded
    uint8_t key_id[32], issuer_key_id[32];     // zero-padded; all 0: none
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
