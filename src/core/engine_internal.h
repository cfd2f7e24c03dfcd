// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of the engine share: its state, an association under the hand, a datagram being judged.
// Never included outside of src/core's engine files and their tests.
#ifndef DG_CORE_ENGINE_INTERNAL_H
#define DG_CORE_ENGINE_INTERNAL_H

#include "core/engine.h"
#include "core/result.h"

// The sweep looks at every slot once in a period, a slice at a time.
#define DG_SWEEP_PERIOD (10 * DG_SECOND)
#define DG_SWEEP_SLICES 100

// Memory of vacant places goes back to the system after the sweep's slices, so many pages of one shard in each:
// well under a millisecond, and at a hundred slices in ten seconds 20 MB a second.
#define DG_TRIM_PAGES 512

#define DG_WARNED_SLOTS 64 // a power of two

// Associations whose end is being told to the owner: the hook may call back, the end happens once.
struct dg_closing {
    uint64_t id;
    const struct dg_closing *outer;
};

// The walk through all associations after the policy has changed: where it goes on, and not before when.
struct dg_review {
    bool is_under_way;
    size_t shard;
    uint32_t slot;
    dg_time next;
};

struct dg_engine {
    struct dg_engine_config config;
    const struct dg_memory *memory;
    const struct dg_aead_ops *aead;
    struct dg_output output;
    struct dg_engine_hooks hooks;
    struct dg_counters *counters;
    struct dg_shard *shards;
    size_t shard_count;
    struct dg_shard *by_number[DG_SHARDS_MAX]; // NULL: another engine's
    uint32_t policy_generation;
    struct dg_review review;
    const struct dg_policy *policy; // NULL: none
    bool may_hold_back;             // what has opened may still not pass: for its network or its rate
    bool has_networks, has_rates;
    struct dg_slot_rates **rates;   // of each shard, one for each slot; NULL: no rule has rates
    const struct dg_closing *closing;
    bool is_found;   // the live slots of the process before
    bool is_settled; // nothing of the process before is left to be judged
    struct dg_soonest soonest;
    bool any_sweep; // as of the last sweep: there is something to look at
    dg_time sweep_next;
    size_t trim_shard; // the one that is being gone through
    bool is_draining;
    dg_time drain_started_at;
    uint64_t drained;
    size_t drain_shard;
    uint32_t drain_cursor;
    dg_time warned_at[DG_WARNED_SLOTS]; // no_renegotiation, by the association's id
    dg_time told_at[DG_WARNED_SLOTS];   // of what came from a network that is not allowed, likewise
};

// An association under the hand. Callbacks of the owner may end it: dg_association_is_alive after each.
struct dg_association {
    struct dg_engine *engine;
    struct dg_shard *shard;
    struct dg_slot *slot;
    uint64_t id;
    dg_time now;
};

// A datagram being judged: the association that it named, and what is to be acknowledged at its end.
#define DG_ACKS_MAX 16
struct dg_record_number {
    uint64_t epoch, sequence;
};
struct dg_receive {
    struct dg_association association;
    const struct dg_path *path; // where it says that it comes from
    bool path_begun;            // it was the first to come from there
    struct dg_record_number acks[DG_ACKS_MAX];
    size_t ack_count;
    uint32_t served_before; // what the shard's head said of who is being served
    bool has_opened;      // one of its records was authentic and new
    bool flight_answered; // DTLS 1.3: this datagram's epoch-2 records passed the rate limit
};

// association.c
bool dg_association_find(struct dg_engine *engine, dg_time now, struct dg_ref ref, struct dg_association *ret);
struct dg_association dg_association_of(struct dg_engine *engine, dg_time now, struct dg_shard *shard,
                                        struct dg_slot *slot);
bool dg_association_is_alive(const struct dg_association *association);
struct dg_keyset *dg_association_tx(const struct dg_association *association);
struct dg_keyset *dg_association_rx(const struct dg_association *association);
struct dg_key_view dg_association_view(const struct dg_association *association, const struct dg_keyset *keyset);
// After keys were wiped, or used for the last time: what the library made from them goes too.
static inline void dg_engine_forget_keys(const struct dg_engine *engine)
{
    if (engine->aead->forget != NULL)
        engine->aead->forget();
}
static inline void dg_association_forget_keys(const struct dg_association *association)
{
    dg_engine_forget_keys(association->engine);
}
struct dg_path dg_association_path(const struct dg_slot *slot);
// The peer's ID in what we send; size 0: none (RFC 9146 3: negotiated but empty is sent without).
struct dg_bytes dg_slot_peer_cid(const struct dg_shard *shard, const struct dg_slot *slot);
// Ends it: the alert (DG_NO_ALERT: none), the counters, the hook, the wiping.
#define DG_NO_ALERT (-1)
void dg_association_end(const struct dg_association *association, enum dg_counter reason, int alert);
// An authentic record that breaks the protocol.
void dg_association_fail(const struct dg_association *association, struct dg_result failure);
// An authentic record that makes no sense and ends nothing, until there were too many since the last data (C6).
#define DG_GARBAGE_MAX 100
void dg_association_garbage(const struct dg_association *association, enum dg_counter reason);

// engine_policy.c
void dg_engine_policy_clear(struct dg_engine *engine);
struct dg_policy_verdict dg_engine_judge_newcomer(const struct dg_engine *engine, const struct dg_handover *handover);
// A newcomer that is allowed by this rule, and live: NONE, or the limit that it does not fit in; it is gone then.
enum dg_counter dg_association_enter(const struct dg_association *association, uint16_t rule);
// May it go on under the current policy? False: it has just been ended as unauthorised, or for a limit.
bool dg_association_authorised(const struct dg_association *association);
// The same for one that has nothing to say: it ends only where config.closes_removed asks for that, or for a limit.
bool dg_association_review(const struct dg_association *association);
// The same without ending who is not allowed: for whoever looks after what it holds.
bool dg_association_may_go_on(const struct dg_association *association);
bool dg_engine_has_limits(const struct dg_engine *engine);
void dg_association_moved(const struct dg_association *association); // may end it
// Where engine->may_hold_back. False is counted.
bool dg_policy_lets_pass(const struct dg_receive *receive, size_t size);
dg_time dg_association_idle_time(const struct dg_association *association);

