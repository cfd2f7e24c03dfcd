// SPDX-License-Identifier: GPL-3.0-or-later
// Makes certificates by wolfCrypt and revocation lists by hand, signed by wolfCrypt. Never checks what it makes: that is
// what the tests are for.
#include "support/credential_kit.h"

#include "base/wire.h"
#include "crypto/der.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DER_SIZE 4096

// --- DER ----------------------------------------------------------------------

static void put(struct dg_writer *writer, uint8_t tag, const void *content, size_t size)
{
    dg_write_u8(writer, tag);
    if (size < 0x80) {
        dg_write_u8(writer, (uint8_t)size);
    } else if (size < 0x100) {
        dg_write_u8(writer, 0x81);
        dg_write_u8(writer, (uint8_t)size);
    } else if (size < 0x10000) {
        dg_write_u8(writer, 0x82);
        dg_write_u16(writer, (uint16_t)size);
    } else {
        dg_write_u8(writer, 0x83);
        dg_write_u24(writer, (uint32_t)size);
    }
    dg_write_bytes(writer, content, size);
}

static void put_time(struct dg_writer *writer, time_t when)
{
    struct tm parts;
    char text[32];
    (void)gmtime_r(&when, &parts);
    size_t size = strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts);
    if (parts.tm_year < 150)
        put(writer, DG_DER_UTC_TIME, text + 2, size - 2);
    else
        put(writer, DG_DER_GENERALIZED_TIME, text, size);
}

size_t kit_der(const struct dg_pki_pem *pem, uint8_t *der, size_t capacity)
{
    int size = wc_CertPemToDer((const byte *)pem->certificate, (int)strlen(pem->certificate), der, (int)capacity,
                               CERT_TYPE);
    return size > 0 ? (size_t)size : 0;
}

bool kit_forge(const struct dg_pki_pem *pem, struct dg_pki_pem *ret)
{
    uint8_t der[DER_SIZE];
    size_t size = kit_der(pem, der, sizeof der);
    if (size == 0)
        return false;
    der[size - 1] ^= 1; // the last byte of a certificate is its signature's
    *ret = *pem;
    memset(ret->certificate, 0, sizeof ret->certificate);
    return wc_DerToPem(der, (word32)size, (byte *)ret->certificate, sizeof ret->certificate - 1, CERT_TYPE) > 0;
}

void kit_fingerprint(const struct dg_pki_pem *pem, char text[72])
{
    uint8_t der[DER_SIZE], digest[32];
    size_t size = kit_der(pem, der, sizeof der);
    (void)wc_Sha256Hash(der, (word32)size, digest);
    memcpy(text, "sha256:", 8);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 7 + 2 * i, 3, "%02x", digest[i]);
}

// --- certificates -------------------------------------------------------------

struct key {
    int type; // wolfCrypt's
    union {
        ecc_key ecc;
        RsaKey rsa;
        ed25519_key ed;
    } as;
};

static bool make_key(struct key *key, enum dg_key_kind kind, WC_RNG *rng)
{
    switch (kind) {
    case DG_KEY_RSA:
        key->type = RSA_TYPE;
        return wc_InitRsaKey(&key->as.rsa, NULL) == 0 && wc_MakeRsaKey(&key->as.rsa, 2048, WC_RSA_EXPONENT, rng) == 0;
    case DG_KEY_ED25519:
        key->type = ED25519_TYPE;
        return wc_ed25519_init(&key->as.ed) == 0 && wc_ed25519_make_key(rng, ED25519_KEY_SIZE, &key->as.ed) == 0;
    default:
        key->type = ECC_TYPE;
        return wc_ecc_init(&key->as.ecc) == 0 &&
               wc_ecc_make_key_ex(rng, kind == DG_KEY_P384 ? 48 : kind == DG_KEY_P521 ? 66 : 32, &key->as.ecc,
                                  kind == DG_KEY_P384   ? ECC_SECP384R1
                                  : kind == DG_KEY_P521 ? ECC_SECP521R1
                                                        : ECC_SECP256R1) == 0;
    }
}

