// SPDX-License-Identifier: GPL-3.0-or-later
// Loads our own chain and key, the CAs and the clients' raw public keys out of the snapshot.
#include "crypto/trust.h"

#include "crypto/certificate.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DER_MAX 16384 // bytes of one certificate

struct source {
    bool is_client; // we are
    const char *path;
    struct dg_bytes bytes;
    char *error;
    size_t error_size;
};

static bool complain(const struct source *source, unsigned line, const char *what)
{
    const char *path = source->path != NULL ? source->path : "(no file)";
    if (line > 0)
        snprintf(source->error, source->error_size, "%s:%u: %s", path, line, what);
    else
        snprintf(source->error, source->error_size, "%s: %s", path, what);
    return false;
}

static bool complain_of(const struct source *source, unsigned line, const char *what, const char *detail,
                        const char *advice)
{
    char text[256];
    snprintf(text, sizeof text, "%s%s%s", what, detail, advice);
    return complain(source, line, text);
}

static const char *own(const struct source *source) { return source->is_client ? "client" : "server"; }
static const char *theirs(const struct source *source) { return source->is_client ? "servers" : "clients"; }

// Decodes one PEM block into der; 0: garbage.
static size_t decode(const struct dg_pem_block *block, bool is_certificate, uint8_t der[DER_MAX])
{
    if (block->text.size == 0 || block->text.size > DER_MAX)
        return 0;
    int size = is_certificate
                   ? wc_CertPemToDer(block->text.data, (int)block->text.size, der, DER_MAX, CERT_TYPE)
                   : wc_PubKeyPemToDer(block->text.data, (int)block->text.size, der, DER_MAX);
    return size > 0 ? (size_t)size : 0;
}

// --- our own chain and key ----------------------------------------------------

static bool check_own_leaf(const struct source *source, unsigned line, const struct dg_certificate_facts *facts)
{
    if (facts->is_expired)
        return complain_of(source, line, "the ", own(source), " certificate has expired; renew it");
    if (facts->is_not_yet_valid)
        return complain_of(source, line, "the ", own(source),
                           " certificate is not valid yet; check the clock, or use it from its date on");
    if (facts->weakness != NULL)
        return complain_of(source, line, source->is_client ? "the client certificate has " : "the server certificate has ",
                           facts->weakness,
                           "; make one with ECDSA P-256 or RSA of 2048 bits or more, signed with SHA-256");
    if (!(source->is_client ? facts->may_be_client : facts->may_be_server) || !facts->may_sign)
        return complain_of(source, line, "the certificate is not for ", source->is_client ? "clients" : "servers",
                           source->is_client ? " (keyUsage or extendedKeyUsage says otherwise); "
                                               "issue one with digitalSignature and clientAuth"
                                             : " (keyUsage or extendedKeyUsage says otherwise); "
                                               "issue one with digitalSignature and serverAuth");
    return true;
}

static bool check_own_chain(struct dg_trust *trust, const struct source *source)
{
    struct dg_pem_reader reader = {.left = source->bytes};
    struct dg_pem_block block;
    unsigned count = 0;
    uint8_t der[DER_MAX];
    while (dg_pem_next(&reader, "CERTIFICATE", &block)) {
        if (!block.is_label_wanted)
            continue; // a key in the same file is the credential reader's business
        size_t size = decode(&block, true, der);
        struct dg_certificate_facts facts;
        if (size == 0 || !dg_certificate_read((struct dg_bytes){der, size}, &facts))
            return complain(source, block.line, "this PEM block holds no certificate that can be read; replace it");
        if (count == 0 && !check_own_leaf(source, block.line, &facts))
            return false;
        if (count > 0 && facts.is_expired)
            return complain(source, block.line, "an intermediate certificate of the chain has expired; renew it");
        if (count > 0 && facts.weakness != NULL) // RFC 9325 4.5
            return complain_of(source, block.line, "an intermediate certificate of the chain has ", facts.weakness,
                               "; replace it");
        if (count == 0) {
            word32 key_size = 0;
            if (wc_GetSubjectPubKeyInfoDerFromCert(der, (word32)size, NULL, &key_size) != 0 ||
                (trust->own_raw_key = malloc(key_size)) == NULL ||
                wc_GetSubjectPubKeyInfoDerFromCert(der, (word32)size, trust->own_raw_key, &key_size) != 0)
                return complain(source, block.line, "the certificate's public key cannot be read");
            trust->own_raw_key_size = key_size;
        }
        count++;
    }
    if (count == 0)
        return complain_of(source, 0, "holds no PEM certificate; expected \"-----BEGIN CERTIFICATE-----\", the ",
                           own(source), "'s first");
    return true;
}

