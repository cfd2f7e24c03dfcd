// SPDX-License-Identifier: GPL-3.0-or-later
// The moments at which an association begins, with wolfSSL's clients: flights lost again and again, clients
// that come back, strangers who pretend to be them, hellos in pieces, addresses that change under way.
// ctest: timeout=240
#include "check.h"
#include "core/engine_scan.h"
#include "core/wire_constants.h"
#include "support/sim_audit.h"
#include "support/sim_client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// --- one world, one gate, a few clients ------------------------------------------------------------------

struct scene {
    struct sim_world *world;
    struct rig *gate;
    struct sim_client *clients[64];
    size_t count;
    // the filter's
    unsigned to_lose;
    unsigned lost;
    bool (*is_lost)(const struct scene *scene, enum netsim_direction direction, const uint8_t *data, size_t size);
    uint8_t hellos[2][2048]; // without and with the cookie, as the client sent them
    size_t hello_sizes[2];
    unsigned astray; // datagrams to addresses that are no host's
    unsigned pieces; // hellos are cut into so many
};

static bool is_hello(const uint8_t *data, size_t size)
{
    return size > DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER && data[0] == DG_CONTENT_HANDSHAKE && data[3] == 0 &&
           data[4] == 0 && data[DG_RECORD12_HEADER] == DG_HS_CLIENT_HELLO;
}

static void send_in_pieces(struct scene *scene, const struct dg_address *client, const uint8_t *data, size_t size)
{
    const size_t head = DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER;
    size_t body = size - head;
    for (unsigned i = 0; i < scene->pieces; i++) {
        size_t from = body * i / scene->pieces;
        size_t part = body * (i + 1) / scene->pieces - from;
        uint8_t piece[2048];
        struct dg_writer writer = dg_writer_of(piece, sizeof piece);
        dg_write_bytes(&writer, data, 5);
        dg_write_u48(&writer, (uint64_t)data[10] * scene->pieces + i); // a number of its own
        dg_write_u16(&writer, (uint16_t)(part + DG_HANDSHAKE_HEADER));
        dg_write_bytes(&writer, data + DG_RECORD12_HEADER, 6); // type, length, message_seq
        dg_write_u24(&writer, (uint32_t)from);
        dg_write_u24(&writer, (uint32_t)part);
        dg_write_bytes(&writer, data + head + from, part);
        sim_world_inject(scene->world, client, piece, dg_writer_size(&writer));
    }
}

static bool filter(void *context, enum netsim_direction direction, const struct dg_address *client,
                   const uint8_t *data, size_t size)
{
    struct scene *scene = context;
    if (direction == NETSIM_TO_CLIENT && sim_host_at(scene->world, client) == UINT32_MAX) {
        scene->astray++;
    }
    if (direction == NETSIM_TO_SERVER && is_hello(data, size) && size <= sizeof scene->hellos[0]) {
        int which = data[DG_RECORD12_HEADER + 5] == 0 ? 0 : 1; // message_seq
        memcpy(scene->hellos[which], data, size);
        scene->hello_sizes[which] = size;
        if (scene->pieces > 1) {
            send_in_pieces(scene, client, data, size);
            return false;
        }
    }
    if (scene->is_lost != NULL && scene->lost < scene->to_lose && scene->is_lost(scene, direction, data, size)) {
        scene->lost++;
        return false;
    }
    return true;
}

static struct scene *scene_with(uint64_t seed, bool is_strict)
{
    struct scene *scene = calloc(1, sizeof *scene);
    DG_BUG_UNLESS(scene != NULL);
    struct sim_config config = sim_config_default(seed);
    config.engine.address_strict = is_strict;
    config.hosts_max = 64;
    scene->world = sim_world_new(&config);
    scene->gate = sim_gate_new(scene->world, DG_PROFILE_MODERN);
    const struct netsim_faults delay = {.delay_min = 5 * DG_MILLISECOND, .delay_max = 20 * DG_MILLISECOND};
    netsim_set_faults(scene->world->net, NETSIM_TO_SERVER, &delay);
    netsim_set_faults(scene->world->net, NETSIM_TO_CLIENT, &delay);
    sim_world_open(scene->world, &dg_wolf_handshake, scene->gate->gate);
    scene->world->filter = filter;
    scene->world->filter_context = scene;
    return scene;
}

static struct scene *scene_new(uint64_t seed) { return scene_with(seed, false); }

