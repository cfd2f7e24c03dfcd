// SPDX-License-Identifier: GPL-3.0-or-later
// Reads revocation lists, verifies their signatures by wolfCrypt. The library has a reader of its own, which keeps lists
// for handshakes alone; established associations are judged by the same list, so it is read here.
#include "crypto/crl.h"

#include "crypto/der.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/rsa.h>
#include <wolfssl/wolfcrypt/signature.h>

#include <string.h>

#define SPKI_MAX 4096

// --- reading ------------------------------------------------------------------

static const struct {
    uint8_t size;
    uint8_t object[9];
} algorithms[] = {
    [DG_CRL_ECDSA_SHA256] = {8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}},
    [DG_CRL_ECDSA_SHA384] = {8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3}},
    [DG_CRL_ECDSA_SHA512] = {8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4}},
    [DG_CRL_RSA_SHA256] = {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11}},
    [DG_CRL_RSA_SHA384] = {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12}},
    [DG_CRL_RSA_SHA512] = {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13}},
    [DG_CRL_ED25519] = {3, {0x2b, 0x65, 0x70}},
};
#define ALGORITHM_COUNT (sizeof algorithms / sizeof algorithms[0])

static bool read_algorithm(const struct dg_der *sequence, enum dg_crl_signature *ret)
{
    struct dg_reader reader = dg_reader_in(sequence->content);
    struct dg_der object;
    if (!dg_der_expect(&reader, DG_DER_OBJECT, &object))
        return false;
    for (size_t i = 0; i < ALGORITHM_COUNT; i++)
        if (dg_der_is_object(&object, algorithms[i].object, algorithms[i].size)) {
            *ret = (enum dg_crl_signature)i;
            return true;
        }
    return false;
}

// What makes a list less, or other, than a complete list of its issuer's certificates: deltaCRLIndicator,
// issuingDistributionPoint, certificateIssuer (RFC 5280 5.2.4, 5.2.5, 5.3.3).
static bool is_limiting(const struct dg_der *object)
{
    static const uint8_t limiting[][3] = {{0x55, 0x1d, 27}, {0x55, 0x1d, 28}, {0x55, 0x1d, 29}};
    for (size_t i = 0; i < sizeof limiting / sizeof limiting[0]; i++)
        if (dg_der_is_object(object, limiting[i], sizeof limiting[i]))
            return true;
    return false;
}

// RFC 5280 5.2, 5.3: a critical extension that is not understood makes the list unusable. So do those that limit it, which
// have to be critical, where their CA forgot to say so. False: there is one, or it is no DER.
static bool are_extensions_harmless(struct dg_bytes list)
{
    struct dg_reader reader = dg_reader_in(list);
    struct dg_der whole;
    if (!dg_der_expect(&reader, DG_DER_SEQUENCE, &whole) || !dg_reader_done(&reader))
        return false;
    struct dg_reader extensions = dg_reader_in(whole.content);
    while (dg_reader_left(&extensions) > 0) {
        struct dg_der extension, object, critical;
        if (!dg_der_expect(&extensions, DG_DER_SEQUENCE, &extension))
            return false;
        struct dg_reader parts = dg_reader_in(extension.content);
        if (!dg_der_expect(&parts, DG_DER_OBJECT, &object) || is_limiting(&object))
            return false;
        if (dg_der_is_next(&parts, DG_DER_BOOLEAN) &&
            (!dg_der_next(&parts, &critical) || critical.content.size != 1 || critical.content.data[0] != 0))
            return false;
    }
    return !extensions.failed;
}

static const char *read_entries(struct dg_crl *ret)
{
    struct dg_reader reader = dg_reader_in(ret->entries);
    while (dg_reader_left(&reader) > 0) {
        struct dg_der entry, serial, element;
        int64_t when = 0;
        if (!dg_der_expect(&reader, DG_DER_SEQUENCE, &entry))
            return "its entries cannot be read";
        struct dg_reader parts = dg_reader_in(entry.content);
        if (!dg_der_expect(&parts, DG_DER_INTEGER, &serial) || serial.content.size == 0 ||
            !dg_der_next(&parts, &element) || !dg_der_time(&element, &when))
            return "its entries cannot be read";
        if (dg_reader_left(&parts) > 0 && (!are_extensions_harmless((struct dg_bytes){parts.at, dg_reader_left(&parts)})))
            return "an entry is of another CA (an indirect list) or has another critical extension, which is not supported";
        ret->entry_count++;
    }
    return NULL;
}

// RFC 5280 5.1.2: version, signature, issuer, thisUpdate, nextUpdate, entries, extensions.
static const char *read_body(const struct dg_der *body, struct dg_crl *ret)
{
    static const char broken[] = "it cannot be read";
    struct dg_reader reader = dg_reader_in(body->content);
    struct dg_der element;
    enum dg_crl_signature inner;
    if (dg_der_is_next(&reader, DG_DER_INTEGER) && !dg_der_next(&reader, &element))
        return broken;
    if (!dg_der_expect(&reader, DG_DER_SEQUENCE, &element))
        return broken;
    if (!read_algorithm(&element, &inner) || inner != ret->algorithm)
        return "its two statements of the signature's algorithm differ";
    if (!dg_der_expect(&reader, DG_DER_SEQUENCE, &element))
        return broken;
    ret->issuer = element.whole;
    if (!dg_der_next(&reader, &element) || !dg_der_time(&element, &ret->this_update_s))
        return broken;
    if (!dg_der_is_next(&reader, DG_DER_UTC_TIME) && !dg_der_is_next(&reader, DG_DER_GENERALIZED_TIME))
        return "it does not say when the next one comes (nextUpdate), so it would never be stale";
    if (!dg_der_next(&reader, &element) || !dg_der_time(&element, &ret->next_update_s))
        return broken;
    if (dg_der_is_next(&reader, DG_DER_SEQUENCE)) {
        if (!dg_der_next(&reader, &element))
            return broken;
        ret->entries = element.content;
    }
    if (dg_der_is_next(&reader, DG_DER_CONTEXT_0)) {
        if (!dg_der_next(&reader, &element))
            return broken;
        if (!are_extensions_harmless(element.content))
            return "it is a delta or a partial list, or has another critical extension that is not supported; a complete "
                   "list is needed";
    }
    return dg_reader_done(&reader) ? read_entries(ret) : broken;
}

