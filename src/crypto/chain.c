// SPDX-License-Identifier: GPL-3.0-or-later
// The judgement of chains, shared by both roles (RFC 8446 4.4.2.4, RFC 5280). The library has verified
// signatures, dates and names; use, strength and the trust anchor are judged here.
#include "crypto/chain.h"

#include "base/secret.h"
#include "crypto/certificate.h"

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <wolfssl/error-ssl.h>

#include <string.h>

#define WORDS(who)                                                                                                    \
    {                                                                                                                 \
        [DG_CHAIN_FINE] = "the " who "'s certificate is fine",                                                        \
        [DG_CHAIN_EXPIRED] = "the " who "'s certificate has expired",                                                 \
        [DG_CHAIN_NOT_YET_VALID] = "the " who "'s certificate is not valid yet",                                      \
        [DG_CHAIN_UNKNOWN_CA] = "the " who "'s certificate is of an unknown CA",                                      \
        [DG_CHAIN_SIGNATURE] = "the signature on the " who "'s certificate does not verify",                          \
        [DG_CHAIN_WEAK_HASH] = "the " who "'s certificate is signed with a hash that is too weak",                    \
        [DG_CHAIN_TOO_LONG] = "the " who "'s chain is longer than its CA allows",                                     \
        [DG_CHAIN_NAME_CONSTRAINT] = "the " who "'s certificate has a name that its CA may not give",                 \
        [DG_CHAIN_OTHER_PURPOSE] = "the " who "'s certificate is for another purpose",                                \
        [DG_CHAIN_WEAK_KEY] = "the " who "'s certificate has a key that is too weak",                                 \
        [DG_CHAIN_CRITICAL_EXTENSION] =                                                                               \
            "the " who "'s certificate has a critical extension that is not understood",                              \
        [DG_CHAIN_OTHER_KIND] = "the " who " showed a kind of certificate that was not agreed on",                    \
        [DG_CHAIN_REFUSED] = "the " who "'s certificate was refused",                                                 \
        [DG_CHAIN_UNREADABLE] = "the " who "'s chain holds a certificate that cannot be read",                        \
        [DG_CHAIN_WEAK] = "the " who "'s chain has a key or a signature that is too weak",                            \
        [DG_CHAIN_NO_ANCHOR] = "the " who "'s chain does not reach a CA that we know",                                \
        [DG_CHAIN_NAMELESS] =                                                                                         \
            "the " who "'s certificate names nobody (no URI, DNS name or common name)",                               \
    }

const char *dg_chain_words(enum dg_chain_problem problem, bool of_server)
{
    static const char *const words[2][DG_CHAIN_PROBLEMS] = {WORDS("client"), WORDS("server")};
    return words[of_server][problem];
}

enum dg_chain_problem dg_chain_problem_of(int error)
{
    switch (error) {
    case ASN_AFTER_DATE_E:
        return DG_CHAIN_EXPIRED;
    case ASN_BEFORE_DATE_E:
        return DG_CHAIN_NOT_YET_VALID;
    case ASN_NO_SIGNER_E:
    case ASN_SELF_SIGNED_E:
        return DG_CHAIN_UNKNOWN_CA;
    case ASN_SIG_CONFIRM_E:
        return DG_CHAIN_SIGNATURE;
    case ASN_SIG_HASH_E:
    case HASH_TYPE_E:
        return DG_CHAIN_WEAK_HASH;
    case ASN_PATHLEN_SIZE_E:
    case ASN_PATHLEN_INV_E:
        return DG_CHAIN_TOO_LONG;
    case ASN_NAME_INVALID_E:
        return DG_CHAIN_NAME_CONSTRAINT;
    case KEYUSAGE_E:
    case EXTKEYUSAGE_E:
    case EXTKEYUSE_AUTH_E:
    case KEYUSE_SIGNATURE_E:
    case KEYUSE_ENCIPHER_E:
        return DG_CHAIN_OTHER_PURPOSE;
    case RSA_KEY_SIZE_E:
    case ECC_KEY_SIZE_E:
        return DG_CHAIN_WEAK_KEY;
    case ASN_CRIT_EXT_E:
        return DG_CHAIN_CRITICAL_EXTENSION;
    case UNSUPPORTED_CERTIFICATE:
        return DG_CHAIN_OTHER_KIND;
    default:
        return DG_CHAIN_REFUSED;
    }
}

#define RAW_NAME_HEX 16 // bytes of the digest that go into the identity

void dg_raw_key_proof(const uint8_t digest[32], struct dg_proof *ret)
{
    static const char digits[] = "0123456789abcdef";
    *ret = (struct dg_proof){.known = true, .kind = DG_IDENTITY_RAW_PUBLIC_KEY};
    memcpy(ret->identity, "sha256:", 7);
    for (size_t i = 0; i < RAW_NAME_HEX; i++) {
        ret->identity[7 + 2 * i] = (uint8_t)digits[digest[i] >> 4];
        ret->identity[8 + 2 * i] = (uint8_t)digits[digest[i] & 15];
    }
    ret->identity_size = 7 + 2 * RAW_NAME_HEX;
}

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

enum dg_chain_problem dg_chain_judge(const struct dg_trust *trust, const WOLFSSL_X509_STORE_CTX *store,
                                     bool of_server, struct dg_proof *ret)
{
    uint32_t expires_s = UINT32_MAX;
    struct dg_certificate_facts leaf = {0};
    const struct dg_anchor *anchor = NULL;
    int count = trust != NULL ? store->totalCerts : 1;
    for (int i = 0; i < count && anchor == NULL; i++) {
        struct dg_bytes der = {store->certs[i].buffer, store->certs[i].length};
        struct dg_certificate_facts facts;
        if (!dg_certificate_read(der, &facts))
            return DG_CHAIN_UNREADABLE;
        if (facts.weakness != NULL)
            return DG_CHAIN_WEAK;
        if (facts.is_expired)
            return DG_CHAIN_EXPIRED;
        if (facts.is_not_yet_valid)
            return DG_CHAIN_NOT_YET_VALID;
        if (i == 0)
            leaf = facts;
        expires_s = earlier(expires_s, facts.expires_s);
        if (trust != NULL)
            anchor = find_anchor(trust, der, &facts);
    }
    if (trust != NULL && anchor == NULL)
        return DG_CHAIN_NO_ANCHOR;
    if (!(of_server ? leaf.may_be_server : leaf.may_be_client) || !leaf.may_sign)
        return DG_CHAIN_OTHER_PURPOSE;
    if (leaf.identity_size == 0)
        return DG_CHAIN_NAMELESS;
    *ret = (struct dg_proof){.known = true, .kind = DG_IDENTITY_CERTIFICATE, .identity_size = leaf.identity_size};
    memcpy(ret->identity, leaf.identity, leaf.identity_size);
    ret->credential = anchor != NULL ? anchor->credential : 0;
    ret->expires_s = anchor != NULL ? earlier(expires_s, anchor->expires_s) : expires_s;
    return DG_CHAIN_FINE;
}
