// SPDX-License-Identifier: GPL-3.0-or-later
// Decides whether the server is the one that was dialled: by the CA and its name, by a pin of its public key, by
// the pre-shared key, or by the session that is resumed. Accepts nobody else, unless by the explicit word.
#include "base/log.h"
#include "base/secret.h"
#include "crypto/certificate.h"
#include "crypto/chain.h"
#include "crypto/dial_inner.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <string.h>

#define SPKI_MAX 4096

static int refuse(struct dg_dial *dial, const char *reason)
{
    dg_dial_set_reason(dial, reason);
    dg_dial_tell(dial, "server refused", "%s", reason);
    return 0;
}

// What shows of a certificate that is not proven yet.
static void tell_chain(struct dg_dial *dial, const WOLFSSL_X509_STORE_CTX *store)
{
    for (int i = 0; i < store->totalCerts; i++) {
        struct dg_certificate_facts facts;
        char name[128] = "one that cannot be read";
        if (dg_certificate_read((struct dg_bytes){store->certs[i].buffer, store->certs[i].length}, &facts))
            dg_escape(name, sizeof name, facts.identity, facts.identity_size);
        dg_dial_tell(dial, i == 0 ? "server's certificate" : "issuer's certificate", "%s", name);
    }
}

// SHA-256 of the leaf's SubjectPublicKeyInfo, or of the raw key itself.
static bool digest_key(const WOLFSSL_X509_STORE_CTX *store, bool is_raw, uint8_t digest[32])
{
    const uint8_t *der = store->certs[0].buffer;
    word32 size = store->certs[0].length;
    if (is_raw)
        return wc_Sha256Hash(der, size, digest) == 0;
    uint8_t spki[SPKI_MAX];
    word32 spki_size = sizeof spki;
    return wc_GetSubjectPubKeyInfoDerFromCert(der, size, spki, &spki_size) == 0 &&
           wc_Sha256Hash(spki, spki_size, digest) == 0;
}

static uint64_t credential_of(const uint8_t digest[32])
{
    struct dg_reader reader = dg_reader_of(digest, 8);
    return dg_read_u64(&reader);
}

static int judge_pin(struct dg_dial *dial, const WOLFSSL_X509_STORE_CTX *store, bool is_raw)
{
    uint8_t digest[32];
    if (!digest_key(store, is_raw, digest))
        return refuse(dial, "the server's public key cannot be read");
    if (!dg_secret_equal(digest, dial->dialer->pin, sizeof digest))
        return refuse(dial, "the server's public key is not the pinned one");
    if (is_raw) {
        const char *weakness =
            dg_public_key_weakness((struct dg_bytes){store->certs[0].buffer, store->certs[0].length});
        if (weakness != NULL)
            return refuse(dial, "the server's public key is too weak");
        dg_raw_key_proof(digest, &dial->certificate);
        dial->certificate.credential = credential_of(digest);
    }
    if (is_raw || dial->dialer->trust.anchor_count == 0)
        dg_dial_tell(dial, "server accepted", "its public key is the pinned one");
    return 1;
}

static int judge_leaf(struct dg_dial *dial, const WOLFSSL_X509_STORE_CTX *store)
{
    const struct dg_dialer *dialer = dial->dialer;
    bool by_ca = dialer->trust.anchor_count > 0;
    struct dg_bytes leaf = {store->certs[0].buffer, store->certs[0].length};
    enum dg_chain_problem problem = dg_chain_judge(by_ca ? &dialer->trust : NULL, store, true, &dial->certificate);
    // A pin says whose key it is; the certificate need not name anybody.
    if (problem != DG_CHAIN_FINE && !(problem == DG_CHAIN_NAMELESS && dialer->has_pin))
        return refuse(dial, dg_chain_words(problem, true));
    uint8_t digest[32];
    if (!digest_key(store, false, digest))
        return refuse(dial, "the server's public key cannot be read");
    if (problem == DG_CHAIN_NAMELESS)
        dg_raw_key_proof(digest, &dial->certificate);
    if (!by_ca) {
        dial->certificate.credential = credential_of(digest);
        return 1;
    }
    if (dialer->server_name != NULL && !dg_certificate_is_for(leaf, dialer->server_name))
        return refuse(dial, "the server's certificate is for another name than the one that was dialled");
    if (dialer->server_name != NULL) { // of all its names the one that was asked for
        dial->certificate.identity_size = (uint8_t)strlen(dialer->server_name);
        memcpy(dial->certificate.identity, dialer->server_name, dial->certificate.identity_size);
    }
    dg_dial_tell(dial, "server accepted", "its certificate is under a CA of ours%s%s%s",
                 dialer->server_name != NULL ? " and for the name " : "",
                 dialer->server_name != NULL ? dialer->server_name : "",
                 dialer->has_pin ? ", its public key the pinned one" : "");
    return 1;
}

