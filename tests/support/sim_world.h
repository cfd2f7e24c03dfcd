// SPDX-License-Identifier: GPL-3.0-or-later
// A whole server without I/O in one process: a front, the engines of several workers over one memory region,
// an echo backend each, rings between them, and hosts at the other end of a network that lies, all on one
// virtual clock. Keeps books on what must hold and calls every breach a violation. Uses no socket, no thread.
#ifndef DG_TESTS_SIM_WORLD_H
#define DG_TESTS_SIM_WORLD_H

#include "core/backend.h"
#include "core/engine.h"
#include "core/front.h"
#include "support/netsim.h"
#include "support/random.h"

#include <stdio.h>

#define SIM_WORKERS_MAX 8
#define SIM_LISTENER 5684

struct sim_config {
    uint64_t seed;
    uint32_t workers;
    struct dg_memory_shape shape;
    struct dg_front_config front;
    struct dg_engine_config engine;
    const struct dg_aead_ops *aead;
    uint32_t hosts_max;
    dg_time ring_delay; // of a message between front and worker
    unsigned ring_full; // hand-overs refused, per thousand
};
struct sim_config sim_config_default(uint64_t seed);

// Who lives at a host's address.
struct sim_endpoint {
    void *context;
    void (*receive)(void *context, const uint8_t *data, size_t size);
    void (*timer)(void *context); // the time that sim_host_set_timer asked for has come
};

struct sim_worker {
    struct sim_world *world;
    uint32_t number;
    struct dg_engine *engine;
    struct dg_backend backend;
    struct dg_counters counters;
};

struct sim_message; // on its way between front and worker
struct sim_binding;  // which client an association speaks for

struct sim_world {
    struct sim_config config;
    dg_time now;
    struct netsim *net;
    struct test_random random; // of tests and of the rings; the network has one of its own
    void *region;
    size_t region_size;
    struct dg_memory memory;
    struct dg_front *front;
    struct dg_counters front_counters;
    struct sim_worker workers[SIM_WORKERS_MAX];
    struct sim_endpoint *hosts;
    uint32_t host_count;
    struct dg_timer_heap timers; // of hosts
    struct sim_message *first_message, *last_message;
    uint8_t room[65536]; // the datagram being made
    // Asked for every datagram before the network gets it; false: lost. client: the address that speaks or is
    // spoken to. NULL: none is lost. What is injected passes by it.
    bool (*filter)(void *context, enum netsim_direction direction, const struct dg_address *client,
                   const uint8_t *data, size_t size);
    void *filter_context;
    // books
    uint64_t opened, closed, handed_over, failed, refused_by_ring, delivered, serial;
    uint64_t closed_for[DG_COUNTER_COUNT];
    struct dg_ref last_opened;
    struct dg_handshake_failure last_failure;
    struct sim_binding *bindings;
    uint8_t *delivered_serials, *echoed_serials; // bitmaps
    uint64_t echoed_again;
    uint64_t serials_max;
    unsigned violations;
    // wolfSSL's protected records of 1.2 on their way out, for the books on nonces
    struct sim_flown {
        struct dg_address peer;
        size_t size;
        uint8_t bytes[128];
    } flown[256];
    size_t flown_next;
};

// Starts the virtual clock and randomness (sim_clock.h) and the nonce books (sim_audit.h) with the seed.
struct sim_world *sim_world_new(const struct sim_config *config);
// The front begins to serve. The gate may use world->memory.secrets, and outlives the world's front.
void sim_world_open(struct sim_world *world, const struct dg_handshake_ops *ops, void *gate);
void sim_world_close(struct sim_world *world); // frees the front alone: the gate may go after that
void sim_world_free(struct sim_world *world);

// Hosts: 10.x.y.z:40000, or 2001:db8:1::n with port 40000.
uint32_t sim_host_add(struct sim_world *world, const struct sim_endpoint *endpoint);
struct dg_address sim_host_address(const struct sim_world *world, uint32_t host);
uint32_t sim_host_at(const struct sim_world *world, const struct dg_address *address); // UINT32_MAX: nobody's
void sim_host_set_timer(struct sim_world *world, uint32_t host, dg_time at);
void sim_host_send(struct sim_world *world, uint32_t host, const uint8_t *data, size_t size);
// A datagram that claims to come from an address.
void sim_world_inject(struct sim_world *world, const struct dg_address *from, const uint8_t *data, size_t size);

// Everything that is due; then the next instant at which something is. False: nothing is due before limit,
// and it is limit now.
bool sim_world_step(struct sim_world *world, dg_time limit);
void sim_world_run(struct sim_world *world, dg_time duration);

// Application data of the books: every one of them has a serial and says whose it is. size: at least
// SIM_PLAINTEXT. Returns the serial.
#define SIM_PLAINTEXT 16
uint64_t sim_plaintext_make(struct sim_world *world, uint32_t life, uint8_t *data, size_t size);
// An echo came to the client with this life. True: it is its own, and new; anything else is a
// violation.
bool sim_plaintext_echoed(struct sim_world *world, uint32_t life, const uint8_t *data, size_t size,
                          uint64_t *ret_serial);

uint64_t sim_count(const struct sim_world *world, enum dg_counter counter); // summed
size_t sim_live(const struct sim_world *world);
// Something that must not be: counted, and the first ones printed with the seed.
void sim_violation(struct sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The books at any quiet moment: opened less closed is what lives, no nonce twice; with `accounts` each shard
// is counted slot by slot (shard_account).
void sim_world_check(struct sim_world *world, bool accounts);
// The seed, the network's counts and every counter that is not 0.
void sim_world_print(const struct sim_world *world, FILE *out);

#endif
