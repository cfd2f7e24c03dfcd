// SPDX-License-Identifier: GPL-3.0-or-later
// The engine without I/O: established associations of one worker's shards. Four verbs: take a datagram,
// give datagrams (through dg_output), say when it next wants the clock, be told the time. Used by one
// thread. Never reads a clock, never blocks. After init it allocates only as its indexes double, and for rules with
// rates.
#ifndef DG_CORE_ENGINE_H
#define DG_CORE_ENGINE_H

#include "core/aead.h"
#include "core/counters.h"
#include "core/handover.h"
#include "core/memory.h"
#include "core/output.h"
#include "core/policy.h"
#include "core/shard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_engine;

struct dg_engine_config {
    dg_time idle_timeout;         // without a record that opened: the association ends with close_notify
    dg_time idle_timeout_cid;     // the same for associations with a connection ID
    dg_time maximal_age;          // DG_NEVER: none
    uint32_t associations_max;    // in all shards, other engines' too; 0: as many as find a slot
    uint32_t prefix_max;          // of one prefix, for who counts them (hooks.join); 0: no limit
    dg_time retransmit_initial;   // RFC 9147 5.8.2: 1 s; doubles up to 60 s
    uint16_t datagram_max;        // bytes of UDP payload that we send at most (path MTU less headers)
    uint64_t ccm8_open_limit;     // failed openings under one key; RFC 9147 4.5.3 asks for an explicit limit
    uint16_t ccm8_open_rate;      // failed openings a second with CCM_8; further records are not tried then
    uint16_t open_rate;           // the same for all other AEADs
    uint32_t drain_per_second;    // close_notify's a second while stopping (C8)
    bool address_strict;          // only checks go to an address that is not proven; DTLS 1.2 without RRC stays
    bool path_basic;              // RRC asks the new address at once, without asking the old one first (RFC 9853 5.1)
    bool closes_removed;          // who is not authorised any more is closed soon after, else when it has something to say
    dg_time path_timeout;         // RRC: how long an answer may take where the round trip is not known
};
struct dg_engine_config dg_engine_config_default(void);

// What the engine tells its owner. Callbacks may call dg_engine_send and dg_engine_close.
struct dg_engine_hooks {
    void *context;
    // Application data; data lies in the received datagram's buffer and is gone after the return.
    void (*deliver)(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, const uint8_t *data,
                    size_t size);
    void (*opened)(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                   const struct dg_handover *handover);
    // Before the slot is wiped. reason: CLOSED_* or FAIL_*.
    void (*closed)(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, enum dg_counter reason);
    // The client is at slot->peer now, and was at from.
    void (*moved)(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                  const struct dg_address *from);
    // Asked at the take-over (of the slot nothing is known yet but who the client is and how it came), after a move, and
    // when slot->policy_generation differs from the current one, before plaintext passes in either direction: may this
    // association be, and by which rule of dg_engine_set_rules? NULL: always.
    struct dg_policy_verdict (*authorise)(void *context, const struct dg_slot *slot, struct dg_bytes identity);
    // It was allowed again, by slot->rule now, which may be another than before. May be NULL.
    void (*allowed)(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot);
    // Who was allowed joins those that are counted against limits, again whenever it was asked about again. NONE, or
    // FAIL_*: there is no room for it among them, and it ends. NULL: there are no limits.
    enum dg_counter (*join)(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                            struct dg_bytes identity, bool is_new);
    // A finished handshake that was not taken over. rule: that denied it or had no room, or DG_POLICY_NO_RULE.
    void (*refused)(void *context, dg_time now, const struct dg_handover *handover, enum dg_counter reason,
                    uint16_t rule);
    // Its rule's rate drops what it says, or it speaks from where no rule allows it: told once a minute of an
    // association. May be NULL.
    void (*limited)(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, enum dg_counter reason);
};

// shard_numbers: which shards of memory this engine owns. NULL: memory is short.
struct dg_engine *dg_engine_new(const struct dg_engine_config *config, const struct dg_memory *memory,
                                const uint32_t *shard_numbers, size_t shard_count, const struct dg_aead_ops *aead,
                                const struct dg_output *output, const struct dg_engine_hooks *hooks,
                                struct dg_counters *counters);
void dg_engine_free(struct dg_engine *engine); // the slots stay in memory
// False: slots of the process before are still being looked for, in dg_engine_advance and where a datagram asks for
// them: some milliseconds for each shard. What goes out should not wait for the next one.
bool dg_engine_is_found(const struct dg_engine *engine);

