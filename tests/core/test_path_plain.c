// SPDX-License-Identifier: GPL-3.0-or-later
// Clients that move and know nothing of RRC: which records may move an address at all, what proves one in each
// version, what goes to one that is not proven, and what a forwarder who is faster than the client attracts.
#include "path_scene.h"

static const struct scene MODES[] = {
    {.version = 12},
    {.version = 13},
    {.version = 12, .is_strict = true},
    {.version = 13, .is_strict = true},
    {.version = 12, .has_rrc = true},
    {.version = 13, .has_rrc = true},
    {.version = 12, .has_rrc = true, .is_basic = true},
    {.version = 13, .has_rrc = true, .is_basic = true},
    {.version = 12, .has_rrc = true, .is_basic = true, .is_strict = true},
    {.version = 13, .has_rrc = true, .is_basic = true, .is_strict = true},
    {.version = 12, .is_null = true, .peer_cid_size = 5},
    {.version = 13, .is_null = true, .peer_cid_size = 5},
    {.version = 12, .has_rrc = true, .is_null = true, .peer_cid_size = 5},
    {.version = 13, .has_rrc = true, .is_null = true, .peer_cid_size = 5},
};
#define MODE_COUNT (sizeof MODES / sizeof MODES[0])

// Is there anything that could prove an address?
static bool can_prove(size_t mode) { return MODES[mode].has_rrc || MODES[mode].version == 13; }

// --- which records count ----------------------------------------------------------------------------

static void is_unmoved(size_t mode)
{
    CHECK_MSG(bound_to() == A && path_side() == NULL, "mode %zu", mode);
    CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHECKS), 0);
    CHECK_EQ(server.sent_total, 0);
}

// RFC 9146 6, RFC 9147 11, attack 30: replayed, forged and overtaken records from elsewhere move nothing; what
// opens for the first time is delivered all the same.
DG_TEST(path_old_replayed_and_forged_records_move_nothing)
{
    for (size_t mode = 0; mode < MODE_COUNT; mode++) {
        uint8_t early[64], late[64], forged[64];
        scene_start(&MODES[mode]);
        size_t early_size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "1", 1, early, sizeof early);
        size_t late_size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "2", 1, late, sizeof late);
        size_t forged_size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "3", 1, forged, sizeof forged);
        CHECK(fake_peer_give(&peer, late, late_size) != DG_ENGINE_UNKNOWN);
        CHECK_EQ(server.delivered, 1);
        peer.path = places[B];
        CHECK(fake_peer_give(&peer, late, late_size) != DG_ENGINE_UNKNOWN);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_REPLAY), 1);
        is_unmoved(mode);
        CHECK(fake_peer_give(&peer, early, early_size) != DG_ENGINE_UNKNOWN);
        CHECK_EQ(server.delivered, 2);
        is_unmoved(mode);
        forged[forged_size - 1] ^= 1;
        CHECK_EQ(fake_peer_give(&peer, forged, forged_size), DG_ENGINE_NOT_OPENED);
        CHECK_EQ(server.delivered, 2);
        is_unmoved(mode);
        CHECK_EQ(answers_go(), A);
        scene_stop();
    }
}

// RFC 9147 11: where nobody can be, our own address, and another listener of ours are no new address.
DG_TEST(path_impossible_addresses_are_no_new_address)
{
    for (size_t mode = 0; mode < MODE_COUNT; mode++) {
        scene_start(&MODES[mode]);
        for (unsigned k = 0; k < 4; k++) {
            struct dg_path path = places[A];
            if (k == 0)
                path.peer.port = 0;
            else if (k == 1)
                path.peer = path.local;
            else if (k == 2)
                path.peer.ip[12] = 224;
            else
                path.listener++, path.peer.port = 7;
            places[B] = path;
            (void)data_from(B);
            CHECK_EQ(server.delivered, k + 1);
            is_unmoved(mode);
        }
        scene_stop();
    }
}

// RFC 9147 8, 11: newer in epoch and number. Records of the epoch before are the newest only until one of the next
// has opened.
DG_TEST(path_epoch_counts_before_number)
{
    const struct scene scene = {.version = 13};
    uint8_t old[64];
    scene_start(&scene);
    for (unsigned i = 0; i < 20; i++)
        (void)data_from(A);
    uint8_t request = 0;
    (void)fake_peer_send_message(&peer, DG_HS_KEY_UPDATE, peer.message_seq++, &request, 1);
    size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "1", 1, old, sizeof old); // of the old epoch
    fake_peer_next_tx(&peer);
    (void)data_from(B); // number 0 of the new epoch
    CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHECKS), 1);
    (void)data_from(A);
    CHECK_EQ(answers_go(), A);
    peer.path = places[C];
    CHECK(fake_peer_give(&peer, old, size) != DG_ENGINE_UNKNOWN);
    CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHECKS), 1);
    CHECK_EQ(bound_to(), A);
    scene_stop();
}

