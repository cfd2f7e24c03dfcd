// SPDX-License-Identifier: GPL-3.0-or-later
// The outgoing datagrams of one thread: collected through dg_output, sent with few system calls, each from
// the address that its peer spoke to and through the socket of its listener. Datagrams of one size in a row to
// one peer go to the kernel as one message (UDP_SEGMENT) where it takes that. Never blocks: what a socket does
// not take now stays, in order, until it is writable again; room is bounded, and when it is used up reserve
// says so. A full socket neither holds up another listener's datagrams nor takes their room: of what waits for
// it, only a share of the queue is kept.
#ifndef DG_IO_SEND_BATCH_H
#define DG_IO_SEND_BATCH_H

#include "core/counters.h"
#include "core/output.h"
#include "io/socket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_SEND_BATCH_MAX 64           // messages handed to the kernel at once
#define DG_SEND_QUEUE_MAX 256          // datagrams kept at most
#define DG_SEND_QUEUE_BYTES (512 * 1024)

struct dg_send_batch;

// sockets: this thread's, one for each listener; they stay the caller's and must outlive the batch.
// NULL: memory is short.
struct dg_send_batch *dg_send_batch_new(const struct dg_socket *sockets, size_t count, struct dg_counters *counters);
void dg_send_batch_free(struct dg_send_batch *batch); // what was not sent is lost

struct dg_output dg_send_batch_output(struct dg_send_batch *batch);
// Hands everything to the kernel that it takes.
void dg_send_batch_flush(struct dg_send_batch *batch);
size_t dg_send_batch_waiting(const struct dg_send_batch *batch); // datagrams that are still here
// True: the socket with this number in `sockets` was full; call ..._writable when it is not any more.
bool dg_send_batch_is_blocked(const struct dg_send_batch *batch, size_t socket);
void dg_send_batch_writable(struct dg_send_batch *batch, size_t socket);

#endif
