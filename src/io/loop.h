// SPDX-License-Identifier: GPL-3.0-or-later
// What the front's and the workers' loops have in common: waiting for sockets, messages and one further
// descriptor; the two batches; being told to stop. Never looks into a datagram.
#ifndef DG_IO_LOOP_H
#define DG_IO_LOOP_H

#include "io/mesh.h"
#include "io/receive_batch.h"
#include "io/send_batch.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_LOOP_SOCKETS_MAX 64    // listening addresses
#define DG_LOOP_MESSAGES_MAX 256u // taken from the rings before the sockets have their turn again

enum dg_stop {
    DG_STOP_NOT,
    DG_STOP_GENTLY, // front: no new hellos, end when no handshake is under way; worker: close every association
    DG_STOP_HOLD,   // worker: reads no socket any more, and says so; what others pass on to it is served
    DG_STOP_KEEP,   // worker: ends when that is done and has gone out; associations stay in memory
    DG_STOP_NOW,    // what is under way stays as it is (associations stay in memory)
};

struct dg_loop {
    struct dg_mesh *mesh;
    uint32_t self; // number in the mesh
    const struct dg_socket *sockets;
    size_t socket_count;
    struct dg_counters *counters;
    struct dg_receive_batch *receive;
    struct dg_send_batch *send;
    uint8_t *message; // DG_MESSAGE_BYTES_MAX, aligned
    int epoll_fd;
    bool is_armed[DG_LOOP_SOCKETS_MAX];    // waits for the socket to be writable
    bool is_readable[DG_LOOP_SOCKETS_MAX]; // as the last wait found it
    uint64_t extras_readable; // a bit for each further descriptor
    _Atomic uint32_t stop; // dg_stop
    _Atomic uint64_t turns; // of the loop: whoever watches sees that it is not stuck
};

// sockets, mesh, counters stay the caller's. False: error says what was short.
DG_MUST_USE bool dg_loop_init(struct dg_loop *loop, struct dg_mesh *mesh, uint32_t self,
                              const struct dg_socket *sockets, size_t socket_count, struct dg_counters *counters,
                              char *error, size_t error_size);
void dg_loop_clear(struct dg_loop *loop); // fine on one whose init failed or that is zeroed
// A further descriptor to wait for (a backend's): its bit in extras_readable, 0..63.
DG_MUST_USE bool dg_loop_watch(struct dg_loop *loop, unsigned bit, int fd);

// What the owner of a loop does with what comes.
struct dg_loop_owner {
    void *context;
    // Datagrams of one listener, at most DG_RECEIVE_BATCH_MAX.
    void (*datagrams)(void *context, dg_time now, const struct dg_received *received, size_t count);
    // A message from another thread; the buffer is the loop's, aligned, and may be changed.
    void (*message)(void *context, dg_time now, uint32_t kind, uint8_t *message, size_t size);
};
// Every socket that the last wait found readable, once: what is read is answered before the next one is read.
void dg_loop_serve_sockets(struct dg_loop *loop, dg_time now, const struct dg_loop_owner *owner);
// Messages that have come, at most DG_LOOP_MESSAGES_MAX of them.
void dg_loop_serve_messages(struct dg_loop *loop, dg_time now, const struct dg_loop_owner *owner);

// Sleeps until a descriptor is readable, a message came, or the deadline; sets is_readable. Datagrams that
// waited for a socket go out as it becomes writable.
void dg_loop_wait(struct dg_loop *loop, dg_time now, dg_time deadline);
void dg_loop_flush(struct dg_loop *loop);

// Any thread: has the loop turned since *turns, which becomes what it is now? Wakes it, so that an idle one turns.
bool dg_loop_has_turned(struct dg_loop *loop, uint64_t *turns);
// Any thread. A later, stronger word wins over an earlier one.
void dg_loop_stop(struct dg_loop *loop, enum dg_stop how);
enum dg_stop dg_loop_stopping(const struct dg_loop *loop);

// Passes a datagram, or the rest of one, to another thread; counts FORWARDED or DROP_RING_FULL.
void dg_loop_pass_on(struct dg_loop *loop, uint32_t to, const struct dg_path *path, enum dg_datagram_errand errand,
                     bool is_rest, const uint8_t *data, size_t size);
// Reads the head of a DATAGRAM message. False: too short to be one.
DG_MUST_USE bool dg_loop_read_datagram(uint8_t *message, size_t size, struct dg_message_datagram *ret_head,
                                       uint8_t **ret_data, size_t *ret_size);

#endif
