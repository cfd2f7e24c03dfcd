// SPDX-License-Identifier: GPL-3.0-or-later
// One handshake after its cookie: gives the library one record at a time, passes on what it sends, keeps its
// retransmission timer. Never gives it a datagram whole (it would swallow what is ours), never lets it wait
// with sending (it would send after the take-over). The table of operations for the front is here.
#include "base/secret.h"
#include "crypto/cookie.h"
#include "crypto/inner.h"
#include "crypto/rotation.h"
#include "crypto/takeover.h"

#include <wolfssl/error-ssl.h>

#include <stdlib.h>
#include <string.h>

#define RECORD_MAX 4096 // bytes of one record of a client's flight; larger ones are dropped

// --- the library's I/O --------------------------------------------------------

// Always takes everything: what the library kept for later would go out under a number that is ours by then.
int dg_handshake_send(WOLFSSL *ssl, char *bytes, int size, void *context)
{
    (void)ssl;
    struct dg_handshake *handshake = context;
    if (handshake->silent)
        DG_BUG("the TLS library sent after the take-over");
    if (size <= 0)
        return size;
    dg_tap_sent(&handshake->tap, (const uint8_t *)bytes, (size_t)size);
    const struct dg_output *output = handshake->output;
    uint8_t *room = output != NULL ? output->reserve(output->context, (size_t)size) : NULL;
    if (room != NULL) {
        memcpy(room, bytes, (size_t)size);
        output->commit(output->context, &handshake->path, (size_t)size);
        handshake->sent++;
    }
    return size; // without room it is a lost datagram, which the timer repeats
}

int dg_handshake_receive(WOLFSSL *ssl, char *buffer, int capacity, void *context)
{
    struct dg_handshake *handshake = context;
    size_t size = handshake->record_size;
    handshake->record_size = 0; // once
    if (handshake->started)
        (void)wolfSSL_dtls_set_mtu(ssl, handshake->gate->config.datagram_max);
    if (size == 0 || capacity <= 0 || size > (size_t)capacity)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    memcpy(buffer, handshake->record, size);
    return (int)size;
}

// RFC 8446's and RFC 5246's proof is complete here and the identity still there: in DTLS 1.3 the library
// forgets it right after. A handshake that proved nobody ends.
int dg_handshake_on_done(WOLFSSL *ssl, void *context)
{
    (void)ssl;
    struct dg_handshake *handshake = context;
    dg_proof_resolve(handshake);
    if (handshake->proof.known || !handshake->gate->config.authenticate_clients)
        return 0;
    dg_failure_set(handshake, DG_COUNT_FAIL_NO_CERTIFICATE, "the client proved no identity");
    return -1;
}

// --- running ------------------------------------------------------------------

static void set_deadline(struct dg_handshake *handshake, dg_time now)
{
    dg_time timeout = (dg_time)wolfSSL_dtls_get_current_timeout(handshake->ssl) * DG_SECOND;
    if (wolfSSL_dtls13_use_quick_timeout(handshake->ssl))
        timeout /= 4;
    handshake->deadline = now + timeout;
}

static enum dg_handshake_step failed(struct dg_handshake *handshake, int error)
{
    handshake->failed = true;
    handshake->deadline = DG_NEVER;
    dg_failure_from_library(handshake, error);
    return DG_STEP_FAILED;
}

enum dg_handshake_step dg_handshake_run(struct dg_handshake *handshake, dg_time now)
{
    size_t sent_before = handshake->sent;
    int result = wolfSSL_accept(handshake->ssl);
    if (result == WOLFSSL_SUCCESS) {
        handshake->done = true;
        handshake->deadline = DG_NEVER;
        return DG_STEP_DONE;
    }
    int error = wolfSSL_get_error(handshake->ssl, result);
    if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE)
        return failed(handshake, error);
    if (handshake->sent != sent_before || handshake->deadline == 0)
        set_deadline(handshake, now);
    return DG_STEP_GOES_ON;
}

static enum dg_handshake_step step_of(const struct dg_handshake *handshake)
{
    return handshake->failed ? DG_STEP_FAILED : handshake->done ? DG_STEP_DONE : DG_STEP_GOES_ON;
}

// An unprotected alert may be anybody's who guesses the client's port: it ends nothing (RFC 9147 4.5.2), and is
// remembered for why() should the client not go on. Returns false for any other record.
static bool is_plain_alert(struct dg_handshake *handshake, const uint8_t *record, size_t size)
{
    struct dg_reader reader = dg_reader_of(record, size);
    uint8_t type = dg_read_u8(&reader);
    (void)dg_read_u16(&reader);
    uint16_t epoch = dg_read_u16(&reader);
    (void)dg_read_u48(&reader);
    struct dg_bytes body = dg_read_block16(&reader);
    if (type != DG_CONTENT_ALERT || epoch != 0)
        return false;
    if (!reader.failed && body.size == 2 && handshake->plain_alert < 0)
        handshake->plain_alert = body.data[1];
    return true;
}

