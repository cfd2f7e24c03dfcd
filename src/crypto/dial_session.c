// SPDX-License-Identifier: GPL-3.0-or-later
// The session that a dialer keeps from one handshake to the next, and who the server was when it gave it. Offered
// as long as what the server was verified by is valid; never written anywhere.
#include "base/secret.h"
#include "crypto/dial_inner.h"

#include <wolfssl/wolfcrypt/wc_port.h>

#include <time.h>

void dg_dial_drop_session(struct dg_dialer *dialer)
{
    wolfSSL_SESSION_free(dialer->session);
    dialer->session = NULL;
    dg_wipe(&dialer->session_proof, sizeof dialer->session_proof);
}

// A copy for each handshake: the library writes the next ticket into the session that it works with.
void dg_dial_offer_session(struct dg_dial *dial)
{
    struct dg_dialer *dialer = dial->dialer;
    if (!dialer->config.resume || dialer->session == NULL)
        return;
    uint32_t expires_s = dialer->session_proof.expires_s;
    if (expires_s != 0 && wc_Time(NULL) >= (time_t)expires_s) { // what the server was verified by has expired
        dg_dial_drop_session(dialer);
        return;
    }
    WOLFSSL_SESSION *copy = wolfSSL_SESSION_dup(dialer->session);
    dial->offers_session = copy != NULL && wolfSSL_set_session(dial->ssl, copy) == WOLFSSL_SUCCESS;
    wolfSSL_SESSION_free(copy);
    if (!dial->offers_session)
        dg_dial_drop_session(dialer);
    dial->offered_proof = dialer->session_proof;
}

// DTLS 1.2 says here that a ticket came; in 1.3 the tap has seen it.
int dg_dial_on_ticket12(WOLFSSL *ssl, const unsigned char *ticket, int size, void *context)
{
    (void)ssl;
    (void)ticket;
    struct dg_dial *dial = context;
    dial->ticket12_seen = size > 0;
    return 0;
}

void dg_dial_keep_session(struct dg_dial *dial)
{
    struct dg_dialer *dialer = dial->dialer;
    if (!dialer->config.resume)
        return;
    if (!dial->io.tap.peer_ticket_seen && !dial->ticket12_seen) {
        // No new one: the old one stays where it was good, and a server that would not have it is not asked again.
        if (dial->offers_session && wolfSSL_session_reused(dial->ssl) != 1)
            dg_dial_drop_session(dialer);
        return;
    }
    WOLFSSL_SESSION *session = wolfSSL_get1_session(dial->ssl);
    WOLFSSL_SESSION *copy = wolfSSL_SESSION_dup(session);
    wolfSSL_SESSION_free(session);
    if (copy == NULL)
        return;
    dg_dial_drop_session(dialer);
    dialer->session = copy;
    dialer->session_proof = dial->proof;
}
