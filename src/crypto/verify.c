// SPDX-License-Identifier: GPL-3.0-or-later
// Judges what a client shows of public keys: certificates (RFC 8446 4.4.2.4, RFC 5280) and raw public keys
// (RFC 7250). The library has verified signatures, dates and names; use, strength and the trust anchor are
// judged here. Accepts nothing that the library refused.
#include "base/secret.h"
#include "crypto/certificate.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <wolfssl/error-ssl.h>

#include <string.h>

static const char *refusal_text(int error)
{
    switch (error) {
    case ASN_AFTER_DATE_E:
        return "the client's certificate has expired";
    case ASN_BEFORE_DATE_E:
        return "the client's certificate is not valid yet";
    case ASN_NO_SIGNER_E:
    case ASN_SELF_SIGNED_E:
        return "the client's certificate is of an unknown CA";
    case ASN_SIG_CONFIRM_E:
        return "the signature on the client's certificate does not verify";
    case ASN_SIG_HASH_E:
    case HASH_TYPE_E:
        return "the client's certificate is signed with a hash that is too weak";
    case ASN_PATHLEN_SIZE_E:
    case ASN_PATHLEN_INV_E:
        return "the client's chain is longer than its CA allows";
    case ASN_NAME_INVALID_E:
        return "the client's certificate has a name that its CA may not give";
    case KEYUSAGE_E:
    case EXTKEYUSAGE_E:
    case EXTKEYUSE_AUTH_E:
    case KEYUSE_SIGNATURE_E:
    case KEYUSE_ENCIPHER_E:
        return "the client's certificate is for another purpose";
    case RSA_KEY_SIZE_E:
    case ECC_KEY_SIZE_E:
        return "the client's certificate has a key that is too weak";
    case ASN_CRIT_EXT_E:
        return "the client's certificate has a critical extension that is not understood";
    case UNSUPPORTED_CERTIFICATE:
        return "the client showed a kind of certificate that was not agreed on";
    default:
        return "the client's certificate was refused";
    }
}

static int refuse(struct dg_handshake *handshake, const char *reason)
{
    dg_failure_set(handshake, DG_COUNT_FAIL_CERTIFICATE, reason);
    return 0;
}

static void set_certificate(struct dg_handshake *handshake, uint8_t kind, const void *identity, size_t size,
                            uint64_t credential, uint32_t expires_s)
{
    struct dg_proof *proof = &handshake->certificate;
    memset(proof, 0, sizeof *proof);
    proof->known = true;
    proof->kind = kind;
    proof->identity_size = (uint8_t)size;
    memcpy(proof->identity, identity, size);
    proof->credential = credential;
    proof->expires_s = expires_s;
}

// --- raw public keys ----------------------------------------------------------

#define RAW_NAME_HEX 16 // bytes of the digest that go into the identity

static size_t raw_key_name(const uint8_t digest[32], char name[DG_IDENTITY_MAX])
{
    static const char digits[] = "0123456789abcdef";
    memcpy(name, "sha256:", 7);
    for (size_t i = 0; i < RAW_NAME_HEX; i++) {
        name[7 + 2 * i] = digits[digest[i] >> 4];
        name[8 + 2 * i] = digits[digest[i] & 15];
    }
    return 7 + 2 * (size_t)RAW_NAME_HEX;
}

static int judge_raw_key(struct dg_handshake *handshake, struct dg_bytes key)
{
    const struct dg_trust *trust = &handshake->gate->trust;
    uint8_t digest[32];
    char name[DG_IDENTITY_MAX];
    if (wc_Sha256Hash(key.data, (word32)key.size, digest) != 0)
        return refuse(handshake, "the client's public key could not be hashed");
    size_t size = raw_key_name(digest, name);
    handshake->claim = (struct dg_proof){.known = true, .kind = DG_IDENTITY_RAW_PUBLIC_KEY};
    handshake->claim.identity_size = (uint8_t)size;
    memcpy(handshake->claim.identity, name, size);
    for (size_t i = 0; i < trust->raw_key_count; i++) {
        if (!dg_secret_equal(trust->raw_keys[i], digest, sizeof digest))
            continue;
        set_certificate(handshake, DG_IDENTITY_RAW_PUBLIC_KEY, name, size,
                        dg_credential_of_bytes(key.data, key.size), 0);
        return 1;
    }
    return refuse(handshake, "the client's public key is not in the list");
}

