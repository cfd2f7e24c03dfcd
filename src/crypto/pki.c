// SPDX-License-Identifier: GPL-3.0-or-later
// Makes throwaway certificates by wolfCrypt. Keys are fresh at random; nothing is written anywhere but to the
// caller's memory.
#include "crypto/pki.h"

#include "base/secret.h"
#include "base/wire.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DER_MAX 4096
#define NAME_MAX_SIZE 64 // RFC 5280 appendix A.1, ub-common-name

static bool complain(char *error, size_t error_size, const char *what)
{
    snprintf(error, error_size, "certificate not made: %s", what);
    return false;
}

// DER of one validity date; UTCTime to 2049, then GeneralizedTime (RFC 5280 4.1.2.5).
static int encode_date(time_t when, uint8_t out[CTC_DATE_SIZE])
{
    struct tm parts;
    char text[32];
    if (gmtime_r(&when, &parts) == NULL)
        return 0;
    bool is_short = parts.tm_year < 150;
    const char *digits = text;
    size_t size = strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts);
    if (is_short) { // UTCTime leaves the century out
        digits += 2;
        size -= 2;
    }
    out[0] = is_short ? ASN_UTC_TIME : ASN_GENERALIZED_TIME;
    out[1] = (uint8_t)size;
    memcpy(out + 2, digits, size);
    return (int)size + 2;
}

// RFC 5280 4.2.1.6: SEQUENCE OF GeneralName.
static int encode_names(const char *common_name, bool is_server, uint8_t *out, size_t capacity)
{
    static const uint8_t loopback4[4] = {127, 0, 0, 1};
    static const uint8_t loopback6[16] = {[15] = 1};
    uint8_t names[256];
    struct dg_writer writer = dg_writer_of(names, sizeof names);
    if (common_name[0] != '\0' && !(is_server && strcmp(common_name, "localhost") == 0)) {
        dg_write_u8(&writer, ASN_CONTEXT_SPECIFIC | ASN_DNS_TYPE);
        dg_write_u8(&writer, (uint8_t)strlen(common_name));
        dg_write_bytes(&writer, common_name, strlen(common_name));
    }
    if (is_server) {
        dg_write_u8(&writer, ASN_CONTEXT_SPECIFIC | ASN_DNS_TYPE);
        dg_write_u8(&writer, 9);
        dg_write_bytes(&writer, "localhost", 9);
        dg_write_u8(&writer, ASN_CONTEXT_SPECIFIC | ASN_IP_TYPE);
        dg_write_u8(&writer, sizeof loopback4);
        dg_write_bytes(&writer, loopback4, sizeof loopback4);
        dg_write_u8(&writer, ASN_CONTEXT_SPECIFIC | ASN_IP_TYPE);
        dg_write_u8(&writer, sizeof loopback6);
        dg_write_bytes(&writer, loopback6, sizeof loopback6);
    }
    size_t size = dg_writer_size(&writer);
    struct dg_writer whole = dg_writer_of(out, capacity);
    dg_write_u8(&whole, ASN_SEQUENCE | ASN_CONSTRUCTED);
    if (size >= 128)
        dg_write_u8(&whole, 0x81);
    dg_write_u8(&whole, (uint8_t)size);
    dg_write_bytes(&whole, names, size);
    return writer.failed || whole.failed || size > 255 ? 0 : (int)dg_writer_size(&whole);
}

static bool fill(Cert *cert, enum dg_pki_use use, const char *common_name, unsigned days, ecc_key *key)
{
    time_t now = wc_Time(NULL);
    snprintf(cert->subject.commonName, sizeof cert->subject.commonName, "%s", common_name);
    cert->sigType = CTC_SHA256wECDSA;
    cert->isCA = use == DG_PKI_CA;
    cert->beforeDateSz = encode_date(now - 3600, cert->beforeDate);
    cert->afterDateSz = encode_date(now + (time_t)days * 86400, cert->afterDate);
    if (cert->beforeDateSz == 0 || cert->afterDateSz == 0 || wc_SetSubjectKeyIdFromPublicKey(cert, NULL, key) != 0)
        return false;
    if (use == DG_PKI_CA)
        return wc_SetKeyUsage(cert, "keyCertSign,cRLSign") == 0;
    if (use == DG_PKI_SERVER) {
        cert->altNamesSz = encode_names(common_name, true, cert->altNames, sizeof cert->altNames);
        if (cert->altNamesSz == 0)
            return false;
    }
    return wc_SetKeyUsage(cert, "digitalSignature") == 0 &&
           wc_SetExtKeyUsage(cert, use == DG_PKI_SERVER ? "serverAuth" : "clientAuth") == 0;
}

