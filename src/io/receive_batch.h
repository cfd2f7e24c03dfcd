// SPDX-License-Identifier: GPL-3.0-or-later
// Reads what waits at one listening socket with one system call, and gives it out datagram by datagram: who
// sent it to which of our addresses. What the kernel has joined (UDP_GRO) is taken apart again. Owns the
// buffers, which the next read overwrites. Never judges bytes.
#ifndef DG_IO_RECEIVE_BATCH_H
#define DG_IO_RECEIVE_BATCH_H

#include "core/counters.h"
#include "io/socket.h"

#include <stddef.h>
#include <stdint.h>

#define DG_RECEIVE_BATCH_MAX 64 // of the kernel's messages in a read, and of datagrams in a take

struct dg_received {
    struct dg_path path;
    uint8_t *data; // may be changed in place
    size_t size;
};

struct dg_receive_batch;

// sockets: this thread's; they stay the caller's and must outlive the batch. What the kernel has dropped at
// them until now is not counted. NULL: memory is short.
struct dg_receive_batch *dg_receive_batch_new(const struct dg_socket *sockets, size_t count,
                                              struct dg_counters *counters);
void dg_receive_batch_free(struct dg_receive_batch *batch);

// Reads once from the socket with this number in `sockets`; never blocks. What was not taken of the read before
// is gone. Returns how many messages the kernel gave, so that a full batch says there may be more.
size_t dg_receive_batch_read(struct dg_receive_batch *batch, size_t socket);
// The next datagrams of the last read, at most DG_RECEIVE_BATCH_MAX; 0: all have been taken. Those given out
// before stay valid until the next read, their structs until the next take. A datagram above DG_DATAGRAM_MAX is
// dropped and counted (DROP_RECORD_TOO_LONG), and so is one that was sent to a multicast or broadcast address (DROP_FOR_MANY).
size_t dg_receive_batch_take(struct dg_receive_batch *batch, struct dg_received **ret_received);

#endif
