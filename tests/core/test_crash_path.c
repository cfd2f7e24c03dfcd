// SPDX-License-Identifier: GPL-3.0-or-later
// A process that dies between any two stores of a move leaves the old address or the new one, whole, and a check
// that goes on or begins anew. The death is a real one, in a child that shares the memory.
#include "path_scene.h"
#include "support/crash_child.h"


static uint32_t points_seen; // bits of the points of a move that the run passed, in the child that got through

static void watch(enum dg_crash_point point)
{
    if (point >= DG_CRASH_PATH_FORGOTTEN && point <= DG_CRASH_PATH_MOVED)
        points_seen |= UINT32_C(1) << (point - DG_CRASH_PATH_FORGOTTEN);
}

static bool is_place(const struct dg_address *peer_address, const struct dg_address *local)
{
    unsigned place = place_of(peer_address);
    return place < PLACES && memcmp(places[place].local.ip, local->ip, sizeof local->ip) == 0 &&
           places[place].local.port == local->port;
}

// What the next process finds: an address that is one of ours as a whole, and the same of one under check.
static void restart(int point)
{
    fake_server_restart(&server);
    (void)dg_engine_payload_max(server.engine, peer.ref); // it is judged, and mended, when it is first found
    fake_server_forget(&server);
    CHECK_EQ(dg_engine_live(server.engine), 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_SLOTS_QUARANTINED), 0);
    const struct dg_path path = dg_association_path(fake_slot(&server, peer.ref));
    CHECK_MSG(is_place(&path.peer, &path.local), "half an address, point %d", point);
    struct dg_side_flight *flight = path_side();
    if (flight == NULL || dg_side_path_phase(flight) == DG_PATH_RESTING)
        return;
    const struct dg_side_path *side = dg_side_path_of(flight);
    CHECK_MSG(dg_side_path_phase(flight) != DG_PATH_MOVING, "point %d", point);
    CHECK_MSG(is_place(&side->peer, &side->local), "half an unproven address, point %d", point);
    CHECK(side->sent <= 3 * side->received);
}

// Every address has a local part of its own, so that a mixture shows.
static void start(const struct scene *scene)
{
    scene_start(scene);
    for (unsigned i = 0; i < PLACES; i++) {
        memset(places[i].peer.ip + 12, (int)(0x11 * (i + 1)), 4);
        places[i].peer.port = (uint16_t)(0x1111 * (i + 1));
        memset(places[i].local.ip + 12, (int)(0x11 * (i + 4)), 4);
    }
    struct dg_slot *slot = fake_slot(&server, peer.ref);
    slot->peer = places[A].peer;
    memcpy(slot->local_ip, places[A].local.ip, sizeof slot->local_ip);
}

static unsigned next_place;
static uint8_t record_bytes[128];
static size_t record_size;

static void act_receive(void)
{
    peer.path = places[next_place];
    (void)fake_peer_give(&peer, record_bytes, record_size);
}

static void make_data(unsigned place)
{
    next_place = place;
    record_size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "hello", 5, record_bytes, sizeof record_bytes);
}

// The next process serves the client where it is now, whichever address it found.
static void settles_at(unsigned place, const struct scene *scene)
{
    for (unsigned i = 0; i < 40 && bound_to() != place; i++) {
        struct fake_record record = {0};
        (void)data_from(place);
        while (server.sent_count > 0) {
            size_t offset = 0;
            unsigned to = place_of(&server.sent[0].path.peer);
            if (!fake_peer_take(&peer, &offset, &record) || to != place)
                continue;
            if (record.type == DG_CONTENT_RETURN_ROUTABILITY_CHECK && record.data[0] == CHALLENGE) {
                struct dg_reader reader = dg_reader_of(record.data + 1, 8);
                (void)rrc_from(place, RESPONSE, dg_read_u64(&reader));
            } else if (record.type == DG_CONTENT_HANDSHAKE) {
                ack_from(place, (struct dg_record_number){.epoch = record.epoch, .sequence = record.sequence});
                fake_peer_next_rx(&peer); // it was a KeyUpdate
            }
        }
        fake_server_run(&server, 500 * DG_MILLISECOND);
    }
    (void)scene;
    CHECK_EQ(bound_to(), place);
}

