// SPDX-License-Identifier: GPL-3.0-or-later
// Judges what a client shows of public keys: certificates (RFC 8446 4.4.2.4, RFC 5280) and raw public keys
// (RFC 7250). The library has verified signatures, dates and names. Accepts nothing that the library refused.
#include "base/secret.h"
#include "crypto/certificate.h"
#include "crypto/chain.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/sha256.h>

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

static int judge_chain(struct dg_handshake *handshake, const WOLFSSL_X509_STORE_CTX *store)
{
    enum dg_chain_problem problem =
        dg_chain_judge(&handshake->gate->trust, store, false, &handshake->certificate);
    return problem == DG_CHAIN_FINE ? 1 : refuse(handshake, dg_chain_words(problem, false));
}

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
    if (!accepted)
        return refuse(handshake, dg_chain_words(dg_chain_problem_of(store->error), false));
    if (is_raw)
        return judge_raw_key(handshake, (struct dg_bytes){store->certs[0].buffer, store->certs[0].length});
    // The library asks for the certificates above the leaf only where it has refused them.
    if (store->error_depth != 0)
        return 1;
    return judge_chain(handshake, store);
}
