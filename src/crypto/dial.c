// SPDX-License-Identifier: GPL-3.0-or-later
// One handshake in the client's role: begun, run, repeated by its timer, begun anew where answers contradict each
// other, handed over. Never judges a record (dial_receive.c does), never lets the library send after the hand-over.
#include "base/secret.h"
#include "crypto/cookie.h"
#include "crypto/dial_inner.h"
#include "crypto/takeover.h"

#include <wolfssl/error-ssl.h>

#include <stdlib.h>
#include <string.h>

#define TICKET_WAIT (200 * DG_MILLISECOND)    // after the handshake, for a NewSessionTicket
#define BEGINS_MAX 3                          // times that a handshake is begun anew
#define ALERT_REPETITIONS 2                   // of our flight that stay unanswered until an unprotected alert is believed

// --- running ------------------------------------------------------------------

static enum dg_dial_step step_of(const struct dg_dial *dial)
{
    return dial->state == DIAL_FAILED ? DG_DIAL_FAILED : dial->state == DIAL_DONE ? DG_DIAL_DONE : DG_DIAL_GOES_ON;
}

static void fail(struct dg_dial *dial)
{
    dial->state = DIAL_FAILED;
    dial->deadline = dial->alert_deadline = DG_NEVER;
    if (dial->offers_session) // the next one is a full handshake
        dg_dial_drop_session(dial->dialer);
}

void dg_dial_finish(struct dg_dial *dial)
{
    dial->state = DIAL_DONE;
    dial->deadline = dial->alert_deadline = DG_NEVER;
    dg_dial_keep_session(dial);
    dg_dial_tell_done(dial);
}

// The handshake is over. In DTLS 1.3 the ticket comes after it, and only the library makes a session of it.
static void connected(struct dg_dial *dial)
{
    bool is_13 = wolfSSL_version(dial->ssl) == DTLS1_3_VERSION;
    if (!is_13 || !dial->dialer->config.resume || dial->io.tap.peer_ticket_seen) {
        dg_dial_finish(dial);
        return;
    }
    dial->state = DIAL_AWAITS_TICKET;
    dial->alert_deadline = DG_NEVER;
    dial->deadline = dial->now + TICKET_WAIT;
}

static void set_deadline(struct dg_dial *dial) { dial->deadline = dial->now + dg_library_io_timeout(&dial->io); }

static bool is_waiting(int error) { return error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE; }

// The library gave up over what anybody could have sent, for nothing has opened yet: should another answer come
// meanwhile that contradicts it, the handshake is begun anew. Not at once, since answers to what the library sent
// before may still be on their way.
static void wait_for_another(struct dg_dial *dial)
{
    dial->is_dead = true;
    // A server that does not hear from us repeats its flight after as long.
    dial->deadline = dial->now + 3 * dial->dialer->config.retransmit_seconds * DG_SECOND / 2;
}

// Runs the library's state machine over what dial->record holds. True: it has connected.
static bool run(struct dg_dial *dial)
{
    size_t sent_before = dial->io.sent;
    int result = wolfSSL_connect(dial->ssl);
    if (result == WOLFSSL_SUCCESS)
        return true;
    int error = wolfSSL_get_error(dial->ssl, result);
    if (!is_waiting(error)) {
        dg_dial_reason_from_library(dial, error);
        if (dial->screen.next_seq > 0 && dial->screen.stage != DG_SCREEN_OVER)
            wait_for_another(dial);
        else
            fail(dial);
    } else if (dial->io.sent != sent_before || dial->deadline == 0) {
        set_deadline(dial);
        dial->alert_deadline = DG_NEVER; // the server goes on: the alert was not its
        dial->plain_alert = -1;
    }
    return false;
}

// DTLS 1.3, after the handshake: the library reads the ticket and acknowledges it.
static void take_ticket(struct dg_dial *dial)
{
    uint8_t nothing[16];
    int result = wolfSSL_read(dial->ssl, nothing, sizeof nothing);
    int error = wolfSSL_get_error(dial->ssl, result);
    if (result <= 0 && !is_waiting(error))
        dial->io.tap.broken = true; // an object in an unknown state is not taken over
}