static int pem_to_der(const char *pem, int type, uint8_t *der)
{
    return type == CERT_TYPE
               ? wc_CertPemToDer((const byte *)pem, (int)strlen(pem), der, DER_MAX, CERT_TYPE)
               : wc_KeyPemToDer((const byte *)pem, (int)strlen(pem), der, DER_MAX, NULL);
}

// Signs with the issuer's key, or with its own; returns the certificate's size in der.
static int sign(Cert *cert, ecc_key *key, const struct dg_pki_pem *issuer, WC_RNG *rng, uint8_t *der)
{
    if (issuer == NULL) {
        cert->selfSigned = 1;
        return wc_MakeCert(cert, der, DER_MAX, NULL, key, rng) > 0
                   ? wc_SignCert(cert->bodySz, cert->sigType, der, DER_MAX, NULL, key, rng)
                   : -1;
    }
    uint8_t issuer_der[DER_MAX], issuer_key[DER_MAX];
    int issuer_size = pem_to_der(issuer->certificate, CERT_TYPE, issuer_der);
    int key_size = pem_to_der(issuer->key, ECC_PRIVATEKEY_TYPE, issuer_key);
    ecc_key signer;
    word32 at = 0;
    int size = -1;
    if (issuer_size > 0 && key_size > 0 && wc_ecc_init(&signer) == 0) {
        if (wc_EccPrivateKeyDecode(issuer_key, &at, &signer, (word32)key_size) == 0 &&
            wc_SetIssuerBuffer(cert, issuer_der, issuer_size) == 0 &&
            wc_SetAuthKeyIdFromCert(cert, issuer_der, issuer_size) == 0 &&
            wc_MakeCert(cert, der, DER_MAX, NULL, key, rng) > 0)
            size = wc_SignCert(cert->bodySz, cert->sigType, der, DER_MAX, NULL, &signer, rng);
        wc_ecc_free(&signer);
    }
    dg_wipe(issuer_key, sizeof issuer_key);
    return size;
}

static bool to_pem(const uint8_t *der, int size, int type, char *out, size_t capacity)
{
    if (size <= 0)
        return false;
    int written = wc_DerToPem(der, (word32)size, (byte *)out, (word32)capacity - 1, type);
    if (written <= 0)
        return false;
    out[written] = '\0';
    return true;
}

static bool make(enum dg_pki_use use, const char *common_name, unsigned days, const struct dg_pki_pem *issuer,
                 struct dg_pki_pem *ret, WC_RNG *rng, ecc_key *key)
{
    uint8_t der[DER_MAX];
    Cert cert;
    if (wc_ecc_make_key_ex(rng, 32, key, ECC_SECP256R1) != 0 || wc_InitCert(&cert) != 0 ||
        !fill(&cert, use, common_name, days, key))
        return false;
    bool done = to_pem(der, sign(&cert, key, issuer, rng, der), CERT_TYPE, ret->certificate, sizeof ret->certificate);
    done = done && to_pem(der, wc_EccPublicKeyToDer(key, der, sizeof der, 1), PUBLICKEY_TYPE, ret->public_key,
                          sizeof ret->public_key);
    done = done && to_pem(der, wc_EccKeyToDer(key, der, sizeof der), ECC_PRIVATEKEY_TYPE, ret->key, sizeof ret->key);
    dg_wipe(der, sizeof der);
    return done;
}

bool dg_pki_make(enum dg_pki_use use, const char *common_name, unsigned days, const struct dg_pki_pem *issuer,
                 struct dg_pki_pem *ret, char *error, size_t error_size)
{
    size_t name_size = strlen(common_name);
    if (name_size == 0 || name_size > NAME_MAX_SIZE)
        return complain(error, error_size, "its name must have 1 to 64 bytes");
    if (days == 0 || days > 36500)
        return complain(error, error_size, "it must be valid for 1 to 36500 days");
    WC_RNG rng;
    ecc_key key;
    if (wc_InitRng(&rng) != 0)
        return complain(error, error_size, "no random numbers");
    if (wc_ecc_init(&key) != 0) {
        wc_FreeRng(&rng);
        return complain(error, error_size, "out of memory");
    }
    bool done = make(use, common_name, days, issuer, ret, &rng, &key);
    wc_ecc_free(&key);
    wc_FreeRng(&rng);
    if (done)
        return true;
    dg_wipe(ret, sizeof *ret);
    return complain(error, error_size, "the TLS library refused it; check the issuer's certificate and key");
}
