// SPDX-License-Identifier: GPL-3.0-or-later
// The sockets of one thread of load: unconnected, with batches of datagrams in and out. Waits for them to the
// nanosecond, since a fixed rate needs that. Never looks into a datagram.
#ifndef DG_LOAD_SOCKETS_H
#define DG_LOAD_SOCKETS_H

#include "base/attributes.h"
#include "base/time_value.h"
#include "core/address.h"
#include "core/counters.h"
#include "io/receive_batch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_load_sockets;

// False: the server cannot be reached from here; error says why. ret: our address that leads there, without a port.
DG_MUST_USE bool dg_load_source_towards(const struct dg_address *server, struct dg_address *ret, char *error,
                                        size_t error_size);

// NULL: error says why. is_ipv4: the family of all of them.
struct dg_load_sockets *dg_load_sockets_open(uint32_t count, bool is_ipv4, struct dg_counters *counters, char *error,
                                             size_t error_size);
void dg_load_sockets_close(struct dg_load_sockets *sockets);

const uint16_t *dg_load_sockets_ports(const struct dg_load_sockets *sockets);
uint32_t dg_load_sockets_of_port(const struct dg_load_sockets *sockets, uint16_t port); // one of these

// Queues a datagram from path->local to path->peer; what finds no room is counted as DROP_SEND_FULL.
void dg_load_sockets_send(struct dg_load_sockets *sockets, uint32_t socket, const struct dg_path *path,
                          const uint8_t *data, size_t size);
void dg_load_sockets_flush(struct dg_load_sockets *sockets);

// Sleeps until a datagram is there or the deadline; returns at once where some wait to be sent.
void dg_load_sockets_wait(struct dg_load_sockets *sockets, dg_time now, dg_time deadline);
// The next batch of a socket that the last wait found readable. False: there is none.
DG_MUST_USE bool dg_load_sockets_read(struct dg_load_sockets *sockets, uint32_t *ret_socket,
                                      struct dg_received **ret_received, size_t *ret_count);
// Datagrams that the kernel had no room for in our receive buffers.
uint64_t dg_load_sockets_overflows(const struct dg_load_sockets *sockets);

#endif
