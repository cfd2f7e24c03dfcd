// SPDX-License-Identifier: GPL-3.0-or-later
// A gate with credentials of every kind, and one client against its table of operations: handshake, hand-over
// and data with the hand-over's keys, all in memory. Nothing is sent anywhere, no clock is read by it.
#ifndef DG_TESTS_GATE_RIG_H
#define DG_TESTS_GATE_RIG_H

#include "core/handshake.h"
#include "crypto/gate.h"
#include "crypto/pki.h"
#include "support/wolf_client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RIG_DATAGRAMS 256
#define RIG_DATAGRAM_MAX 4096

struct rig_queue {
    struct {
        size_t size;
        uint8_t bytes[RIG_DATAGRAM_MAX];
    } datagrams[RIG_DATAGRAMS];
    size_t first, count;
};

// The keys and names that the rig's credentials consist of; the files are written by rig_new.
#define RIG_IDENTITY "meter-1"
#define RIG_OTHER_IDENTITY "meter-2"
extern const uint8_t rig_psk[32];
extern const uint8_t rig_wrong_psk[32];

struct rig_pki {
    struct dg_pki_pem ca, server, client, other_ca, stranger, raw_client, raw_stranger;
};
const struct rig_pki *rig_pki(void); // made once for each process

struct rig_options {
    bool with_psk, with_certificate, with_client_ca, with_raw_keys;
    bool without_authentication;
    bool without_rrc;
    enum dg_profile profile;
    uint16_t datagram_max;                   // 0: 1,200
    const char *psk_lines;                   // NULL: the two identities above
    const struct dg_pki_pem *server;         // NULL: the usual one
    const struct dg_pki_pem *more_servers[4]; // certificates besides that
    const char *client_ca;                   // PEM; NULL: the usual CA
    const char *crls[2];                     // PEM
    bool accepts_missing_crl;
    const char *fingerprints;                // lines
    const char *names[4];                    // rules for clients' names
    const char *ticket_keys;                 // lines
    struct dg_memory_secrets *secrets;       // NULL: the rig's own
    struct dg_key_turns *turns;              // NULL: the gate's own
    uint64_t ticket_realm;
};

struct rig {
    struct dg_credentials *credentials;
    struct dg_gate *gate;
    struct dg_memory_secrets own_secrets;
    struct dg_memory_secrets *secrets;
    char error[512];                          // of the credentials or the gate, when rig_new says false
    struct dg_path path;
    uint8_t cid[DG_CID_SIZE_MAX];
    size_t cid_size;                          // of the IDs that the gate offers: 8, or what a test makes it
    dg_time now;
    struct rig_queue to_client, to_server;
    struct wolf_client *client;
    struct dg_handshake *handshake;
    enum dg_handshake_step step;
    bool declines_cid;         // the gate offers no connection ID
    bool lose_to_client;       // what the server sends is counted and thrown away
    unsigned server_datagrams; // sent so far
    size_t server_largest;
    size_t server_bytes;
    unsigned hellos_answered;
    unsigned plain_alert;      // description of the last unprotected alert of the server + 1, 0: none
    uint8_t scratch[RIG_DATAGRAM_MAX];
    uint8_t hello[RIG_DATAGRAM_MAX]; // a fragmented hello on its way: one record, as the front makes it
    size_t hello_have;
};

// False: no credentials or no gate; rig->error says why.
bool rig_new(struct rig *rig, const struct rig_options *options);
void rig_free(struct rig *rig);
struct dg_output rig_output(struct rig *rig);
struct dg_bytes rig_cid(const struct rig *rig); // that the gate offers

// Starts a client; its wire is filled in. One client at a time.
bool rig_client(struct rig *rig, const struct wolf_client_config *config);
// Gives one datagram of the client to the gate, as the front would.
void rig_give(struct rig *rig, const uint8_t *datagram, size_t size);
// Gives all that the client has sent.
void rig_give_all(struct rig *rig);
// Runs both to the end: DONE, FAILED or, when nobody has anything to say any more, GOES_ON. Stops when the
// server is done; wolf_client_connect on for the client.
enum dg_handshake_step rig_run(struct rig *rig);
// rig_run, then take, then free of the handshake, then the client's connect. False where one of these failed.
bool rig_take(struct rig *rig, struct dg_handover *ret);
// Lets go of handshake and client, keeps the gate.
void rig_hang_up(struct rig *rig);

// --- data with a hand-over's keys --------------------------------------------------

// One record out to the client with the next number.
bool rig_seal(struct rig *rig, struct dg_handover *handover, uint8_t type, const void *data, size_t size);
// The next record of the client in the application epoch that opens: its size, -1 when there is none.
int rig_open(struct rig *rig, struct dg_handover *handover, uint8_t *ret_type, uint8_t *data, size_t capacity);
// Both directions, a few records: true when all of them arrived whole.
bool rig_exchange(struct rig *rig, struct dg_handover *handover);

bool rig_queue_put(struct rig_queue *queue, const uint8_t *bytes, size_t size);
size_t rig_queue_get(struct rig_queue *queue, uint8_t *bytes, size_t capacity);

#endif
