// SPDX-License-Identifier: GPL-3.0-or-later
// Reads up to a batch of datagrams from one listening socket with one system call, and says for each who
// sent it to which of our addresses. Owns the buffers, which the next read overwrites. Never judges bytes.
#ifndef DG_IO_RECEIVE_BATCH_H
#define DG_IO_RECEIVE_BATCH_H

#include "core/counters.h"
#include "io/socket.h"

#include <stddef.h>
#include <stdint.h>

#define DG_RECEIVE_BATCH_MAX 64

struct dg_received {
    struct dg_path path;
    uint8_t *data; // may be changed in place
    size_t size;
};

struct dg_receive_batch;

struct dg_receive_batch *dg_receive_batch_new(void); // NULL: memory is short
void dg_receive_batch_free(struct dg_receive_batch *batch);

// Reads once; never blocks. Returns how many datagrams the kernel gave, so that a full batch says there may
// be more; `*ret_received` are those of them that can be used, `*ret_count` in number. A datagram above
// DG_DATAGRAM_MAX is dropped and counted (DROP_RECORD_TOO_LONG).
size_t dg_receive_batch_read(struct dg_receive_batch *batch, const struct dg_socket *socket,
                             struct dg_counters *counters, struct dg_received **ret_received, size_t *ret_count);

#endif