static void scene_free(struct scene *scene)
{
    sim_world_check(scene->world, true);
    if (scene->world->violations > 0 || getenv("DG_SIM_VERBOSE") != NULL) {
        sim_world_print(scene->world, stderr);
    }
    for (size_t i = 0; i < scene->count; i++) {
        sim_client_free(scene->clients[i]);
    }
    sim_world_close(scene->world);
    sim_gate_free(scene->gate);
    sim_world_free(scene->world);
    free(scene);
}

static struct sim_client *join(struct scene *scene, const struct wolf_client_config *config, unsigned pings)
{
    DG_BUG_UNLESS(scene->count < sizeof scene->clients / sizeof scene->clients[0]);
    struct sim_client *client = sim_client_new(scene->world, config);
    scene->clients[scene->count++] = client;
    client->pings = pings;
    sim_client_start(client);
    return client;
}

static bool finish(struct scene *scene, struct sim_client *client)
{
    bool done = sim_run_until_done(scene->world, &client, 1, 5 * DG_MINUTE);
    if (!done) {
        fprintf(stderr, "not done: state %d, error %d, echoes %u of %u\n", client->state,
                wolf_client_error(client->wolf), client->echoes, client->pings);
        sim_world_print(scene->world, stderr);
    }
    return done;
}

#define SEED() (dg_test_seed())

// --- flights lost again and again (attack 41) ------------------------------------------------------------

static bool has_application_epoch(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at + DG_RECORD12_HEADER <= size;) {
        if ((data[at] & DG_UNIFIED_FIXED_MASK) == DG_UNIFIED_FIXED) {
            return (data[at] & DG_UNIFIED_EPOCH_MASK) == DG_EPOCH13_APPLICATION;
        }
        if (data[at] == DG_CONTENT_TLS12_CID || data[at + 4] == 1) {
            return true;
        }
        at += DG_RECORD12_HEADER + ((size_t)data[at + 11] << 8 | data[at + 12]);
    }
    return false;
}

static bool is_final_flight(const struct scene *scene, enum netsim_direction direction, const uint8_t *data,
                            size_t size)
{
    (void)scene;
    return direction == NETSIM_TO_CLIENT && has_application_epoch(data, size);
}

static bool is_server_hello(const struct scene *scene, enum netsim_direction direction, const uint8_t *data,
                            size_t size)
{
    (void)scene;
    return direction == NETSIM_TO_CLIENT && size > DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER &&
           data[0] == DG_CONTENT_HANDSHAKE && data[DG_RECORD12_HEADER] == DG_HS_SERVER_HELLO &&
           data[DG_RECORD12_HEADER + 5] == 1; // message_seq: the HelloRetryRequest's is 0
}

static bool is_client_finished(const struct scene *scene, enum netsim_direction direction, const uint8_t *data,
                               size_t size)
{
    bool is_handshake_epoch = size > 0 && (data[0] & DG_UNIFIED_FIXED_MASK) == DG_UNIFIED_FIXED &&
                              (data[0] & DG_UNIFIED_EPOCH_MASK) == DG_EPOCH13_HANDSHAKE;
    return direction == NETSIM_TO_SERVER && scene->world->opened == 0 &&
           (is_handshake_epoch || has_application_epoch(data, size));
}

static void lose_flights(bool (*which)(const struct scene *, enum netsim_direction, const uint8_t *, size_t),
                         bool is_after_take_over)
{
    for (unsigned kind = 0; kind < SIM_MIX / 2; kind++) {
        for (unsigned to_lose = 1; to_lose <= 5; to_lose += 2) { // at seven time-outs the client gives up
            struct scene *scene = scene_new(SEED() + 100 * kind + to_lose);
            scene->is_lost = which;
            scene->to_lose = to_lose;
            struct wolf_client_config mix = sim_mix(kind);
            struct sim_client *client = join(scene, &mix, 2);
            CHECK_MSG(finish(scene, client), "%s, %u lost", sim_mix_name(kind), to_lose);
            CHECK_EQ(scene->lost, to_lose);
            CHECK_EQ(sim_count(scene->world, DG_COUNT_HANDSHAKES_STARTED), 1);
            CHECK_EQ(scene->world->opened, 1);
            if (is_after_take_over) {
                CHECK_MSG(sim_count(scene->world, DG_COUNT_FLIGHTS_REPEATED) > 0, "%s, %u lost", sim_mix_name(kind),
                          to_lose);
            }
            scene_free(scene);
        }
    }
}

