// SPDX-License-Identifier: GPL-3.0-or-later
// Whom we believe: reads and checks the CAs, public keys, fingerprints, name rules and revocation lists of a snapshot,
// whole, before anything uses them; explains in words what is wrong with a file. Owns struct dg_trust.
#ifndef DG_CRYPTO_TRUST_H
#define DG_CRYPTO_TRUST_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

struct dg_credentials;
struct dg_trust;
struct WOLFSSL_CTX;

struct dg_trust_source {
    const struct dg_credentials *credentials;
    bool is_client; // we are: our certificate is a client's, the CAs issue servers
};

// Fills trust, which is zeroed: whom we believe. False: error says file, line, what was found, what is expected, what to
// do; clear all the same.
DG_MUST_USE bool dg_trust_load(struct dg_trust *trust, const struct dg_trust_source *from, char *error,
                               size_t error_size);
// Gives the CAs to a context of the library.
DG_MUST_USE bool dg_trust_install(const struct dg_trust *trust, const struct dg_trust_source *from,
                                  struct WOLFSSL_CTX *context, char *error, size_t error_size);
void dg_trust_clear(struct dg_trust *trust);

#endif
