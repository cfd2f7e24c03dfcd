// SPDX-License-Identifier: GPL-3.0-or-later
// One certificate revocation list (RFC 5280 5): its shape, its dates, its signature. Takes only complete lists of one CA's
// own certificates: what it does not understand, it refuses. Never decides what a stale one means.
#ifndef DG_CRYPTO_CRL_H
#define DG_CRYPTO_CRL_H

#include "base/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dg_crl_signature {
    DG_CRL_ECDSA_SHA256,
    DG_CRL_ECDSA_SHA384,
    DG_CRL_ECDSA_SHA512,
    DG_CRL_RSA_SHA256, // PKCS #1 v1.5
    DG_CRL_RSA_SHA384,
    DG_CRL_RSA_SHA512,
    DG_CRL_ED25519,
};

// Blocks point into the DER that it was read from.
struct dg_crl {
    struct dg_bytes signed_part; // tbsCertList, whole
    struct dg_bytes signature;
    enum dg_crl_signature algorithm;
    struct dg_bytes issuer;      // whole Name
    int64_t this_update_s, next_update_s; // CLOCK_REALTIME seconds
    struct dg_bytes entries;     // for dg_crl_next; all of them have been read once
    size_t entry_count;
};

// NULL: read; else what is wrong with it, in words. Verifies no signature.
DG_MUST_USE const char *dg_crl_read(struct dg_bytes der, struct dg_crl *ret);
// The serial numbers, each without leading zeros. False: no more.
DG_MUST_USE bool dg_crl_next(struct dg_reader *entries, struct dg_bytes *ret_serial);
// By the key of this certificate (DER).
DG_MUST_USE bool dg_crl_is_signed_by(const struct dg_crl *crl, struct dg_bytes certificate);

#endif