// --- certificates -------------------------------------------------------------

static bool is_blank(const uint8_t id[32])
{
    static const uint8_t blank[32];
    return dg_secret_equal(id, blank, sizeof blank);
}

// The library has verified the chain; this only says which CA it ended in. By name and key identifiers where
// both have them, else by the signature, since several CAs may go by one name.
static bool is_issued_by(struct dg_bytes der, const struct dg_certificate_facts *facts, const struct dg_anchor *anchor)
{
    if (!dg_secret_equal(facts->issuer_hash, anchor->subject_hash, sizeof anchor->subject_hash))
        return false;
    if (!is_blank(facts->issuer_key_id) && !is_blank(anchor->key_id))
        return dg_secret_equal(facts->issuer_key_id, anchor->key_id, sizeof anchor->key_id);
    WOLFSSL_CERT_MANAGER *manager = wolfSSL_CertManagerNew();
    bool verifies = manager != NULL &&
                    wolfSSL_CertManagerLoadCABuffer(manager, anchor->der, (long)anchor->size, WOLFSSL_FILETYPE_ASN1) ==
                        WOLFSSL_SUCCESS &&
                    wolfSSL_CertManagerVerifyBuffer(manager, der.data, (long)der.size, WOLFSSL_FILETYPE_ASN1) ==
                        WOLFSSL_SUCCESS;
    wolfSSL_CertManagerFree(manager);
    return verifies;
}

static const struct dg_anchor *find_anchor(const struct dg_trust *trust, struct dg_bytes der,
                                           const struct dg_certificate_facts *facts)
{
    for (size_t i = 0; i < trust->anchor_count; i++) {
        const struct dg_anchor *anchor = &trust->anchors[i];
        // A chain may carry its anchor itself.
        if (anchor->size == der.size && dg_secret_equal(anchor->der, der.data, der.size))
            return anchor;
        if (is_issued_by(der, facts, anchor))
            return anchor;
    }
    return NULL;
}

static uint32_t earlier(uint32_t a, uint32_t b) { return a < b ? a : b; }

static int judge_chain(struct dg_handshake *handshake, const WOLFSSL_X509_STORE_CTX *store)
{
    uint32_t expires_s = UINT32_MAX;
    struct dg_certificate_facts leaf = {0};
    const struct dg_anchor *anchor = NULL;
    for (int i = 0; i < store->totalCerts && anchor == NULL; i++) {
        struct dg_bytes der = {store->certs[i].buffer, store->certs[i].length};
        struct dg_certificate_facts facts;
        if (!dg_certificate_read(der, &facts))
            return refuse(handshake, "the client's chain holds a certificate that cannot be read");
        if (facts.weakness != NULL)
            return refuse(handshake, "the client's chain has a key or a signature that is too weak");
        if (facts.is_expired)
            return refuse(handshake, refusal_text(ASN_AFTER_DATE_E));
        if (facts.is_not_yet_valid)
            return refuse(handshake, refusal_text(ASN_BEFORE_DATE_E));
        if (i == 0)
            leaf = facts;
        expires_s = earlier(expires_s, facts.expires_s);
        anchor = find_anchor(&handshake->gate->trust, der, &facts);
    }
    if (anchor == NULL)
        return refuse(handshake, "the client's chain does not reach a CA that we know");
    if (!leaf.may_be_client || !leaf.may_sign)
        return refuse(handshake, refusal_text(EXTKEYUSAGE_E));
    if (leaf.identity_size == 0)
        return refuse(handshake, "the client's certificate names nobody (no URI, DNS name or common name)");
    set_certificate(handshake, DG_IDENTITY_CERTIFICATE, leaf.identity, leaf.identity_size, anchor->credential,
                    earlier(expires_s, anchor->expires_s));
    return 1;
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
        return refuse(handshake, refusal_text(store->error));
    if (is_raw)
        return judge_raw_key(handshake, (struct dg_bytes){store->certs[0].buffer, store->certs[0].length});
    // The library asks for the certificates above the leaf only where it has refused them.
    if (store->error_depth != 0)
        return 1;
    return judge_chain(handshake, store);
}
