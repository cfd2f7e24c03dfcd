// SPDX-License-Identifier: GPL-3.0-or-later
// Judges what a client shows of public keys: certificates (RFC 8446 4.4.2.4, RFC 5280) and raw public keys
// (RFC 7250). The library has verified signatures, dates and names. Accepts nothing that the library refused.
#include "base/secret.h"
#include "crypto/certificate.h"
#include "crypto/chain.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <wolfssl/error-ssl.h>

#include <string.h>

static int refuse(struct dg_handshake *handshake, const char *reason)
{
    dg_failure_set(handshake, DG_COUNT_FAIL_CERTIFICATE, reason);
    return 0;
}

static int judge_raw_key(struct dg_handshake *handshake, struct dg_bytes key)
{
    const struct dg_trust *trust = &handshake->gate->trust;
    uint8_t digest[32];
    if (wc_Sha256Hash(key.data, (word32)key.size, digest) != 0)
        return refuse(handshake, "the client's public key could not be hashed");
    dg_raw_key_proof(digest, &handshake->claim);
    for (size_t i = 0; i < trust->raw_key_count; i++) {
        if (!dg_secret_equal(trust->raw_keys[i], digest, sizeof digest))
            continue;
        handshake->certificate = handshake->claim;
        handshake->certificate.credential = dg_credential_of_bytes(key.data, key.size);
        return 1;
    }
    return refuse(handshake, "the client's public key is not in the list");
}

// The alert of a revoked certificate says so (RFC 8446 6.2); all others are told nothing but that it was refused.
static int refuse_chain(struct dg_handshake *handshake, WOLFSSL_X509_STORE_CTX *store, enum dg_chain_problem problem)
{
    enum dg_counter counter = DG_COUNT_FAIL_CERTIFICATE;
    if (problem == DG_CHAIN_REVOKED) {
        counter = DG_COUNT_FAIL_REVOKED;
        store->error = CRL_CERT_REVOKED;
    } else if (problem == DG_CHAIN_NO_CRL || problem == DG_CHAIN_STALE_CRL) {
        counter = DG_COUNT_FAIL_CRL;
    } else if (problem == DG_CHAIN_OTHER_NAME) {
        counter = DG_COUNT_FAIL_CLIENT_NAME;
    }
    dg_failure_set(handshake, counter, dg_chain_words(problem, false));
    return 0;
}

// Where there are rules for names, one must fit; the association remembers which.
static enum dg_chain_problem judge_names(const struct dg_trust *trust, const WOLFSSL_X509_STORE_CTX *store,
                                         struct dg_proof *proof)
{
    const struct dg_bytes leaf = {store->certs[0].buffer, store->certs[0].length};
    uint32_t digest = 0;
    if (trust->rule_count > 0) {
        const struct dg_name_rule *rule = dg_name_rule_find(trust->rules, trust->rule_count, leaf);
        if (rule == NULL)
            return DG_CHAIN_OTHER_NAME;
        digest = rule->digest;
    }
    proof->credential = dg_credential_of_rule(proof->credential, digest);
    return DG_CHAIN_FINE;
}

static int judge_chain(struct dg_handshake *handshake, WOLFSSL_X509_STORE_CTX *store)
{
    const struct dg_trust *trust = &handshake->gate->trust;
    struct dg_proof proof;
    enum dg_chain_problem problem = dg_chain_judge(trust, store, false, &proof);
    if (problem == DG_CHAIN_FINE)
        problem = judge_names(trust, store, &proof);
    if (problem != DG_CHAIN_FINE)
        return refuse_chain(handshake, store, problem);
    handshake->certificate = proof;
    return 1;
}

// --- fingerprints -------------------------------------------------------------

static bool is_listed(const struct dg_trust *trust, const WOLFSSL_X509_STORE_CTX *store, uint8_t digest[32])
{
    return trust->fingerprints->count > 0 &&
           wc_Sha256Hash(store->certs[0].buffer, (word32)store->certs[0].length, digest) == 0 &&
           dg_fingerprints_hold(trust->fingerprints, digest);
}

// What the library finds wrong with a certificate that nobody of ours has issued; all else counts.
static bool is_want_of_issuer(int error) { return error == ASN_NO_SIGNER_E || error == ASN_SELF_SIGNED_E || error == ASN_SIG_CONFIRM_E; }

// The operator has named this very certificate: no CA has a word in it, and no revocation list; its dates, strength and
// use do, and the rules for names.
static int judge_listed(struct dg_handshake *handshake, WOLFSSL_X509_STORE_CTX *store, const uint8_t digest[32])
{
    struct dg_proof proof, named;
    enum dg_chain_problem problem = dg_chain_judge(NULL, store, false, &proof);
    if (problem == DG_CHAIN_NAMELESS) {
        dg_raw_key_proof(digest, &named);
        proof.known = true;
        proof.identity_size = named.identity_size;
        memcpy(proof.identity, named.identity, named.identity_size);
        problem = DG_CHAIN_FINE;
    }
    proof.credential = 0;
    if (problem == DG_CHAIN_FINE)
        problem = judge_names(&handshake->gate->trust, store, &proof);
    if (problem != DG_CHAIN_FINE)
        return refuse_chain(handshake, store, problem);
    struct dg_reader reader = dg_reader_of(digest, 8);
    proof.leaf = dg_read_u64(&reader);
    handshake->certificate = proof;
    return 1;
}

// --- the call-back ------------------------------------------------------------

static void note_claim(struct dg_handshake *handshake, const WOLFSSL_X509_STORE_CTX *store)
{
    struct dg_certificate_facts facts;
    if (store->totalCerts < 1 || store->certs == NULL ||
        !dg_certificate_read((struct dg_bytes){store->certs[0].buffer, store->certs[0].length}, &facts))
        return;
    handshake->claim = (struct dg_proof){.known = true, .kind = DG_IDENTITY_CERTIFICATE};
    handshake->claim.identity_size = facts.identity_size;
    memcpy(handshake->claim.identity, facts.identity, facts.identity_size);
}

int dg_verify_peer(int accepted, WOLFSSL_X509_STORE_CTX *store)
{
    struct dg_handshake *handshake = store->userCtx;
    if (handshake == NULL)
        return 0;
    if (store->certs == NULL || store->totalCerts < 1) {
        dg_failure_set(handshake, DG_COUNT_FAIL_NO_CERTIFICATE, "the client sent no certificate");
        return 0;
    }
    int type = WOLFSSL_CERT_TYPE_UNKNOWN;
    bool is_raw = wolfSSL_get_negotiated_client_cert_type(handshake->ssl, &type) == WOLFSSL_SUCCESS &&
                  type == WOLFSSL_CERT_TYPE_RPK;
    if (!is_raw)
        note_claim(handshake, store);
    if (is_raw && accepted)
        return judge_raw_key(handshake, (struct dg_bytes){store->certs[0].buffer, store->certs[0].length});
    uint8_t digest[32];
    bool is_leaf = store->error_depth == 0;
    // A CA above a listed certificate is not accepted on its account: the library would keep it as one of its own.
    if (is_leaf && !is_raw && (accepted || is_want_of_issuer(store->error)) &&
        is_listed(&handshake->gate->trust, store, digest))
        return judge_listed(handshake, store, digest);
    if (!accepted)
        return refuse(handshake, dg_chain_words(dg_chain_problem_of(store->error), false));
    // The library asks for the certificates above the leaf only where it has refused them.
    return is_leaf ? judge_chain(handshake, store) : 1;
}
