// SPDX-License-Identifier: GPL-3.0-or-later
// A certificate of our own with its chain and key: checked whole, given to the library, and what a server chooses it by.
// Never keeps the private key: the snapshot and the library have it.
#ifndef DG_CRYPTO_OWN_H
#define DG_CRYPTO_OWN_H

#include "crypto/certificate.h"
#include "crypto/trust.h"

#define DG_OWN_NAMES_MAX 64
#define DG_OWN_NAME_MAX 254 // RFC 1035 2.3.4, with its NUL

struct dg_own {
    uint8_t *raw_key;          // SubjectPublicKeyInfo, DER; NULL: no certificate
    size_t raw_key_size;
    enum dg_key_kind kind;
    uint32_t expires_s;        // of the chain's certificate that does so first
    const char *path;          // of the snapshot's
    char (*names)[DG_OWN_NAME_MAX]; // DNS names in lower case; a first label "*" stands for any
    size_t name_count;
};

// The index-th certificate of the snapshot. ret is zeroed. False: error says what is wrong; clear all the same. Without
// that many certificates there is nothing to do.
DG_MUST_USE bool dg_own_load(struct dg_own *ret, const struct dg_trust_source *from, size_t index,
                             struct WOLFSSL_CTX *context, char *error, size_t error_size);
void dg_own_clear(struct dg_own *own); // fine on a zeroed struct

#endif
