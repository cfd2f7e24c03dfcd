// SPDX-License-Identifier: GPL-3.0-or-later
// Past the cryptography: hundreds of toy clients that connect, talk, replay, babble, close and come back over
// a network with every fault, tens of thousands of events from one seed. At the end everything is accounted for.
// ctest: timeout=240
#include "check.h"
#include "core/record12.h"
#include "core/record13.h"
#include "core/wire_constants.h"
#include "support/fake_handshake.h"
#include "support/sim_audit.h"
#include "support/sim_world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TOYS 300
#define DURATION (10 * DG_MINUTE)
#define FIRST_DATA 1000 // record numbers of data of 1.2, above those of the handshake

struct toy {
    struct sim_world *world;
    uint32_t host;
    uint32_t life;
    struct toy_client client;
    bool is_set_up;
    uint64_t next;
    _Alignas(8) uint8_t tx[DG_KEYSET_WIDE], rx[DG_KEYSET_WIDE];
    uint8_t last[256]; // what it said last
    size_t last_size;
};

static struct {
    uint32_t lives;
    uint64_t events, echoes, closes, restarts;
    bool is_over;
} chaos;

static struct dg_keyset *keyset(uint8_t *bytes) { return (struct dg_keyset *)(void *)bytes; }

static struct dg_key_view view_of(const struct toy *toy, uint8_t *bytes)
{
    return dg_keyset_view(keyset(bytes), DG_AEAD_AES_128_GCM, DG_HASH_SHA256, toy->client.is_13);
}

static void be_born(struct toy *toy)
{
    struct test_random *random = &toy->world->random;
    bool is_13 = test_random_below(random, 2) == 0;
    toy->life = ++chaos.lives;
    toy->client = toy_client_new("10.0.0.1:40000", "192.0.2.1:5684", is_13, test_random_next(random));
    toy->client.offers_cid = test_random_below(random, 2) == 0;
    toy->client.cid_size = toy->client.offers_cid ? (size_t)test_random_below(random, 30) : 0;
    test_random_fill(random, toy->client.cid, toy->client.cid_size);
    toy->is_set_up = false;
    toy->last_size = 0;
}

static void set_up(struct toy *toy)
{
    struct dg_key_material material;
    uint64_t epoch = toy->client.is_13 ? 3 : 1;
    fake_key_material(toy->client.random, 'c', &material);
    dg_keyset_fill(keyset(toy->tx), DG_AEAD_AES_128_GCM, DG_HASH_SHA256, epoch, &material);
    fake_key_material(toy->client.random, 's', &material);
    dg_keyset_fill(keyset(toy->rx), DG_AEAD_AES_128_GCM, DG_HASH_SHA256, epoch, &material);
    toy->next = toy->client.is_13 ? 0 : FIRST_DATA;
    toy->is_set_up = true;
}

static void say(struct toy *toy, uint8_t type, const void *data, size_t size)
{
    struct dg_key_view keys = view_of(toy, toy->tx);
    const uint8_t *cid = toy->client.has_server_cid ? toy->client.server_cid : NULL;
    size_t cid_size = cid != NULL ? DG_CID_SIZE_DEFAULT : 0;
    toy->last_size = toy->client.is_13
                         ? dg_record13_seal(&dg_null_aead, &keys, 3, toy->next, type, cid, cid_size, data, size,
                                            toy->last, sizeof toy->last)
                         : dg_record12_seal(&dg_null_aead, &keys, 1, toy->next, type, cid, cid_size, data, size,
                                            toy->last, sizeof toy->last);
    toy->next++;
    sim_host_send(toy->world, toy->host, toy->last, toy->last_size);
}

static void take_record(struct toy *toy, const struct dg_record *record)
{
    struct dg_keyset *rx = keyset(toy->rx);
    struct dg_key_view keys = view_of(toy, toy->rx);
    uint64_t sequence = record->sequence;
    uint64_t next = atomic_load(&rx->next);
    uint8_t type;
    struct dg_bytes data;
    struct dg_result result =
        toy->client.is_13 ? dg_record13_open(&dg_null_aead, &keys, record, toy->client.cid, record->cid_size, next,
                                             &sequence, &type, &data)
                          : dg_record12_open(&dg_null_aead, &keys, record, toy->client.cid, record->cid_size, &type,
                                             &data);
    if (result.outcome != DG_OK || !dg_replay_is_fresh(&rx->replay, next, sequence)) {
        return;
    }
    dg_replay_accept(&rx->replay, &rx->next, sequence);
    uint64_t serial;
    if (type == DG_CONTENT_APPLICATION_DATA &&
        sim_plaintext_echoed(toy->world, toy->life, data.data, data.size, &serial)) {
        chaos.echoes++;
    }
}

static void arrived(void *context, const uint8_t *data, size_t size)
{
    struct toy *toy = context;
    chaos.events++;
    (void)toy_receive(&toy->client, data, size);
    if (toy->client.state != TOY_DONE) {
        return;
    }
    if (!toy->is_set_up) {
        set_up(toy);
    }
    uint8_t copy[2048];
    size_t length = size < sizeof copy ? size : sizeof copy;
    memcpy(copy, data, length);
    for (size_t at = 0; at < length;) {
        struct dg_record record;
        if (dg_record_parse(copy + at, length - at, toy->client.cid_size, &record).outcome != DG_OK) {
            return;
        }
        at += record.size;
        if (record.is_unified || record.epoch != 0) {
            take_record(toy, &record);
        }
    }
}

