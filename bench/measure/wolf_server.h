// SPDX-License-Identifier: GPL-3.0-or-later
// The yardstick of handshakes: wolfSSL as a server, used in the plain way, over queues in memory. Only the
// server's calls are measured. Shares no code with the gate.
#ifndef DG_BENCH_WOLF_SERVER_H
#define DG_BENCH_WOLF_SERVER_H

#include "measure/clients.h"
#include "measure/process.h"

struct wolf_server *wolf_server_new(const struct bench_kind *kind, const struct bench_credentials *credentials);
void wolf_server_free(struct wolf_server *server);
// One handshake with a new client of this kind. Returns the CPU seconds of what a server does: making its
// object, the cookie exchange, the handshake, freeing the object.
double wolf_server_handshake(struct wolf_server *server);
struct bench_traffic wolf_server_traffic(const struct wolf_server *server); // of the last one, as the client sees it
// CPU seconds of the answer to this ClientHello without a cookie, by an object that is used for all of them.
double wolf_server_hello(struct wolf_server *server, const uint8_t *hello, size_t size, int count);

// The same library as the simplest server over a socket, in a process of its own: one client after the other, no
// second thread, no log, no admission, nothing kept.
struct bench_process wolf_server_start(struct wolf_server *server);

#endif
