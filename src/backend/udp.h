// SPDX-License-Identifier: GPL-3.0-or-later
// The backend `udp:HOST:PORT`: an unchanged plaintext UDP service sees each client as a peer of its own, by
// one connected socket for each association that is talking. Owns these sockets and their ports. Never
// judges what passes.
//
// After a restart each association gets its port back, so that the service knows it as before and what the service sends
// by itself reaches it: ports are bound again a few at a time, one at once where its association speaks. Datagrams of the
// service in between find nobody.
//
// All services that a worker's associations talk to share one pool of sockets and ports: a port and its rest belong to one
// association, whichever service it has.
//
// At most `sockets_max` associations of a worker talk at once. When that many do, the one that has been
// silent longest gives up its socket, if it was silent for `hold` at least; otherwise the newcomer's
// plaintext is dropped and counted (BACKEND_NO_PORT) until a socket becomes free. The default range allows
// about 28,000 over all workers, where the limit of open files does.
#ifndef DG_BACKEND_UDP_H
#define DG_BACKEND_UDP_H

#include "backend/port_allocator.h"
#include "core/address.h"
#include "core/backend.h"
#include "core/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_backend_udp_config {
    struct dg_address target; // of dg_backend_udp_new; a pool has none of its own
    bool allow_beyond_loopback; // this hop is neither encrypted nor authenticated
    uint32_t worker;
    uint32_t worker_count;
    struct dg_port_range ports; // each worker owns those with port % worker_count == worker
    dg_time quarantine;         // a port's rest after use
    dg_time hold;               // an association keeps its port at least so long after its last traffic
    struct dg_port_book book;   // what outlives the process: ports are bound again for whoever held them
    uint32_t sockets_max;       // of this worker; 0: as many as ports and the limit of open files allow
    const struct dg_port_set *reserved; // ports that the host keeps for others; NULL: it is asked when the pool is made
};
// 300 s of quarantine, an hour of hold, ports 32768 to 60999.
struct dg_backend_udp_config dg_backend_udp_config_default(void);

// Ports that the administrator keeps for somebody else, or for us as a whole (port_allocator.h). A process that has confined
// itself can ask no more, and is told none.
void dg_backend_udp_reserved(struct dg_port_set *ret);

// "HOST:PORT" or "[IPv6]:PORT": numeric, or a name that is looked up now and never again. False: error says
// what is wrong with it.
DG_MUST_USE bool dg_backend_udp_resolve(const char *text, struct dg_address *ret, char *error, size_t error_size);

// The sockets and ports of one worker. NULL: error says why. counters must outlive it.
struct dg_udp_pool *dg_udp_pool_new(const struct dg_backend_udp_config *config, struct dg_counters *counters,
                                    char *error, size_t error_size);
void dg_udp_pool_put(struct dg_udp_pool *pool); // its targets keep it alive; NULL is fine
// A service that this worker's associations may have, by the number of its backend. Targets of one pool are freed
// together. self is NULL: error says why. sink is copied.
struct dg_backend dg_udp_pool_target(struct dg_udp_pool *pool, uint16_t number, const struct dg_address *address,
                                     const struct dg_backend_sink *sink, char *error, size_t error_size);
// A pool with one target, number 0.
// self is NULL: error says why. sink and config are copied; counters must outlive the backend.
struct dg_backend dg_backend_udp_new(const struct dg_backend_udp_config *config, const struct dg_backend_sink *sink,
                                     struct dg_counters *counters, char *error, size_t error_size);
// How many associations hold a socket, for tests.
size_t dg_backend_udp_talking(const struct dg_backend *backend);

#endif
