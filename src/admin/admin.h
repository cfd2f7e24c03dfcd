// SPDX-License-Identifier: GPL-3.0-or-later
// The control socket: one thread of the server that answers its own host's questions (docs/control.md). Asks workers by
// messages and never waits for one with a lock held; bounded in callers, in what it reads and in what it keeps for a
// caller that does not read. What only the server knows it is told through a table of functions.
#ifndef DG_ADMIN_ADMIN_H
#define DG_ADMIN_ADMIN_H

#include "admin/failures.h"
#include "core/counters.h"
#include "core/engine_scan.h"
#include "io/mesh.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_ADMIN_CALLERS_MAX 16
#define DG_ADMIN_LISTENERS_MAX 64 // addresses
#define DG_ADMIN_WORKERS_MAX 64
#define DG_ADMIN_WARNINGS_MAX 32
#define DG_ADMIN_TEXT 320
#define DG_ADMIN_NAME 64

struct dg_admin_listener {
    char name[DG_ADMIN_NAME];
    char address[DG_ADDRESS_TEXT];
    char backend[DG_ADMIN_TEXT];
};

// What the server says of itself.
struct dg_admin_status {
    uint64_t started_wall_s;
    dg_time uptime;
    uint32_t generation;  // of credentials and policy; changes with each reload
    uint32_t worker_count;
    size_t live[DG_ADMIN_WORKERS_MAX]; // associations of each worker
    size_t associations_max;
    size_t handshakes, handshakes_max; // under way
    uint64_t counters[DG_COUNTER_COUNT];
    size_t listener_count;
    struct dg_admin_listener listeners[DG_ADMIN_LISTENERS_MAX];
    size_t warning_count;
    char warnings[DG_ADMIN_WARNINGS_MAX][DG_ADMIN_TEXT]; // of its configuration and credentials
};

struct dg_admin_names {
    char listener[DG_ADMIN_NAME];
    char rule[DG_ADMIN_NAME]; // the policy's that lets it go on; empty: none
};

// Called from the administration's thread; reload from one of its own, since it may take seconds.
struct dg_admin_server {
    void *context;
    void (*status)(void *context, struct dg_admin_status *ret);
    bool (*reload)(void *context, char *error, size_t error_size);
    void (*name)(void *context, const struct dg_scan_row *row, struct dg_admin_names *ret);
};

struct dg_admin_config {
    const char *path;             // of the socket
    struct dg_mesh *mesh;         // of dg_mesh_size(worker_count) threads
    uint32_t worker_count;
    struct dg_failures *failures;
    dg_time worker_patience;      // for a slice: a worker that is slower serves nobody. 0: ten seconds
    struct dg_admin_server server;
};

struct dg_admin;

// Binds the socket. What config points to must outlive it. NULL: error says why.
struct dg_admin *dg_admin_new(const struct dg_admin_config *config, char *error, size_t error_size);
bool dg_admin_start(struct dg_admin *admin); // false: the host allows no further thread
// Ends the thread, a reload under way included, and takes the socket away. NULL is fine.
void dg_admin_free(struct dg_admin *admin);

#endif