// RFC 6347 4.2.4, RFC 9147 5.8.1: answered by our record layer, the TLS library's object is long gone.
DG_TEST(sim_final_flight_lost_again_and_again) { lose_flights(is_final_flight, true); }
DG_TEST(sim_client_finished_lost_again_and_again) { lose_flights(is_client_finished, false); }
DG_TEST(sim_server_hello_lost_again_and_again)
{
    lose_flights(is_server_hello, false);
}

// --- a client that comes back (attack 42, F10) -----------------------------------------------------------

// RFC 6347 4.2.8, RFC 9147 5.11: the old association ends when the new one is proven, not before.
DG_TEST(sim_rebooted_client_is_served_beside_its_old_association)
{
    for (unsigned kind = 0; kind < SIM_MIX / 2; kind++) {
        struct scene *scene = scene_new(SEED() + kind);
        struct wolf_client_config mix = sim_mix(kind);
        struct sim_client *before = join(scene, &mix, 2);
        REQUIRE(finish(scene, before));
        struct sim_client *after = sim_client_reboot(before, &mix);
        scene->clients[scene->count++] = after;
        after->pings = 2;
        sim_client_start(after);
        while (scene->world->opened < 2 && sim_world_step(scene->world, scene->world->now + DG_MINUTE)) {
            CHECK(scene->world->opened == 2 || sim_live(scene->world) == 1); // the old one lives on until then
        }
        REQUIRE(finish(scene, after));
        CHECK_EQ(after->restarts, 0);
        // Whoever has a connection ID is found by it alone, and ends by its idle time.
        bool has_cid = mix.offer_cid;
        CHECK_EQ(scene->world->closed_for[DG_COUNT_CLOSED_REPLACED], has_cid ? 0 : 1);
        CHECK_EQ(sim_live(scene->world), has_cid ? 2 : 1);
        scene_free(scene);
    }
}

// The same over a network that loses a fifth, ten clients, three lives each.
DG_TEST(sim_rebooted_clients_at_20_percent_loss)
{
    struct scene *scene = scene_new(SEED());
    const struct netsim_faults faults = {
        .loss = 200, .duplicate = 50, .delay_min = 5 * DG_MILLISECOND, .delay_max = 20 * DG_MILLISECOND};
    netsim_set_faults(scene->world->net, NETSIM_TO_SERVER, &faults);
    netsim_set_faults(scene->world->net, NETSIM_TO_CLIENT, &faults);
    struct sim_client *living[10];
    for (unsigned i = 0; i < 10; i++) {
        struct wolf_client_config mix = sim_mix(i);
        living[i] = join(scene, &mix, 3);
        living[i]->restarts_max = 3;
    }
    for (unsigned life = 0; life < 3; life++) {
        CHECK_MSG(sim_run_until_done(scene->world, living, 10, 10 * DG_MINUTE), "life %u", life);
        for (unsigned i = 0; i < 10 && life < 2; i++) {
            struct wolf_client_config mix = sim_mix(i + life + 1);
            living[i] = sim_client_reboot(living[i], &mix);
            scene->clients[scene->count++] = living[i];
            living[i]->pings = 3;
            living[i]->restarts_max = 3;
            sim_client_start(living[i]);
        }
    }
    scene_free(scene);
}

// --- strangers who pretend to be it (attack 42, F10) -----------------------------------------------------

// Turns a bit of the cookie in a hello that a client sent.
static bool spoil_cookie(uint8_t *datagram, size_t size)
{
    struct dg_hello hello;
    struct dg_bytes message = {datagram + DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER,
                               size - DG_RECORD12_HEADER - DG_HANDSHAKE_HEADER};
    if (dg_hello_parse(message, &hello).outcome != DG_OK) {
        return false;
    }
    struct dg_bytes cookie = hello.cookie_extension.size > 0 ? hello.cookie_extension : hello.cookie;
    if (cookie.size == 0) {
        return false;
    }
    datagram[cookie.data - datagram + (ptrdiff_t)cookie.size / 2] ^= 1;
    return true;
}

enum spoof { WITHOUT_COOKIE, WITH_WRONG_COOKIE, WITH_VALID_COOKIE };