// Several records in a datagram are one sign of life.
DG_TEST(path_one_datagram_proves_nothing_twice)
{
    uint8_t out[256];
    const struct scene scene = {.version = 12};
    scene_start(&scene);
    size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "1", 1, out, sizeof out);
    size += fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "2", 1, out + size, sizeof out - size);
    peer.path = places[B];
    CHECK(fake_peer_give(&peer, out, size) != DG_ENGINE_UNKNOWN);
    CHECK_EQ(server.delivered, 2);
    CHECK_EQ(bound_to(), A);
    CHECK_EQ(server.moved, 0);
    scene_stop();
}

// --- DTLS 1.2 ------------------------------------------------------------------------------------------

// address-change = newest: within three for one at once, without limit with the next record from there.
DG_TEST(path_12_newest_follows_the_second_record)
{
    for (unsigned is_null = 0; is_null < 2; is_null++) {
        const struct scene scene = {.version = 12, .is_null = is_null};
        scene_start(&scene);
        (void)data_from(B);
        CHECK_EQ(answers_go(), B);
        CHECK_EQ(bound_to(), A);
        fake_server_forget(&server);
        CHECK(answer(1000)); // above what may go there: it goes where the client was
        CHECK_EQ(place_of(&server.sent[0].path.peer), A);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_BUDGET), 1);
        (void)data_from(B);
        CHECK_EQ(bound_to(), B);
        CHECK_EQ(server.moved, 1);
        fake_server_forget(&server);
        CHECK(answer(1000));
        CHECK_EQ(place_of(&server.sent[0].path.peer), B);
        // And back.
        (void)data_from(A);
        (void)data_from(A);
        CHECK_EQ(bound_to(), A);
        CHECK(path_side() == NULL);
        scene_stop();
    }
}

// What overtook nothing proves nothing: a record from before, held back and sent from there, is no sign of life.
DG_TEST(path_12_old_records_do_not_confirm)
{
    const struct scene scene = {.version = 12};
    uint8_t early[64];
    scene_start(&scene);
    size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "1", 1, early, sizeof early);
    (void)data_from(B);
    CHECK(fake_peer_give(&peer, early, size) != DG_ENGINE_UNKNOWN);
    CHECK_EQ(server.delivered, 2);
    CHECK_EQ(bound_to(), A);
    scene_stop();
}

// address-change = strict: nothing could prove the new address, so the old one stays.
DG_TEST(path_12_strict_stays)
{
    const struct scene scene = {.version = 12, .is_strict = true};
    scene_start(&scene);
    for (unsigned i = 1; i <= 10; i++) {
        (void)data_from(B);
        CHECK_EQ(server.delivered, i);
        CHECK_EQ(answers_go(), A);
    }
    CHECK(path_side() == NULL);
    scene_stop();
}

// An address that falls silent after one record is forgotten in time.
DG_TEST(path_unproven_address_is_forgotten)
{
    for (size_t mode = 0; mode < MODE_COUNT; mode++) {
        scene_start(&MODES[mode]);
        (void)data_from(B);
        fake_server_run(&server, DG_HOUR);
        CHECK(path_side() == NULL);
        CHECK_EQ(bound_to(), A);
        CHECK_EQ(answers_go(), A);
        scene_stop();
    }
}

// --- amplification ---------------------------------------------------------------------------------------

// RFC 9853 5, attack 32: whatever comes from where, however often it changes: an address that has proven nothing gets
// at most three bytes for one, over its whole life.
DG_TEST(path_never_more_than_three_for_one)
{
    struct test_random random = {.state = dg_test_seed()};
    for (size_t mode = 0; mode < MODE_COUNT; mode++) {
        uint64_t came[PLACES] = {0}, went[PLACES] = {0};
        unsigned last = A;
        scene_start(&MODES[mode]);
        for (unsigned step = 0; step < 3000; step++) {
            unsigned place = (unsigned)test_random_below(&random, PLACES);
            // Twice from one place would prove it to DTLS 1.2.
            if (place != A && place == last)
                place = A;
            if (test_random_below(&random, 3) > 0) {
                came[place] += data_from(place);
                last = place;
            }
            if (test_random_below(&random, 2) > 0)
                (void)answer(1 + test_random_below(&random, 300));
            if (test_random_below(&random, 4) == 0)
                fake_server_run(&server, test_random_below(&random, 2 * DG_SECOND));
            for (size_t k = 0; k < server.sent_count; k++)
                went[place_of(&server.sent[k].path.peer)] += server.sent[k].size;
            CHECK(server.sent_count < FAKE_QUEUE);
            fake_server_forget(&server);
            for (unsigned i = B; i < PLACES; i++)
                if (went[i] > 3 * came[i])
                    CHECK_MSG(false, "mode %zu, step %u: %llu to place %u, %llu from it", mode, step,
                              (unsigned long long)went[i], i, (unsigned long long)came[i]);
            REQUIRE(bound_to() == A);
        }
        CHECK(went[A] > 0);
        CHECK_MSG((went[B] > 0) == (can_prove(mode) || !MODES[mode].is_strict), "mode %zu", mode);
        scene_stop();
    }
}