static bool load_key(const struct dg_pki_pem *of, ecc_key *key)
{
    uint8_t der[DER_SIZE];
    word32 at = 0;
    int size = wc_KeyPemToDer((const byte *)of->key, (int)strlen(of->key), der, sizeof der, NULL);
    return size > 0 && wc_ecc_init(key) == 0 && wc_EccPrivateKeyDecode(der, &at, key, (word32)size) == 0;
}

static bool take_key(struct key *key, const struct kit_request *request, WC_RNG *rng)
{
    if (request->renewed == NULL)
        return make_key(key, request->kind, rng);
    key->type = ECC_TYPE;
    return load_key(request->renewed, &key->as.ecc);
}

static void free_key(struct key *key)
{
    if (key->type == RSA_TYPE)
        wc_FreeRsaKey(&key->as.rsa);
    else if (key->type == ED25519_TYPE)
        wc_ed25519_free(&key->as.ed);
    else
        wc_ecc_free(&key->as.ecc);
}

static bool write_key(struct key *key, struct dg_pki_pem *ret)
{
    uint8_t der[DER_SIZE];
    int size = key->type == RSA_TYPE       ? wc_RsaKeyToDer(&key->as.rsa, der, sizeof der)
               : key->type == ED25519_TYPE ? wc_Ed25519KeyToDer(&key->as.ed, der, sizeof der)
                                           : wc_EccKeyToDer(&key->as.ecc, der, sizeof der);
    int type = key->type == RSA_TYPE       ? PRIVATEKEY_TYPE
               : key->type == ED25519_TYPE ? PKCS8_PRIVATEKEY_TYPE
                                           : ECC_PRIVATEKEY_TYPE;
    if (size <= 0 || wc_DerToPem(der, (word32)size, (byte *)ret->key, sizeof ret->key - 1, type) <= 0)
        return false;
    size = key->type == RSA_TYPE       ? wc_RsaKeyToPublicDer(&key->as.rsa, der, sizeof der)
           : key->type == ED25519_TYPE ? wc_Ed25519PublicKeyToDer(&key->as.ed, der, sizeof der, 1)
                                       : wc_EccPublicKeyToDer(&key->as.ecc, der, sizeof der, 1);
    return size > 0 &&
           wc_DerToPem(der, (word32)size, (byte *)ret->public_key, sizeof ret->public_key - 1, PUBLICKEY_TYPE) > 0;
}

static void set_names(Cert *cert, const struct kit_request *request)
{
    uint8_t names[1024];
    struct dg_writer writer = dg_writer_of(names, sizeof names);
    for (size_t i = 0; i < 4 && request->dns[i] != NULL; i++)
        put(&writer, 0x82, request->dns[i], strlen(request->dns[i]));
    if (request->uri != NULL)
        put(&writer, 0x86, request->uri, strlen(request->uri));
    if (request->email != NULL)
        put(&writer, 0x81, request->email, strlen(request->email));
    if (dg_writer_size(&writer) == 0)
        return;
    struct dg_writer whole = dg_writer_of(cert->altNames, sizeof cert->altNames);
    put(&whole, DG_DER_SEQUENCE, names, dg_writer_size(&writer));
    cert->altNamesSz = (int)dg_writer_size(&whole);
}

static void set_dates(Cert *cert, int days)
{
    time_t now = time(NULL);
    struct dg_writer before = dg_writer_of(cert->beforeDate, sizeof cert->beforeDate);
    put_time(&before, now - 3600 - (days < 0 ? 365 * 86400 : 0));
    cert->beforeDateSz = (int)dg_writer_size(&before);
    struct dg_writer after = dg_writer_of(cert->afterDate, sizeof cert->afterDate);
    put_time(&after, now + (time_t)(days == 0 ? 30 : days) * 86400);
    cert->afterDateSz = (int)dg_writer_size(&after);
}