enum dg_engine_verdict {
    DG_ENGINE_OPENED,     // at least one of its records was authentic and new
    DG_ENGINE_NOT_OPENED, // an association's, and none was: dropped, counted
    DG_ENGINE_UNKNOWN,    // its first record names no association of ours: perhaps a handshake under way
};
// Takes a datagram, opened in place (data is changed). path->peer is where it says it comes from: it only
// nominates; where answers go moves only when it is proven to be the client's (path.c). A close_notify of
// DTLS 1.3 ends the association five seconds later: until then earlier data still arrives and send works.
DG_MUST_USE enum dg_engine_verdict dg_engine_receive(struct dg_engine *engine, dg_time now, const struct dg_path *path,
                                                     uint8_t *data, size_t size);
// Protects and queues data for the association. False: ref has ended, data is too large for a datagram,
// no room, or the key's limit is reached; each is counted.
bool dg_engine_send(struct dg_engine *engine, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size);
// A record that says nothing, so that the peer (and what is on the way to it) sees where we are. False: as above.
bool dg_engine_keep_alive(struct dg_engine *engine, dg_time now, struct dg_ref ref);
// The largest data that dg_engine_send takes for it, 0: ref has ended. RFC 9147 4.4.
size_t dg_engine_payload_max(const struct dg_engine *engine, struct dg_ref ref);

// A finished handshake: replaces a CID-less association at the same path in these shards, then opens the
// new one. False: refused and counted (TABLE_FULL, CID_COLLISION, FAIL_POLICY, ...), and the peer is told so. handover
// is wiped by the caller.
bool dg_engine_take_over(struct dg_engine *engine, dg_time now, const struct dg_handover *handover);
// Ends the CID-less association at this path, if there is one, as replaced: a new one was proven elsewhere, at
// proven_at. One that was opened after that is the client's next word, and stays.
void dg_engine_replace_path(struct dg_engine *engine, dg_time now, const struct dg_path *path, dg_time proven_at);
// close_notify where it is due, then gone. reason for hooks and counters.
void dg_engine_close(struct dg_engine *engine, dg_time now, struct dg_ref ref, enum dg_counter reason);
// The identity that the peer has proven; lies in the slot, size 0 where ref has ended.
struct dg_bytes dg_engine_identity(const struct dg_engine *engine, struct dg_ref ref);
// Client role: our own path has changed, or is about to. What we send carries an ID that the server has to spare for
// that, and it is asked for more when none is left (RFC 9147 9, RFC 9853 9).
void dg_engine_rebound(struct dg_engine *engine, dg_time now, struct dg_ref ref);
// Client role: what we send leaves from this address of ours from now on. Only for an association that both sides find
// by connection ID: others are found by their path.
void dg_engine_set_local(struct dg_engine *engine, struct dg_ref ref, const struct dg_address *local);
// The slot of an association, NULL where ref has ended; and the same where it may also go on under the policy of now,
// which is asked if it was not yet (it may end by that).
const struct dg_slot *dg_engine_peek(const struct dg_engine *engine, struct dg_ref ref);
const struct dg_slot *dg_engine_current(struct dg_engine *engine, dg_time now, struct dg_ref ref);
// The same for whoever looks after what it holds and brings no word of it: one that is not allowed is left to the review,
// or to its next word (on-removal).
const struct dg_slot *dg_engine_holder(struct dg_engine *engine, dg_time now, struct dg_ref ref);
// Keeps the backend's port in the slot.
void dg_engine_set_backend_port(struct dg_engine *engine, struct dg_ref ref, uint16_t port);
uint16_t dg_engine_backend_port(const struct dg_engine *engine, struct dg_ref ref); // 0: none
// Is the association in this slot one of ours that holds this port? True with its reference. ret_is_ours: the slot is.
bool dg_engine_holds_port(const struct dg_engine *engine, uint32_t shard, uint32_t slot, uint16_t port,
                          bool *ret_is_ours, struct dg_ref *ret_ref);
void dg_engine_set_config(struct dg_engine *engine, const struct dg_engine_config *config); // from now on
// What authorise's verdicts name from now on; the next generation follows. Lives until the next call. False: memory to
// count rates in is short, and what rated rules allow is dropped.
bool dg_engine_set_rules(struct dg_engine *engine, const struct dg_policy *policy);
// The policy that associations must have been checked under from now on. With config.closes_removed all of them are
// checked, a slice in each dg_engine_advance, else each before its next plaintext.
void dg_engine_set_policy_generation(struct dg_engine *engine, uint32_t generation);

// Begins to end all associations, paced by drain_per_second. dg_engine_live says how many are left.
void dg_engine_drain(struct dg_engine *engine, dg_time now);
size_t dg_engine_live(const struct dg_engine *engine);

dg_time dg_engine_deadline(const struct dg_engine *engine);
// now_wall_s: CLOCK_REALTIME seconds, for certificates' notAfter.
void dg_engine_advance(struct dg_engine *engine, dg_time now, uint32_t now_wall_s);

#endif
