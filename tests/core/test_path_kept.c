// SPDX-License-Identifier: GPL-3.0-or-later
// Answers to a client that has left its address, which nobody knew yet: they come again where it is. To one that has
// not left they come once.
#include "path_scene.h"

static const struct scene SCENES[] = {
    {.version = 13, .has_rrc = true},
    {.version = 12, .has_rrc = true},
    {.version = 13, .has_rrc = true, .is_strict = true, .is_null = true, .peer_cid_size = 5},
};
#define COUNT (sizeof SCENES / sizeof SCENES[0])

// The client asks from B, its answer of this size goes to A, where nobody is any more. The cookie that B is then asked.
static uint64_t asks_and_is_asked(size_t size)
{
    (void)data_from(B);
    fake_server_forget(&server); // the challenge to A
    CHECK(answer(size));
    CHECK_EQ(place_of(&server.sent[0].path.peer), A);
    fake_server_run(&server, 950 * DG_MILLISECOND); // A is silent
    fake_server_forget(&server);
    fake_server_run(&server, 400 * DG_MILLISECOND);
    struct fake_record record = {0};
    CHECK_EQ(take_to(&record), B);
    CHECK_EQ(record.size, 9);
    struct dg_reader reader = dg_reader_of(record.data, record.size);
    (void)dg_read_u8(&reader);
    fake_server_forget(&server);
    return dg_read_u64(&reader);
}

static void asks_and_has_moved(size_t size)
{
    (void)rrc_from(B, RESPONSE, asks_and_is_asked(size));
    CHECK_EQ(bound_to(), B);
}

DG_TEST(answer_to_an_address_that_was_left_comes_again_where_the_client_is)
{
    static const size_t SIZES[] = {1, 40, DG_FLIGHT_BYTES, DG_FLIGHT_BYTES + 1, 1100};
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < sizeof SIZES / sizeof SIZES[0]; k++) {
            struct fake_record record = {0};
            bool has_come = false;
            scene_start(&SCENES[i]);
            asks_and_has_moved(SIZES[k]);
            while (server.sent_count > 0) {
                CHECK_EQ(take_to(&record), B);
                if (record.type != DG_CONTENT_APPLICATION_DATA)
                    continue;
                CHECK(!has_come);
                CHECK_EQ(record.size, SIZES[k]);
                CHECK_EQ(record.data[0], 'd');
                has_come = true;
            }
            CHECK(has_come);
            CHECK_EQ(fake_count(&server, DG_COUNT_ANSWERS_REPEATED), 1);
            CHECK_EQ(kept_parts(), 0);
            scene_stop();
        }
    }
}

// Only the last one, and none that is longer than what side slots are given for it.
DG_TEST(answer_that_is_kept_is_the_last_one)
{
    scene_start(&SCENES[0]);
    (void)data_from(B);
    CHECK(answer(1100));
    CHECK_EQ(kept_parts(), 2);
    CHECK(answer(10));
    CHECK_EQ(kept_parts(), 1);
    scene_stop();
}

// The client was where it was: its answer came there.
DG_TEST(answer_to_an_address_that_was_not_left_comes_once)
{
    for (size_t i = 0; i < COUNT; i++) {
        scene_start(&SCENES[i]);
        fake_server_forget(&server);
        (void)data_from(B);
        uint64_t cookie = challenged(A);
        CHECK(answer(600));
        CHECK_EQ(kept_parts(), 2);
        fake_server_forget(&server);
        (void)rrc_from(A, RESPONSE, cookie);
        CHECK_EQ(bound_to(), A);
        CHECK_EQ(kept_parts(), 0);
        fake_server_run(&server, DG_MINUTE);
        CHECK_EQ(fake_count(&server, DG_COUNT_ANSWERS_REPEATED), 0);
        scene_stop();
    }
}

// Without RRC: what would be more than three for one goes to the address before, and again where the client is.
DG_TEST(answer_beyond_three_for_one_comes_again_where_the_client_is)
{
    const struct scene scene = {.version = 12};
    scene_start(&scene);
    (void)data_from(B);
    CHECK(answer(1000));
    CHECK_EQ(place_of(&server.sent[0].path.peer), A);
    fake_server_forget(&server);
    (void)data_from(B);
    CHECK_EQ(bound_to(), B);
    CHECK_EQ(server.sent_count, 1);
    CHECK_EQ(place_of(&server.sent[0].path.peer), B);
    CHECK_EQ(fake_count(&server, DG_COUNT_ANSWERS_REPEATED), 1);
    scene_stop();
}

