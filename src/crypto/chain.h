// SPDX-License-Identifier: GPL-3.0-or-later
// Judges chains of certificates that the library has verified, of either side: use, strength, life, the CA that
// they end in, and whom they name. Says what is wrong in words. Accepts nothing that the library refused.
#ifndef DG_CRYPTO_CHAIN_H
#define DG_CRYPTO_CHAIN_H

#include "crypto/inner.h"

enum dg_chain_problem {
    DG_CHAIN_FINE,
    DG_CHAIN_EXPIRED,
    DG_CHAIN_NOT_YET_VALID,
    DG_CHAIN_UNKNOWN_CA,
    DG_CHAIN_SIGNATURE,
    DG_CHAIN_WEAK_HASH,
    DG_CHAIN_TOO_LONG,
    DG_CHAIN_NAME_CONSTRAINT,
    DG_CHAIN_OTHER_PURPOSE,
    DG_CHAIN_WEAK_KEY,
    DG_CHAIN_CRITICAL_EXTENSION,
    DG_CHAIN_OTHER_KIND,
    DG_CHAIN_REFUSED,
    DG_CHAIN_UNREADABLE,
    DG_CHAIN_WEAK,
    DG_CHAIN_NO_ANCHOR,
    DG_CHAIN_NAMELESS,
    DG_CHAIN_REVOKED,
    DG_CHAIN_NO_CRL,
    DG_CHAIN_STALE_CRL,
    DG_CHAIN_OTHER_NAME,
    DG_CHAIN_CA_EXPIRED,
    DG_CHAIN_PROBLEMS
};

// Static text about the client's or the server's chain.
const char *dg_chain_words(enum dg_chain_problem problem, bool of_server);
// What the library's error about a certificate means.
enum dg_chain_problem dg_chain_problem_of(int error);
// Is this anchor's revocation list there, and good at this time? DG_CHAIN_FINE, also where none is asked for; else
// DG_CHAIN_NO_CRL or DG_CHAIN_STALE_CRL.
enum dg_chain_problem dg_chain_crl_of(const struct dg_trust *trust, const struct dg_anchor *anchor, int64_t now_s);
// Fills ret with whom the leaf names and which CA proved it. trust NULL: only the leaf is looked at, and what
// proves it is for the caller to say. DG_CHAIN_NAMELESS: all is fine but that it names nobody; ret says the rest.
enum dg_chain_problem dg_chain_judge(const struct dg_trust *trust, const WOLFSSL_X509_STORE_CTX *store,
                                     bool of_server, struct dg_proof *ret);
// The digest of a certificate's proof in slots and tickets: 32 bits of the CA's, 32 of the name rule that let it in (0: there
// were no rules). A fingerprint has no CA: 0 there, and its first 64 bits where others have issuer and serial.
#define DG_CREDENTIAL_ANCHOR_BITS 32
static inline uint64_t dg_credential_of_rule(uint64_t credential, uint32_t rule)
{
    return (credential >> DG_CREDENTIAL_ANCHOR_BITS << DG_CREDENTIAL_ANCHOR_BITS) | rule;
}
uint64_t dg_credential_of_anchor(struct dg_bytes certificate); // before a rule has been added
// What a public key's owner is called: "sha256:" and the first half of its digest in hex.
void dg_raw_key_proof(const uint8_t digest[32], struct dg_proof *ret);

#endif