static bool load_own(struct dg_trust *trust, const struct dg_trust_source *from, char *error, size_t error_size)
{
    const struct dg_credential_files *files = dg_credentials_files(from->credentials);
    struct source chain = {from->is_client, files->certificate_file, dg_credentials_certificate(from->credentials), error, error_size};
    struct source key = {from->is_client, files->key_file, dg_credentials_key(from->credentials), error, error_size};
    if (chain.bytes.size == 0)
        return true;
    if (!check_own_chain(trust, &chain))
        return false;
    if (wolfSSL_CTX_use_certificate_chain_buffer(from->context, chain.bytes.data, (long)chain.bytes.size) !=
        WOLFSSL_SUCCESS)
        return complain_of(&chain, 0, "the certificate chain could not be used; it must be PEM, the ", own(&chain),
                           "'s certificate first, each issuer after it");
    if (key.bytes.size == 0)
        return complain(&chain, 0, "there is a certificate but no private key; name its key file");
    if (wolfSSL_CTX_use_PrivateKey_buffer(from->context, key.bytes.data, (long)key.bytes.size,
                                          WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
        return complain(&key, 0, "holds no private key that can be used; expected an unencrypted PEM key "
                                 "(ECDSA, RSA of 2048 bits or more, or Ed25519)");
    if (wolfSSL_CTX_check_private_key(from->context) != WOLFSSL_SUCCESS)
        return complain_of(&key, 0, "this private key does not belong to the certificate in ",
                           chain.path != NULL ? chain.path : "(no file)", "; use the key that it was issued for");
    return true;
}

// --- CAs for clients ----------------------------------------------------------

static bool add_anchor(struct dg_trust *trust, const struct source *source, unsigned line, struct dg_bytes der)
{
    struct dg_certificate_facts facts;
    if (!dg_certificate_read(der, &facts))
        return complain(source, line, "this PEM block holds no certificate that can be read; replace it");
    if (facts.is_expired)
        return complain(source, line, "this CA certificate has expired; renew it or take it out");
    if (facts.weakness != NULL)
        return complain_of(source, line, "this CA certificate has ", facts.weakness, "; replace it");
    if (!facts.is_ca)
        return complain_of(source, line, "this certificate is no CA (basicConstraints); ", theirs(source),
                           " are checked by the CA that issued theirs");
    if (trust->anchor_count == DG_ANCHORS_MAX)
        return complain(source, line, "more CA certificates than 64; take out those that issue no clients");
    struct dg_anchor *anchor = &trust->anchors[trust->anchor_count];
    anchor->der = malloc(der.size);
    if (anchor->der == NULL)
        return complain(source, line, "out of memory");
    trust->anchor_count++;
    memcpy(anchor->der, der.data, der.size);
    anchor->size = der.size;
    anchor->credential = dg_credential_of_bytes(der.data, der.size);
    anchor->expires_s = facts.expires_s;
    memcpy(anchor->subject_hash, facts.subject_hash, sizeof anchor->subject_hash);
    memcpy(anchor->key_id, facts.key_id, sizeof anchor->key_id);
    return true;
}

static bool load_anchors(struct dg_trust *trust, const struct dg_trust_source *from, char *error, size_t error_size)
{
    struct source source = {from->is_client, dg_credentials_files(from->credentials)->client_ca_file,
                            dg_credentials_client_ca(from->credentials), error, error_size};
    if (source.bytes.size == 0)
        return true;
    trust->anchors = calloc(DG_ANCHORS_MAX, sizeof *trust->anchors);
    if (trust->anchors == NULL)
        return complain(&source, 0, "out of memory");
    struct dg_pem_reader reader = {.left = source.bytes};
    struct dg_pem_block block;
    uint8_t der[DER_MAX];
    while (dg_pem_next(&reader, "CERTIFICATE", &block)) {
        if (!block.is_label_wanted)
            return complain(&source, block.line, "this PEM block is no certificate; expected only \"-----BEGIN "
                                                 "CERTIFICATE-----\"");
        size_t size = decode(&block, true, der);
        if (size == 0)
            return complain(&source, block.line, "this PEM block is damaged; replace it");
        if (!add_anchor(trust, &source, block.line, (struct dg_bytes){der, size}))
            return false;
        if (wolfSSL_CTX_load_verify_buffer(from->context, der, (long)size, WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS)
            return complain(&source, block.line, "this CA certificate could not be used (signature, dates or "
                                                 "extensions); replace it");
    }
    if (trust->anchor_count == 0)
        return complain_of(&source, 0, "holds no PEM certificate; expected the CA certificates that certificates of ",
                           theirs(&source), " are issued by");
    return true;
}

// --- raw public keys of clients (RFC 7250) ------------------------------------

static bool load_raw_keys(struct dg_trust *trust, const struct dg_trust_source *from, char *error, size_t error_size)
{
    struct source source = {from->is_client, dg_credentials_files(from->credentials)->client_keys_file,
                            dg_credentials_client_keys(from->credentials), error, error_size};
    if (source.bytes.size == 0)
        return true;
    trust->raw_keys = calloc(DG_RAW_KEYS_MAX, sizeof *trust->raw_keys);
    if (trust->raw_keys == NULL)
        return complain(&source, 0, "out of memory");
    struct dg_pem_reader reader = {.left = source.bytes};
    struct dg_pem_block block;
    uint8_t der[DER_MAX];
    while (dg_pem_next(&reader, "PUBLIC KEY", &block)) {
        if (!block.is_label_wanted)
            return complain(&source, block.line, "this PEM block is no public key; expected only \"-----BEGIN "
                                                 "PUBLIC KEY-----\"");
        size_t size = decode(&block, false, der);
        if (size == 0)
            return complain(&source, block.line, "this PEM block is damaged; replace it");
        const char *weakness = dg_public_key_weakness((struct dg_bytes){der, size});
        if (weakness != NULL)
            return complain_of(&source, block.line, "this is ", weakness,
                               "; expected ECDSA P-256 or better, or RSA of 2048 bits or more");
        if (trust->raw_key_count == DG_RAW_KEYS_MAX)
            return complain(&source, block.line, "more public keys than 4096; use certificates for so many clients");
        if (wc_Sha256Hash(der, (word32)size, trust->raw_keys[trust->raw_key_count]) != 0)
            return complain(&source, block.line, "could not be hashed");
        trust->raw_key_count++;
    }
    if (trust->raw_key_count == 0)
        return complain(&source, 0, "holds no PEM public key; expected \"-----BEGIN PUBLIC KEY-----\"");
    return true;
}

bool dg_trust_load(struct dg_trust *trust, const struct dg_trust_source *from, char *error, size_t error_size)
{
    return load_own(trust, from, error, error_size) && load_anchors(trust, from, error, error_size) &&
           load_raw_keys(trust, from, error, error_size);
}

void dg_trust_clear(struct dg_trust *trust)
{
    for (size_t i = 0; i < trust->anchor_count; i++)
        free(trust->anchors[i].der);
    free(trust->anchors);
    free(trust->raw_keys);
    free(trust->own_raw_key);
    memset(trust, 0, sizeof *trust);
}
