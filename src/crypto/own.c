// SPDX-License-Identifier: GPL-3.0-or-later
// Loads certificates of our own. What a peer would find wrong with them is found here, before they are used.
#include "crypto/own.h"

#include "base/secret.h"
#include "crypto/file_error.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/asn_public.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DER_MAX 16384 // bytes of one certificate

static const char *role(const struct dg_trust_source *from) { return from->is_client ? "client" : "server"; }

static bool check_leaf(const struct dg_trust_source *from, const struct dg_file_error *at, unsigned line,
                       const struct dg_certificate_facts *facts)
{
    if (facts->is_expired)
        return dg_file_error(at, line, "the %s certificate has expired; renew it", role(from));
    if (facts->is_not_yet_valid)
        return dg_file_error(at, line, "the %s certificate is not valid yet; check the clock, or use it from its date on",
                             role(from));
    if (facts->weakness != NULL)
        return dg_file_error(at, line, "the %s certificate has %s; make one with ECDSA P-256 or P-384, RSA of 2048 bits or "
                                       "more, or Ed25519, signed with SHA-256 or better",
                             role(from), facts->weakness);
    if (!(from->is_client ? facts->may_be_client : facts->may_be_server) || !facts->may_sign)
        return dg_file_error(at, line, "the certificate is not for %ss (keyUsage or extendedKeyUsage says otherwise); "
                                       "issue one with digitalSignature and %sAuth",
                             role(from), role(from));
    if (facts->key_kind == DG_KEY_OTHER)
        return dg_file_error(at, line, "the %s certificate has a key of a kind that is not supported; expected ECDSA P-256, "
                                       "P-384 or P-521, RSA, or Ed25519",
                             role(from));
    return true;
}

// --- names --------------------------------------------------------------------

struct collected {
    struct dg_own *own;
    bool is_common; // the common name counts only where there are no alternative names (RFC 9525 6.3)
    bool is_short;  // of memory
};

static bool on_name(void *context, enum dg_name_kind kind, struct dg_bytes name)
{
    struct collected *collected = context;
    struct dg_own *own = collected->own;
    if (kind != (collected->is_common ? DG_NAME_COMMON : DG_NAME_DNS) || name.size >= DG_OWN_NAME_MAX)
        return false;
    if (own->names == NULL)
        own->names = calloc(DG_OWN_NAMES_MAX, sizeof *own->names);
    collected->is_short = own->names == NULL;
    if (own->names == NULL || own->name_count == DG_OWN_NAMES_MAX)
        return true;
    for (size_t i = 0; i < name.size; i++)
        own->names[own->name_count][i] = (char)tolower(name.data[i]);
    own->name_count++;
    return false;
}

static bool collect_names(struct dg_own *own, struct dg_bytes der)
{
    struct collected collected = {.own = own};
    (void)dg_certificate_names(der, on_name, &collected);
    if (own->name_count == 0) {
        collected.is_common = true;
        (void)dg_certificate_names(der, on_name, &collected);
    }
    return !collected.is_short;
}

// --- the chain ----------------------------------------------------------------

static bool take_leaf(struct dg_own *own, const struct dg_trust_source *from, const struct dg_file_error *at,
                      unsigned line, struct dg_bytes der, const struct dg_certificate_facts *facts)
{
    if (!check_leaf(from, at, line, facts))
        return false;
    word32 size = 0;
    if (wc_GetSubjectPubKeyInfoDerFromCert(der.data, (word32)der.size, NULL, &size) != 0 ||
        (own->raw_key = malloc(size)) == NULL ||
        wc_GetSubjectPubKeyInfoDerFromCert(der.data, (word32)der.size, own->raw_key, &size) != 0)
        return dg_file_error(at, line, "the certificate's public key cannot be read");
    own->raw_key_size = size;
    own->kind = facts->key_kind;
    return collect_names(own, der) || dg_file_error(at, line, "out of memory");
}

