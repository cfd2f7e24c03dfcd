// SPDX-License-Identifier: GPL-3.0-or-later
// Reads certificates by wolfCrypt's parser and judges strength (RFC 9325 4.5) and use (RFC 5280 4.2.1.3,
// 4.2.1.12).
#include "crypto/certificate.h"

#include "base/secret.h"
#include "crypto/der.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/rsa.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define RSA_BITS_MIN 2048
#define ECC_BITS_MIN 256

static const char *rsa_weakness(const uint8_t *key, word32 size)
{
    RsaKey rsa;
    word32 at = 0;
    if (wc_InitRsaKey(&rsa, NULL) != 0)
        return "an RSA key that could not be read";
    int result = wc_RsaPublicKeyDecode(key, &at, &rsa, size);
    int bits = result == 0 ? wc_RsaEncryptSize(&rsa) * 8 : 0;
    wc_FreeRsaKey(&rsa);
    if (bits == 0)
        return "an RSA key that could not be read";
    return bits < RSA_BITS_MIN ? "an RSA key of less than 2048 bits" : NULL;
}

static const char *ecc_weakness(const uint8_t *key, word32 size)
{
    ecc_key ecc;
    word32 at = 0;
    if (wc_ecc_init(&ecc) != 0)
        return "an EC key that could not be read";
    int result = wc_EccPublicKeyDecode(key, &at, &ecc, size);
    int bits = result == 0 ? wc_ecc_size(&ecc) * 8 : 0;
    wc_ecc_free(&ecc);
    if (bits == 0)
        return "an EC key that could not be read";
    return bits < ECC_BITS_MIN ? "an EC key of less than 256 bits" : NULL;
}

static const char *key_weakness(const DecodedCert *cert)
{
    switch (cert->keyOID) {
    case RSAk:
    case RSAPSSk:
        return rsa_weakness(cert->publicKey, cert->pubKeySize);
    case ECDSAk:
        return ecc_weakness(cert->publicKey, cert->pubKeySize);
    case ED25519k:
        return NULL;
    default:
        return "a key of a kind that is not supported";
    }
}

static enum dg_key_kind key_kind(const DecodedCert *cert)
{
    switch (cert->keyOID) {
    case RSAk:
        return DG_KEY_RSA;
    case ED25519k:
        return DG_KEY_ED25519;
    case ECDSAk:
        return cert->pkCurveOID == ECC_SECP256R1_OID   ? DG_KEY_P256
               : cert->pkCurveOID == ECC_SECP384R1_OID ? DG_KEY_P384
               : cert->pkCurveOID == ECC_SECP521R1_OID ? DG_KEY_P521
                                                       : DG_KEY_OTHER;
    default:
        return DG_KEY_OTHER;
    }
}

uint64_t dg_certificate_leaf(struct dg_bytes issuer, struct dg_bytes serial)
{
    uint8_t digest[WC_SHA256_DIGEST_SIZE];
    wc_Sha256 hash;
    // DER says where the Name ends, so nothing needs to stand between.
    bool done = wc_InitSha256(&hash) == 0 && wc_Sha256Update(&hash, issuer.data, (word32)issuer.size) == 0 &&
                wc_Sha256Update(&hash, serial.data, (word32)serial.size) == 0 && wc_Sha256Final(&hash, digest) == 0;
    DG_BUG_UNLESS(done);
    wc_Sha256Free(&hash);
    struct dg_reader reader = dg_reader_of(digest, sizeof digest);
    uint64_t leaf = dg_read_u64(&reader);
    return leaf != 0 ? leaf : 1;
}

static const char *signature_weakness(const DecodedCert *cert)
{
    switch (cert->signatureOID) {
    case CTC_MD5wRSA:
    case CTC_SHAwRSA:
    case CTC_SHAwECDSA:
    case CTC_SHAwDSA:
        return "a signature with SHA-1 or MD5";
    default:
        return NULL;
    }
}

// Returns false where the date does not parse.
static bool read_date(const uint8_t *field, int size, time_t *ret)
{
    const byte *date = NULL;
    byte format = 0;
    int length = 0;
    struct tm parts;
    memset(&parts, 0, sizeof parts);
    if (wc_GetDateInfo(field, size, &date, &format, &length) != 0 ||
        wc_GetDateAsCalendarTime(date, length, format, &parts) != 0)
        return false;
    *ret = timegm(&parts);
    return *ret != (time_t)-1;
}