// engine_review.c
void dg_engine_review_begin(struct dg_engine *engine);
void dg_engine_review(struct dg_engine *engine, dg_time now); // a slice

// engine_send.c
// Protects one record into out. ret_number may be NULL. 0: limit reached, no room, or the library failed.
size_t dg_association_seal(const struct dg_association *association, uint8_t type, const void *data, size_t size,
                           uint8_t *out, size_t capacity, struct dg_record_number *ret_number);
// The same into a datagram of its own. False is counted.
bool dg_association_send(const struct dg_association *association, uint8_t type, const void *data, size_t size,
                         struct dg_record_number *ret_number);

// The same to a path of the caller's choice, where it goes in at most size_max bytes; these are added to *spent
// before it goes (NULL: not counted).
bool dg_association_send_to(const struct dg_association *association, const struct dg_path *to, size_t size_max,
                            uint64_t *spent, uint8_t type, const void *data, size_t size);

// path.c, path_rrc.c: clients that move (RFC 9853, RFC 9146 6, RFC 9147 11)
// A record of size bytes has opened; is_newest: its number is above all before it. Before anything else is done
// with it, since answers go where it came from. May end the association (the owner's hook).
void dg_path_seen(struct dg_receive *receive, uint8_t type, size_t size, bool is_newest);
// Where a datagram of size bytes goes that holds one record of this type; counts it as gone there. hidden: its number,
// where that was drawn as dg_path_hides asked for; else NULL.
struct dg_path dg_path_choose(const struct dg_association *association, uint8_t type, size_t size,
                              const struct dg_record_number *hidden);
// A challenge outside of any check: nothing comes of its answer but that it opens.
bool dg_path_ask(const struct dg_association *association);
void dg_path_message_received(struct dg_receive *receive, struct dg_bytes body, size_t record_size);
void dg_path_due(const struct dg_association *association, struct dg_side_flight *flight);

// path_kept.c: data that has gone to the proven address is kept while another one is being asked about
void dg_path_keep(const struct dg_association *association, const struct dg_path *to, const uint8_t *data, size_t size);

// path_probe.c: proofs by acknowledgement, DTLS 1.3
// Is the acknowledgement of this record, in at most size_max bytes, to prove an address? Then its number must be one
// that only its receiver can know.
bool dg_path_hides(const struct dg_association *association, uint8_t type, size_t size_max);
// No record of ours has this number: who acknowledges it has not received it.
bool dg_path_was_never_sent(const struct dg_association *association, struct dg_record_number number);
// May move the association's address, or end it (the owner's hook).
void dg_path_acknowledged(struct dg_receive *receive, struct dg_record_number number);
// After a list of acknowledgements: what the next proof takes.
void dg_path_probe_next(const struct dg_receive *receive);

// refusal.c
// A fatal alert under the keys of a handover that was refused. It is not used afterwards.
void dg_refusal_send(struct dg_engine *engine, const struct dg_handover *handover, uint8_t description);

// alerts.c
void dg_alert_send(const struct dg_association *association, uint8_t level, uint8_t description);
void dg_alert_received(struct dg_receive *receive, struct dg_record_number number, struct dg_bytes body);
bool dg_alert_is_after_close(const struct dg_association *association, struct dg_record_number number);

// post_handshake.c: DTLS 1.3 after the handshake
void dg_post_handshake_received(struct dg_receive *receive, struct dg_record_number number, struct dg_bytes body);
// A new message of ours in a side slot, first transmission included. False: no side slot, or no message_seq.
bool dg_message_start(const struct dg_association *association, uint8_t type, const void *body, size_t size);
void dg_message_free(const struct dg_association *association, struct dg_side_flight *flight);
void dg_message_due(const struct dg_association *association, struct dg_side_flight *flight);

// ack.c
void dg_ack_add(struct dg_receive *receive, struct dg_record_number number);
void dg_ack_flush(struct dg_receive *receive);
void dg_ack_received(struct dg_receive *receive, struct dg_bytes body);

// key_update.c
enum dg_key_update_request { DG_UPDATE_NOT_REQUESTED = 0, DG_UPDATE_REQUESTED = 1 };
// Begins a KeyUpdate of ours unless one is under way. False: no side slot, try again later.
bool dg_key_update_start(const struct dg_association *association, enum dg_key_update_request request);
DG_MUST_USE struct dg_result dg_key_update_received(const struct dg_association *association, uint64_t epoch,
                                                    struct dg_bytes body);
// Our KeyUpdate was acknowledged: sending goes over to the next keys. False: no place for them yet.
bool dg_key_update_acknowledged(const struct dg_association *association);
// A record of the current epoch has opened: the epoch before is done with.
void dg_key_update_retire_old(const struct dg_association *association);

// final_flight.c
#define DG_FINAL_FLIGHT_PAUSE (500 * DG_MILLISECOND)
void dg_final_flight_received12(const struct dg_association *association, struct dg_bytes body);
void dg_final_flight_received13(struct dg_receive *receive, struct dg_side_flight *flight,
                                struct dg_record_number number, struct dg_bytes body);
void dg_final_flight_confirmed12(const struct dg_association *association);
// Deadlines of what a take-over brought along.
void dg_final_flight_begin(const struct dg_association *association);

#endif