static bool check_issuer(const struct dg_file_error *at, unsigned line, const struct dg_certificate_facts *issuer,
                         const uint8_t wanted[32])
{
    if (issuer->is_expired)
        return dg_file_error(at, line, "an intermediate certificate of the chain has expired; renew it");
    if (issuer->weakness != NULL) // RFC 9325 4.5
        return dg_file_error(at, line, "an intermediate certificate of the chain has %s; replace it", issuer->weakness);
    // RFC 5246 7.4.2: each certifies the one before it. RFC 8446 4.4.2 lets clients be patient; old ones are not.
    if (!dg_secret_equal(issuer->subject_hash, wanted, 32))
        return dg_file_error(at, line, "this certificate did not issue the one before it: the chain is incomplete or out "
                                       "of order; the first is our own, each issuer comes after it");
    return true;
}

static bool check_chain(struct dg_own *own, const struct dg_trust_source *from, struct dg_bytes text,
                        const struct dg_file_error *at)
{
    struct dg_pem_reader reader = {.left = text};
    struct dg_pem_block block;
    unsigned count = 0;
    uint8_t der[DER_MAX], issuer[32];
    own->expires_s = UINT32_MAX;
    while (dg_pem_next(&reader, "CERTIFICATE", &block)) {
        if (!block.is_label_wanted)
            continue; // a key in the same file is the credential reader's business
        int size = block.text.size > 0 && block.text.size <= DER_MAX
                       ? wc_CertPemToDer(block.text.data, (int)block.text.size, der, DER_MAX, CERT_TYPE)
                       : 0;
        struct dg_certificate_facts facts;
        if (size <= 0 || !dg_certificate_read((struct dg_bytes){der, (size_t)size}, &facts))
            return dg_file_error(at, block.line, "this PEM block holds no certificate that can be read; replace it");
        if (count == 0 && !take_leaf(own, from, at, block.line, (struct dg_bytes){der, (size_t)size}, &facts))
            return false;
        if (count > 0 && !check_issuer(at, block.line, &facts, issuer))
            return false;
        memcpy(issuer, facts.issuer_hash, sizeof issuer);
        if (facts.expires_s < own->expires_s)
            own->expires_s = facts.expires_s;
        count++;
    }
    return count > 0 || dg_file_error(at, 0, "holds no PEM certificate; expected \"-----BEGIN CERTIFICATE-----\", the "
                                             "%s's first",
                                      role(from));
}

bool dg_own_load(struct dg_own *ret, const struct dg_trust_source *from, size_t index, struct WOLFSSL_CTX *context,
                 char *error, size_t error_size)
{
    struct dg_own_certificate files = dg_credentials_certificate_at(from->credentials, index);
    const struct dg_file_error chain = {files.certificate_path, error, error_size};
    const struct dg_file_error key = {files.key_path, error, error_size};
    if (files.certificate.size == 0)
        return true;
    ret->path = files.certificate_path;
    if (!check_chain(ret, from, files.certificate, &chain))
        return false;
    if (wolfSSL_CTX_use_certificate_chain_buffer(context, files.certificate.data, (long)files.certificate.size) !=
        WOLFSSL_SUCCESS)
        return dg_file_error(&chain, 0, "the certificate chain could not be used; it must be PEM, the %s's certificate "
                                        "first, each issuer after it",
                             role(from));
    if (files.key.size == 0)
        return dg_file_error(&chain, 0, "there is a certificate but no private key; name its key file");
    if (wolfSSL_CTX_use_PrivateKey_buffer(context, files.key.data, (long)files.key.size, WOLFSSL_FILETYPE_PEM) !=
        WOLFSSL_SUCCESS)
        return dg_file_error(&key, 0, "holds no private key that can be used; expected an unencrypted PEM key (ECDSA, RSA "
                                      "of 2048 bits or more, or Ed25519)");
    if (wolfSSL_CTX_check_private_key(context) != WOLFSSL_SUCCESS)
        return dg_file_error(&key, 0, "this private key does not belong to the certificate in %s; use the key that it was "
                                      "issued for",
                             files.certificate_path != NULL ? files.certificate_path : "(no file)");
    return true;
}

void dg_own_clear(struct dg_own *own)
{
    free(own->raw_key);
    free(own->names);
    memset(own, 0, sizeof *own);
}
