// SPDX-License-Identifier: GPL-3.0-or-later
// A worker thread: its sockets, its shards' engine, its backend, its messages. Owns all of these; passes on
// what belongs to another thread. Never performs a handshake, never logs (its hooks do).
#ifndef DG_IO_WORKER_LOOP_H
#define DG_IO_WORKER_LOOP_H

#include "core/backend.h"
#include "core/engine.h"
#include "core/latency.h"
#include "io/loop.h"
#include "io/tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Called from the worker's thread; any may be NULL.
struct dg_worker_hooks {
    void *context;
    void (*opened)(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                   const struct dg_handover *handover);
    // A proven client that is not taken over, and by which rule (DG_POLICY_NO_RULE: none); what is in handover is gone
    // after the return.
    void (*refused)(void *context, const void *policy, dg_time now, const struct dg_handover *handover,
                    enum dg_counter reason, uint16_t rule);
    void (*limited)(void *context, const void *policy, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                    struct dg_bytes identity, enum dg_counter reason);
    void (*closed)(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                   struct dg_bytes identity, enum dg_counter reason);
    void (*moved)(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                  struct dg_bytes identity, const struct dg_address *from);
    // May it go on under this policy, which nobody else's thread waits for? NULL: always.
    struct dg_policy_verdict (*authorise)(void *context, const void *policy, const struct dg_slot *slot,
                                          struct dg_bytes identity);
    const struct dg_policy *(*rules)(void *context, const void *policy); // of it; NULL: there are none
    // The worker takes this policy into use: what comes with it changes *config, which holds what is in force. Returns its
    // generation. NULL: the message says it.
    uint32_t (*policy_taken)(void *context, const void *policy, struct dg_engine_config *config);
    void (*policy_replaced)(void *context, void *policy); // the worker will not ask this one again
    // Which backends, and what is said of an association there: see dg_worker_backend_hooks.
    uint64_t (*backends_of)(void *context, const void *policy);
    uint16_t (*backend_of)(void *context, const void *policy, const struct dg_slot *slot);
    void (*name)(void *context, const void *policy, const struct dg_slot *slot, struct dg_backend_subject *subject);
    void (*backend_trouble)(void *context, dg_time now, uint16_t backend, const struct dg_backend_trouble *trouble);
    // Every datagram of a socket, as it came.
    void (*debug_datagram)(void *context, dg_time now, const struct dg_path *path, const uint8_t *data, size_t size);
    // Plaintext from a client, or an answer to one.
    void (*debug_plaintext)(void *context, dg_time now, struct dg_ref ref, struct dg_bytes identity,
                            bool is_from_client, const uint8_t *data, size_t size);
};

struct dg_worker_loop_config {
    uint32_t worker; // 0..worker_count-1
    uint32_t worker_count;
    struct dg_mesh *mesh;            // of dg_mesh_size(worker_count) threads
    const struct dg_socket *sockets; // this thread's, one for each listener
    size_t socket_count;
    const struct dg_memory *memory;  // its header says shard count and steering
    const struct dg_aead_ops *aead;
    struct dg_engine_config engine;
    struct dg_backend_maker backend;
    struct dg_worker_hooks hooks;
    struct dg_counters *counters;    // this thread's
    struct dg_tally *tally;          // shared by all workers; NULL: limits of identities and networks are not kept
    struct dg_latencies *latencies;  // this thread's; NULL: nothing is timed
    void *policy;                    // what authorise is asked with; the caller's, as its successors are
    uint32_t policy_generation;
};

struct dg_worker_loop;

// What config points to must outlive the loop. NULL: error says why.
struct dg_worker_loop *dg_worker_loop_new(const struct dg_worker_loop_config *config, char *error, size_t error_size);
void dg_worker_loop_free(struct dg_worker_loop *loop); // the slots stay in memory
// The thread's body: returns when stopped. GENTLY: once every association has been closed.
void dg_worker_loop_run(void *loop);
void dg_worker_loop_stop(struct dg_worker_loop *loop, enum dg_stop how); // from any thread
// The same: is the thread stuck? turns: as it was found before, and is now. False: it has not turned since. Wakes it, so
// that an idle one turns before the next question.
bool dg_worker_loop_has_turned(struct dg_worker_loop *loop, uint64_t *turns);
bool dg_worker_loop_is_holding(const struct dg_worker_loop *loop);       // the same: since DG_STOP_HOLD no socket is read
size_t dg_worker_loop_live(const struct dg_worker_loop *loop);           // the same: associations
// From any thread: what authorise is asked with from the next DG_MESSAGE_POLICY_GENERATION on, which the caller puts
// behind this. Where the ring is full of such messages that is not needed: each takes the newest policy there is into use,
// and one of them at least is still to be read. Returns one that was set before and never taken into use (the caller's
// again), or NULL.
void *dg_worker_loop_set_policy(struct dg_worker_loop *loop, void *policy);
// From any thread: the generation in use. What came before it has been given back.
uint32_t dg_worker_loop_policy_generation(const struct dg_worker_loop *loop);
void *dg_worker_loop_policy(const struct dg_worker_loop *loop); // while the thread does not run: the one in use
// Before the thread runs: a datagram that waited in a socket that no thread reads any more.
void dg_worker_loop_take(struct dg_worker_loop *loop, const struct dg_received *received);

#endif
