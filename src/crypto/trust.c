// SPDX-License-Identifier: GPL-3.0-or-later
// Loads the CAs, the clients' raw public keys, fingerprints and name rules out of the snapshot.
#include "crypto/trust.h"

#include "base/looks_secret.h"
#include "crypto/certificate.h"
#include "crypto/chain.h"
#include "crypto/file_error.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DER_MAX 16384 // bytes of one certificate

static const char *theirs(const struct dg_trust_source *from) { return from->is_client ? "servers" : "clients"; }

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

// --- CAs ----------------------------------------------------------------------

static bool add_anchor(struct dg_trust *trust, const struct dg_trust_source *from, const struct dg_file_error *at,
                       unsigned line, struct dg_bytes der)
{
    struct dg_certificate_facts facts;
    if (!dg_certificate_read(der, &facts))
        return dg_file_error(at, line, "this PEM block holds no certificate that can be read; replace it");
    if (facts.is_expired)
        return dg_file_error(at, line, "this CA certificate has expired; renew it or take it out");
    if (facts.weakness != NULL)
        return dg_file_error(at, line, "this CA certificate has %s; replace it", facts.weakness);
    if (!facts.is_ca)
        return dg_file_error(at, line, "this certificate is no CA (basicConstraints); %s are checked by the CA that issued "
                                       "theirs",
                             theirs(from));
    if (trust->anchor_count == DG_ANCHORS_MAX)
        return dg_file_error(at, line, "more CA certificates than 64; take out those that issue no clients");
    struct dg_anchor *anchor = &trust->anchors[trust->anchor_count];
    anchor->der = malloc(der.size);
    if (anchor->der == NULL)
        return dg_file_error(at, line, "out of memory");
    trust->anchor_count++;
    memcpy(anchor->der, der.data, der.size);
    anchor->size = der.size;
    anchor->line = line;
    anchor->credential = dg_credential_of_anchor(der);
    anchor->leaf = facts.leaf;
    anchor->may_sign_crls = facts.may_sign_crls;
    anchor->expires_s = facts.expires_s;
    memcpy(anchor->subject_hash, facts.subject_hash, sizeof anchor->subject_hash);
    memcpy(anchor->key_id, facts.key_id, sizeof anchor->key_id);
    return true;
}

static bool load_anchors(struct dg_trust *trust, const struct dg_trust_source *from, char *error, size_t error_size)
{
    const struct dg_file_error at = {dg_credentials_files(from->credentials)->client_ca_file, error, error_size};
    struct dg_pem_reader reader = {.left = dg_credentials_client_ca(from->credentials)};
    struct dg_pem_block block;
    uint8_t der[DER_MAX];
    if (reader.left.size == 0)
        return true;
    trust->anchors = calloc(DG_ANCHORS_MAX, sizeof *trust->anchors);
    if (trust->anchors == NULL)
        return dg_file_error(&at, 0, "out of memory");
    while (dg_pem_next(&reader, "CERTIFICATE", &block)) {
        if (!block.is_label_wanted)
            return dg_file_error(&at, block.line, "this PEM block is no certificate; expected only \"-----BEGIN "
                                                  "CERTIFICATE-----\"");
        size_t size = decode(&block, true, der);
        if (size == 0)
            return dg_file_error(&at, block.line, "this PEM block is damaged; replace it");
        if (!add_anchor(trust, from, &at, block.line, (struct dg_bytes){der, size}))
            return false;
    }
    return trust->anchor_count > 0 ||
           dg_file_error(&at, 0, "holds no PEM certificate; expected the CA certificates that certificates of %s are issued "
                                 "by",
                         theirs(from));
}