const char *dg_crl_read(struct dg_bytes der, struct dg_crl *ret)
{
    static const char broken[] = "it cannot be read";
    *ret = (struct dg_crl){0};
    struct dg_reader file = dg_reader_in(der);
    struct dg_der list, body, algorithm, signature;
    if (!dg_der_expect(&file, DG_DER_SEQUENCE, &list) || !dg_reader_done(&file))
        return broken;
    struct dg_reader reader = dg_reader_in(list.content);
    if (!dg_der_expect(&reader, DG_DER_SEQUENCE, &body) || !dg_der_expect(&reader, DG_DER_SEQUENCE, &algorithm) ||
        !dg_der_expect(&reader, DG_DER_BIT_STRING, &signature) || !dg_reader_done(&reader) ||
        signature.content.size < 2 || signature.content.data[0] != 0) // whole bytes
        return broken;
    if (!read_algorithm(&algorithm, &ret->algorithm))
        return "it is signed in a way that is not supported; expected ECDSA, RSA (PKCS #1 v1.5) or Ed25519 with SHA-256 "
               "or better";
    ret->signed_part = body.whole;
    ret->signature = (struct dg_bytes){signature.content.data + 1, signature.content.size - 1};
    return read_body(&body, ret);
}

bool dg_crl_next(struct dg_reader *entries, struct dg_bytes *ret_serial)
{
    struct dg_der entry, serial;
    if (dg_reader_left(entries) == 0 || !dg_der_expect(entries, DG_DER_SEQUENCE, &entry))
        return false;
    struct dg_reader parts = dg_reader_in(entry.content);
    if (!dg_der_expect(&parts, DG_DER_INTEGER, &serial))
        return false;
    *ret_serial = dg_der_number(serial.content);
    return true;
}

// --- the signature ------------------------------------------------------------

static enum wc_HashType hash_of(enum dg_crl_signature algorithm)
{
    switch (algorithm) {
    case DG_CRL_ECDSA_SHA256:
    case DG_CRL_RSA_SHA256:
        return WC_HASH_TYPE_SHA256;
    case DG_CRL_ECDSA_SHA384:
    case DG_CRL_RSA_SHA384:
        return WC_HASH_TYPE_SHA384;
    default:
        return WC_HASH_TYPE_SHA512;
    }
}

static bool verify_ecdsa(const struct dg_crl *crl, const uint8_t *spki, word32 spki_size)
{
    ecc_key key;
    word32 at = 0;
    if (wc_ecc_init(&key) != 0)
        return false;
    bool done = wc_EccPublicKeyDecode(spki, &at, &key, spki_size) == 0 &&
                wc_SignatureVerify(hash_of(crl->algorithm), WC_SIGNATURE_TYPE_ECC, crl->signed_part.data,
                                   (word32)crl->signed_part.size, crl->signature.data, (word32)crl->signature.size, &key,
                                   sizeof key) == 0;
    wc_ecc_free(&key);
    return done;
}

static bool verify_rsa(const struct dg_crl *crl, const uint8_t *spki, word32 spki_size)
{
    RsaKey key;
    word32 at = 0;
    if (wc_InitRsaKey(&key, NULL) != 0)
        return false;
    bool done = wc_RsaPublicKeyDecode(spki, &at, &key, spki_size) == 0 &&
                wc_SignatureVerify(hash_of(crl->algorithm), WC_SIGNATURE_TYPE_RSA_W_ENC, crl->signed_part.data,
                                   (word32)crl->signed_part.size, crl->signature.data, (word32)crl->signature.size, &key,
                                   sizeof key) == 0;
    wc_FreeRsaKey(&key);
    return done;
}

static bool verify_ed25519(const struct dg_crl *crl, const uint8_t *spki, word32 spki_size)
{
    ed25519_key key;
    word32 at = 0;
    int fits = 0;
    if (wc_ed25519_init(&key) != 0)
        return false;
    bool done = wc_Ed25519PublicKeyDecode(spki, &at, &key, spki_size) == 0 &&
                wc_ed25519_verify_msg(crl->signature.data, (word32)crl->signature.size, crl->signed_part.data,
                                      (word32)crl->signed_part.size, &fits, &key) == 0;
    wc_ed25519_free(&key);
    return done && fits == 1;
}

bool dg_crl_is_signed_by(const struct dg_crl *crl, struct dg_bytes certificate)
{
    uint8_t spki[SPKI_MAX];
    word32 size = sizeof spki;
    if (wc_GetSubjectPubKeyInfoDerFromCert(certificate.data, (word32)certificate.size, spki, &size) != 0)
        return false;
    switch (crl->algorithm) {
    case DG_CRL_ECDSA_SHA256:
    case DG_CRL_ECDSA_SHA384:
    case DG_CRL_ECDSA_SHA512:
        return verify_ecdsa(crl, spki, size);
    case DG_CRL_RSA_SHA256:
    case DG_CRL_RSA_SHA384:
    case DG_CRL_RSA_SHA512:
        return verify_rsa(crl, spki, size);
    case DG_CRL_ED25519:
        return verify_ed25519(crl, spki, size);
    }
    return false;
}
