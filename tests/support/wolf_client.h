// SPDX-License-Identifier: GPL-3.0-or-later
// A DTLS client for tests: wolfSSL's own, over two functions of the caller's instead of a socket. Moves
// one step at a time, never sleeps, never prints. Includes no wolfSSL header, so that every test can use it.
#ifndef DG_TESTS_WOLF_CLIENT_H
#define DG_TESTS_WOLF_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// IANA numbers of the groups that the library knows
enum {
    WOLF_GROUP_P256 = 23,
    WOLF_GROUP_P384 = 24,
    WOLF_GROUP_P521 = 25,
    WOLF_GROUP_X25519 = 29,
    WOLF_GROUP_P256_MLKEM768 = 4587,
    WOLF_GROUP_X25519_MLKEM768 = 4588,
};

// The client's way to the server. Datagrams are copied before send returns.
struct wolf_client_wire {
    void *context;
    void (*send)(void *context, const uint8_t *bytes, size_t size);
    // Copies the next datagram to buffer and returns its size; 0 when there is none.
    size_t (*receive)(void *context, uint8_t *buffer, size_t capacity);
};

// Zeroed is a DTLS 1.3 client that trusts nobody and proves nothing. Strings and keys are copied.
struct wolf_client_config {
    struct wolf_client_wire wire;
    int version;               // 12 or 13; 0: both, 13 preferred
    const char *suites;        // wolfSSL's names, colons between; NULL: the library's default
    int groups[6];             // in order of preference; the first gets the key share. All 0: the default
    bool empty_key_share;      // 1.3: no key share in the first hello, so that it stays small
    const char *psk_identity;  // NULL: no PSK
    const uint8_t *psk_key;
    size_t psk_key_size;
    bool psk_without_dhe;      // 1.3: offer psk_ke only, with a PSK as with a ticket
    const char *ca;            // PEM that the server's chain must end in; NULL: the server is not checked
    const char *certificate;   // PEM, leaf first; NULL: none
    const char *key;           // PEM private key of the certificate or of public_key
    const char *public_key;    // PEM: authenticate with this raw public key (RFC 7250) instead of a certificate
    bool accept_server_raw_key; // RFC 7250: ask the server for its raw key
    const char *server_name;   // SNI; NULL: none
    bool offer_cid;
    bool offer_rrc;            // return routability checks (RFC 9853), which the library negotiates and does not do
    uint8_t cid[255];          // what the server shall put into what it sends to us
    size_t cid_size;            // at most 64: the library refuses more
    bool tickets;              // 1.2: offer the extension (1.3's come anyway)
    bool without_ems;          // 1.2: leave extended_master_secret out
    size_t datagram_max;       // 0: 1,200
};

enum wolf_client_step { WOLF_CLIENT_GOES_ON, WOLF_CLIENT_DONE, WOLF_CLIENT_FAILED };

struct wolf_client;
struct wolf_session; // what a client needs to resume

// NULL when the library refuses the configuration (it prints why to stderr: a broken test).
struct wolf_client *wolf_client_new(const struct wolf_client_config *config);
void wolf_client_free(struct wolf_client *client); // sends nothing but what the library sends at its end; NULL is fine
// Offers this session in the handshake to come. The session stays the caller's.
bool wolf_client_resume(struct wolf_client *client, const struct wolf_session *session);

// Takes in all that has arrived and answers. Call again when something arrived.
enum wolf_client_step wolf_client_connect(struct wolf_client *client);
// The retransmission timer came: sends again what was not answered.
bool wolf_client_timeout(struct wolf_client *client);
// How long the library wants to wait for an answer before wolf_client_timeout is called, in milliseconds.
unsigned wolf_client_timer_ms(struct wolf_client *client);
// Back to its first second: by itself that time only ever doubles, and the library gives up at two minutes.
void wolf_client_reset_timer(struct wolf_client *client);
// One record of application data out: true when it was taken.
bool wolf_client_write(struct wolf_client *client, const void *data, size_t size);
// One record in: its size, 0 when there is none (tickets, KeyUpdates and ACKs are dealt with meanwhile),
// -1 when the association has ended (close_notify) or failed.
int wolf_client_read(struct wolf_client *client, void *data, size_t capacity);
bool wolf_client_closed(const struct wolf_client *client);   // the peer's close_notify came
void wolf_client_close(struct wolf_client *client);          // sends close_notify
bool wolf_client_update_keys(struct wolf_client *client);    // 1.3: KeyUpdate

int wolf_client_error(const struct wolf_client *client);     // wolfSSL's number of the last failure, 0: none
int wolf_client_alert_received(struct wolf_client *client);  // description, -1: none
int wolf_client_alert_sent(struct wolf_client *client);
bool wolf_client_resumed(struct wolf_client *client);
int wolf_client_version(struct wolf_client *client);         // 12 or 13
const char *wolf_client_suite(struct wolf_client *client);   // wolfSSL's name
const char *wolf_client_group(struct wolf_client *client);   // NULL: none
// The server's certificate, DER; its size, 0: none was shown.
size_t wolf_client_server_certificate(struct wolf_client *client, uint8_t *der, size_t capacity);
bool wolf_client_sni_answered(struct wolf_client *client); // RFC 6066 3: the server has used the name
// The ID that we must put into what we send (the server's); its size, -1: none negotiated.
int wolf_client_server_cid(struct wolf_client *client, uint8_t cid[255]);
// For resuming; in 1.3 only after wolf_client_read has taken in the ticket. Free with wolf_session_free.
struct wolf_session *wolf_client_session(struct wolf_client *client);
void wolf_session_free(struct wolf_session *session);

#endif
