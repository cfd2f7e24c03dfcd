// SPDX-License-Identifier: GPL-3.0-or-later
// Collects what the revocation lists say. Every list must be of a CA that the operator trusts and be signed by its key:
// an unsigned word could close associations, a list that nobody can verify would only seem to protect.
#include "crypto/revocation.h"

#include "base/secret.h"
#include "crypto/certificate.h"
#include "crypto/crl.h"
#include "crypto/der.h"
#include "crypto/file_error.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/asn_public.h>

#include <stdlib.h>
#include <string.h>

#define LEAVES_MAX (16u << 20) // over all lists

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static bool reserve(struct dg_revocation *revocation, size_t more)
{
    size_t wanted = revocation->count + more;
    if (wanted <= revocation->capacity)
        return true;
    if (wanted < 2 * revocation->capacity)
        wanted = 2 * revocation->capacity;
    uint64_t *leaves = realloc(revocation->leaves, wanted * sizeof *leaves);
    if (leaves == NULL)
        return false;
    revocation->leaves = leaves;
    revocation->capacity = wanted;
    return true;
}

static bool has_subject(const struct dg_anchor *anchor, struct dg_bytes name)
{
    struct dg_der_certificate places;
    return dg_der_certificate((struct dg_bytes){anchor->der, anchor->size}, &places) &&
           places.subject.size == name.size && dg_secret_equal(places.subject.data, name.data, name.size);
}

// The anchors whose key has signed it: several may go by one name, and one key may have several certificates.
static bool mark_anchors(struct dg_trust *trust, const struct dg_crl *crl, const struct dg_file_error *at, unsigned line)
{
    bool has_name = false, has_word = false, is_signed = false;
    for (size_t i = 0; i < trust->anchor_count; i++) {
        struct dg_anchor *anchor = &trust->anchors[i];
        if (!has_subject(anchor, crl->issuer))
            continue;
        has_name = true;
        if (!dg_crl_is_signed_by(crl, (struct dg_bytes){anchor->der, anchor->size}))
            continue;
        is_signed = true;
        if (!anchor->may_sign_crls)
            continue;
        has_word = true;
        if (crl->next_update_s > anchor->crl_until_s) {
            anchor->crl_from_s = crl->this_update_s;
            anchor->crl_until_s = crl->next_update_s;
        }
    }
    if (!has_name)
        return dg_file_error(at, line, "this revocation list is of a CA that is not among the clients' CAs; put its "
                                       "certificate into the file of --client-ca, or take the list out");
    if (!is_signed)
        return dg_file_error(at, line, "the signature on this revocation list does not verify under its CA's key: it is "
                                       "forged or damaged; get it from the CA anew");
    return has_word || dg_file_error(at, line, "the CA that signed this revocation list may not sign any (its keyUsage "
                                               "lacks cRLSign)");
}

static bool add_list(struct dg_trust *trust, struct dg_bytes der, const struct dg_file_error *at, unsigned line)
{
    struct dg_revocation *revocation = &trust->revocation;
    struct dg_crl crl;
    const char *problem = dg_crl_read(der, &crl);
    if (problem != NULL)
        return dg_file_error(at, line, "this revocation list is of no use: %s", problem);
    if (!mark_anchors(trust, &crl, at, line))
        return false;
    if (revocation->count + crl.entry_count > LEAVES_MAX)
        return dg_file_error(at, line, "more than 16777216 revoked certificates in all");
    if (!reserve(revocation, crl.entry_count))
        return dg_file_error(at, line, "out of memory");
    struct dg_reader entries = dg_reader_in(crl.entries);
    struct dg_bytes serial;
    while (dg_crl_next(&entries, &serial))
        revocation->leaves[revocation->count++] = dg_certificate_leaf(crl.issuer, serial);
    return true;
}

static bool add_file(struct dg_trust *trust, struct dg_bytes text, const struct dg_file_error *at)
{
    struct dg_pem_reader reader = {.left = text};
    struct dg_pem_block block;
    while (dg_pem_next(&reader, "X509 CRL", &block)) {
        if (!block.is_label_wanted)
            return dg_file_error(at, block.line, "this PEM block is no revocation list; expected only \"-----BEGIN X509 "
                                                 "CRL-----\"");
        DerBuffer *der = NULL;
        if (block.text.size == 0 ||
            wc_PemToDer(block.text.data, (long)block.text.size, CRL_TYPE, &der, NULL, NULL, NULL) != 0 || der == NULL) {
            wc_FreeDer(&der);
            return dg_file_error(at, block.line, "this PEM block is damaged; get the list from the CA anew");
        }
        bool done = add_list(trust, (struct dg_bytes){der->buffer, der->length}, at, block.line);
        wc_FreeDer(&der);
        if (!done)
            return false;
    }
    return true;
}

bool dg_revocation_load(struct dg_trust *trust, const struct dg_credentials *credentials, char *error, size_t error_size)
{
    struct dg_revocation *revocation = &trust->revocation;
    size_t count = dg_credentials_crl_count(credentials);
    revocation->is_checked = count > 0;
    revocation->accepts_missing = dg_credentials_accept_missing_crl(credentials);
    for (size_t i = 0; i < count; i++) {
        struct dg_file_error at = {.error = error, .error_size = error_size};
        struct dg_bytes text = dg_credentials_crl_at(credentials, i, &at.path);
        if (!add_file(trust, text, &at))
            return false;
    }
    if (revocation->count > 0)
        qsort(revocation->leaves, revocation->count, sizeof *revocation->leaves, by_value);
    // A CA that another one of ours has revoked proves nobody any more.
    for (size_t i = 0; i < trust->anchor_count; i++)
        trust->anchors[i].is_revoked = dg_revocation_holds(revocation, trust->anchors[i].leaf);
    return true;
}

void dg_revocation_clear(struct dg_revocation *revocation)
{
    free(revocation->leaves);
    memset(revocation, 0, sizeof *revocation);
}

bool dg_revocation_holds(const struct dg_revocation *revocation, uint64_t leaf)
{
    return leaf != 0 && revocation->count > 0 &&
           bsearch(&leaf, revocation->leaves, revocation->count, sizeof leaf, by_value) != NULL;
}