static void spoof_hellos(enum spoof spoof)
{
    for (unsigned kind = 0; kind < SIM_MIX / 2; kind++) {
        struct scene *scene = scene_new(SEED() + kind);
        struct wolf_client_config mix = sim_mix(kind);
        mix.datagram_max = 1900; // hellos in one piece
        struct sim_client *client = join(scene, &mix, 2);
        REQUIRE(finish(scene, client));
        sim_world_run(scene->world, 12 * DG_SECOND); // the front has forgotten the handshake
        const uint64_t started = sim_count(scene->world, DG_COUNT_HANDSHAKES_STARTED);
        struct dg_address address = sim_host_address(scene->world, client->host);
        const int which = spoof == WITHOUT_COOKIE ? 0 : 1;
        REQUIRE(scene->hello_sizes[which] > 0);
        if (spoof == WITH_WRONG_COOKIE) {
            REQUIRE(spoil_cookie(scene->hellos[1], scene->hello_sizes[1]));
        }
        for (unsigned i = 0; i < 20; i++) {
            sim_world_inject(scene->world, &address, scene->hellos[which], scene->hello_sizes[which]);
            client->pings++;
            sim_client_poke(client);
            sim_world_run(scene->world, 100 * DG_MILLISECOND);
        }
        CHECK_MSG(finish(scene, client), "%s", sim_mix_name(kind));
        CHECK_EQ(scene->world->closed, 0);
        CHECK_EQ(sim_live(scene->world), 1);
        CHECK_EQ(sim_count(scene->world, DG_COUNT_HANDSHAKES_STARTED) - started, spoof == WITH_VALID_COOKIE ? 1 : 0);
        sim_world_run(scene->world, DG_MINUTE); // whatever was begun has expired
        client->pings++;
        sim_client_poke(client);
        CHECK_MSG(finish(scene, client), "%s, a minute later", sim_mix_name(kind));
        CHECK_EQ(dg_front_busy(scene->world->front), 0);
        CHECK_EQ(scene->world->closed, 0);
        scene_free(scene);
    }
}

DG_TEST(sim_spoofed_hello_without_cookie_disturbs_nobody) { spoof_hellos(WITHOUT_COOKIE); }
DG_TEST(sim_spoofed_hello_with_wrong_cookie_disturbs_nobody) { spoof_hellos(WITH_WRONG_COOKIE); }
DG_TEST(sim_spoofed_hello_with_valid_cookie_disturbs_nobody) { spoof_hellos(WITH_VALID_COOKIE); }

// --- hellos in pieces (F9) -------------------------------------------------------------------------------

static struct wolf_client_config mlkem(void)
{
    struct wolf_client_config config = sim_mix(8);
    config.empty_key_share = false;
    config.datagram_max = 1900;
    return config;
}

// RFC 9147 5.5: the first hello too, as the clients of others send it with a post-quantum key share.
DG_TEST(sim_fragmented_first_hello_completes)
{
    for (unsigned pieces = 1; pieces <= 4; pieces++) {
        struct scene *scene = scene_new(SEED() + pieces);
        scene->pieces = pieces;
        struct wolf_client_config config = mlkem();
        struct sim_client *client = join(scene, &config, 2);
        CHECK_MSG(finish(scene, client), "%u pieces", pieces);
        CHECK(scene->hello_sizes[0] > 1300); // the key share was in it
        CHECK_EQ(scene->world->opened, 1);
        scene_free(scene);
    }
}

DG_TEST(sim_fragmented_hellos_at_10_percent_loss)
{
    struct scene *scene = scene_new(SEED());
    const struct netsim_faults faults = {
        .loss = 100, .duplicate = 50, .reorder = 100, .delay_min = 5 * DG_MILLISECOND, .delay_max = 20 * DG_MILLISECOND};
    netsim_set_faults(scene->world->net, NETSIM_TO_SERVER, &faults);
    netsim_set_faults(scene->world->net, NETSIM_TO_CLIENT, &faults);
    scene->pieces = 3;
    for (unsigned i = 0; i < 40; i++) {
        struct wolf_client_config config = mlkem();
        join(scene, &config, 2)->restarts_max = 2;
    }
    CHECK_MSG(sim_run_until_done(scene->world, scene->clients, scene->count, 10 * DG_MINUTE), "seed %" PRIu64, SEED());
    scene_free(scene);
}

// The library's own way: a small first hello, the second in pieces that fit its path.
DG_TEST(sim_fragmented_second_hello_completes)
{
    struct scene *scene = scene_new(SEED());
    struct wolf_client_config config = sim_mix(8);
    config.datagram_max = 800; // the library takes 500 bytes more than that, which our flights need
    struct sim_client *client = join(scene, &config, 2);
    CHECK(finish(scene, client));
    CHECK_EQ(scene->world->opened, 1);
    scene_free(scene);
}

// --- addresses that change under way ---------------------------------------------------------------------