static const struct scene SCENES[] = {
    {.version = 12, .is_null = true},
    {.version = 13, .is_null = true},
    {.version = 12, .has_rrc = true, .is_null = true},
    {.version = 13, .has_rrc = true, .is_null = true, .is_basic = true},
};
#define COUNT (sizeof SCENES / sizeof SCENES[0])

// The first record from B, and the first from C while B is being checked.
DG_TEST(crash_while_a_new_address_is_noted_leaves_a_whole_one)
{
    for (size_t i = 0; i < 2 * COUNT; i++) {
        const struct scene *scene = &SCENES[i / 2];
        for (int point = 0;; point++) {
            start(scene);
            if (i % 2)
                (void)data_from(B);
            fake_server_forget(&server);
            make_data(i % 2 ? C : B);
            bool died = dies_at(point, act_receive);
            restart(point);
            CHECK_EQ(bound_to(), A);
            settles_at(i % 2 ? C : B, scene);
            scene_stop();
            if (!died) {
                CHECK_MSG(point >= 5, "%d points", point);
                break;
            }
        }
    }
}

// What proves B is on its way to it: the last record of each kind of check.
static void make_proof(const struct scene *scene)
{
    uint8_t body[18];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    struct fake_record record = {0};
    next_place = B;
    if (!scene->has_rrc && scene->version == 12) {
        make_data(B);
        return;
    }
    if (scene->has_rrc && !scene->is_basic) {
        fake_server_run(&server, DG_SECOND);
        fake_server_forget(&server);
        fake_server_run(&server, DG_SECOND / 3); // asks B again
    }
    if (scene->has_rrc) {
        CHECK_EQ(take_to(&record), B);
        dg_write_u8(&writer, RESPONSE);
        dg_write_bytes(&writer, record.data + 1, 8);
    } else {
        struct dg_record_number number = almost_proven(B);
        dg_write_u16(&writer, 16);
        dg_write_u64(&writer, number.epoch);
        dg_write_u64(&writer, number.sequence);
    }
    record_size = fake_peer_seal(&peer, scene->has_rrc ? DG_CONTENT_RETURN_ROUTABILITY_CHECK : DG_CONTENT_ACK, body,
                                 dg_writer_size(&writer), record_bytes, sizeof record_bytes);
}

static void begin(const struct scene *scene)
{
    start(scene);
    (void)data_from(B);
    for (unsigned k = 0; k < scene->has_rrc; k++)
        (void)data_from(B);
    if (scene->has_rrc && !scene->is_basic) {
        CHECK(answer(700)); // kept in two parts, and sent again when B is proven
        CHECK_EQ(kept_parts(), 2);
        fake_server_forget(&server);
    }
    make_proof(scene);
}

DG_TEST(crash_while_an_address_moves_leaves_a_whole_one)
{
    for (size_t i = 0; i < COUNT; i++) {
        bool was_old = false, was_new = false;
        points_seen = 0;
        for (int point = 0;; point++) {
            begin(&SCENES[i]);
            bool died = dies_at(point, act_receive);
            restart(point);
            unsigned place = bound_to();
            CHECK(place == A || place == B);
            was_old = was_old || place == A;
            was_new = was_new || (place == B && died);
            settles_at(B, &SCENES[i]);
            fake_server_run(&server, DG_MINUTE);
            CHECK_EQ(kept_parts(), 0);
            scene_stop();
            if (!died)
                break;
        }
        CHECK(was_old && was_new);
        begin(&SCENES[i]);
        dg_crash_hook = watch;
        act_receive();
        dg_crash_hook = NULL;
        CHECK_EQ(points_seen, 0x7c); // PROVEN to MOVED
        CHECK_EQ(bound_to(), B);
        scene_stop();
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(crash_while_a_new_address_is_noted_leaves_a_whole_one),
    DG_CASE(crash_while_an_address_moves_leaves_a_whole_one),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
