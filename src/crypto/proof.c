// SPDX-License-Identifier: GPL-3.0-or-later
// Decides who the peer of a finished handshake is and which credential proved it. Believes only the ticket
// that the library resumed with, the certificate that the verify call-back accepted, or the PSK that the
// Finished messages verified under.
#include "base/secret.h"
#include "crypto/chain.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <string.h>
#include <time.h>

static uint64_t first_eight(const uint8_t digest[32])
{
    struct dg_reader reader = dg_reader_of(digest, 8);
    return dg_read_u64(&reader);
}

// The first eight bytes of SHA-256: enough to recognise a credential of our own snapshot, which no stranger
// chooses.
uint64_t dg_credential_of_bytes(const void *bytes, size_t size)
{
    uint8_t digest[32];
    DG_BUG_UNLESS(wc_Sha256Hash(bytes, (word32)size, digest) == 0);
    return first_eight(digest);
}

uint64_t dg_credential_of_anchor(struct dg_bytes certificate)
{
    // The half that tells it is never 0, which stands for a fingerprint.
    return dg_credential_of_rule(dg_credential_of_bytes(certificate.data, certificate.size) | UINT64_C(1) << 63, 0);
}

// Keyed by the PSK itself: changes with the identity and with the key, and tells nothing about the key.
uint64_t dg_credential_of_psk(const struct dg_psk *psk)
{
    static const char label[] = "dtlsgate credential";
    uint8_t digest[32];
    Hmac hmac;
    bool done = wc_HmacInit(&hmac, NULL, INVALID_DEVID) == 0 &&
                wc_HmacSetKey(&hmac, WC_SHA256, psk->key.data, (word32)psk->key.size) == 0 &&
                wc_HmacUpdate(&hmac, (const byte *)label, sizeof label) == 0 &&
                wc_HmacUpdate(&hmac, psk->identity.data, (word32)psk->identity.size) == 0 &&
                wc_HmacFinal(&hmac, digest) == 0;
    wc_HmacFree(&hmac);
    DG_BUG_UNLESS(done);
    return first_eight(digest);
}

// Whom a full handshake would refuse for want of a revocation list is not let in by a ticket either.
static bool has_current_list(const struct dg_gate *gate, const struct dg_proof *proof)
{
    uint64_t digest = proof->credential >> DG_CREDENTIAL_ANCHOR_BITS;
    if (proof->kind != DG_IDENTITY_CERTIFICATE || digest == 0)
        return true;
    for (size_t i = 0; i < gate->trust.anchor_count; i++)
        if (gate->trust.anchors[i].credential >> DG_CREDENTIAL_ANCHOR_BITS == digest)
            return dg_chain_crl_of(&gate->trust, &gate->trust.anchors[i], (int64_t)wc_Time(NULL)) == DG_CHAIN_FINE;
    return false;
}

bool dg_proof_is_current(const struct dg_gate *gate, const struct dg_proof *proof)
{
    // The library's clock: the one that it checks certificates by.
    if (proof->expires_s != 0 && wc_Time(NULL) >= (time_t)proof->expires_s)
        return false;
    struct dg_bytes identity = {proof->identity, proof->identity_size};
    return dg_gate_knows_credential(gate, proof->kind, proof->credential, proof->leaf, identity) &&
           has_current_list(gate, proof);
}

static bool used_psk(const struct dg_handshake *handshake)
{
    const struct dg_suite *suite = dg_suite_find((uint16_t)wolfSSL_get_current_cipher_suite(handshake->ssl));
    if (suite == NULL)
        return false;
    // In 1.3 the suite does not say; a server that uses no PSK has sent its certificate (RFC 8446 4.4.2).
    if (suite->exchange == DG_EXCHANGE_13)
        return handshake->peek.has_psk && !handshake->io.tap.sent_certificate;
    return suite->exchange == DG_EXCHANGE_ECDHE_PSK || suite->exchange == DG_EXCHANGE_PSK;
}

static void resolve_psk(struct dg_handshake *handshake)
{
    const char *name = wolfSSL_get_psk_identity(handshake->ssl);
    if (name == NULL)
        return;
    size_t size = strnlen(name, DG_IDENTITY_MAX + 1);
    if (size == 0 || size > DG_IDENTITY_MAX)
        return;
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    size_t count =
        dg_credentials_find_psk(handshake->gate->credentials, (struct dg_bytes){(const uint8_t *)name, size}, keys);
    if (handshake->psk_number >= count)
        return;
    dg_psk_proven(handshake);
    struct dg_proof *proof = &handshake->proof;
    proof->known = true;
    proof->kind = DG_IDENTITY_PSK;
    proof->identity_size = (uint8_t)size;
    memcpy(proof->identity, name, size);
    proof->credential = dg_credential_of_psk(&keys[handshake->psk_number]); // the one that it was proven by
    proof->expires_s = 0;
}

void dg_proof_resolve(struct dg_handshake *handshake)
{
    if (handshake->proof.known)
        return;
    if (wolfSSL_session_reused(handshake->ssl) == 1) {
        if (handshake->ticket.known)
            handshake->proof = handshake->ticket;
        return;
    }
    if (used_psk(handshake)) {
        resolve_psk(handshake);
        return;
    }
    if (handshake->certificate.known)
        handshake->proof = handshake->certificate;
}