void dg_dial_give(struct dg_dial *dial, const uint8_t *record, size_t size, const struct dg_output *output)
{
    if (size <= DG_SCREEN_RECORD_MAX)
        dg_library_io_make_room(&dial->io, size);
    dg_library_io_open(&dial->io, record, size, output);
    bool is_connected = false;
    if (dial->state == DIAL_CONNECTING)
        is_connected = run(dial);
    else
        take_ticket(dial);
    dg_tap_received(&dial->io.tap, record, size);
    if (is_connected)
        connected(dial);
    else if (dial->state == DIAL_AWAITS_TICKET && (dial->io.tap.peer_ticket_seen || dial->io.tap.broken))
        dg_dial_finish(dial);
    dg_library_io_close(&dial->io);
}

// --- begun --------------------------------------------------------------------

static bool set_up(struct dg_dial *dial)
{
    const struct dg_dialer *dialer = dial->dialer;
    const struct dg_dialer_config *config = &dialer->config;
    WOLFSSL *ssl = dial->ssl;
    union dg_canonical_address address;
    socklen_t address_size = dg_cookie_address(&dial->io.path.peer, &address);
    wolfSSL_SetCertCbCtx(ssl, dial);
    if (!dg_library_io_begin(&dial->io, dial, ssl, true) ||
        wolfSSL_dtls_set_peer(ssl, &address, (unsigned)address_size) != WOLFSSL_SUCCESS ||
        wolfSSL_dtls_set_mtu(ssl, config->datagram_max) != WOLFSSL_SUCCESS ||
        wolfSSL_SetHsDoneCb(ssl, dg_dial_on_done, dial) != WOLFSSL_SUCCESS ||
        wolfSSL_dtls_set_timeout_init(ssl, (int)config->retransmit_seconds) != WOLFSSL_SUCCESS)
        return false;
    if (config->resume && wolfSSL_set_SessionTicket_cb(ssl, dg_dial_on_ticket12, dial) != WOLFSSL_SUCCESS)
        return false;
    dg_dial_offer_session(dial);
    // The hybrid's share does not fit one datagram: the server asks for it together with its cookie.
    if (config->version_max == 13 && wolfSSL_NoKeyShares(ssl) != WOLFSSL_SUCCESS)
        return false;
    if (dialer->server_name != NULL && !dialer->name_is_address &&
        wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, dialer->server_name, (word16)strlen(dialer->server_name)) !=
            WOLFSSL_SUCCESS)
        return false;
    if (config->offer_cid && (wolfSSL_dtls_cid_use(ssl) != WOLFSSL_SUCCESS ||
                              wolfSSL_dtls_cid_set(ssl, dial->cid, dial->cid_size) != WOLFSSL_SUCCESS))
        return false;
    return !config->offer_rrc || wolfSSL_dtls_rrc_use(ssl) == WOLFSSL_SUCCESS;
}

static bool begin(struct dg_dial *dial, const struct dg_output *output)
{
    dial->ssl = wolfSSL_new(dial->dialer->context);
    if (dial->ssl == NULL || !set_up(dial))
        return false;
    dg_screen_begin(&dial->screen, dial->begun_anew > 0);
    dg_dial_tell_hello(dial);
    dg_library_io_open(&dial->io, NULL, 0, output);
    (void)run(dial);
    dg_library_io_close(&dial->io);
    return true;
}

// With a fresh hello, from the same port: a forger has to find out its random and be first again.
static void begin_anew(struct dg_dial *dial, const struct dg_output *output)
{
    dial->io.silent = true;
    wolfSSL_free(dial->ssl);
    dg_dial_forget_kept(dial);
    dial->begun_anew++;
    dial->is_contested = dial->is_dead = false;
    dial->heard_hello = dial->certificate_seen = dial->ticket12_seen = false;
    dg_wipe(&dial->certificate, sizeof dial->certificate);
    dg_wipe(&dial->proof, sizeof dial->proof);
    dial->reason = NULL;
    dial->plain_alert = dial->alert_received = -1;
    dial->alert_deadline = DG_NEVER;
    dial->deadline = 0;
    dg_dial_tell(dial, "begins anew", "answers to our hello contradict each other: one of them is forged");
    if (begin(dial, output))
        return;
    dg_dial_set_reason(dial, "memory is short");
    fail(dial);
}

// --- time ---------------------------------------------------------------------

static dg_time deadline(const struct dg_dial *dial)
{
    return dial->state == DIAL_FAILED ? 0 : dg_time_min(dial->deadline, dial->alert_deadline);
}