// --- the forwarder who races -------------------------------------------------------------------------------

// B gets every record of the client at A and passes it on before the client's own copy arrives. Counts what of the
// answers went to B, in bytes; the client answers what reaches A, and its answers are raced as well.
struct race {
    uint64_t came, went, data;
};

static void take_answers(struct race *race)
{
    for (unsigned turn = 0; turn < 8 && server.sent_count > 0; turn++) {
        struct fake_record record = {0};
        size_t size = server.sent[0].size;
        unsigned place = take_to(&record);
        if (place == B) {
            race->went += size;
            race->data += record.type == DG_CONTENT_APPLICATION_DATA ? size : 0;
            continue;
        }
        if (record.type == DG_CONTENT_RETURN_ROUTABILITY_CHECK && record.data[0] == CHALLENGE) {
            struct dg_reader reader = dg_reader_of(record.data + 1, 8);
            race->came += rrc_from(B, RESPONSE, dg_read_u64(&reader));
        }
    }
}

static void forward(struct race *race)
{
    race->came += data_from(B);
    take_answers(race);
    for (unsigned i = 0; i < 5; i++)
        CHECK(answer(60));
    take_answers(race);
    server.now += 100 * DG_MILLISECOND;
    dg_engine_advance(server.engine, server.now, server.wall_s);
    take_answers(race);
}

// RFC 9853 5.2, design: with RRC or strict the traffic does not follow him, however long he does it.
DG_TEST(path_forwarder_who_races_attracts_nothing_with_rrc_or_strict)
{
    for (size_t mode = 0; mode < MODE_COUNT; mode++) {
        if (!MODES[mode].is_strict && (!MODES[mode].has_rrc || MODES[mode].is_basic))
            continue;
        struct race race = {0};
        scene_start(&MODES[mode]);
        for (unsigned i = 0; i < 100; i++)
            forward(&race);
        CHECK_EQ(race.data, 0);
        CHECK(race.went <= 3 * race.came);
        CHECK_EQ(bound_to(), A);
        CHECK_EQ(server.delivered, 100);
        scene_stop();
    }
}

// With newest, and with the basic check: no more than three for one, and it ends with the client's next record.
DG_TEST(path_forwarder_who_races_attracts_three_for_one_with_newest)
{
    for (size_t mode = 0; mode < MODE_COUNT; mode++) {
        if (MODES[mode].is_strict || (MODES[mode].has_rrc && !MODES[mode].is_basic))
            continue;
        struct race race = {0};
        scene_start(&MODES[mode]);
        for (unsigned i = 0; i < 50; i++) {
            forward(&race); // one record is raced
            CHECK(race.went <= 3 * race.came);
            (void)data_from(A); // the next one is not
            take_answers(&race);
            uint64_t before = race.went;
            CHECK_EQ(answers_go(), A);
            CHECK_EQ(race.went, before);
            CHECK_EQ(bound_to(), A);
        }
        CHECK(race.data > 0);
        CHECK_EQ(server.moved, 0);
        scene_stop();
    }
}

// No side slot, no move: counted, and the address stays.
DG_TEST(path_without_a_side_slot_the_address_stays)
{
    for (size_t mode = 0; mode < MODE_COUNT; mode++) {
        scene_start(&MODES[mode]);
        struct dg_shard *shard = server.engine->by_number[peer.ref.shard];
        while (dg_shard_flight_new(shard, fake_slot(&server, peer.ref), DG_FLIGHT_MESSAGE) != NULL)
            continue;
        for (unsigned i = 1; i <= 3; i++) {
            (void)data_from(B);
            CHECK_EQ(server.delivered, i);
            CHECK_EQ(answers_go(), A);
        }
        bool wants_one = !MODES[mode].is_strict || can_prove(mode);
        CHECK_EQ(fake_count(&server, DG_COUNT_SIDE_FULL), 1 + (wants_one ? 3 : 0));
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHECKS), 0);
        CHECK_EQ(bound_to(), A);
        scene_stop();
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(path_old_replayed_and_forged_records_move_nothing),
    DG_CASE(path_impossible_addresses_are_no_new_address),
    DG_CASE(path_epoch_counts_before_number),
    DG_CASE(path_one_datagram_proves_nothing_twice),
    DG_CASE(path_12_newest_follows_the_second_record),
    DG_CASE(path_12_old_records_do_not_confirm),
    DG_CASE(path_12_strict_stays),
    DG_CASE(path_unproven_address_is_forgotten),
    DG_CASE(path_never_more_than_three_for_one),
    DG_CASE(path_forwarder_who_races_attracts_nothing_with_rrc_or_strict),
    DG_CASE(path_forwarder_who_races_attracts_three_for_one_with_newest),
    DG_CASE(path_without_a_side_slot_the_address_stays),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
