// SPDX-License-Identifier: GPL-3.0-or-later
// What the front asks of a handshake: a small table of functions, so that a fake one can stand in. The
// real one is src/crypto, the only room that knows the TLS library.
#ifndef DG_CORE_HANDSHAKE_H
#define DG_CORE_HANDSHAKE_H

#include "base/time_value.h"
#include "core/handover.h"
#include "core/hello.h"
#include "core/output.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_handshake; // one handshake under way; the implementation's

enum dg_cookie_verdict {
    DG_COOKIE_NONE,
    DG_COOKIE_VALID,   // under the current or the previous secret, for this peer and this hello
    DG_COOKIE_INVALID,
};
enum dg_hello_verdict {
    DG_HELLO_ANSWERED, // HelloVerifyRequest, HelloRetryRequest or an alert was queued; nothing is kept
    DG_HELLO_IGNORED,  // nothing queued, nothing kept
    DG_HELLO_NO_MEMORY, // the same: ours is short. The client has done nothing wrong
    DG_HELLO_STARTED,  // a handshake exists and has answered
};
enum dg_handshake_step {
    DG_STEP_GOES_ON,
    DG_STEP_DONE,      // proven; ask for the handover. Remaining records are not the handshake's
    DG_STEP_FAILED,    // ask why, then free; an alert may have been queued
};

// Why a handshake failed, for the log line and the counters.
struct dg_handshake_failure {
    enum dg_counter counter;     // FAIL_*
    const char *reason;          // a sentence for people: "wrong key for this identity"; static text
    const char *rule;            // of the policy, that refused a proven client; NULL: none. Gone when the hook returns
    bool is_contested;           // somebody else may have made the claim: the identity does not pay for it
    uint8_t identity_kind;       // what the peer claimed, unproven
    uint8_t identity_size;
    uint8_t identity[DG_IDENTITY_MAX];
    uint8_t alert_sent;          // alert description, 255: none
    uint8_t alert_received;      // 255: none
};

// The identity that a peer asks to be proven by a pre-shared key as.
struct dg_psk_claim {
    uint8_t identity_size;
    uint8_t identity[DG_IDENTITY_MAX];
};

struct dg_handshake_ops {
    // Judges the hello's cookie without keeping or sending anything.
    enum dg_cookie_verdict (*check_cookie)(void *gate, dg_time now, const struct dg_path *path,
                                           const struct dg_hello *hello);
    // Gives one whole ClientHello (a record with plaintext header and whole message, as it was parsed) to the stateless
    // accept. cid: the connection ID to offer should the peer want one, of size 0: offer none. Answers go to output.
    enum dg_hello_verdict (*hello)(void *gate, dg_time now, const struct dg_path *path, const struct dg_hello *hello,
                                   struct dg_bytes cid, const struct dg_output *output, struct dg_handshake **ret);
    // Gives exactly one record. Sends through output.
    enum dg_handshake_step (*receive)(struct dg_handshake *handshake, dg_time now, const uint8_t *record, size_t size,
                                      const struct dg_output *output);
    // Its retransmission timer: when, and that it came. The step may be FAILED.
    dg_time (*deadline)(const struct dg_handshake *handshake);
    enum dg_handshake_step (*advance)(struct dg_handshake *handshake, dg_time now, const struct dg_output *output);
    // Once, after DONE: fills everything but path. False: the watched records did not open with the extracted
    // keys, the association must not be used.
    bool (*take)(struct dg_handshake *handshake, struct dg_handover *ret);
    void (*why)(const struct dg_handshake *handshake, struct dg_handshake_failure *ret);
    // After a step that goes on: what has made it unlikely that the handshake ends well, for the log alone, since
    // anybody may have caused it. True at most once. May be NULL.
    bool (*doubts)(struct dg_handshake *handshake, struct dg_handshake_failure *ret);
    void (*free)(struct dg_handshake *handshake); // sends nothing; wipes
    // What a hello with a valid cookie, or the peer of a handshake under way, claims. False: nothing, or not yet. DTLS 1.2
    // says so after the hello. May be NULL.
    bool (*hello_claims)(void *gate, const struct dg_path *path, const struct dg_hello *hello, struct dg_psk_claim *ret);
    bool (*claims)(const struct dg_handshake *handshake, struct dg_psk_claim *ret);
    // Rotation of cookie secrets and ticket keys: when next, and do it.
    dg_time (*gate_deadline)(const void *gate);
    void (*gate_advance)(void *gate, dg_time now);
};

#endif
