// SPDX-License-Identifier: GPL-3.0-or-later
// The backends of one worker by number: each made when a policy first uses it, each association's plaintext given to
// its own, each answer taken only from there. Never opens a descriptor itself, never judges a record.
#ifndef DG_IO_WORKER_BACKENDS_H
#define DG_IO_WORKER_BACKENDS_H

#include "core/backend.h"
#include "core/engine.h"
#include "io/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Called from the worker's thread; any may be NULL. policy: the one in use.
struct dg_worker_backend_hooks {
    void *context;
    // A bit for each backend that this policy uses. NULL: number 0 alone.
    uint64_t (*backends_of)(void *context, const void *policy);
    // The backend of an association that was allowed under this policy.
    uint16_t (*backend_of)(void *context, const void *policy, const struct dg_slot *slot);
    // Fills in what the slot does not say: the names of listener and cipher suite.
    void (*name)(void *context, const void *policy, const struct dg_slot *slot, struct dg_backend_subject *subject);
    void (*trouble)(void *context, dg_time now, uint16_t backend, const struct dg_backend_trouble *trouble);
    // Plaintext from a client, or an answer to one.
    void (*debug_plaintext)(void *context, dg_time now, struct dg_ref ref, struct dg_bytes identity,
                            bool is_from_client, const uint8_t *data, size_t size);
};

struct dg_worker_backends;

struct dg_worker_backend_seat {
    struct dg_worker_backends *all; // NULL: no backend made
    uint16_t number;
    struct dg_backend backend;
};

struct dg_worker_backends {
    struct dg_backend_maker maker;
    struct dg_worker_backend_hooks hooks;
    struct dg_loop *loop;
    struct dg_engine *engine;
    uint32_t worker, worker_count;
    struct dg_counters *counters;
    const void *policy;
    uint64_t made;       // bits of the seats in use
    uint64_t collecting; // of these, the ones that have something to flush
    uint16_t only;     // the one backend that the policy uses, DG_NO_BACKEND: several
    const struct dg_backend *sole; // that one, where it could be made
    dg_time tried_at;  // when making one failed last
    struct dg_worker_backend_seat seats[DG_BACKENDS_MAX];
};

// Before the first policy: who it is about. What it points to must outlive it.
void dg_worker_backends_init(struct dg_worker_backends *all, const struct dg_backend_maker *maker,
                             const struct dg_worker_backend_hooks *hooks, struct dg_loop *loop, struct dg_engine *engine,
                             uint32_t worker, uint32_t worker_count);
void dg_worker_backends_clear(struct dg_worker_backends *all); // fine where init was not called, but zeroed
// From now on this policy says which backend an association has; those that are new are made. False: error says what
// could not be made; what is for it is dropped and counted (BACKEND_ABSENT), and making it tried again.
bool dg_worker_backends_use(struct dg_worker_backends *all, const void *policy, char *error, size_t error_size);
// An association was allowed under the policy in use, which may have given it another backend: those that are not its
// own forget it.
void dg_worker_backends_settle(struct dg_worker_backends *all, dg_time now, struct dg_ref ref,
                               const struct dg_slot *slot);

void dg_worker_backends_deliver(struct dg_worker_backends *all, dg_time now, struct dg_ref ref,
                                const struct dg_slot *slot, const uint8_t *data, size_t size);
void dg_worker_backends_closed(struct dg_worker_backends *all, dg_time now, struct dg_ref ref);
// An answer that reached another worker.
void dg_worker_backends_take_answer(struct dg_worker_backends *all, dg_time now, const uint8_t *message, size_t size);
void dg_worker_backends_ready(struct dg_worker_backends *all, dg_time now); // those whose descriptors are readable
void dg_worker_backends_flush(struct dg_worker_backends *all, dg_time now);
dg_time dg_worker_backends_deadline(const struct dg_worker_backends *all);
void dg_worker_backends_advance(struct dg_worker_backends *all, dg_time now);

#endif
