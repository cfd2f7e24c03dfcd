// SPDX-License-Identifier: GPL-3.0-or-later
// The front thread: its sockets, the front without I/O, its messages. Hands finished handshakes to the
// workers and passes on what belongs to them. Holds no association, never logs (its hooks do).
#ifndef DG_IO_FRONT_LOOP_H
#define DG_IO_FRONT_LOOP_H

#include "core/front.h"
#include "core/latency.h"
#include "core/steer.h"
#include "io/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Called from the front's thread; any may be NULL.
struct dg_front_loop_hooks {
    void *context;
    void (*failed)(void *context, dg_time now, const struct dg_path *path, const struct dg_handshake_failure *failure);
    void (*doubted)(void *context, dg_time now, const struct dg_path *path, const struct dg_handshake_failure *failure);
    void (*refused)(void *context, dg_time now, const struct dg_path *path, enum dg_counter reason);
    void (*debug_datagram)(void *context, dg_time now, const struct dg_path *path, const uint8_t *data, size_t size);
    // The front takes this gate into use: what comes with it changes *config, which holds what is in force.
    void (*gate_taken)(void *context, const void *gate, struct dg_front_config *config);
    // The front uses another gate from now on and will not start a handshake with this one again.
    void (*gate_replaced)(void *context, void *gate);
};

struct dg_front_loop_config {
    uint32_t worker_count;
    struct dg_mesh *mesh;            // of dg_mesh_size(worker_count) threads
    const struct dg_socket *sockets; // this thread's, one for each listener
    size_t socket_count;
    struct dg_steer steer;
    struct dg_front_config front;
    const struct dg_handshake_ops *ops;
    void *gate;
    struct dg_front_loop_hooks hooks;
    struct dg_counters *counters;    // this thread's
    struct dg_latencies *latencies;  // this thread's; NULL: nothing is timed
};

struct dg_front_loop;

// What config points to must outlive the loop. NULL: error says why.
struct dg_front_loop *dg_front_loop_new(const struct dg_front_loop_config *config, char *error, size_t error_size);
void dg_front_loop_free(struct dg_front_loop *loop);
// The thread's body: returns when stopped. GENTLY: once no handshake is under way.
void dg_front_loop_run(void *loop);
void dg_front_loop_stop(struct dg_front_loop *loop, enum dg_stop how); // from any thread
// The same: is the thread stuck? turns: as it was found before, and is now. False: it has not turned since. Wakes it, so
// that an idle one turns before the next question.
bool dg_front_loop_has_turned(struct dg_front_loop *loop, uint64_t *turns);

// From any thread: another gate for new handshakes. Returns a gate that was set before but never taken into
// use (the caller's again), or NULL. gate_replaced tells when the one in use was given up.
void *dg_front_loop_set_gate(struct dg_front_loop *loop, void *gate);
// From any thread: handshakes under way as of its last turn.
size_t dg_front_loop_busy(const struct dg_front_loop *loop);
// While the thread does not run: the gate in use.
void *dg_front_loop_gate(const struct dg_front_loop *loop);

#endif
