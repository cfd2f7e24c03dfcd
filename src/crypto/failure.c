// SPDX-License-Identifier: GPL-3.0-or-later
// Says why a handshake failed, for people and counters. Only static texts and what the peer itself claimed:
// never a secret, never anything that is sent to the peer.
#include "crypto/inner.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <string.h>

void dg_failure_set(struct dg_handshake *handshake, enum dg_counter counter, const char *reason)
{
    // The first reason is the cause; what the library says after it is the consequence.
    if (handshake->failure.reason != NULL)
        return;
    handshake->failure.counter = counter;
    handshake->failure.reason = reason;
}

static struct dg_failure_words wrong_psk(const struct dg_handshake *handshake)
{
    if (handshake->claim_is_known)
        return (struct dg_failure_words){DG_COUNT_FAIL_WRONG_KEY, "wrong key for this identity"};
    return (struct dg_failure_words){DG_COUNT_FAIL_UNKNOWN_IDENTITY, "unknown identity"};
}

static bool claims_psk(const struct dg_handshake *handshake)
{
    return handshake->claim.known && handshake->claim.kind == DG_IDENTITY_PSK;
}

struct dg_failure_words dg_failure_of_alert(const struct dg_handshake *handshake, int alert)
{
    // A client that verifies our Finished under another key says so.
    if (claims_psk(handshake) && (alert == decrypt_error || alert == bad_record_mac))
        return wrong_psk(handshake);
    switch (alert) {
    case unknown_ca:
    case bad_certificate:
    case certificate_unknown:
    case certificate_expired:
        return (struct dg_failure_words){DG_COUNT_NONE, "the client refused our certificate"};
    case handshake_failure:
    case wolfssl_alert_protocol_version:
    case insufficient_security:
        return (struct dg_failure_words){DG_COUNT_FAIL_NO_COMMON, "the client found nothing in common with us"};
    default:
        return (struct dg_failure_words){DG_COUNT_NONE, "the client ended the handshake with an alert"};
    }
}

static void set_words(struct dg_handshake *handshake, struct dg_failure_words words)
{
    dg_failure_set(handshake, words.counter, words.reason);
}

void dg_failure_from_library(struct dg_handshake *handshake, int error)
{
    WOLFSSL_ALERT_HISTORY alerts = {.last_rx = {-1, -1}, .last_tx = {-1, -1}};
    switch (error) {
    case NO_PEER_CERT:
        dg_failure_set(handshake, DG_COUNT_FAIL_NO_CERTIFICATE, "the client sent no certificate");
        return;
    case BAD_BINDER: // RFC 8446 4.2.11.2
        set_words(handshake, handshake->claim_is_known
                                 ? (struct dg_failure_words){DG_COUNT_FAIL_WRONG_KEY,
                                                             "wrong key for this identity: the binder does not verify"}
                                 : wrong_psk(handshake));
        return;
    case DECRYPT_ERROR:
    case VERIFY_MAC_ERROR:
    case VERIFY_FINISHED_ERROR:
        if (claims_psk(handshake))
            set_words(handshake, wrong_psk(handshake));
        else
            dg_failure_set(handshake, DG_COUNT_NONE, "the client's Finished does not verify");
        return;
    case MATCH_SUITE_ERROR:
    case UNSUPPORTED_SUITE:
    case INCOMPLETE_DATA:
        dg_failure_set(handshake, DG_COUNT_FAIL_NO_COMMON,
                       "no cipher suite or group in common that our credentials allow");
        return;
    case NO_CERT_ERROR:
    case NO_PRIVATE_KEY:
        dg_failure_set(handshake, DG_COUNT_FAIL_NO_COMMON, "the client wants a certificate and we have none");
        return;
    case BAD_KEY_SHARE_DATA:
    case KEY_SHARE_ERROR:
    case ECC_CURVE_ERROR:
        dg_failure_set(handshake, DG_COUNT_FAIL_NO_COMMON, "no group in common");
        return;
    case VERSION_ERROR:
        dg_failure_set(handshake, DG_COUNT_FAIL_NO_COMMON, "no version in common");
        return;
    case PSK_KEY_ERROR:
        dg_failure_set(handshake, DG_COUNT_FAIL_NO_COMMON, "no way in common to use the pre-shared key");
        return;
    case VERIFY_CERT_ERROR:
    case CRL_CERT_REVOKED:
        dg_failure_set(handshake, DG_COUNT_FAIL_CERTIFICATE, "the client's certificate was refused");
        return;
    case UNSUPPORTED_CERTIFICATE:
        dg_failure_set(handshake, DG_COUNT_FAIL_CERTIFICATE,
                       "the client showed a kind of certificate that was not agreed on");
        return;
    case VERIFY_SIGN_ERROR:
    case SIG_VERIFY_E:
        dg_failure_set(handshake, DG_COUNT_FAIL_CERTIFICATE, "the client does not hold its certificate's key");
        return;
    case SOCKET_ERROR_E:
        dg_failure_set(handshake, DG_COUNT_HANDSHAKES_EXPIRED, "the client did not answer in time");
        return;
    case DTLS_TOO_MANY_FRAGMENTS_E:
        dg_failure_set(handshake, DG_COUNT_NONE, "the client sent more messages than a handshake has");
        return;
    case MEMORY_E:
    case MEMORY_ERROR:
        dg_failure_set(handshake, DG_COUNT_FAIL_MEMORY, "our memory was short");
        return;
    default:
        break;
    }
    wolfSSL_get_alert_history(handshake->ssl, &alerts);
    if (error == FATAL_ERROR && alerts.last_rx.code >= 0)
        set_words(handshake, dg_failure_of_alert(handshake, alerts.last_rx.code));
    else
        dg_failure_set(handshake, DG_COUNT_NONE, "the client broke the protocol");
}
