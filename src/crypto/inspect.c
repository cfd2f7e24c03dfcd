// SPDX-License-Identifier: GPL-3.0-or-later
// Looks at PEM files block by block, with the parsers that a server's start uses. Never verifies a signature.
#include "crypto/inspect.h"

#include "crypto/crl.h"

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#define DER_MAX 16384 // bytes of one certificate

static bool next_block(struct dg_pem_reader *reader, const char *label, struct dg_pem_block *ret)
{
    while (dg_pem_next(reader, label, ret))
        if (ret->is_label_wanted || ret->text.size == 0)
            return true;
    return false;
}

static bool is_decodable(const struct dg_pem_block *block)
{
    return block->text.size > 0 && block->text.size <= DER_MAX;
}

bool dg_inspect_certificate(struct dg_pem_reader *reader, unsigned *ret_line, bool *is_readable,
                            struct dg_certificate_facts *ret)
{
    struct dg_pem_block block;
    uint8_t der[DER_MAX];
    if (!next_block(reader, "CERTIFICATE", &block))
        return false;
    int size = is_decodable(&block) ? wc_CertPemToDer(block.text.data, (int)block.text.size, der, DER_MAX, CERT_TYPE) : 0;
    *ret_line = block.line;
    *is_readable = size > 0 && dg_certificate_read((struct dg_bytes){der, (size_t)size}, ret);
    return true;
}

bool dg_inspect_public_key(struct dg_pem_reader *reader, unsigned *ret_line, const char **weakness)
{
    struct dg_pem_block block;
    uint8_t der[DER_MAX];
    if (!next_block(reader, "PUBLIC KEY", &block))
        return false;
    int size = is_decodable(&block) ? wc_PubKeyPemToDer(block.text.data, (int)block.text.size, der, DER_MAX) : 0;
    *ret_line = block.line;
    *weakness = size > 0 ? dg_public_key_weakness((struct dg_bytes){der, (size_t)size}) : "no public key that can be read";
    return true;
}

bool dg_inspect_crl(struct dg_pem_reader *reader, unsigned *ret_line, int64_t *ret_next_update_s, const char **wrong)
{
    struct dg_pem_block block;
    struct dg_crl crl = {0};
    DerBuffer *der = NULL;
    if (!next_block(reader, "X509 CRL", &block))
        return false;
    *ret_line = block.line;
    *wrong = "no revocation list that can be read";
    if (block.text.size > 0 &&
        wc_PemToDer(block.text.data, (long)block.text.size, CRL_TYPE, &der, NULL, NULL, NULL) == 0 && der != NULL)
        *wrong = dg_crl_read((struct dg_bytes){der->buffer, der->length}, &crl);
    *ret_next_update_s = crl.next_update_s;
    wc_FreeDer(&der);
    return true;
}

enum dg_inspected_pair dg_inspect_pair(struct dg_bytes certificate, struct dg_bytes key)
{
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfDTLSv1_2_server_method());
    enum dg_inspected_pair pair = DG_PAIR_NOT_READABLE;
    if (context == NULL)
        return pair;
    if (certificate.size > 0 && key.size > 0 &&
        wolfSSL_CTX_use_certificate_chain_buffer(context, certificate.data, (long)certificate.size) == WOLFSSL_SUCCESS &&
        wolfSSL_CTX_use_PrivateKey_buffer(context, key.data, (long)key.size, WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS)
        pair = wolfSSL_CTX_check_private_key(context) == WOLFSSL_SUCCESS ? DG_PAIR_FITS : DG_PAIR_DIFFERS;
    wolfSSL_CTX_free(context);
    return pair;
}
