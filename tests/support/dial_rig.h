// SPDX-License-Identifier: GPL-3.0-or-later
// Our dial against our gate, in memory: one handshake with both ends ours, on a virtual clock, over queues that
// can lose what the test says; then two engines, one in each role, which go on where the handshake ended.
#ifndef DG_TESTS_DIAL_RIG_H
#define DG_TESTS_DIAL_RIG_H

#include "core/engine.h"
#include "crypto/dialer.h"
#include "support/gate_rig.h"
#include "support/shard_region.h"

// What the dialer is given; texts, written to files for the making only. NULL: not given.
struct dial_options {
    const char *psk_lines;
    const char *psk_identity;
    const struct dg_pki_pem *client; // certificate and key
    bool raw;                        // show client's public key instead
    const char *ca;                  // PEM
    const char *name, *pin;
    bool insecure;
    int version_min, version_max;    // 0: 12 and 13
    bool offer_cid, offer_rrc, resume;
    enum dg_profile profile;
    uint16_t datagram_max;           // 0: 1,200
};

struct dial_side { // an engine
    struct shard_region region;
    struct dg_engine *engine;
    struct rig_queue *out;
    const struct dg_path *reached; // what goes to another peer than this is lost
    struct dg_ref ref;
    unsigned delivered, closed;
    enum dg_counter reason;
    uint8_t data[RIG_DATAGRAM_MAX];
    size_t data_size;
    uint8_t scratch[RIG_DATAGRAM_MAX];
};

struct dial_rig {
    struct rig gate;
    struct dg_dialer *dialer;
    struct dg_dial *dial;
    enum dg_dial_step step;
    uint32_t cid_size;   // of the client's IDs; 0: the default. The server's: gate.cid_size
    struct dg_path path; // the client's way: its peer is the server
    char error[512];
    char told[4096];     // all events, one a line
    // every datagram of the client, so that nonces can be looked at; and the loss
    unsigned client_datagrams, server_datagrams;
    size_t client_largest; // of the handshake
    unsigned lose_from_client, lose_from_server; // the number of the datagram that is lost, from 1; 0: none
    const char *server_says; // as soon as its engine is there; NULL: nothing
    unsigned server_says_more; // times more
    unsigned late_from_server; // the number of the datagram that comes behind all that is on its way with it; 0: none
    uint8_t late[RIG_DATAGRAM_MAX];
    size_t late_size;
    uint8_t rest[RIG_DATAGRAM_MAX]; // of the datagram in which the dial was done: the engine's (core/dial.h)
    size_t rest_size;
    unsigned unknown; // datagrams that named no association any more
    bool lose_all_from_server;
    const uint8_t *forged; // given to the client before the server's datagram of this number
    size_t forged_size;
    unsigned forge_before;
    // What comes to the client, before it gets it: dial_rig_give adds more, and it may be changed. NULL: nobody looks.
    void (*arrives)(struct dial_rig *rig, unsigned number, uint8_t *datagram, size_t size);
    unsigned dropped[DG_COUNTER_COUNT]; // by the dial
    unsigned kept;                      // records that overtook the handshake's end
    void (*seen)(void *context, const uint8_t *datagram, size_t size); // what the client sends; NULL: nobody looks
    void *seen_context;
    uint8_t scratch[RIG_DATAGRAM_MAX];
    struct dial_side client, server;
    struct dg_handover client_handover, server_handover;
};

// The dialer alone. False: rig->error says why.
bool dial_rig_dialer(struct dial_rig *rig, const struct dial_options *options);
void dial_rig_free(struct dial_rig *rig);
// Dials and runs both ends, timers included, until one is done or nothing moves for limit. Returns the dial's step.
enum dg_dial_step dial_rig_run(struct dial_rig *rig, dg_time limit);
// One datagram more for the client, as if the server had sent it.
void dial_rig_give(struct dial_rig *rig, const uint8_t *datagram, size_t size);
// After DONE on both sides: hand-overs into two engines.
bool dial_rig_take_over(struct dial_rig *rig);
// Lets datagrams and timers run for this long between the engines.
void dial_rig_pass(struct dial_rig *rig, dg_time duration);
// Data both ways arrives whole.
bool dial_rig_exchange(struct dial_rig *rig);
// A KeyUpdate of one side; requested: the other is to change its keys too. False: it could not begin.
bool dial_rig_update_keys(struct dial_rig *rig, bool by_client, bool requested);
// "sha256:HEX" of a certificate's key.
const char *rig_pin(const struct dg_pki_pem *pem);
// Both engines' counters to stderr, for a failed test.
void dial_rig_show(const struct dial_rig *rig);
// Ends handshakes and engines, keeps gate and dialer.
void dial_rig_hang_up(struct dial_rig *rig);

#endif