static void repeat_flight(struct dg_dial *dial, const struct dg_output *output)
{
    dg_library_io_open(&dial->io, NULL, 0, output);
    int result = wolfSSL_dtls_got_timeout(dial->ssl);
    dg_library_io_close(&dial->io);
    if (result == WOLFSSL_SUCCESS) {
        set_deadline(dial);
        if (dial->plain_alert >= 0 && ++dial->alert_repetitions == ALERT_REPETITIONS)
            dial->alert_deadline = dial->now + dial->dialer->config.retransmit_seconds * DG_SECOND;
        return;
    }
    int error = wolfSSL_get_error(dial->ssl, result);
    if (is_waiting(error)) // the library has repeated its flight often enough
        dg_dial_set_reason(dial, dg_dial_why(dial, NULL));
    else
        dg_dial_reason_from_library(dial, error);
    fail(dial);
}

static enum dg_dial_step advance(struct dg_dial *dial, dg_time now, const struct dg_output *output)
{
    if (dial->state == DIAL_DONE || dial->state == DIAL_FAILED || now < deadline(dial))
        return step_of(dial);
    dial->now = now;
    if (dial->state == DIAL_AWAITS_TICKET) {
        dg_dial_finish(dial); // without a ticket; should it come yet, the engine acknowledges it
        return step_of(dial);
    }
    if (now >= dial->alert_deadline) {
        dg_dial_set_reason(dial, dg_dial_words_of_alert(dial, dial->plain_alert));
        fail(dial);
        return step_of(dial);
    }
    if (dial->is_contested && dial->screen.stage != DG_SCREEN_OVER && dial->begun_anew < BEGINS_MAX)
        begin_anew(dial, output);
    else if (dial->is_dead)
        fail(dial);
    else
        repeat_flight(dial, output);
    return step_of(dial);
}

// --- both ends ----------------------------------------------------------------

static void dial_free(struct dg_dial *dial)
{
    if (dial == NULL)
        return;
    dial->io.silent = true;
    wolfSSL_free(dial->ssl);
    dg_screen_clear(&dial->screen);
    dg_dial_forget_kept(dial);
    dg_wipe(dial, sizeof *dial);
    free(dial);
}

static struct dg_dial *start(void *context, dg_time now, const struct dg_path *path, struct dg_bytes cid,
                             const struct dg_output *output)
{
    struct dg_dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL)
        return NULL;
    dial->dialer = context;
    dial->io.path = *path;
    dial->io.datagram_max = dial->dialer->config.datagram_max;
    DG_BUG_UNLESS(cid.size > 0 && cid.size <= sizeof dial->cid);
    dial->cid_size = (uint8_t)cid.size;
    memcpy(dial->cid, cid.data, cid.size);
    dial->plain_alert = dial->alert_received = -1;
    dial->started_at = dial->now = now;
    dial->alert_deadline = DG_NEVER;
    if (!begin(dial, output)) {
        dial_free(dial);
        return NULL;
    }
    return dial;
}

static enum dg_dial_step receive(struct dg_dial *dial, dg_time now, const uint8_t *record, size_t size,
                                 const struct dg_output *output)
{
    dial->dropped = DG_COUNT_NONE;
    if (dial->state == DIAL_DONE || dial->state == DIAL_FAILED || size == 0)
        return step_of(dial);
    dial->now = now;
    dg_dial_receive(dial, record, size, output);
    return step_of(dial);
}

static enum dg_counter dropped(const struct dg_dial *dial) { return dial->dropped; }

static bool take(struct dg_dial *dial, struct dg_handover *ret)
{
    if (dial->state != DIAL_DONE || dial->io.silent) {
        memset(ret, 0, sizeof *ret);
        return false;
    }
    dial->io.silent = true;
    const struct dg_takeover_of of = {
        .tap = &dial->io.tap,
        .cid = {.data = dial->cid, .size = dial->cid_size},
        .proof = &dial->proof,
        .may_be_nobody = dial->dialer->config.insecure_no_verify,
    };
    if (!dg_takeover(&of, ret)) {
        dial->state = DIAL_FAILED;
        dg_dial_set_reason(dial, "the watched records did not open with the extracted keys");
        return false;
    }
    ret->path = dial->io.path;
    return true;
}

const struct dg_dial_ops dg_wolf_dial = {
    .start = start,
    .receive = receive,
    .dropped = dropped,
    .deadline = deadline,
    .advance = advance,
    .take = take,
    .kept = dg_dial_kept,
    .why = dg_dial_why,
    .told = dg_dial_told,
    .free = dial_free,
};
