// SPDX-License-Identifier: GPL-3.0-or-later
// One server put together: credentials, gate, memory file, sockets, threads, backends. The daemon, the
// library and the tests all use this. Never knows a wire format.
#ifndef DG_SERVER_SERVER_H
#define DG_SERVER_SERVER_H

#include "base/attributes.h"
#include "config/options.h"
#include "dtlsgate/dtlsgate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_server;

// Builds everything but the threads: credentials are read and checked, sockets are bound. on_datagram serves
// the backend "callback". NULL: error says why and what to do; nothing is left behind.
struct dg_server *dg_server_new(const struct dg_options *options, dtlsgate_datagram_callback on_datagram,
                                void *context, char *error, size_t error_size);
// Starts the threads, once. False: error says why; the server can only be freed.
DG_MUST_USE bool dg_server_start(struct dg_server *server, char *error, size_t error_size);
// Reads the credential files again and swaps them in whole. False: error says why; nothing has changed.
DG_MUST_USE bool dg_server_reload(struct dg_server *server, char *error, size_t error_size);
// close_notify to every client, then the threads end; after wait_ms they end in any case.
void dg_server_stop(struct dg_server *server, unsigned wait_ms);
void dg_server_free(struct dg_server *server); // stops where that was not done; NULL is fine

uint16_t dg_server_port(const struct dg_server *server, size_t listener);
size_t dg_server_associations(const struct dg_server *server);
uint64_t dg_server_counter(const struct dg_server *server, const char *name);
void dg_server_report_counters(const struct dg_server *server); // to the log

#endif