// Associations whose peer is where a host is, as an operator would list them.
static size_t at_home(struct sim_world *world)
{
    static struct dg_scan_answer answer;
    size_t home = 0;
    for (uint32_t i = 0; i < world->config.workers; i++) {
        struct dg_scan_request request = {.what = DG_SCAN_LIST};
        do {
            dg_engine_scan(world->workers[i].engine, world->now, &request, &answer);
            for (uint32_t row = 0; row < answer.row_count; row++)
                home += sim_host_at(world, &answer.rows[row].peer) != UINT32_MAX;
            request.place = answer.place;
            request.cursor = answer.cursor;
        } while (!answer.is_over);
    }
    return home;
}

// M12: what comes from elsewhere during the handshake is ignored, with the connection ID too.
DG_TEST(sim_address_is_fixed_during_the_handshake)
{
    struct scene *scene = scene_new(SEED());
    const struct netsim_faults faults = {
        .rewrite = 250, .delay_min = 5 * DG_MILLISECOND, .delay_max = 20 * DG_MILLISECOND};
    netsim_set_faults(scene->world->net, NETSIM_TO_SERVER, &faults);
    for (unsigned i = 0; i < 48; i++) {
        struct wolf_client_config mix = sim_mix(i);
        // A cookie that was given to another address is not good, and the client has to begin anew.
        join(scene, &mix, 1)->restarts_max = 20;
    }
    CHECK_MSG(sim_run_until_done(scene->world, scene->clients, scene->count, 10 * DG_MINUTE), "seed %" PRIu64, SEED());
    CHECK_EQ(at_home(scene->world), sim_live(scene->world));
    CHECK(sim_count(scene->world, DG_COUNT_DROP_OLD_PATH) > 0);
    scene_free(scene);
}

// M2: a record of an established association that opens is delivered wherever it comes from; with the strict policy
// DTLS 1.2 answers to the address that was proven.
DG_TEST(sim_record_from_elsewhere_is_delivered_and_answered_at_home)
{
    struct scene *scene = scene_with(SEED(), true);
    for (unsigned i = 0; i < 24; i++) {
        struct wolf_client_config mix = sim_mix(i);
        mix.offer_cid = mix.offer_cid && mix.version == 12;
        join(scene, &mix, 1);
    }
    REQUIRE(sim_run_until_done(scene->world, scene->clients, scene->count, DG_MINUTE));
    sim_world_run(scene->world, 5 * DG_SECOND); // the last acknowledgements of tickets
    const struct netsim_faults faults = {
        .rewrite = 1000, .delay_min = 5 * DG_MILLISECOND, .delay_max = 20 * DG_MILLISECOND};
    netsim_set_faults(scene->world->net, NETSIM_TO_SERVER, &faults);
    scene->astray = 0;
    unsigned with_cid = 0;
    for (unsigned i = 0; i < scene->count; i++) {
        if (scene->clients[i]->config.offer_cid) {
            scene->clients[i]->pings += 5;
            scene->clients[with_cid++] = scene->clients[i]; // the others are let go below
        } else {
            sim_client_free(scene->clients[i]);
        }
    }
    scene->count = with_cid;
    for (unsigned i = 0; i < with_cid; i++) {
        sim_client_poke(scene->clients[i]);
    }
    CHECK(with_cid > 0);
    CHECK_MSG(sim_run_until_done(scene->world, scene->clients, scene->count, DG_MINUTE), "seed %" PRIu64, SEED());
    CHECK_EQ(scene->astray, 0);
    CHECK_EQ(at_home(scene->world), sim_live(scene->world));
    scene_free(scene);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(sim_final_flight_lost_again_and_again),
        DG_CASE(sim_client_finished_lost_again_and_again),
        DG_CASE(sim_server_hello_lost_again_and_again),
        DG_CASE(sim_rebooted_client_is_served_beside_its_old_association),
        DG_CASE(sim_rebooted_clients_at_20_percent_loss),
        DG_CASE(sim_spoofed_hello_without_cookie_disturbs_nobody),
        DG_CASE(sim_spoofed_hello_with_wrong_cookie_disturbs_nobody),
        DG_CASE(sim_spoofed_hello_with_valid_cookie_disturbs_nobody),
        DG_CASE(sim_fragmented_first_hello_completes),
        DG_CASE(sim_fragmented_hellos_at_10_percent_loss),
        DG_CASE(sim_fragmented_second_hello_completes),
        DG_CASE(sim_address_is_fixed_during_the_handshake),
        DG_CASE(sim_record_from_elsewhere_is_delivered_and_answered_at_home),
    };
    sim_prepare();
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
