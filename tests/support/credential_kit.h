// SPDX-License-Identifier: GPL-3.0-or-later
// Certificates of every kind of key and with every kind of name, and revocation lists, fresh for each test. Never writes
// a file.
#ifndef DG_TESTS_CREDENTIAL_KIT_H
#define DG_TESTS_CREDENTIAL_KIT_H

#include "crypto/certificate.h"
#include "crypto/pki.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kit_request {
    enum dg_key_kind kind;
    enum dg_pki_use use;
    const char *common_name;
    const char *unit;            // NULL: none
    const char *dns[4];          // subject alternative names
    const char *uri, *email;     // NULL: none
    int days;                    // of life from now, 0: 30; below 0 it has ended so many days ago
    const struct dg_pki_pem *issuer; // a CA with a key of P-256; NULL: signs itself
    const struct dg_pki_pem *renewed; // its key again, of P-256; NULL: a new one
};
// NULL: made; else what went wrong, a broken test.
const char *kit_make(const struct kit_request *request, struct dg_pki_pem *ret);

struct kit_crl {
    const struct dg_pki_pem *issuer; // a CA with a key of P-256
    const struct dg_pki_pem *signer; // whose key signs; NULL: the issuer's
    const struct dg_pki_pem *revoked[8];
    size_t count;                // of these; beyond 8 are serial numbers that nobody has
    int64_t this_s, next_s;      // from now, in seconds; 0 and 0: an hour ago and in a day
    bool without_next;
    bool is_delta;               // has a deltaCRLIndicator
    bool is_partial;             // has an issuingDistributionPoint: of certificates of users alone
    bool is_indirect;            // its entries have a certificateIssuer
    bool is_mild;                // none of these is marked critical, as it has to be
};
// PEM. size 0: a broken test.
size_t kit_make_crl(const struct kit_crl *crl, char *pem, size_t capacity);
// Its DER. size 0: a broken test.
size_t kit_make_crl_der(const struct kit_crl *crl, uint8_t *der, size_t capacity);

// The same certificate, CA, key identifiers and key, but that the CA has not signed it: its signature differs in a bit.
bool kit_forge(const struct dg_pki_pem *pem, struct dg_pki_pem *ret);
// The DER of a PEM certificate; its size.
size_t kit_der(const struct dg_pki_pem *pem, uint8_t *der, size_t capacity);
// "sha256:" and 64 digits.
void kit_fingerprint(const struct dg_pki_pem *pem, char text[72]);

#endif
