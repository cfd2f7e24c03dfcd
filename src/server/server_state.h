// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of this room share: the parts of one server. Never seen outside src/server.
#ifndef DG_SERVER_SERVER_STATE_H
#define DG_SERVER_SERVER_STATE_H

#include "backend/backends.h"
#include "config/config.h"
#include "core/key_turns.h"
#include "crypto/gate.h"
#include "admin/http.h"
#include "io/front_loop.h"
#include "io/memfile.h"
#include "io/threads.h"
#include "io/worker_loop.h"
#include "server/administration.h"
#include "server/alive.h"
#include "server/report.h"
#include "server/server.h"
#include "server/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define DG_WORKERS_MAX 64

struct dg_server {
    pid_t maker;               // the only process in which its memory is mapped and its threads are
    struct dg_config *config;  // in force; the controlling thread's, as all that is made of it
    struct dg_options started; // the process' of the first one
    struct dg_options options; // the same with what the host made of it
    struct dg_address wanted[DG_CONFIG_ADDRESSES_MAX]; // all listening addresses in their order
    size_t address_count;
    uint16_t socket_of[DG_CONFIG_ADDRESSES_MAX]; // number of the socket of each address as the configuration in force has them
    dtlsgate_datagram_callback on_datagram;
    void *callback_context;

    struct dg_backends *backends;
    uint32_t worker_count;
    uint32_t thread_count;                           // the front, the workers, the controlling thread and the administration
    struct dg_memfile memfile;                       // fd -1: none yet
    bool goes_on;                                    // after another process, with its memory file
    struct dg_inherited *inherited;                  // what it left; fd -1: taken over
    size_t inherited_count;
    struct dg_socket retired[DG_CONFIG_ADDRESSES_MAX * (1 + DG_WORKERS_MAX)]; // of it, for threads that are no more
    size_t retired_count;
    struct dg_tally *tally;                          // limits over all workers
    struct dg_key_turns *turns;                      // of identities with two keys: the front's, over all snapshots
    struct dg_mesh *mesh;
    struct dg_socket *sockets[1 + DG_WORKERS_MAX];   // of each thread, one for each listening address
    struct dg_counters *counters[3 + DG_WORKERS_MAX];
    struct dg_latencies *latencies[1 + DG_WORKERS_MAX]; // of the front and the workers
    struct dg_http *http;                            // NULL: nobody may ask
    uint64_t started_at_s;                           // of the wall clock
    struct dg_alive health;                          // these three are the HTTP thread's
    dg_time health_asked_at;
    bool was_alive;
    _Atomic bool is_ending;                          // what the HTTP thread may read
    struct dg_front_loop *front;
    struct dg_worker_loop *workers[DG_WORKERS_MAX];
    struct dg_thread threads[1 + DG_WORKERS_MAX];
    struct dg_administration *administration; // NULL: there is no control socket
    struct dg_report_limit refused; // the front thread's
    bool is_crypto_up;
    bool has_key_log; // the process'
    bool is_started;
    bool is_serving; // its start has succeeded
    bool is_stopped;
    bool is_handed_over;

    pthread_mutex_t reload_lock; // one reload at a time: over config, snapshot and policy_generation
    struct dg_snapshot *snapshot;       // current; front and workers each hold their own reference
    struct dg_snapshot *front_snapshot; // the front's first; from then on it says which it uses
    uint32_t policy_generation;
    uint32_t front_takes;               // the front thread's: the generation that it is taking into use
    _Atomic uint32_t front_generation;  // in use at the front, which has let go of what it used before
};

// A snapshot of a configuration, whose addresses are known by these digests (snapshot.h). NULL: error says why.
struct dg_snapshot *dg_server_make_snapshot(struct dg_server *server, const struct dg_config *config,
                                            const uint64_t *digests, uint32_t generation, char *error,
                                            size_t error_size);
// The memory file's shape for associations-max.
struct dg_memory_shape dg_server_shape(const struct dg_options *options);
// Takes the list apart. False: error says why. In any case all of its descriptors are the server's.
DG_MUST_USE bool dg_server_inherit(struct dg_server *server, const struct dg_inheritance *inherited, char *error,
                                   size_t error_size);
void dg_server_disinherit(struct dg_server *server); // closes what was not taken over
struct dg_inherited *dg_server_inherited_memory(const struct dg_server *server); // NULL: none
// Sockets of every thread for every listener, with the filter on each group.
DG_MUST_USE bool dg_server_open_sockets(struct dg_server *server, char *error, size_t error_size);
void dg_server_close_sockets(struct dg_server *server);
// Before the threads start: what waits in retired sockets goes to whom it belongs. False: memory is short.
DG_MUST_USE bool dg_server_drain_retired(struct dg_server *server);
// What --metrics shows, while the threads run. True where the option is not given; false: error says why not.
// Binds the socket, if there is to be one, while root may; open answers there.
DG_MUST_USE bool dg_server_bind_metrics(struct dg_server *server, char *error, size_t error_size);
DG_MUST_USE bool dg_server_open_metrics(struct dg_server *server, char *error, size_t error_size);
void dg_server_close_metrics(struct dg_server *server);
DG_MUST_USE bool dg_server_make_latencies(struct dg_server *server);
void dg_server_free_latencies(struct dg_server *server);
// After the threads have ended: counts what lies between them, and says in the log if the counters do not add up.
void dg_server_settle(struct dg_server *server);
// The loops of front and workers, with their hooks.
DG_MUST_USE bool dg_server_make_loops(struct dg_server *server, char *error, size_t error_size);
// A line for each listener that lets everybody in; at a start and at a reload.
void dg_server_warn_of_listeners(const struct dg_config *config);
// What the options say about front and engine.
struct dg_front_config dg_server_front_config(const struct dg_server *server, const struct dg_options *options);
struct dg_engine_config dg_server_engine_config(const struct dg_server *server, const struct dg_options *options);
DG_MUST_USE bool dg_server_make_backends(struct dg_server *server, char *error, size_t error_size);

#endif
