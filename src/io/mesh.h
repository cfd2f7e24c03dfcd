// SPDX-License-Identifier: GPL-3.0-or-later
// The only thing that threads share: a bounded ring from each to each, a wake-up for each, and the peers at
// which a handshake is under way. Never interprets a message. Made before the threads start, freed after they
// have ended.
#ifndef DG_IO_MESH_H
#define DG_IO_MESH_H

#include "base/ring.h"
#include "core/address.h"
#include "io/messages.h"
#include "io/wake.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Threads of the mesh by number: the front, the workers, whoever controls them, and last the administration, which
// asks workers and waits for their answers.
#define DG_MESH_FRONT 0u
static inline uint32_t dg_mesh_worker(uint32_t worker) { return 1 + worker; }
static inline uint32_t dg_mesh_control(uint32_t worker_count) { return 1 + worker_count; }
static inline uint32_t dg_mesh_admin(uint32_t worker_count) { return 2 + worker_count; }
static inline uint32_t dg_mesh_size(uint32_t worker_count) { return 3 + worker_count; }

// Pages are touched only as far as messages queue up, but all count against the limit of locked memory.
#define DG_MESH_RING_BYTES (256 * 1024)

struct dg_mesh;

struct dg_mesh *dg_mesh_new(uint32_t thread_count, size_t ring_bytes); // NULL: memory or descriptors are short
void dg_mesh_free(struct dg_mesh *mesh);

// Called by thread `from` only. Wakes `to`. False: the ring is full, nothing was written.
DG_MUST_USE bool dg_mesh_put(struct dg_mesh *mesh, uint32_t from, uint32_t to, enum dg_message kind,
                             const struct dg_ring_part *parts, size_t part_count);
// The same for what can wait until `from` has sent its answers: wakes nobody until dg_mesh_wake_waiting. Where both
// threads share a processor, waking at once would put the other one before our own system call.
DG_MUST_USE bool dg_mesh_put_quietly(struct dg_mesh *mesh, uint32_t from, uint32_t to, enum dg_message kind,
                                     const struct dg_ring_part *parts, size_t part_count);
void dg_mesh_wake_waiting(struct dg_mesh *mesh, uint32_t from);
// Called by thread `to` only: the next message from anybody, in turn, so that one writer does not starve
// another. buffer holds DG_MESSAGE_BYTES_MAX. False: there is none.
DG_MUST_USE bool dg_mesh_get(struct dg_mesh *mesh, uint32_t to, uint32_t *ret_kind, void *buffer,
                             size_t *ret_size_bytes);
bool dg_mesh_is_empty(const struct dg_mesh *mesh, uint32_t to);
uint64_t dg_mesh_most(const struct dg_mesh *mesh); // bytes that have ever waited in one ring; any thread
struct dg_wake *dg_mesh_wake(struct dg_mesh *mesh, uint32_t thread);

// A client that comes back from the same address and port (RFC 6347 4.2.8) may send with its new keys before the
// worker knows them: what does not open under the old ones may be meant for the handshake. Contested: such a
// handshake began at the peer, or at one of the same hash, not long ago. The front writes, workers read. A time that is
// earlier than the one before shortens the peer's own, never that of another of the same hash.
void dg_mesh_contest(struct dg_mesh *mesh, const struct dg_address *peer, dg_time until);
bool dg_mesh_is_contested(const struct dg_mesh *mesh, const struct dg_address *peer, dg_time now);

#endif