static int sign(Cert *cert, const struct kit_request *request, struct key *key, WC_RNG *rng, uint8_t *der)
{
    uint8_t issuer[DER_SIZE];
    ecc_key signer;
    if (request->issuer == NULL) {
        cert->selfSigned = 1;
        cert->sigType = key->type == RSA_TYPE       ? CTC_SHA256wRSA
                        : key->type == ED25519_TYPE ? CTC_ED25519
                                                    : CTC_SHA256wECDSA;
        return wc_MakeCert_ex(cert, der, DER_SIZE, key->type, &key->as, rng) > 0
                   ? wc_SignCert_ex(cert->bodySz, cert->sigType, der, DER_SIZE, key->type, &key->as, rng)
                   : -1;
    }
    cert->sigType = CTC_SHA256wECDSA;
    int size = (int)kit_der(request->issuer, issuer, sizeof issuer);
    if (size <= 0 || wc_SetIssuerBuffer(cert, issuer, size) != 0 || wc_SetAuthKeyIdFromCert(cert, issuer, size) != 0 ||
        wc_MakeCert_ex(cert, der, DER_SIZE, key->type, &key->as, rng) <= 0 || !load_key(request->issuer, &signer))
        return -1;
    size = wc_SignCert_ex(cert->bodySz, cert->sigType, der, DER_SIZE, ECC_TYPE, &signer, rng);
    wc_ecc_free(&signer);
    return size;
}

const char *kit_make(const struct kit_request *request, struct dg_pki_pem *ret)
{
    uint8_t der[DER_SIZE];
    WC_RNG rng;
    Cert cert;
    struct key key;
    memset(ret, 0, sizeof *ret);
    memset(&key, 0, sizeof key);
    if (wc_InitRng(&rng) != 0 || !take_key(&key, request, &rng) || wc_InitCert(&cert) != 0)
        return "no key";
    snprintf(cert.subject.commonName, sizeof cert.subject.commonName, "%s", request->common_name);
    if (request->unit != NULL)
        snprintf(cert.subject.unit, sizeof cert.subject.unit, "%s", request->unit);
    set_names(&cert, request);
    set_dates(&cert, request->days);
    cert.isCA = request->use == DG_PKI_CA;
    bool done = wc_SetKeyUsage(&cert, cert.isCA ? "keyCertSign,cRLSign" : "digitalSignature") == 0 &&
                wc_SetSubjectKeyIdFromPublicKey_ex(&cert, key.type, &key.as) == 0 &&
                (cert.isCA ||
                 wc_SetExtKeyUsage(&cert, request->use == DG_PKI_SERVER ? "serverAuth" : "clientAuth") == 0);
    int size = done ? sign(&cert, request, &key, &rng, der) : -1;
    done = size > 0 &&
           wc_DerToPem(der, (word32)size, (byte *)ret->certificate, sizeof ret->certificate - 1, CERT_TYPE) > 0 &&
           write_key(&key, ret);
    free_key(&key);
    wc_FreeRng(&rng);
    return done ? NULL : "no certificate";
}

// --- revocation lists ---------------------------------------------------------

static const uint8_t ecdsa_sha256[] = {0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2};

// SEQUENCE of one extension
static void put_extension(struct dg_writer *writer, const struct kit_crl *crl, uint8_t number, const uint8_t *value,
                          size_t size)
{
    const uint8_t object[] = {0x55, 0x1d, number};
    uint8_t parts[64], one[64];
    struct dg_writer inner = dg_writer_of(parts, sizeof parts), outer = dg_writer_of(one, sizeof one);
    put(&inner, DG_DER_OBJECT, object, sizeof object);
    if (!crl->is_mild)
        put(&inner, DG_DER_BOOLEAN, "\xff", 1);
    put(&inner, DG_DER_OCTET_STRING, value, size);
    put(&outer, DG_DER_SEQUENCE, parts, dg_writer_size(&inner));
    put(writer, DG_DER_SEQUENCE, one, dg_writer_size(&outer));
}

static void put_extensions(struct dg_writer *writer, const struct kit_crl *crl)
{
    static const uint8_t base[] = {0x02, 1, 1}, users_only[] = {0x30, 3, 0x81, 1, 0xff};
    uint8_t extensions[64];
    struct dg_writer inner = dg_writer_of(extensions, sizeof extensions);
    if (crl->is_delta)
        put_extension(&inner, crl, 27, base, sizeof base);
    else if (crl->is_partial)
        put_extension(&inner, crl, 28, users_only, sizeof users_only);
    else
        return;
    put(writer, DG_DER_CONTEXT_0, extensions, dg_writer_size(&inner));
}