static enum dg_handshake_step receive(struct dg_handshake *handshake, dg_time now, const uint8_t *record, size_t size,
                                      const struct dg_output *output)
{
    if (handshake->done || handshake->failed || is_plain_alert(handshake, record, size))
        return step_of(handshake);
    // The library takes records a little above its MTU only. A client may send larger ones than we do: room is
    // made for this record, and our own size is back before anything is sent.
    if (size > handshake->gate->config.datagram_max && size <= RECORD_MAX)
        (void)wolfSSL_dtls_set_mtu(handshake->ssl, (unsigned short)size);
    handshake->output = output;
    handshake->record = record;
    handshake->record_size = size;
    enum dg_handshake_step step = dg_handshake_run(handshake, now);
    dg_tap_received(&handshake->tap, record, size);
    handshake->output = NULL;
    handshake->record = NULL;
    handshake->record_size = 0;
    return step;
}

static dg_time deadline(const struct dg_handshake *handshake)
{
    // A handshake that failed on its hello says so at once.
    return handshake->failed ? 0 : handshake->deadline;
}

static enum dg_handshake_step advance(struct dg_handshake *handshake, dg_time now, const struct dg_output *output)
{
    if (handshake->done || handshake->failed || now < handshake->deadline)
        return step_of(handshake);
    handshake->output = output;
    int result = wolfSSL_dtls_got_timeout(handshake->ssl);
    handshake->output = NULL;
    if (result != WOLFSSL_SUCCESS) {
        int error = wolfSSL_get_error(handshake->ssl, result);
        if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE)
            return failed(handshake, error);
    }
    set_deadline(handshake, now);
    return DG_STEP_GOES_ON;
}

// A wrong PSK in DTLS 1.2 has no failure of its own: the client's Finished does not open, and a record that
// does not open is dropped (RFC 6347 4.1.2.7), for anybody could have sent it. When such a handshake is given
// up, this is why.
static void why(const struct dg_handshake *handshake, struct dg_handshake_failure *ret)
{
    *ret = handshake->failure;
    bool is_psk = handshake->claim.known && handshake->claim.kind == DG_IDENTITY_PSK;
    bool gave_up = ret->reason == NULL || ret->counter == DG_COUNT_HANDSHAKES_EXPIRED;
    if (gave_up && is_psk && handshake->tap.unopened > 0) {
        ret->counter = handshake->claim_is_known ? DG_COUNT_FAIL_WRONG_KEY : DG_COUNT_FAIL_UNKNOWN_IDENTITY;
        ret->reason = handshake->claim_is_known ? "wrong key for this identity" : "unknown identity";
    } else if (gave_up && handshake->plain_alert >= 0) {
        struct dg_failure_words words = dg_failure_of_alert(handshake, handshake->plain_alert);
        ret->counter = words.counter;
        ret->reason = words.reason;
    } else if (ret->reason == NULL) {
        ret->counter = DG_COUNT_NONE;
        ret->reason = "unfinished";
    }
    WOLFSSL_ALERT_HISTORY alerts = {.last_rx = {-1, -1}, .last_tx = {-1, -1}};
    wolfSSL_get_alert_history(handshake->ssl, &alerts);
    ret->alert_sent = alerts.last_tx.code >= 0 ? (uint8_t)alerts.last_tx.code : 255;
    int received = alerts.last_rx.code >= 0 ? alerts.last_rx.code : handshake->plain_alert;
    ret->alert_received = received >= 0 ? (uint8_t)received : 255;
    if (handshake->claim.known) {
        ret->identity_kind = handshake->claim.kind;
        ret->identity_size = handshake->claim.identity_size;
        memcpy(ret->identity, handshake->claim.identity, handshake->claim.identity_size);
    }
}

static bool take(struct dg_handshake *handshake, struct dg_handover *ret)
{
    if (!handshake->done || handshake->failed) {
        memset(ret, 0, sizeof *ret);
        return false;
    }
    handshake->silent = true;
    const struct dg_takeover_of of = {
        .tap = &handshake->tap,
        .cid = handshake->cid,
        .proof = &handshake->proof,
        .may_be_nobody = !handshake->gate->config.authenticate_clients,
        .policy_generation = handshake->gate->config.policy_generation,
    };
    if (dg_takeover(&of, ret))
        return true;
    handshake->failed = true;
    dg_failure_set(handshake, DG_COUNT_FAIL_TAKEOVER, "the watched records did not open with the extracted keys");
    return false;
}

void dg_handshake_free(struct dg_handshake *handshake)
{
    if (handshake == NULL)
        return;
    struct dg_gate *gate = handshake->started ? handshake->gate : NULL;
    handshake->silent = true;
    wolfSSL_free(handshake->ssl);
    dg_wipe(handshake, sizeof *handshake);
    free(handshake);
    dg_gate_put(gate);
}

static dg_time gate_deadline(const void *gate)
{
    const struct dg_gate_config *config = &((const struct dg_gate *)gate)->config;
    return dg_secrets_deadline(config->secrets, config->cookie_period, config->ticket_period);
}

static void gate_advance(void *gate, dg_time now) { dg_gate_rotate(gate, now); }

const struct dg_handshake_ops dg_wolf_handshake = {
    .check_cookie = dg_cookie_check,
    .hello = dg_listener_hello,
    .receive = receive,
    .deadline = deadline,
    .advance = advance,
    .take = take,
    .why = why,
    .free = dg_handshake_free,
    .gate_deadline = gate_deadline,
    .gate_advance = gate_advance,
};
