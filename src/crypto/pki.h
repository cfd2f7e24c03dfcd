// SPDX-License-Identifier: GPL-3.0-or-later
// Throwaway credentials for demonstrations and tests: a small CA, certificates under it, fresh at random.
// Writes PEM into memory of the caller's, never to a file.
#ifndef DG_CRYPTO_PKI_H
#define DG_CRYPTO_PKI_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dg_pki_use { DG_PKI_CA, DG_PKI_SERVER, DG_PKI_CLIENT };

struct dg_pki_pem {
    char certificate[4096]; // NUL-terminated PEM
    char key[2048];         // secret; wipe after use
    char public_key[1024];  // PEM SubjectPublicKeyInfo
};

// ECDSA P-256, valid from an hour ago for `days`. common_name also becomes a DNS SAN for servers, together
// with "localhost" and 127.0.0.1, ::1. issuer NULL: self-signed (a CA). False: error in words.
DG_MUST_USE bool dg_pki_make(enum dg_pki_use use, const char *common_name, unsigned days,
                             const struct dg_pki_pem *issuer, struct dg_pki_pem *ret, char *error, size_t error_size);

#endif
