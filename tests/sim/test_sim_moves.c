// SPDX-License-Identifier: GPL-3.0-or-later
// wolfSSL's own clients with connection IDs behind a NAT that forgets: their address changes again and again, the
// old one is dead, and the same association goes on. They know nothing of it and never negotiate RRC.
#include "check.h"
#include "support/sim_client.h"

#include <inttypes.h>
#include <stdlib.h>

#define CLIENTS 12
#define MOVES 10

struct scene {
    struct sim_world *world;
    struct rig *gate;
    struct sim_client *clients[CLIENTS];
    size_t count;
    size_t longest;   // datagram of a client since the start
    size_t to_others; // most bytes in a row to one address that is no host's
    size_t in_a_row;
    struct dg_address last;
};

// Addresses that are no host's are the NAT's. Each is new with every datagram in the test that counts them.
static bool filter(void *context, enum netsim_direction direction, const struct dg_address *client,
                   const uint8_t *data, size_t size)
{
    struct scene *scene = context;
    (void)data;
    if (direction == NETSIM_TO_SERVER && size > scene->longest)
        scene->longest = size;
    if (direction == NETSIM_TO_CLIENT && sim_host_at(scene->world, client) == UINT32_MAX) {
        scene->in_a_row = dg_address_equal(&scene->last, client) ? scene->in_a_row + size : size;
        scene->last = *client;
        if (scene->in_a_row > scene->to_others)
            scene->to_others = scene->in_a_row;
    }
    return true;
}

static struct scene *scene_new(const struct sim_config *config)
{
    struct scene *scene = calloc(1, sizeof *scene);
    DG_BUG_UNLESS(scene != NULL);
    scene->world = sim_world_new(config);
    scene->gate = sim_gate_new(scene->world, DG_PROFILE_MODERN);
    sim_world_open(scene->world, &dg_wolf_handshake, scene->gate->gate);
    scene->world->filter = filter;
    scene->world->filter_context = scene;
    return scene;
}

static void set_faults(struct scene *scene, unsigned loss, unsigned rewrite)
{
    const struct netsim_faults faults = {
        .loss = loss, .rewrite = rewrite, .delay_min = 5 * DG_MILLISECOND, .delay_max = 20 * DG_MILLISECOND};
    netsim_set_faults(scene->world->net, NETSIM_TO_SERVER, &faults);
    netsim_set_faults(scene->world->net, NETSIM_TO_CLIENT, &faults);
}

static void join(struct scene *scene, int version)
{
    for (unsigned i = 0; scene->count < CLIENTS; i++) {
        struct wolf_client_config mix = sim_mix(i);
        if (!mix.offer_cid || (mix.version != 0 && mix.version != version))
            continue;
        mix.version = version;
        struct sim_client *client = sim_client_new(scene->world, &mix);
        scene->clients[scene->count++] = client;
        client->pings = 1;
        sim_client_start(client);
    }
}

static bool ping(struct scene *scene, unsigned pings)
{
    for (size_t i = 0; i < scene->count; i++) {
        scene->clients[i]->pings += pings;
        sim_client_poke(scene->clients[i]);
    }
    return sim_run_until_done(scene->world, scene->clients, scene->count, DG_MINUTE);
}

static void scene_free(struct scene *scene)
{
    sim_world_check(scene->world, true);
    CHECK_EQ(scene->world->violations, 0);
    if (scene->world->violations > 0 || getenv("DG_SIM_VERBOSE") != NULL)
        sim_world_print(scene->world, stderr);
    for (size_t i = 0; i < scene->count; i++)
        sim_client_free(scene->clients[i]);
    sim_world_close(scene->world);
    sim_gate_free(scene->gate);
    sim_world_free(scene->world);
    free(scene);
}

// Every three seconds a new address, the old one dead, at this loss: no ping is left without its echo, no
// handshake after the first.
static void move_on(int version, unsigned loss)
{
    struct sim_config config = sim_config_default(dg_test_seed());
    struct scene *scene = scene_new(&config);
    set_faults(scene, 0, 0);
    join(scene, version);
    CHECK(sim_run_until_done(scene->world, scene->clients, scene->count, DG_MINUTE));
    sim_world_run(scene->world, 5 * DG_SECOND);
    netsim_set_old_addresses_work(scene->world->net, false);
    set_faults(scene, loss, 0);
    for (unsigned move = 0; move < MOVES; move++) {
        for (size_t i = 0; i < scene->count; i++) {
            struct dg_address home = sim_host_address(scene->world, scene->clients[i]->host);
            (void)netsim_rebind(scene->world->net, &home);
        }
        CHECK_MSG(ping(scene, 3), "version %d, move %u", version, move);
        sim_world_run(scene->world, 3 * DG_SECOND);
    }
    CHECK_EQ(scene->world->opened, scene->count);
    CHECK_EQ(sim_live(scene->world), scene->count);
    CHECK(sim_count(scene->world, DG_COUNT_PATHS_MOVED) >= (uint64_t)scene->count * MOVES * 9 / 10);
    scene_free(scene);
}

DG_TEST(sim_clients_of_12_that_move_go_on)
{
    move_on(12, 0);
    move_on(12, 50);
}

DG_TEST(sim_clients_of_13_that_move_go_on)
{
    move_on(13, 0);
    move_on(13, 50);
}

// Every datagram comes from an address of its own, none of which is ever proven: each is answered within three
// bytes for one, and the association stays where it was.
DG_TEST(sim_addresses_that_are_never_proven_get_three_for_one)
{
    for (int version = 12; version <= 13; version++) {
        struct sim_config config = sim_config_default(dg_test_seed());
        struct scene *scene = scene_new(&config);
        set_faults(scene, 0, 0);
        join(scene, version);
        CHECK(sim_run_until_done(scene->world, scene->clients, scene->count, DG_MINUTE));
        sim_world_run(scene->world, 5 * DG_SECOND);
        set_faults(scene, 0, 1000);
        scene->longest = scene->to_others = 0;
        CHECK(ping(scene, 20));
        CHECK(scene->to_others > 0 && scene->to_others <= 3 * scene->longest);
        CHECK_EQ(sim_count(scene->world, DG_COUNT_PATHS_MOVED), 0);
        CHECK(sim_count(scene->world, DG_COUNT_PATH_CHECKS) >= 20 * scene->count);
        scene_free(scene);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(sim_clients_of_12_that_move_go_on),
        DG_CASE(sim_clients_of_13_that_move_go_on),
        DG_CASE(sim_addresses_that_are_never_proven_get_three_for_one),
    };
    sim_prepare();
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
