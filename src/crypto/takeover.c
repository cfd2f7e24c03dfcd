// SPDX-License-Identifier: GPL-3.0-or-later
// The take-over: keys, numbers, IDs and identity of a finished handshake become a dg_handover. Everything is
// checked against the watched records; what does not fit ends the association, nothing is guessed
// (design.md, docs/wolfssl.md).
#include "crypto/takeover.h"

#include "base/secret.h"
#include "core/wire_constants.h"
#include "crypto/inner.h"

#include <stdio.h>
#include <string.h>

struct group {
    uint16_t number; // IANA
    const char *name;
    const char *wolf_name;
};
static const struct group groups[] = {
    {23, "secp256r1", "SECP256R1"},
    {24, "secp384r1", "SECP384R1"},
    {25, "secp521r1", "SECP521R1"},
    {29, "x25519", "X25519"},
    {4587, "SecP256r1MLKEM768", "SecP256r1MLKEM768"},
    {4588, "X25519MLKEM768", "X25519MLKEM768"},
};

static void take_group(struct dg_handshake *handshake, const struct dg_suite *suite, struct dg_handover *ret)
{
    const char *name = wolfSSL_get_curve_name(handshake->ssl);
    // An abbreviated 1.2 handshake and plain PSK exchange no keys (RFC 5246 7.3, RFC 4279 2).
    bool is_none = suite->exchange == DG_EXCHANGE_PSK || (suite->exchange != DG_EXCHANGE_13 && ret->resumed);
    snprintf(ret->group_name, sizeof ret->group_name, "%s", "none");
    if (is_none || name == NULL)
        return;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (strcmp(name, groups[i].wolf_name) != 0)
            continue;
        ret->group = groups[i].number;
        snprintf(ret->group_name, sizeof ret->group_name, "%s", groups[i].name);
    }
}

// RFC 9146 3: an ID of size 0 is negotiated too, and then none is on the wire in that direction.
static bool take_cids(struct dg_handshake *handshake, struct dg_handover *ret)
{
    WOLFSSL *ssl = handshake->ssl;
    unsigned size = 0;
    if (wolfSSL_dtls_cid_is_enabled(ssl) != 1)
        return true;
    if (wolfSSL_dtls_cid_get_rx_size(ssl, &size) == WOLFSSL_SUCCESS && size > 0) {
        if (size != DG_CID_SIZE || wolfSSL_dtls_cid_get_rx(ssl, ret->cid, size) != WOLFSSL_SUCCESS ||
            !dg_secret_equal(ret->cid, handshake->cid, DG_CID_SIZE))
            return false;
        ret->cid_size = DG_CID_SIZE;
    }
    size = 0;
    if (wolfSSL_dtls_cid_get_tx_size(ssl, &size) == WOLFSSL_SUCCESS) {
        if (size > DG_CID_PEER_MAX ||
            (size > 0 && wolfSSL_dtls_cid_get_tx(ssl, ret->peer_cid, size) != WOLFSSL_SUCCESS))
            return false;
        ret->peer_has_cid = 1;
        ret->peer_cid_size = (uint8_t)size;
    }
    return true;
}

static bool take_identity(const struct dg_handshake *handshake, struct dg_handover *ret)
{
    const struct dg_gate *gate = handshake->gate;
    const struct dg_proof *proof = &handshake->proof;
    if (!proof->known || proof->kind == DG_IDENTITY_NONE)
        return !gate->config.authenticate_clients;
    ret->identity_kind = proof->kind;
    ret->identity_size = proof->identity_size;
    memcpy(ret->identity, proof->identity, proof->identity_size);
    ret->credential = proof->credential;
    ret->expires_s = proof->expires_s;
    return true;
}

static bool take_message(const struct dg_tap_message *message, struct dg_handover *ret, size_t at, uint16_t *ret_size)
{
    if (message->too_long || at + message->size > sizeof ret->flight)
        return false;
    memcpy(ret->flight + at, message->bytes, message->size);
    *ret_size = message->size;
    return true;
}

static bool take12(struct dg_handshake *handshake, struct dg_handover *ret)
{
    const struct dg_tap *tap = &handshake->tap;
    // Our Finished is what shows that the extracted keys are the library's.
    if (!tap->sent_protected || tap->finished.size == 0 || !tap->finished_seen ||
        !dg_tap_keys12(handshake, false, &ret->tx) || !dg_tap_keys12(handshake, true, &ret->rx))
        return false;
    ret->tx_next = tap->sent_next > tap->nonce_next ? tap->sent_next : tap->nonce_next;
    ret->rx_next = tap->received_next;
    ret->rx_replay = tap->received;
    ret->plain_next = tap->plain_next;
    if (ret->resumed)
        return true; // the client's Finished was the last flight (RFC 6347 4.2.4): nothing to repeat
    return take_message(&tap->ticket, ret, 0, &ret->ticket_size) &&
           take_message(&tap->finished, ret, ret->ticket_size, &ret->finished_size);
}

static bool take13(struct dg_handshake *handshake, struct dg_handover *ret)
{
    const struct dg_tap *tap = &handshake->tap;
    const struct dg_key_material *tx = dg_tap_keys(handshake, DG_TAP_SERVER_DATA);
    const struct dg_key_material *rx = dg_tap_keys(handshake, DG_TAP_CLIENT_DATA);
    const struct dg_key_material *handshake_rx = dg_tap_keys(handshake, DG_TAP_CLIENT_HANDSHAKE);
    // The acknowledgement of the client's Finished at least has gone out under epoch 3.
    if (tx == NULL || rx == NULL || handshake_rx == NULL || !tap->sent_protected || !tap->finished_seen)
        return false;
    ret->tx = *tx;
    ret->rx = *rx;
    ret->handshake_rx = *handshake_rx;
    ret->tx_next = tap->sent_next;
    ret->handshake_rx_next = tap->received_next;
    ret->handshake_rx_replay = tap->received;
    ret->ticket_epoch = tap->ticket_epoch;
    ret->ticket_sequence = tap->ticket_sequence;
    return take_message(&tap->ticket, ret, 0, &ret->ticket_size);
}

bool dg_takeover(struct dg_handshake *handshake, struct dg_handover *ret)
{
    memset(ret, 0, sizeof *ret);
    handshake->silent = true;
    const struct dg_tap *tap = &handshake->tap;
    const struct dg_suite *suite = dg_suite_find((uint16_t)wolfSSL_get_current_cipher_suite(handshake->ssl));
    if (!handshake->done || handshake->failed || tap->broken || suite == NULL || !tap->sent_any_message)
        return false;
    bool is_13 = suite->exchange == DG_EXCHANGE_13;
    ret->version = is_13 ? 13 : 12;
    ret->aead = (uint8_t)suite->aead;
    ret->hash = (uint8_t)suite->hash;
    ret->suite = suite->number;
    ret->resumed = wolfSSL_session_reused(handshake->ssl) == 1;
    ret->policy_generation = handshake->gate->config.policy_generation;
    ret->tx_message_seq = tap->message_next;
    ret->rx_message_seq = (uint16_t)(tap->finished_message_seq + 1);
    snprintf(ret->suite_name, sizeof ret->suite_name, "%s", suite->name);
    take_group(handshake, suite, ret);
    if (take_cids(handshake, ret) && take_identity(handshake, ret) &&
        (is_13 ? take13(handshake, ret) : take12(handshake, ret)))
        return true;
    dg_wipe(ret, sizeof *ret);
    return false;
}