static bool take_name(const char *name, int size, struct dg_certificate_facts *ret)
{
    if (name == NULL || size <= 0 || size > DG_IDENTITY_MAX || memchr(name, 0, (size_t)size) != NULL)
        return false;
    memcpy(ret->identity, name, (size_t)size);
    ret->identity_size = (uint8_t)size;
    return true;
}

static bool take_alternative(const DecodedCert *cert, int type, struct dg_certificate_facts *ret)
{
    for (const DNS_entry *entry = cert->altNames; entry != NULL; entry = entry->next)
        if (entry->type == type)
            return take_name(entry->name, entry->len, ret);
    return false;
}

static void copy_id(uint8_t to[32], const uint8_t *from, size_t size)
{
    memset(to, 0, 32);
    memcpy(to, from, size > 32 ? 32 : size);
}

static bool read_facts(const DecodedCert *cert, struct dg_certificate_facts *ret)
{
    time_t not_before = 0, not_after = 0;
    if (!read_date(cert->beforeDate, cert->beforeDateLen, &not_before) ||
        !read_date(cert->afterDate, cert->afterDateLen, &not_after))
        return false;
    time_t now = wc_Time(NULL);
    ret->is_not_yet_valid = now < not_before;
    ret->is_expired = now > not_after;
    ret->expires_s = not_after <= 0 ? 1 : not_after > (time_t)UINT32_MAX ? UINT32_MAX : (uint32_t)not_after;
    ret->is_ca = cert->isCA;
    ret->may_sign = !cert->extKeyUsageSet || (cert->extKeyUsage & KEYUSE_DIGITAL_SIG) != 0;
    ret->may_sign_crls = !cert->extKeyUsageSet || (cert->extKeyUsage & KEYUSE_CRL_SIGN) != 0;
    ret->key_kind = key_kind(cert);
    unsigned uses = cert->extExtKeyUsage;
    ret->may_be_client = !cert->extExtKeyUsageSet || (uses & (EXTKEYUSE_CLIENT_AUTH | EXTKEYUSE_ANY)) != 0;
    ret->may_be_server = !cert->extExtKeyUsageSet || (uses & (EXTKEYUSE_SERVER_AUTH | EXTKEYUSE_ANY)) != 0;
    ret->weakness = key_weakness(cert);
    // Nobody's signature matters on a certificate that is trusted itself.
    if (ret->weakness == NULL && !(cert->isCA && dg_secret_equal(cert->subjectHash, cert->issuerHash, KEYID_SIZE)))
        ret->weakness = signature_weakness(cert);
    copy_id(ret->subject_hash, cert->subjectHash, KEYID_SIZE);
    copy_id(ret->issuer_hash, cert->issuerHash, KEYID_SIZE);
    if (cert->extSubjKeyIdSet)
        copy_id(ret->key_id, cert->extSubjKeyId, KEYID_SIZE);
    if (cert->extAuthKeyIdSet)
        copy_id(ret->issuer_key_id, cert->extAuthKeyId, KEYID_SIZE);
    if (!take_alternative(cert, ASN_URI_TYPE, ret) && !take_alternative(cert, ASN_DNS_TYPE, ret))
        (void)take_name(cert->subjectCN, cert->subjectCNLen, ret);
    return true;
}

bool dg_certificate_read(struct dg_bytes der, struct dg_certificate_facts *ret)
{
    memset(ret, 0, sizeof *ret);
    DecodedCert cert;
    wc_InitDecodedCert(&cert, der.data, (word32)der.size, NULL);
    bool done = wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0 && read_facts(&cert, ret);
    wc_FreeDecodedCert(&cert);
    struct dg_der_certificate places;
    if (!done || !dg_der_certificate(der, &places))
        return false;
    ret->leaf = dg_certificate_leaf(places.issuer, places.serial);
    return true;
}

// --- names --------------------------------------------------------------------

static bool is_same_text(const char *a, const char *b, size_t size)
{
    return strncasecmp(a, b, size) == 0;
}

// RFC 9525 6.3: "*" stands for the whole of the first label, and only above a name of two labels at least.
static bool matches(const char *pattern, size_t size, const char *name)
{
    size_t name_size = strlen(name);
    if (name_size > 0 && name[name_size - 1] == '.')
        name_size--;
    if (size == 0 || memchr(pattern, 0, size) != NULL)
        return false;
    if (size < 2 || pattern[0] != '*' || pattern[1] != '.')
        return size == name_size && is_same_text(pattern, name, size);
    const char *dot = memchr(name, '.', name_size);
    if (dot == NULL || dot == name || memchr(pattern + 2, '.', size - 2) == NULL)
        return false;
    size_t rest = name_size - (size_t)(dot - name);
    return rest == size - 1 && is_same_text(pattern + 1, dot, rest);
}

