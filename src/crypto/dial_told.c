// SPDX-License-Identifier: GPL-3.0-or-later
// The handshake as a person would want to read it: what was offered, what the server chose, who it is, how long
// it took. Facts for people only; decides nothing.
#include "core/wire_constants.h"
#include "crypto/dial_inner.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void dg_dial_tell(struct dg_dial *dial, const char *what, const char *format, ...)
{
    if (dial->event_count == DG_DIAL_EVENTS) // a handshake has fewer; a server with a long chain loses words
        return;
    struct dg_dial_event *event = &dial->events[dial->event_count++];
    event->what = what;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(event->detail, sizeof event->detail, format, arguments);
    va_end(arguments);
}

bool dg_dial_told(struct dg_dial *dial, struct dg_dial_event *ret)
{
    if (dial->event_told == dial->event_count)
        return false;
    *ret = dial->events[dial->event_told++];
    if (dial->event_told == dial->event_count)
        dial->event_told = dial->event_count = 0;
    return true;
}

void dg_dial_tell_hello(struct dg_dial *dial)
{
    const struct dg_dialer *dialer = dial->dialer;
    const struct dg_dialer_config *config = &dialer->config;
    bool certificates = dialer->trust.anchor_count > 0 || dialer->has_pin || config->insecure_no_verify;
    bool shows_name = dialer->server_name != NULL && !dialer->name_is_address;
    dg_dial_tell(dial, "hello sent", "DTLS %s; %s%s%s%s%s%s%s",
                 config->version_min == 13   ? "1.3"
                 : config->version_max == 12 ? "1.2"
                                             : "1.3 or 1.2",
                 dialer->psk != NULL ? "pre-shared key" : "", dialer->psk != NULL && certificates ? " or " : "",
                 certificates ? "certificates" : "", config->offer_cid ? "; connection ID" : "",
                 config->offer_rrc ? "; return routability check" : "",
                 dial->offers_session ? "; resumes the last session" : "", shows_name ? "; with the server's name" : "");
}

static void server_hello(struct dg_dial *dial, struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    (void)dg_read_u16(&reader); // version
    struct dg_bytes random = dg_read_bytes(&reader, 32);
    (void)dg_read_block8(&reader); // session ID
    uint16_t number = dg_read_u16(&reader);
    if (reader.failed)
        return;
    if (dg_screen_is_retry(random)) {
        dg_dial_tell(dial, "server asks again", "for its cookie and a key share (HelloRetryRequest)");
        return;
    }
    if (dial->heard_hello)
        return;
    dial->heard_hello = true;
    const struct dg_suite *suite = dg_suite_find(number);
    dg_dial_tell(dial, "server hello", "%s with %s",
                 suite == NULL                        ? "something"
                 : suite->exchange == DG_EXCHANGE_13 ? "DTLS 1.3"
                                                     : "DTLS 1.2",
                 suite != NULL ? suite->name : "a cipher suite that is none of ours");
}

void dg_dial_tell_received(struct dg_dial *dial, const uint8_t *record, size_t size)
{
    struct dg_reader reader = dg_reader_of(record, size);
    uint8_t type = dg_read_u8(&reader);
    (void)dg_read_u16(&reader);
    uint16_t epoch = dg_read_u16(&reader);
    (void)dg_read_u48(&reader);
    struct dg_reader body = dg_reader_in(dg_read_block16(&reader));
    struct dg_handshake_fragment message;
    if (reader.failed || type != DG_CONTENT_HANDSHAKE || epoch != 0 || !dg_handshake_fragment_read(&body, &message) ||
        message.offset != 0)
        return;
    if (message.type == DG_HS_HELLO_VERIFY_REQUEST)
        dg_dial_tell(dial, "server asks again", "for its cookie (HelloVerifyRequest)");
    else if (message.type == DG_HS_SERVER_HELLO)
        server_hello(dial, message.bytes);
}

void dg_dial_tell_done(struct dg_dial *dial)
{
    unsigned size = 0;
    char ids[64] = "no connection IDs";
    if (wolfSSL_dtls_cid_is_enabled(dial->ssl) == 1 &&
        wolfSSL_dtls_cid_get_tx_size(dial->ssl, &size) == WOLFSSL_SUCCESS)
        snprintf(ids, sizeof ids, "connection IDs (the server's of %u bytes)%s", size,
                 wolfSSL_dtls_rrc_negotiated(dial->ssl) == 1 ? " and rrc" : "");
    const char *group = wolfSSL_get_curve_name(dial->ssl);
    bool resumed = wolfSSL_session_reused(dial->ssl) == 1;
    dg_dial_tell(dial, "handshake done", "%s%s%s, %s, in %llu ms", resumed ? "resumed" : "full",
                 group != NULL ? ", group " : "", group != NULL ? group : "", ids,
                 (unsigned long long)(dg_time_since(dial->now, dial->started_at) / DG_MILLISECOND));
}