static void talk(struct toy *toy)
{
    static const uint8_t CLOSE[2] = {DG_ALERT_LEVEL_WARNING, DG_ALERT_CLOSE_NOTIFY};
    struct test_random *random = &toy->world->random;
    uint8_t data[128];
    uint64_t what = test_random_below(random, 100);
    if (what < 3) {
        say(toy, DG_CONTENT_ALERT, CLOSE, sizeof CLOSE);
        chaos.closes++;
        be_born(toy);
    } else if (what < 6) {
        chaos.restarts++; // without a word
        be_born(toy);
    } else if (what < 12 && toy->last_size > 0) {
        sim_host_send(toy->world, toy->host, toy->last, toy->last_size); // a replay
    } else if (what < 15) {
        test_random_fill(random, data, sizeof data);
        data[0] = (uint8_t)(20 + test_random_below(random, 44));
        sim_host_send(toy->world, toy->host, data, (size_t)test_random_below(random, sizeof data));
    } else {
        size_t size = SIM_PLAINTEXT + (size_t)test_random_below(random, 100);
        (void)sim_plaintext_make(toy->world, toy->life, data, size);
        say(toy, DG_CONTENT_APPLICATION_DATA, data, size);
    }
}

static void timer(void *context)
{
    struct toy *toy = context;
    struct test_random *random = &toy->world->random;
    uint8_t datagram[1024];
    if (chaos.is_over) {
        return;
    }
    chaos.events++;
    if (toy->client.state == TOY_DONE && toy->is_set_up) {
        talk(toy);
    } else if (toy->client.state == TOY_REFUSED || test_random_below(random, 30) == 0) {
        be_born(toy);
    } else {
        size_t size = toy_send(&toy->client, toy->client.proofs > 0, datagram, sizeof datagram);
        if (size > 0) {
            sim_host_send(toy->world, toy->host, datagram, size);
        }
    }
    dg_time pause = 300 * DG_MILLISECOND + test_random_below(random, 2 * DG_SECOND);
    sim_host_set_timer(toy->world, toy->host, toy->world->now + pause);
}

static unsigned sides_in_use(const struct sim_world *world)
{
    unsigned used = 0;
    for (uint32_t shard = 0; shard < world->config.shape.shard_count; shard++) {
        for (uint32_t i = 0; i < world->config.shape.flights_per_shard; i++) {
            used += dg_memory_flight(&world->memory, shard, i)->owner != 0;
        }
        for (uint32_t i = 0; i < dg_memory_wide_count(&world->config.shape); i++) {
            used += dg_memory_wide(&world->memory, shard, i)->owner != 0;
        }
    }
    return used;
}

static void run_chaos(uint64_t seed)
{
    static struct toy toys[TOYS];
    struct sim_config config = sim_config_default(seed);
    config.workers = 4;
    config.shape.slots_per_shard = 24;
    config.shape.flights_per_shard = 16;
    config.aead = &sim_audit_null;
    config.engine.idle_timeout = DG_MINUTE;
    config.engine.idle_timeout_cid = 2 * DG_MINUTE;
    config.ring_full = 100;
    config.ring_delay = DG_MILLISECOND;
    memset(&chaos, 0, sizeof chaos);
    struct sim_world *world = sim_world_new(&config);
    struct fake_gate gate = fake_gate_default();
    const struct netsim_faults faults = {.loss = 100,
                                         .duplicate = 100,
                                         .reorder = 100,
                                         .truncate = 20,
                                         .flip = 20,
                                         .rewrite = 20,
                                         .delay_min = DG_MILLISECOND,
                                         .delay_max = 50 * DG_MILLISECOND,
                                         .reorder_delay = 500 * DG_MILLISECOND};
    netsim_set_faults(world->net, NETSIM_TO_SERVER, &faults);
    netsim_set_faults(world->net, NETSIM_TO_CLIENT, &faults);
    sim_world_open(world, &fake_handshake_ops, &gate);
    for (unsigned i = 0; i < TOYS; i++) {
        memset(&toys[i], 0, sizeof toys[i]);
        toys[i].world = world;
        const struct sim_endpoint endpoint = {.context = &toys[i], .receive = arrived, .timer = timer};
        toys[i].host = sim_host_add(world, &endpoint);
        be_born(&toys[i]);
        sim_host_set_timer(world, toys[i].host, world->now + 1 + i * DG_MILLISECOND);
    }
    sim_world_run(world, DURATION);
    sim_world_check(world, false);
    CHECK(sim_live(world) <= 16 * 24);
    chaos.is_over = true;
    sim_world_run(world, 10 * DG_MINUTE);
    sim_world_check(world, true);
    CHECK_EQ(sim_live(world), 0);
    CHECK_EQ(sides_in_use(world), 0);
    CHECK_EQ(dg_front_busy(world->front), 0);
    CHECK_EQ(gate.live, 0);
    CHECK_EQ(gate.violations, 0);
    CHECK(chaos.events > 50000 && chaos.echoes > 5000 && chaos.closes > 100 && chaos.restarts > 100);
    if (world->violations > 0 || getenv("DG_SIM_VERBOSE") != NULL) {
        fprintf(stderr, "events %" PRIu64 " echoes %" PRIu64 " closes %" PRIu64 " restarts %" PRIu64 "\n",
                chaos.events, chaos.echoes, chaos.closes, chaos.restarts);
        sim_world_print(world, stderr);
    }
    sim_world_close(world);
    sim_world_free(world);
}

DG_TEST(sim_chaos_is_accounted_for)
{
    for (uint64_t i = 0; i < 3; i++) {
        run_chaos(dg_test_seed() + i);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {DG_CASE(sim_chaos_is_accounted_for)};
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