static int accept_anybody(struct dg_dial *dial)
{
    dial->certificate = (struct dg_proof){.known = true, .kind = DG_IDENTITY_NONE};
    dg_dial_tell(dial, "server accepted", "NOT VERIFIED, as was asked for: it may be anybody");
    return 1;
}

int dg_dial_verify(int accepted, WOLFSSL_X509_STORE_CTX *store)
{
    struct dg_dial *dial = store->userCtx;
    if (dial == NULL)
        return 0;
    const struct dg_dialer *dialer = dial->dialer;
    if (store->certs == NULL || store->totalCerts < 1)
        return refuse(dial, "the server sent no certificate");
    bool by_ca = dialer->trust.anchor_count > 0;
    bool is_first = !dial->certificate_seen;
    dial->certificate_seen = true;
    int type = WOLFSSL_CERT_TYPE_UNKNOWN;
    bool is_raw = wolfSSL_get_negotiated_server_cert_type(dial->ssl, &type) == WOLFSSL_SUCCESS &&
                  type == WOLFSSL_CERT_TYPE_RPK;
    if (is_first && is_raw)
        dg_dial_tell(dial, "server's public key", "raw (RFC 7250)");
    else if (is_first)
        tell_chain(dial, store);
    if (!by_ca && !dialer->has_pin)
        return dialer->config.insecure_no_verify
                   ? accept_anybody(dial)
                   : refuse(dial, "the server showed a certificate instead of the pre-shared key, and there is "
                                  "nothing to verify it by");
    // A chain is verified by the library where there is a CA; a pin alone is of the leaf's key, whoever signed it.
    // The library asks for the certificates above the leaf only where it has refused them.
    if (by_ca && is_raw)
        return refuse(dial, "the server showed a raw public key, which no CA vouches for");
    if (by_ca && !accepted)
        return refuse(dial, dg_chain_words(dg_chain_problem_of(store->error), true));
    if (store->error_depth != 0)
        return 1;
    if (dialer->has_pin && !judge_pin(dial, store, is_raw))
        return 0;
    return is_raw ? 1 : judge_leaf(dial, store);
}

// --- the end ------------------------------------------------------------------

static bool used_psk(const struct dg_dial *dial)
{
    const struct dg_suite *suite = dg_suite_find((uint16_t)wolfSSL_get_current_cipher_suite(dial->ssl));
    if (suite == NULL || dial->dialer->psk == NULL || dial->certificate_seen)
        return false;
    return suite->exchange != DG_EXCHANGE_ECDHE;
}

static void prove_by_psk(struct dg_dial *dial)
{
    const struct dg_psk *psk = dial->dialer->psk;
    char name[128];
    dial->proof = (struct dg_proof){.known = true, .kind = DG_IDENTITY_PSK};
    dial->proof.identity_size = (uint8_t)psk->identity.size;
    memcpy(dial->proof.identity, psk->identity.data, psk->identity.size);
    dial->proof.credential = dg_credential_of_psk(psk);
    dg_escape(name, sizeof name, psk->identity.data, psk->identity.size);
    dg_dial_tell(dial, "server accepted", "it has the pre-shared key of %s", name);
}

int dg_dial_on_done(WOLFSSL *ssl, void *context)
{
    struct dg_dial *dial = context;
    if (dial->proof.known)
        return 0;
    if (wolfSSL_session_reused(ssl) == 1) {
        if (dial->offers_session)
            dial->proof = dial->offered_proof;
        if (dial->proof.known)
            dg_dial_tell(dial, "server accepted", "it resumes the session that it was verified in before");
    } else if (used_psk(dial)) {
        prove_by_psk(dial);
    } else {
        dial->proof = dial->certificate;
    }
    if (dial->proof.known)
        return 0;
    dg_dial_set_reason(dial, "the server proved no identity");
    return -1;
}
