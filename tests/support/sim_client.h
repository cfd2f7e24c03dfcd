// SPDX-License-Identifier: GPL-3.0-or-later
// wolfSSL's own clients as hosts of a simulated world, and the gate that they prove themselves to. A client
// shakes hands, sends numbered pings until each is echoed, changes keys when asked, on the virtual clock.
#ifndef DG_TESTS_SIM_CLIENT_H
#define DG_TESTS_SIM_CLIENT_H

#include "support/gate_rig.h"
#include "support/sim_world.h"

#define SIM_INBOX 64

enum sim_client_state { SIM_CONNECTING, SIM_CONNECTED, SIM_FAILED };

struct sim_client {
    struct sim_world *world;
    uint32_t host;
    uint32_t life; // never the same twice: goes into what it says
    struct wolf_client *wolf;
    enum sim_client_state state;
    dg_time started_at, connected_at;
    // what it is to do
    unsigned pings;        // echoes wanted
    size_t ping_size;      // bytes of each; 0: SIM_PLAINTEXT
    unsigned updates;      // KeyUpdates wanted, one after each ping
    unsigned restarts_max; // how often it begins anew, with a fresh object, when the library gave up
    bool is_deaf;          // nothing reaches it
    // what it did
    unsigned echoes, pings_sent, updates_begun;
    unsigned restarts;     // after an error, or at the end of the library's patience
    unsigned errors;       // of these, after an error
    int last_error;
    uint8_t epoch_bits;    // 1.3: of the last record that it sent
    bool is_ended;         // the server closed it, or the library gave up
    // under way
    uint64_t ping_serial;  // first serial of the ping that waits for its echo
    bool is_pinging;
    dg_time handshake_at, ping_at, update_at, restart_at;
    struct wolf_client_config config;
    struct {
        size_t size;
        uint8_t *bytes;
    } inbox[SIM_INBOX];
    size_t inbox_first, inbox_count;
};

// Makes the throwaway certificates, under a seed of their own: in main, before anything else.
void sim_prepare(void);

// The gate with PSKs, a certificate, a client CA and raw keys, for the world's memory.
struct rig *sim_gate_new(struct sim_world *world, enum dg_profile profile);
void sim_gate_free(struct rig *rig);

// A client's configuration by number: versions, credentials, groups, connection IDs and suites, mixed.
#define SIM_MIX 28
struct wolf_client_config sim_mix(unsigned number);
const char *sim_mix_name(unsigned number);

// At a new host; the client begins when started. Lives until sim_client_free.
struct sim_client *sim_client_new(struct sim_world *world, const struct wolf_client_config *config);
void sim_client_start(struct sim_client *client); // sends its first hello
// Another client at the host of this one, which from now on hears nothing and says nothing.
struct sim_client *sim_client_reboot(struct sim_client *client, const struct wolf_client_config *config);
void sim_client_free(struct sim_client *client);
// More pings and updates were asked for.
void sim_client_poke(struct sim_client *client);
bool sim_client_is_done(const struct sim_client *client); // connected, all pings echoed, all updates through

// Steps the world until all clients are done, or limit has passed. True: all are.
bool sim_run_until_done(struct sim_world *world, struct sim_client *const *clients, size_t count, dg_time limit);

#endif
