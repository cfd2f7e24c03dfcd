// SPDX-License-Identifier: GPL-3.0-or-later
// Keys that change hundreds of times in both directions while the network loses, doubles and reorders: data
// goes on, and over the whole run no nonce is used twice under one key, the TLS library's own included.
// ctest: timeout=240
#include "check.h"
#include "support/sim_audit.h"
#include "support/sim_client.h"

#include <inttypes.h>
#include <stdlib.h>

#define ROUNDS 300
#define CLIENTS 6

// wolfSSL's client forgets the keys of an epoch as it takes in our KeyUpdate (against RFC 9147 8: before
// anything of the new epoch has opened), so that it can neither read our data nor acknowledge our repetition
// when its one ACK is lost or comes late. Its ACKs alone are therefore spared, and the way over the front that
// records of epochs 6, 10, ... take is as short as the other. Sizes: KeyUpdates 35 and 43, pings above 100.
struct keys {
    struct sim_world *world;
    unsigned loss; // towards the server, per thousand
};

static bool filter(void *context, enum netsim_direction direction, const struct dg_address *client,
                   const uint8_t *data, size_t size)
{
    struct keys *keys = context;
    (void)client, (void)data;
    bool can_be_lost = direction == NETSIM_TO_SERVER && keys->world->opened == CLIENTS &&
                       (size == 35 || size == 43 || size > 100);
    return !can_be_lost || !test_random_permille(&keys->world->random, keys->loss);
}

static void update_keys(const struct netsim_faults *to_client, unsigned loss_to_server)
{
    struct sim_config config = sim_config_default(dg_test_seed());
    config.ring_delay = 0;
    struct sim_world *world = sim_world_new(&config);
    struct rig *gate = sim_gate_new(world, DG_PROFILE_MODERN);
    struct keys keys = {.world = world, .loss = loss_to_server};
    const struct netsim_faults delay = {.delay_min = 5 * DG_MILLISECOND, .delay_max = 20 * DG_MILLISECOND};
    netsim_set_faults(world->net, NETSIM_TO_SERVER, &delay);
    netsim_set_faults(world->net, NETSIM_TO_CLIENT, to_client);
    world->filter = filter;
    world->filter_context = &keys;
    sim_world_open(world, &dg_wolf_handshake, gate->gate);
    struct sim_client *clients[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct wolf_client_config mix = sim_mix(2 * i); // the kinds of DTLS 1.3
        clients[i] = sim_client_new(world, &mix);
        clients[i]->updates = ROUNDS;
        clients[i]->pings = ROUNDS + 5;
        clients[i]->ping_size = 100;
        sim_client_start(clients[i]);
    }
    bool all = sim_run_until_done(world, clients, CLIENTS, 20 * DG_MINUTE);
    for (unsigned i = 0; i < CLIENTS; i++) {
        CHECK_MSG(sim_client_is_done(clients[i]),
                  "%s: state %d, error %d, %u of %u echoes, %u KeyUpdates begun, seed %" PRIu64, sim_mix_name(2 * i),
                  clients[i]->state, wolf_client_error(clients[i]->wolf), clients[i]->echoes, clients[i]->pings,
                  clients[i]->updates_begun, config.seed);
    }
    CHECK_EQ(world->opened, CLIENTS);
    CHECK_EQ(world->closed, 0);
    CHECK_EQ(sim_count(world, DG_COUNT_KEY_UPDATES_RECEIVED), CLIENTS * ROUNDS);
    CHECK(sim_count(world, DG_COUNT_KEY_UPDATES_SENT) > CLIENTS * ROUNDS / 2); // each asks for one of ours
    CHECK(sim_audit_sealed() > 2 * CLIENTS * ROUNDS);
    sim_world_check(world, true);
    if (!all || world->violations > 0 || getenv("DG_SIM_VERBOSE") != NULL) {
        sim_world_print(world, stderr);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        sim_client_free(clients[i]);
    }
    sim_world_close(world);
    sim_gate_free(gate);
    sim_world_free(world);
}

// RFC 9147 8 and 4.5.3; the nonce rule (docs/memory.md).
DG_TEST(sim_key_updates_on_a_perfect_network)
{
    update_keys(&(struct netsim_faults){.delay_min = 5 * DG_MILLISECOND, .delay_max = 20 * DG_MILLISECOND}, 0);
}

DG_TEST(sim_key_updates_with_loss)
{
    update_keys(&(struct netsim_faults){.loss = 150,
                                        .duplicate = 50,
                                        .delay_min = 5 * DG_MILLISECOND,
                                        .delay_max = 20 * DG_MILLISECOND},
                150);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(sim_key_updates_on_a_perfect_network),
        DG_CASE(sim_key_updates_with_loss),
    };
    sim_prepare();
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