bool dg_trust_install(const struct dg_trust *trust, const struct dg_trust_source *from, struct WOLFSSL_CTX *context,
                      char *error, size_t error_size)
{
    const struct dg_file_error at = {dg_credentials_files(from->credentials)->client_ca_file, error, error_size};
    for (size_t i = 0; i < trust->anchor_count; i++) {
        const struct dg_anchor *anchor = &trust->anchors[i];
        if (!anchor->is_revoked && wolfSSL_CTX_load_verify_buffer(context, anchor->der, (long)anchor->size,
                                                                  WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS)
            return dg_file_error(&at, anchor->line, "this CA certificate could not be used (signature, dates or "
                                                    "extensions); replace it");
    }
    return true;
}

// --- raw public keys of clients (RFC 7250) ------------------------------------

static bool load_raw_keys(struct dg_trust *trust, const struct dg_trust_source *from, char *error, size_t error_size)
{
    const struct dg_file_error at = {dg_credentials_files(from->credentials)->client_keys_file, error, error_size};
    struct dg_pem_reader reader = {.left = dg_credentials_client_keys(from->credentials)};
    struct dg_pem_block block;
    uint8_t der[DER_MAX];
    if (reader.left.size == 0)
        return true;
    trust->raw_keys = calloc(DG_RAW_KEYS_MAX, sizeof *trust->raw_keys);
    if (trust->raw_keys == NULL)
        return dg_file_error(&at, 0, "out of memory");
    while (dg_pem_next(&reader, "PUBLIC KEY", &block)) {
        if (!block.is_label_wanted)
            return dg_file_error(&at, block.line, "this PEM block is no public key; expected only \"-----BEGIN PUBLIC "
                                                  "KEY-----\"");
        size_t size = decode(&block, false, der);
        if (size == 0)
            return dg_file_error(&at, block.line, "this PEM block is damaged; replace it");
        const char *weakness = dg_public_key_weakness((struct dg_bytes){der, size});
        if (weakness != NULL)
            return dg_file_error(&at, block.line, "this is %s; expected ECDSA P-256 or better, RSA of 2048 bits or more, or "
                                                  "Ed25519",
                                 weakness);
        if (trust->raw_key_count == DG_RAW_KEYS_MAX)
            return dg_file_error(&at, block.line, "more public keys than 4096; use certificates for so many clients");
        if (wc_Sha256Hash(der, (word32)size, trust->raw_keys[trust->raw_key_count]) != 0)
            return dg_file_error(&at, block.line, "could not be hashed");
        trust->raw_key_count++;
    }
    return trust->raw_key_count > 0 ||
           dg_file_error(&at, 0, "holds no PEM public key; expected \"-----BEGIN PUBLIC KEY-----\"");
}

// --- rules for names ----------------------------------------------------------

static bool load_rules(struct dg_trust *trust, const struct dg_credentials *credentials, char *error, size_t error_size)
{
    size_t count = dg_credentials_client_name_count(credentials);
    if (count == 0)
        return true;
    trust->rules = calloc(count, sizeof *trust->rules);
    for (; trust->rules != NULL && trust->rule_count < count; trust->rule_count++) {
        const char *text = dg_credentials_client_name_at(credentials, trust->rule_count);
        const char *problem = dg_name_rule_parse(text, &trust->rules[trust->rule_count]);
        if (problem == NULL)
            continue;
        snprintf(error, error_size, "--client-names, rule %zu%s%s: %s", trust->rule_count + 1, dg_hides_secret(text) ? "" : ", ",
                 dg_hides_secret(text) ? "" : text, problem);
        return false;
    }
    if (trust->rules != NULL)
        return true;
    snprintf(error, error_size, "out of memory");
    return false;
}

bool dg_trust_load(struct dg_trust *trust, const struct dg_trust_source *from, char *error, size_t error_size)
{
    trust->fingerprints = dg_credentials_fingerprints(from->credentials);
    return load_anchors(trust, from, error, error_size) && load_raw_keys(trust, from, error, error_size) &&
           load_rules(trust, from->credentials, error, error_size) &&
           dg_revocation_load(trust, from->credentials, error, error_size);
}

void dg_trust_clear(struct dg_trust *trust)
{
    for (size_t i = 0; i < trust->anchor_count; i++)
        free(trust->anchors[i].der);
    free(trust->anchors);
    free(trust->raw_keys);
    free(trust->rules);
    dg_revocation_clear(&trust->revocation);
    memset(trust, 0, sizeof *trust);
}