static size_t write_entries(const struct kit_crl *crl, time_t now, uint8_t *out, size_t capacity)
{
    struct dg_writer writer = dg_writer_of(out, capacity);
    for (size_t i = 0; i < crl->count; i++) {
        uint8_t der[DER_SIZE], entry[128];
        uint8_t nobody[9] = {1, 2, 3, 4, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 1};
        struct dg_der_certificate places = {.serial = {nobody, sizeof nobody}};
        if (i < 8 && crl->revoked[i] != NULL &&
            !dg_der_certificate((struct dg_bytes){der, kit_der(crl->revoked[i], der, sizeof der)}, &places))
            return 0;
        uint8_t serial[64] = {0};
        size_t zero = places.serial.data[0] >= 0x80 ? 1 : 0;
        memcpy(serial + zero, places.serial.data, places.serial.size);
        struct dg_writer inner = dg_writer_of(entry, sizeof entry);
        put(&inner, DG_DER_INTEGER, serial, places.serial.size + zero);
        put_time(&inner, now - 60);
        if (crl->is_indirect)
            put_extension(&inner, crl, 29, (const uint8_t[]){0x30, 0}, 2);
        put(&writer, DG_DER_SEQUENCE, entry, dg_writer_size(&inner));
    }
    return dg_writer_size(&writer);
}

size_t kit_make_crl_der(const struct kit_crl *crl, uint8_t *der, size_t capacity)
{
    static uint8_t entries[1 << 22], body[1 << 22], whole[1 << 22];
    static const uint8_t version[] = {1};
    uint8_t issuer[DER_SIZE], digest[32], signature[ECC_MAX_SIG_SIZE + 1] = {0};
    struct dg_der_certificate places;
    time_t now = time(NULL);
    bool is_usual = crl->this_s == 0 && crl->next_s == 0;
    if (!dg_der_certificate((struct dg_bytes){issuer, kit_der(crl->issuer, issuer, sizeof issuer)}, &places))
        return 0;
    size_t entries_size = write_entries(crl, now, entries, sizeof entries);
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    put(&writer, DG_DER_INTEGER, version, sizeof version);
    put(&writer, DG_DER_SEQUENCE, ecdsa_sha256, sizeof ecdsa_sha256);
    dg_write_bytes(&writer, places.subject.data, places.subject.size);
    put_time(&writer, now + (is_usual ? -3600 : (time_t)crl->this_s));
    if (!crl->without_next)
        put_time(&writer, now + (is_usual ? 86400 : (time_t)crl->next_s));
    if (entries_size > 0)
        put(&writer, DG_DER_SEQUENCE, entries, entries_size);
    put_extensions(&writer, crl);
    struct dg_writer list = dg_writer_of(whole, sizeof whole);
    put(&list, DG_DER_SEQUENCE, body, dg_writer_size(&writer));
    ecc_key key;
    WC_RNG rng;
    word32 size = sizeof signature - 1;
    if (wc_InitRng(&rng) != 0 || !load_key(crl->signer != NULL ? crl->signer : crl->issuer, &key) ||
        wc_Sha256Hash(whole, (word32)dg_writer_size(&list), digest) != 0 ||
        wc_ecc_sign_hash(digest, sizeof digest, signature + 1, &size, &rng, &key) != 0)
        return 0;
    wc_ecc_free(&key);
    wc_FreeRng(&rng);
    put(&list, DG_DER_SEQUENCE, ecdsa_sha256, sizeof ecdsa_sha256);
    put(&list, DG_DER_BIT_STRING, signature, size + 1);
    struct dg_writer out = dg_writer_of(der, capacity);
    put(&out, DG_DER_SEQUENCE, whole, dg_writer_size(&list));
    return writer.failed || list.failed || out.failed ? 0 : dg_writer_size(&out);
}

size_t kit_make_crl(const struct kit_crl *crl, char *pem, size_t capacity)
{
    static uint8_t der[1 << 22];
    size_t size = kit_make_crl_der(crl, der, sizeof der);
    int written = size > 0 ? wc_DerToPem(der, (word32)size, (byte *)pem, (word32)capacity - 1, CRL_TYPE) : 0;
    if (written <= 0)
        return 0;
    pem[written] = '\0';
    return (size_t)written;
}
