// SPDX-License-Identifier: GPL-3.0-or-later
// A dialer and a handshake in the client's role from the inside. Only the dial files of src/crypto include it.
#ifndef DG_CRYPTO_DIAL_INNER_H
#define DG_CRYPTO_DIAL_INNER_H

#include "crypto/dial_screen.h"
#include "crypto/dialer.h"
#include "crypto/inner.h"

struct dg_dialer {
    struct dg_dialer_config config; // without its strings
    char *server_name;              // NULL: none
    bool name_is_address;           // an IP address: compared as one, never sent as SNI (RFC 6066 3)
    bool has_pin;
    uint8_t pin[32];
    struct dg_credentials *credentials;
    struct dg_psk own_psk;          // lies in credentials
    const struct dg_psk *psk;       // own_psk; NULL: none
    bool shows_key;                 // a certificate, or a raw public key
    struct dg_trust trust;
    struct dg_own own;              // our certificate, if it has one
    WOLFSSL_CTX *context;
    WOLFSSL_SESSION *session;       // to offer next; NULL: none
    struct dg_proof session_proof;  // who the server was when it gave that
};

#define DG_DIAL_EVENTS 16
#define DG_DIAL_KEPT 8 // records that overtake the end of the handshake (RFC 9147 5.8.1)

struct dg_dial {
    struct dg_dialer *dialer;
    WOLFSSL *ssl;
    struct dg_library_io io;
    uint8_t cid_size; // of the ID that is offered, if the dialer offers any
    uint8_t cid[DG_CID_SIZE_MAX];
    enum { DIAL_CONNECTING, DIAL_AWAITS_TICKET, DIAL_DONE, DIAL_FAILED } state;
    bool offers_session;
    struct dg_proof offered_proof; // who the server was in that session: other handshakes change the dialer's
    bool ticket12_seen;

    struct dg_screen screen;
    bool is_contested;      // two answers of the server contradict each other: one is forged
    bool is_dead;           // the library has given up over what anybody could have sent: it is not called again
    unsigned begun_anew;    // times
    enum dg_counter dropped;
    struct {
        uint8_t *bytes;
        size_t size;
    } kept[DG_DIAL_KEPT];
    unsigned kept_count, kept_taken;

    dg_time started_at, now;
    dg_time deadline;       // retransmission, or the end of waiting for a ticket
    int plain_alert;        // description of an unprotected fatal alert, -1: none
    unsigned alert_repetitions; // of our flight since it came
    dg_time alert_deadline; // when it is believed; DG_NEVER: not yet, or the server went on after it

    bool heard_hello;      // the server's
    bool certificate_seen;
    struct dg_proof certificate; // what the verify call-back accepted
    struct dg_proof proof;
    const char *reason;    // static text, NULL: none
    int alert_received;    // description, -1: none

    struct dg_dial_event events[DG_DIAL_EVENTS];
    unsigned event_count, event_told;
};

// dial.c
void dg_dial_give(struct dg_dial *dial, const uint8_t *record, size_t size, const struct dg_output *output);
void dg_dial_finish(struct dg_dial *dial);

// dial_receive.c: one record of the server's.
void dg_dial_receive(struct dg_dial *dial, const uint8_t *record, size_t size, const struct dg_output *output);
size_t dg_dial_kept(struct dg_dial *dial, uint8_t **ret_record);
void dg_dial_forget_kept(struct dg_dial *dial);

// dial_verify.c
int dg_dial_verify(int accepted, WOLFSSL_X509_STORE_CTX *store);
// The library's call-back at the end: who the server is. Nobody: the handshake ends.
int dg_dial_on_done(WOLFSSL *ssl, void *context);

// dial_session.c
void dg_dial_offer_session(struct dg_dial *dial); // before the hello
void dg_dial_keep_session(struct dg_dial *dial);  // when the handshake is over
void dg_dial_drop_session(struct dg_dialer *dialer);
int dg_dial_on_ticket12(WOLFSSL *ssl, const unsigned char *ticket, int size, void *dial);

// dial_words.c
// The first reason is the cause; what the library says after it is the consequence.
void dg_dial_set_reason(struct dg_dial *dial, const char *reason);
void dg_dial_reason_from_library(struct dg_dial *dial, int error);
const char *dg_dial_words_of_alert(const struct dg_dial *dial, int alert);
const char *dg_dial_why(const struct dg_dial *dial, int *ret_alert);

// dial_told.c
__attribute__((format(printf, 3, 4))) void dg_dial_tell(struct dg_dial *dial, const char *what, const char *format,
                                                        ...);
void dg_dial_tell_hello(struct dg_dial *dial);
// What an unprotected record of the server says: call before the library has it.
void dg_dial_tell_received(struct dg_dial *dial, const uint8_t *record, size_t size);
void dg_dial_tell_done(struct dg_dial *dial);
bool dg_dial_told(struct dg_dial *dial, struct dg_dial_event *ret);

#endif