// One that went to the new address already does not come again when that turns out to be right.
DG_TEST(answer_within_three_for_one_comes_once)
{
    const struct scene scene = {.version = 12};
    scene_start(&scene);
    (void)data_from(B);
    CHECK(answer(10));
    CHECK_EQ(place_of(&server.sent[0].path.peer), B);
    CHECK_EQ(kept_parts(), 0);
    fake_server_forget(&server);
    (void)data_from(B);
    CHECK_EQ(bound_to(), B);
    CHECK_EQ(server.sent_count, 0);
    CHECK_EQ(fake_count(&server, DG_COUNT_ANSWERS_REPEATED), 0);
    scene_stop();
}

// Without RRC nothing is asked: a record from the old address ends the doubt, and what was kept for it.
DG_TEST(answer_is_not_kept_for_a_client_that_is_back)
{
    const struct scene scene = {.version = 12};
    scene_start(&scene);
    (void)data_from(B);
    CHECK(answer(1000));
    CHECK_EQ(kept_parts(), 2);
    (void)data_from(A);
    CHECK_EQ(bound_to(), A);
    CHECK_EQ(kept_parts(), 0);
    scene_stop();
}

// It is plaintext, and so passes only to whom the policy of now lets in: a reload, or another process, came in between.
DG_TEST(answer_that_was_kept_is_not_for_whom_a_new_policy_shuts_out)
{
    for (size_t i = 0; i < COUNT; i++) {
        struct fake_record record = {0};
        scene_start(&SCENES[i]);
        uint64_t cookie = asks_and_is_asked(600);
        CHECK_EQ(kept_parts(), 2);
        dg_engine_set_policy_generation(server.engine, 8);
        server.refuses = true;
        (void)rrc_from(B, RESPONSE, cookie);
        CHECK(fake_slot(&server, peer.ref) == NULL);
        CHECK_EQ(server.reason, DG_COUNT_CLOSED_UNAUTHORISED);
        CHECK_EQ(fake_count(&server, DG_COUNT_ANSWERS_REPEATED), 0);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_UNAUTHORISED), 1);
        CHECK_EQ(server.sent_count, 1);
        CHECK_EQ(take_to(&record), B);
        CHECK_EQ(record.type, DG_CONTENT_ALERT);
        scene_stop();
    }
}

// The owner hears of the move first, and may end the association over it: then there is nobody to send to.
DG_TEST(answer_that_was_kept_is_not_for_whom_the_owner_ends)
{
    scene_start(&SCENES[0]);
    uint64_t cookie = asks_and_is_asked(600);
    server.closes = true;
    (void)rrc_from(B, RESPONSE, cookie);
    CHECK(fake_slot(&server, peer.ref) == NULL);
    CHECK_EQ(server.moved, 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_ANSWERS_REPEATED), 0);
    CHECK_EQ(server.sent_count, 1); // close_notify
    scene_stop();
}

// A memory in which one part stands for another: nothing is sent that nobody has written.
DG_TEST(answer_whose_parts_do_not_fit_is_not_sent)
{
    scene_start(&SCENES[0]);
    uint64_t cookie = asks_and_is_asked(2 * DG_FLIGHT_BYTES);
    CHECK_EQ(kept_parts(), 2);
    for (uint32_t number = fake_slot(&server, peer.ref)->side; number != DG_NO_SIDE;) {
        struct dg_side_flight *flight = dg_memory_flight(&server.region.memory, peer.ref.shard, number);
        if (flight->kind == DG_FLIGHT_KEPT)
            flight->message_seq = 1;
        number = flight->next;
    }
    (void)rrc_from(B, RESPONSE, cookie);
    CHECK_EQ(bound_to(), B);
    CHECK_EQ(fake_count(&server, DG_COUNT_ANSWERS_REPEATED), 0);
    CHECK_EQ(kept_parts(), 0);
    scene_stop();
}

static const struct dg_test_case CASES[] = {
    DG_CASE(answer_to_an_address_that_was_left_comes_again_where_the_client_is),
    DG_CASE(answer_that_is_kept_is_the_last_one),
    DG_CASE(answer_to_an_address_that_was_not_left_comes_once),
    DG_CASE(answer_beyond_three_for_one_comes_again_where_the_client_is),
    DG_CASE(answer_within_three_for_one_comes_once),
    DG_CASE(answer_is_not_kept_for_a_client_that_is_back),
    DG_CASE(answer_that_was_kept_is_not_for_whom_a_new_policy_shuts_out),
    DG_CASE(answer_that_was_kept_is_not_for_whom_the_owner_ends),
    DG_CASE(answer_whose_parts_do_not_fit_is_not_sent),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
