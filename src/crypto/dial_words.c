// SPDX-License-Identifier: GPL-3.0-or-later
// Says why a handshake with a server failed, or what it is waiting for, in words for people. Static texts only:
// never a secret, nothing of the peer's.
#include "crypto/dial_inner.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

void dg_dial_set_reason(struct dg_dial *dial, const char *reason)
{
    if (dial->reason == NULL)
        dial->reason = reason;
}

const char *dg_dial_words_of_alert(const struct dg_dial *dial, int alert)
{
    bool with_psk = dial->dialer->psk != NULL;
    switch (alert) {
    case illegal_parameter: // so for a PSK binder that does not verify
    case decrypt_error:
    case bad_record_mac:
        return with_psk ? "the server refused our pre-shared key: its key for this identity is another one, or it "
                          "does not know the identity"
                        : "the server could not verify our handshake";
    case unknown_psk_identity:
        return "the server does not know our PSK identity";
    case certificate_required:
        return "the server wants a certificate of ours and got none";
    case bad_certificate:
    case unsupported_certificate:
    case certificate_revoked:
    case certificate_expired:
    case certificate_unknown:
    case unknown_ca:
    case access_denied:
        return dial->dialer->shows_key ? "the server refused our certificate or key"
                                       : "the server wants a certificate of ours and got none";
    case unrecognized_name:
        return "the server does not know the name that was dialled";
    case wolfssl_alert_protocol_version:
        return "the server speaks none of the DTLS versions that we offer";
    case handshake_failure:
    case insufficient_security:
        return with_psk ? "the server found nothing in common with us: no cipher suite or group, or it takes no "
                          "pre-shared keys"
                        : "the server found nothing in common with us: no cipher suite or group, or it wants a "
                          "certificate of ours";
    case close_notify:
        return "the server ended the handshake";
    default:
        return "the server ended the handshake with an alert";
    }
}

void dg_dial_reason_from_library(struct dg_dial *dial, int error)
{
    bool with_psk = dial->dialer->psk != NULL && !dial->certificate_seen;
    WOLFSSL_ALERT_HISTORY alerts = {.last_rx = {-1, -1}, .last_tx = {-1, -1}};
    wolfSSL_get_alert_history(dial->ssl, &alerts);
    if (alerts.last_rx.code >= 0 && error == FATAL_ERROR) {
        dial->alert_received = alerts.last_rx.code;
        dg_dial_set_reason(dial, dg_dial_words_of_alert(dial, alerts.last_rx.code));
        return;
    }
    switch (error) {
    case DECRYPT_ERROR:
    case VERIFY_MAC_ERROR:
    case VERIFY_FINISHED_ERROR:
        dg_dial_set_reason(dial, with_psk ? "the server's Finished does not verify: it has another pre-shared key"
                                          : "the server's Finished does not verify");
        return;
    case PSK_KEY_ERROR:
        dg_dial_set_reason(dial, "no way in common to use the pre-shared key");
        return;
    case VERSION_ERROR:
        dg_dial_set_reason(dial, "the server speaks none of the DTLS versions that we offer");
        return;
    case MATCH_SUITE_ERROR:
    case UNSUPPORTED_SUITE:
        dg_dial_set_reason(dial, "the server chose a cipher suite that we did not offer");
        return;
    case ECC_CURVE_ERROR:
    case KEY_SHARE_ERROR:
    case BAD_KEY_SHARE_DATA:
        dg_dial_set_reason(dial, "no group in common with the server");
        return;
    case VERIFY_SIGN_ERROR:
    case SIG_VERIFY_E:
        dg_dial_set_reason(dial, "the server does not hold its certificate's key");
        return;
    case VERIFY_CERT_ERROR:
    case NO_PEER_CERT:
        dg_dial_set_reason(dial, "the server's certificate was refused");
        return;
    case UNSUPPORTED_CERTIFICATE:
        dg_dial_set_reason(dial, "the server showed a kind of certificate that was not agreed on");
        return;
    case SOCKET_ERROR_E:
    case DTLS_TOO_MANY_FRAGMENTS_E:
        dg_dial_set_reason(dial, dg_dial_why(dial, NULL));
        return;
    default:
        dg_dial_set_reason(dial, "the server broke the protocol");
        return;
    }
}

// Before it has failed: what a handshake that is given up was waiting for.
static const char *waiting_for(const struct dg_dial *dial)
{
    if (dial->plain_alert >= 0)
        return dg_dial_words_of_alert(dial, dial->plain_alert);
    // A wrong PSK in DTLS 1.2 has no failure of its own: what does not open is dropped (RFC 6347 4.1.2.7).
    if (dial->io.tap.finished.size > 0 && dial->dialer->psk != NULL && !dial->certificate_seen)
        return "the server does not answer our Finished: most likely it has another pre-shared key for this identity, "
               "or does not know it";
    if (dial->io.tap.finished.size > 0)
        return "the server does not answer our Finished";
    if (dial->screen.has_refused_large && dial->screen.stage != DG_SCREEN_OVER)
        return "a message of the server's is larger than we take: most likely its chain of certificates";
    if (!dial->heard_hello)
        return "the server does not answer";
    return "the server stopped answering in the middle of the handshake";
}

const char *dg_dial_why(const struct dg_dial *dial, int *ret_alert)
{
    if (ret_alert != NULL)
        *ret_alert = dial->alert_received >= 0 ? dial->alert_received : dial->plain_alert;
    return dial->reason != NULL ? dial->reason : waiting_for(dial);
}
