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

static void take_group(WOLFSSL *ssl, const struct dg_suite *suite, struct dg_handover *ret)
{
    const char *name = wolfSSL_get_curve_name(ssl);
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
static bool take_cids(const struct dg_takeover_of *of, struct dg_handover *ret)
{
    WOLFSSL *ssl = of->tap->ssl;
    unsigned size = 0;
    if (wolfSSL_dtls_cid_is_enabled(ssl) != 1)
        return true;
    if (wolfSSL_dtls_cid_get_rx_size(ssl, &size) == WOLFSSL_SUCCESS && size > 0) {
        if (size != of->cid.size || wolfSSL_dtls_cid_get_rx(ssl, ret->cid, size) != WOLFSSL_SUCCESS ||
            !dg_secret_equal(ret->cid, of->cid.data, size))
            return false;
        ret->cid_size = (uint8_t)size;
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

static bool take_identity(const struct dg_takeover_of *of, struct dg_handover *ret)
{
    const struct dg_proof *proof = of->proof;
    if (!proof->known || proof->kind == DG_IDENTITY_NONE)
        return of->may_be_nobody;
    ret->identity_kind = proof->kind;
    ret->identity_size = proof->identity_size;
    memcpy(ret->identity, proof->identity, proof->identity_size);
    ret->credential = proof->credential;
    ret->leaf = proof->leaf;
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

static bool take12(struct dg_tap *tap, struct dg_handover *ret)
{
    // Our Finished is what shows that the extracted keys are the library's.
    if (!tap->sent_protected || tap->finished.size == 0 || !tap->finished_seen ||
        !dg_tap_keys12(tap, tap->is_client, &ret->tx) || !dg_tap_keys12(tap, !tap->is_client, &ret->rx))
        return false;
    ret->tx_next = tap->sent_next > tap->nonce_next ? tap->sent_next : tap->nonce_next;
    ret->rx_next = tap->received_next;
    ret->rx_replay = tap->received;
    ret->plain_next = tap->plain_next;
    // Who speaks last repeats its flight (RFC 6347 4.2.4): the server in a full handshake, the client in an
    // abbreviated one (RFC 5246 7.3).
    if (ret->resumed != tap->is_client)
        return true;
    return take_message(&tap->ticket, ret, 0, &ret->ticket_size) &&
           take_message(&tap->finished, ret, ret->ticket_size, &ret->finished_size);
}

static bool take13(struct dg_tap *tap, struct dg_handover *ret)
{
    const struct dg_key_material *tx = dg_tap_keys(tap, dg_tap_own_data(tap));
    const struct dg_key_material *rx = dg_tap_keys(tap, dg_tap_peer_data(tap));
    if (tx == NULL || rx == NULL || !tap->finished_seen)
        return false;
    ret->tx = *tx;
    ret->rx = *rx;
    ret->tx_next = tap->sent_next;
    if (tap->is_client) {
        // The server has acknowledged our Finished: nothing of the handshake is asked for again. What the library
        // took in of epoch 3 (that acknowledgement, a ticket) counts as seen.
        ret->rx_next = tap->data_received_next;
        ret->rx_replay = tap->data_received;
        ret->rx_message_seq = tap->peer_ticket_next;
        return tap->flight_next > 0 && tap->finished.size > 0;
    }
    const struct dg_key_material *handshake_rx = dg_tap_keys(tap, DG_TAP_CLIENT_HANDSHAKE);
    // The acknowledgement of the client's Finished at least has gone out under epoch 3.
    if (handshake_rx == NULL || !tap->sent_protected)
        return false;
    ret->handshake_rx = *handshake_rx;
    ret->handshake_rx_next = tap->received_next;
    ret->handshake_rx_replay = tap->received;
    ret->ticket_epoch = tap->ticket_epoch;
    ret->ticket_sequence = tap->ticket_sequence;
    return take_message(&tap->ticket, ret, 0, &ret->ticket_size);
}

bool dg_takeover(const struct dg_takeover_of *of, struct dg_handover *ret)
{
    memset(ret, 0, sizeof *ret);
    struct dg_tap *tap = of->tap;
    WOLFSSL *ssl = tap->ssl;
    const struct dg_suite *suite = dg_suite_find((uint16_t)wolfSSL_get_current_cipher_suite(ssl));
    if (tap->broken || suite == NULL || !tap->sent_any_message)
        return false;
    bool is_13 = suite->exchange == DG_EXCHANGE_13;
    ret->version = is_13 ? 13 : 12;
    ret->aead = (uint8_t)suite->aead;
    ret->hash = (uint8_t)suite->hash;
    ret->suite = suite->number;
    ret->resumed = wolfSSL_session_reused(ssl) == 1;
    ret->is_client = tap->is_client;
    ret->has_rrc = wolfSSL_dtls_rrc_negotiated(ssl) == 1;
    ret->policy_generation = of->policy_generation;
    ret->tx_message_seq = tap->message_next;
    ret->rx_message_seq = (uint16_t)(tap->finished_message_seq + 1);
    snprintf(ret->suite_name, sizeof ret->suite_name, "%s", suite->name);
    take_group(ssl, suite, ret);
    if (take_cids(of, ret) && take_identity(of, ret) && (is_13 ? take13(tap, ret) : take12(tap, ret)))
        return true;
    dg_wipe(ret, sizeof *ret);
    return false;
}
