// SPDX-License-Identifier: GPL-3.0-or-later
// The front's inside, shared by the front_*.c files and by nobody else: its state, and what each of the
// files does for the others.
#ifndef DG_CORE_FRONT_STATE_H
#define DG_CORE_FRONT_STATE_H

#include "core/early.h"
#include "core/front.h"
#include "core/handshake_table.h"
#include "core/reassembly.h"
#include "core/record.h"

#define DG_FRONT_AMPLIFICATION 3                 // RFC 9147 5.1: bytes out for one in, before the cookie
#define DG_FRONT_FINISHED_TIME (10 * DG_SECOND)  // an ended handshake is remembered: its client repeats flights within this
#define DG_FRONT_RETURNS_MAX 64                  // passed-on datagrams that a finished handshake gives back
#define DG_FRONT_FIRST_REPETITION DG_SECOND // nobody repeats a flight earlier (RFC 9147 5.8.2)
#define DG_FRONT_REPEAT_INTERVAL DG_SECOND       // between two repeated hellos that are answered
#define DG_FRONT_RETRY_INTERVAL DG_MILLISECOND   // between two attempts to hand over
#define DG_FRONT_TIMER_MIN DG_MILLISECOND        // a handshake's timer never fires twice at the same time
#define DG_FRONT_MESSAGE_MAX 16384               // of a client in clear: a chain of certificates
#define DG_FRONT_MESSAGES_MAX 3                  // of a client in clear behind its hello (RFC 5246 7.3)
#define DG_FRONT_PENDING_MAX 64                  // hand-overs that have left their handshake and wait for room

struct dg_front {
    struct dg_front_config config;
    uint32_t handshakes_capacity; // that the table was made for
    const struct dg_handshake_ops *ops;
    void *gate;
    struct dg_front_hooks hooks;
    struct dg_counters *counters;
    struct dg_admission *admission;
    struct dg_reassembly area;
    struct dg_handshake_table table;
    struct dg_early early;
    struct dg_handover *pending; // in shielded memory: they carry keys
    uint32_t pending_max;        // of these; no more than handshakes
    uint64_t pending_used;       // a bit for each
    // All that handshakes send goes through `metered`, which leads to output.
    struct dg_output output;
    struct dg_output metered;
    bool is_validated;  // of the peer being served: the cookie has come back
    size_t allowance;   // bytes that may still go to it while it is not
    uint32_t committed; // datagrams that went out since the meter was set
    uint32_t withheld;  // and that did not, counted
    // What the datagram being served has been good for: DG_COUNT_DATAGRAMS_*, or NONE so far.
    enum dg_counter used;
    bool is_forwarded; // the rest of it: whoever gets it says what becomes of it
    bool is_stopping;
};
_Static_assert(DG_FRONT_PENDING_MAX <= 64, "one bit each");

// One datagram on its way through the front.
struct dg_front_datagram {
    dg_time now;
    const struct dg_path *path;
    uint8_t *data;
    size_t size;
    bool is_passed_on;
};

// front_hello.c: a plaintext record with (a part of) a ClientHello. place: the path's entry or DG_NO_ENTRY.
void dg_front_hello(struct dg_front *front, const struct dg_front_datagram *datagram, const struct dg_record *record,
                    uint32_t place);

// front_handshakes.c: handshakes under way.
// A handshake that the gate has just made. The path's former entry is replaced.
void dg_front_begin(struct dg_front *front, dg_time now, const struct dg_path *path, const struct dg_hello *hello,
                    struct dg_bytes cid, struct dg_handshake *handshake);
// One record for the busy entry at place.
void dg_front_feed(struct dg_front *front, dg_time now, uint32_t place, const uint8_t *record, size_t size);
// Application data that came too early, or anything protected once the handshake is proven: kept or counted.
void dg_front_hold(struct dg_front *front, uint32_t place, const struct dg_record *record);
// The datagram being served has been good for this; a handshake is more than a hello.
void dg_front_use(struct dg_front *front, enum dg_counter use);
// Hands over what the last datagram or timer has proven.
void dg_front_settle(struct dg_front *front, dg_time now, uint32_t place);
void dg_front_timer(struct dg_front *front, dg_time now, uint32_t place);
// A busy entry is about to be ended for this reason; where its client is proven already, it is no handshake any more.
void dg_front_count_given_up(struct dg_front *front, uint32_t place, enum dg_counter reason);
// Ends a busy entry without a word.
void dg_front_discard(struct dg_front *front, uint32_t place);
// An identity whose key was wrong too often: says why it is not let try. counter: of the refusal.
void dg_front_backs_off(struct dg_front *front, dg_time now, const struct dg_path *path, const struct dg_psk_claim *claim,
                        enum dg_counter counter);
bool dg_front_is_busy(const struct dg_front *front, uint32_t place);

// front.c: the number under which the handshake is given this unprotected record.
void dg_front_renumber(struct dg_handshake_entry *entry, uint8_t *record);
// Opens the meter for a validated peer, or for one that may get allowance bytes.
void dg_front_meter_validated(struct dg_front *front);
void dg_front_meter_claimed(struct dg_front *front, size_t allowance);

#endif
