// SPDX-License-Identifier: GPL-3.0-or-later
// The judgement of chains, shared by both roles (RFC 8446 4.4.2.4, RFC 5280). The library has verified
// signatures, dates and names; use, strength and the trust anchor are judged here.
#include "crypto/chain.h"

#include "base/secret.h"
#include "crypto/certificate.h"

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
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
        [DG_CHAIN_REVOKED] = "the " who "'s certificate has been revoked",                                            \
        [DG_CHAIN_NO_CRL] = "there is no revocation list of the CA that issued the " who "'s certificate",            \
        [DG_CHAIN_STALE_CRL] =                                                                                        \
            "the revocation list of the CA that issued the " who "'s certificate is not current",                     \
        [DG_CHAIN_OTHER_NAME] = "the " who "'s certificate bears none of the names that client-names lets in",        \
        [DG_CHAIN_CA_EXPIRED] = "the CA that issued the " who "'s certificate has expired",                           \
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

// Who may have issued a certificate, by what its own says.
struct signer {
    struct dg_bytes der;
    const uint8_t *subject_hash, *key_id; // as in dg_certificate_facts
};

// The library has verified each certificate under some CA that it knows; this says under which. By name and key
// identifiers where both have them, else by the signature, since several CAs may go by one name.
static bool is_issued_by(struct dg_bytes der, const struct dg_certificate_facts *facts, const struct signer *signer)
{
    if (!dg_secret_equal(facts->issuer_hash, signer->subject_hash, sizeof facts->issuer_hash))
        return false;
    if (!is_blank(facts->issuer_key_id) && !is_blank(signer->key_id))
        return dg_secret_equal(facts->issuer_key_id, signer->key_id, sizeof facts->issuer_key_id);
    WOLFSSL_CERT_MANAGER *manager = wolfSSL_CertManagerNew();
    bool verifies = manager != NULL &&
                    wolfSSL_CertManagerLoadCABuffer(manager, signer->der.data, (long)signer->der.size,
                                                    WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS &&
                    wolfSSL_CertManagerVerifyBuffer(manager, der.data, (long)der.size, WOLFSSL_FILETYPE_ASN1) ==
                        WOLFSSL_SUCCESS;
    wolfSSL_CertManagerFree(manager);
    return verifies;
}

struct issuer {
    const struct dg_anchor *anchor; // NULL: none of ours
    bool is_itself;                 // the certificate is that anchor
};

// The library asks for the dates of what a peer shows, not for those of the CAs that it was given at the start.
static bool has_ended(const struct dg_anchor *anchor) { return wc_Time(NULL) >= (time_t)anchor->expires_s; }

// One that has ended only where there is no other: a CA that was renewed has two certificates for a while.
static struct issuer find_anchor(const struct dg_trust *trust, struct dg_bytes der,
                                 const struct dg_certificate_facts *facts)
{
    struct issuer found = {0};
    for (size_t i = 0; i < trust->anchor_count && (found.anchor == NULL || has_ended(found.anchor)); i++) {
        const struct dg_anchor *anchor = &trust->anchors[i];
        const struct signer signer = {{anchor->der, anchor->size}, anchor->subject_hash, anchor->key_id};
        if (anchor->is_revoked)
            continue;
        // A chain may carry its anchor itself.
        if (anchor->size == der.size && dg_secret_equal(anchor->der, der.data, der.size))
            found = (struct issuer){anchor, true};
        else if (is_issued_by(der, facts, &signer))
            found = (struct issuer){anchor, false};
    }
    return found;
}

enum dg_chain_problem dg_chain_crl_of(const struct dg_trust *trust, const struct dg_anchor *anchor, int64_t now_s)
{
    const struct dg_revocation *revocation = &trust->revocation;
    if (!revocation->is_checked || revocation->accepts_missing)
        return DG_CHAIN_FINE;
    if (anchor == NULL || anchor->crl_until_s == 0)
        return DG_CHAIN_NO_CRL;
    return now_s >= anchor->crl_from_s && now_s <= anchor->crl_until_s ? DG_CHAIN_FINE : DG_CHAIN_STALE_CRL;
}

// Each certificate below the anchor needs the word of its own issuer, which only a CA of ours can give: the list of
// another one has nobody to vouch for it.
static enum dg_chain_problem judge_revocation(const struct dg_trust *trust, const struct dg_certificate_facts *facts,
                                              struct issuer issuer)
{
    if (dg_revocation_holds(&trust->revocation, facts->leaf))
        return DG_CHAIN_REVOKED;
    return issuer.is_itself ? DG_CHAIN_FINE : dg_chain_crl_of(trust, issuer.anchor, (int64_t)wc_Time(NULL));
}

static uint32_t earlier(uint32_t a, uint32_t b) { return a < b ? a : b; }

static enum dg_chain_problem judge_facts(const struct dg_certificate_facts *facts)
{
    if (facts->weakness != NULL)
        return DG_CHAIN_WEAK;
    if (facts->is_expired)
        return DG_CHAIN_EXPIRED;
    return facts->is_not_yet_valid ? DG_CHAIN_NOT_YET_VALID : DG_CHAIN_FINE;
}

static struct dg_bytes shown(const WOLFSSL_X509_STORE_CTX *store, int place)
{
    return (struct dg_bytes){store->certs[place].buffer, store->certs[place].length};
}

// Among what the peer has shown, in any order and with others between (RFC 8446 4.4.2). Not simply the next one: the
// library finds issuers where it likes, also among those that it saw in earlier handshakes, so whoever shows a certificate
// of somebody else instead of its revoked or expired issuer would be judged by that. 0: it is not there.
static int find_issuer(const WOLFSSL_X509_STORE_CTX *store, struct dg_bytes der, const struct dg_certificate_facts *facts)
{
    for (int i = 1; i < store->totalCerts; i++) {
        struct dg_certificate_facts above;
        const struct signer signer = {shown(store, i), above.subject_hash, above.key_id};
        if (dg_certificate_read(signer.der, &above) && above.is_ca && is_issued_by(der, facts, &signer))
            return i;
    }
    return 0;
}

enum dg_chain_problem dg_chain_judge(const struct dg_trust *trust, const WOLFSSL_X509_STORE_CTX *store,
                                     bool of_server, struct dg_proof *ret)
{
    uint32_t expires_s = UINT32_MAX;
    struct dg_certificate_facts leaf = {0};
    struct issuer issuer = {0};
    enum dg_chain_problem revoked = DG_CHAIN_FINE;
    int count = trust != NULL ? store->totalCerts : 1;
    int place = 0;
    for (int i = 0; i < count; i++) {
        struct dg_bytes der = shown(store, place);
        struct dg_certificate_facts facts;
        if (!dg_certificate_read(der, &facts))
            return DG_CHAIN_UNREADABLE;
        enum dg_chain_problem problem = judge_facts(&facts);
        if (problem != DG_CHAIN_FINE)
            return problem;
        if (i == 0)
            leaf = facts;
        expires_s = earlier(expires_s, facts.expires_s);
        if (trust == NULL)
            continue;
        issuer = find_anchor(trust, der, &facts);
        if (issuer.anchor != NULL && has_ended(issuer.anchor))
            return DG_CHAIN_CA_EXPIRED;
        problem = judge_revocation(trust, &facts, issuer);
        if (revoked == DG_CHAIN_FINE || problem == DG_CHAIN_REVOKED) // which says more than a list that is missing
            revoked = problem;
        if (issuer.anchor != NULL || (place = find_issuer(store, der, &facts)) == 0)
            break;
    }
    if (trust != NULL && issuer.anchor == NULL)
        return DG_CHAIN_NO_ANCHOR;
    if (revoked != DG_CHAIN_FINE)
        return revoked;
    if (!(of_server ? leaf.may_be_server : leaf.may_be_client) || !leaf.may_sign)
        return DG_CHAIN_OTHER_PURPOSE;
    *ret = (struct dg_proof){.kind = DG_IDENTITY_CERTIFICATE, .identity_size = leaf.identity_size};
    ret->known = leaf.identity_size > 0;
    memcpy(ret->identity, leaf.identity, leaf.identity_size);
    ret->credential = issuer.anchor != NULL ? issuer.anchor->credential : 0;
    ret->leaf = leaf.leaf;
    ret->expires_s = issuer.anchor != NULL ? earlier(expires_s, issuer.anchor->expires_s) : expires_s;
    return leaf.identity_size > 0 ? DG_CHAIN_FINE : DG_CHAIN_NAMELESS;
}
