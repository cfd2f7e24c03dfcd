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
#define MESSAGES_MAX 4  // of a client behind its hello (RFC 5246 7.3, RFC 8446 2)

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
    handshake->deadline = now + dg_library_io_timeout(&handshake->io);
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
    size_t sent_before = handshake->io.sent;
    int result = wolfSSL_accept(handshake->ssl);
    if (result == WOLFSSL_SUCCESS) {
        handshake->done = true;
        handshake->deadline = DG_NEVER;
        return DG_STEP_DONE;
    }
    int error = wolfSSL_get_error(handshake->ssl, result);
    if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE)
        return failed(handshake, error);
    if (handshake->io.sent != sent_before || handshake->deadline == 0)
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
    struct dg_bytes body;
    if (!dg_library_io_is_plain_alert(record, size, &body))
        return false;
    if (body.size == 2 && handshake->plain_alert < 0)
        handshake->plain_alert = body.data[1];
    return true;
}

// The messages of a record in clear; none of any other record.
static struct dg_reader plain_messages(const uint8_t *record, size_t size)
{
    struct dg_reader reader = dg_reader_of(record, size);
    uint8_t type = dg_read_u8(&reader);
    (void)dg_read_u16(&reader);
    uint16_t epoch = dg_read_u16(&reader);
    (void)dg_read_u48(&reader);
    struct dg_bytes body = dg_read_block16(&reader);
    bool is_plain = !reader.failed && type == DG_CONTENT_HANDSHAKE && epoch == 0;
    return dg_reader_in(is_plain ? body : (struct dg_bytes){NULL, 0});
}

// A client whose flight of ours was lost says its hello again, which the front lets through once a second. One that sends
// more has had the flight, but the library of DTLS 1.2 repeats it for each copy of the first message behind the hello
// (RFC 6347 4.2.4) and for each Finished ahead of its turn, a hundred in one record if need be; and in clear they may be
// anybody's who has a client flooded that way. DTLS 1.3 has acknowledgements to say what is lost (RFC 9147 7.1).
static bool may_repeat_flight(const struct dg_handshake *handshake, const uint8_t *record, size_t size)
{
    struct dg_reader messages = plain_messages(record, size);
    struct dg_handshake_fragment part;
    return wolfSSL_version(handshake->ssl) != DTLS1_2_VERSION ||
           (dg_handshake_fragment_read(&messages, &part) && part.type == DG_HS_CLIENT_HELLO);
}

// DTLS 1.2: the claim of an identity is in clear, so that anybody who knows a client's port may make one for it. The client's
// own comes all the same, and differs: whose the claim was nobody can tell then.
static void watch_claim(struct dg_handshake *handshake, const uint8_t *record, size_t size)
{
    struct dg_reader messages = plain_messages(record, size);
    struct dg_handshake_fragment part;
    while (!handshake->is_contested && dg_handshake_fragment_read(&messages, &part)) {
        if (part.type != DG_HS_CLIENT_KEY_EXCHANGE || part.offset != 0)
            continue;
        const uint8_t *start = part.bytes.data - DG_HANDSHAKE_HEADER;
        uint64_t exchange = dg_credential_of_bytes(start, DG_HANDSHAKE_HEADER + part.bytes.size);
        handshake->is_contested = handshake->exchange != 0 && handshake->exchange != exchange;
        if (handshake->exchange == 0)
            handshake->exchange = exchange;
    }
}

// The library keeps twenty messages ahead of their turn, of a client that has proven nothing yet. What no client sends ends
// the handshake at the first of them.
static bool is_ahead(const struct dg_handshake *handshake)
{
    return handshake->io.tap.peer_message_most > handshake->hello_seq + MESSAGES_MAX;
}

static enum dg_handshake_step receive(struct dg_handshake *handshake, dg_time now, const uint8_t *record, size_t size,
                                      const struct dg_output *output)
{
    if (handshake->done || handshake->failed || is_plain_alert(handshake, record, size))
        return step_of(handshake);
    if (size <= RECORD_MAX)
        dg_library_io_make_room(&handshake->io, size);
    dg_library_io_open(&handshake->io, record, size, output);
    watch_claim(handshake, record, size);
    handshake->io.only_new = !may_repeat_flight(handshake, record, size);
    enum dg_handshake_step step = dg_handshake_run(handshake, now);
    bool was_doubted = handshake->io.tap.unopened > 0;
    dg_tap_received(&handshake->io.tap, record, size);
    if (!was_doubted && handshake->io.tap.unopened > 0 && !handshake->is_contested)
        dg_psk_doubted(handshake);
    dg_library_io_close(&handshake->io);
    if (step == DG_STEP_GOES_ON && is_ahead(handshake))
        return failed(handshake, DTLS_TOO_MANY_FRAGMENTS_E);
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
    dg_library_io_open(&handshake->io, NULL, 0, output);
    int result = wolfSSL_dtls_got_timeout(handshake->ssl);
    dg_library_io_close(&handshake->io);
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
    ret->is_contested = handshake->is_contested;
    bool is_psk = handshake->claim.known && handshake->claim.kind == DG_IDENTITY_PSK;
    bool gave_up = ret->reason == NULL || ret->counter == DG_COUNT_HANDSHAKES_EXPIRED;
    if (gave_up && is_psk && handshake->io.tap.unopened > 0) {
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

// The client's first protected record has not opened: known now, while the end comes when the time is over.
static bool doubts(struct dg_handshake *handshake, struct dg_handshake_failure *ret)
{
    bool is_psk = handshake->claim.known && handshake->claim.kind == DG_IDENTITY_PSK;
    if (handshake->doubts_told || !is_psk || handshake->io.tap.unopened == 0)
        return false;
    handshake->doubts_told = true;
    why(handshake, ret);
    return true;
}

static bool hello_claims(void *context, const struct dg_path *path, const struct dg_hello *hello,
                         struct dg_psk_claim *ret)
{
    (void)path;
    const struct dg_gate *gate = context;
    struct dg_peek peek;
    if (!hello->offers_13)
        return false;
    dg_peek_hello(hello, gate->credentials, &peek);
    if (!peek.has_psk || peek.psk_suite == NULL)
        return false;
    ret->identity_size = peek.psk_size;
    memcpy(ret->identity, peek.psk_identity, peek.psk_size);
    return true;
}

static bool claims(const struct dg_handshake *handshake, struct dg_psk_claim *ret)
{
    if (!handshake->claim.known || handshake->claim.kind != DG_IDENTITY_PSK)
        return false;
    ret->identity_size = handshake->claim.identity_size;
    memcpy(ret->identity, handshake->claim.identity, handshake->claim.identity_size);
    return true;
}

static bool take(struct dg_handshake *handshake, struct dg_handover *ret)
{
    if (!handshake->done || handshake->failed) {
        memset(ret, 0, sizeof *ret);
        return false;
    }
    handshake->io.silent = true;
    const struct dg_takeover_of of = {
        .tap = &handshake->io.tap,
        .cid = {.data = handshake->cid, .size = handshake->cid_size},
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
    handshake->io.silent = true;
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
    .doubts = doubts,
    .hello_claims = hello_claims,
    .claims = claims,
    .free = dg_handshake_free,
    .gate_deadline = gate_deadline,
    .gate_advance = gate_advance,
};