static bool is_for_address(const DecodedCert *cert, const uint8_t *address, size_t size)
{
    for (const DNS_entry *entry = cert->altNames; entry != NULL; entry = entry->next)
        if (entry->type == ASN_IP_TYPE && entry->len == (int)size && dg_secret_equal(entry->name, address, size))
            return true;
    return false;
}

// The library applies a CA's name constraints to a common name only where there are no alternative names at all
// (RFC 5280 4.2.1.10), so only there it may say for whom the certificate is.
static bool is_for_name(const DecodedCert *cert, const char *name)
{
    for (const DNS_entry *entry = cert->altNames; entry != NULL; entry = entry->next)
        if (entry->type == ASN_DNS_TYPE && entry->len > 0 && matches(entry->name, (size_t)entry->len, name))
            return true;
    return cert->altNames == NULL && cert->subjectCN != NULL && cert->subjectCNLen > 0 &&
           matches(cert->subjectCN, (size_t)cert->subjectCNLen, name);
}

bool dg_certificate_is_for(struct dg_bytes der, const char *name)
{
    uint8_t address[16];
    size_t address_size = inet_pton(AF_INET, name, address) == 1    ? 4
                          : inet_pton(AF_INET6, name, address) == 1 ? 16
                                                                    : 0;
    DecodedCert cert;
    wc_InitDecodedCert(&cert, der.data, (word32)der.size, NULL);
    bool is_for = wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0 &&
                  (address_size > 0 ? is_for_address(&cert, address, address_size) : is_for_name(&cert, name));
    wc_FreeDecodedCert(&cert);
    return is_for;
}

const char *dg_public_key_weakness(struct dg_bytes der)
{
    // The decoders refuse another algorithm's key; the kind that reads it is the kind it is.
    ecc_key ecc;
    word32 at = 0;
    if (wc_ecc_init(&ecc) == 0) {
        int result = wc_EccPublicKeyDecode(der.data, &at, &ecc, (word32)der.size);
        wc_ecc_free(&ecc);
        if (result == 0)
            return ecc_weakness(der.data, (word32)der.size);
    }
    RsaKey rsa;
    at = 0;
    if (wc_InitRsaKey(&rsa, NULL) == 0) {
        int result = wc_RsaPublicKeyDecode(der.data, &at, &rsa, (word32)der.size);
        wc_FreeRsaKey(&rsa);
        if (result == 0)
            return rsa_weakness(der.data, (word32)der.size);
    }
    ed25519_key ed;
    at = 0;
    if (wc_ed25519_init(&ed) == 0) {
        int result = wc_Ed25519PublicKeyDecode(der.data, &at, &ed, (word32)der.size);
        wc_ed25519_free(&ed);
        if (result == 0)
            return NULL;
    }
    return "a key of a kind that is not supported";
}

// --- PEM ----------------------------------------------------------------------

static struct dg_bytes next_line(struct dg_pem_reader *reader)
{
    const uint8_t *begin = reader->left.data;
    const uint8_t *newline = memchr(begin, '\n', reader->left.size);
    size_t size = newline != NULL ? (size_t)(newline - begin) + 1 : reader->left.size;
    reader->left.data += size;
    reader->left.size -= size;
    reader->line++;
    return (struct dg_bytes){begin, size};
}

static bool starts_with(struct dg_bytes line, const char *text)
{
    return line.size >= strlen(text) && dg_secret_equal(line.data, text, strlen(text));
}

bool dg_pem_next(struct dg_pem_reader *reader, const char *label, struct dg_pem_block *ret)
{
    char begin[64];
    size_t label_size = strlen(label);
    DG_BUG_UNLESS(label_size < 40);
    memcpy(begin, "-----BEGIN ", 11);
    memcpy(begin + 11, label, label_size);
    memcpy(begin + 11 + label_size, "-----", 6);
    while (reader->left.size > 0) {
        struct dg_bytes line = next_line(reader);
        if (!starts_with(line, "-----BEGIN "))
            continue;
        *ret = (struct dg_pem_block){.is_label_wanted = starts_with(line, begin), .line = reader->line};
        ret->text.data = line.data;
        while (reader->left.size > 0) {
            struct dg_bytes inner = next_line(reader);
            if (starts_with(inner, "-----END ")) {
                ret->text.size = (size_t)(inner.data + inner.size - line.data);
                break;
            }
        }
        return true;
    }
    return false;
}
