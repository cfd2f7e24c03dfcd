// SPDX-License-Identifier: GPL-3.0-or-later
// Records that say nothing but that their sender is there: what they are in each version, and what they bring a
// client that only listens: it is found at its new address, and its service hears nothing.
#include "path_scene.h"

static const struct scene SCENES[] = {
    {.version = 13},
    {.version = 13, .has_rrc = true, .is_basic = true},
    {.version = 12, .has_rrc = true, .is_basic = true},
    {.version = 12},
};
#define COUNT (sizeof SCENES / sizeof SCENES[0])

// RFC 9147 7, RFC 9853 4, RFC 5246 6.2.1.
DG_TEST(keepalive_is_what_every_peer_opens)
{
    static const uint8_t TYPES[COUNT] = {DG_CONTENT_ACK, DG_CONTENT_ACK, DG_CONTENT_RETURN_ROUTABILITY_CHECK,
                                         DG_CONTENT_APPLICATION_DATA};
    static const size_t SIZES[COUNT] = {2, 2, 9, 0};
    for (size_t i = 0; i < COUNT; i++) {
        struct fake_record record = {0};
        scene_start(&SCENES[i]);
        fake_server_forget(&server);
        CHECK(dg_engine_keep_alive(server.engine, server.now, peer.ref));
        CHECK_EQ(server.sent_count, 1);
        CHECK_EQ(take_to(&record), A);
        CHECK_EQ(record.type, TYPES[i]);
        CHECK_EQ(record.size, SIZES[i]);
        CHECK_EQ(fake_count(&server, DG_COUNT_PLAINTEXT_ANSWERED), 0);
        (void)dg_engine_close(server.engine, server.now, peer.ref, DG_COUNT_CLOSED_SHUTDOWN);
        CHECK(!dg_engine_keep_alive(server.engine, server.now, peer.ref));
        scene_stop();
    }
}

// A client behind a NAT that has changed its address: its keepalive is newer than all before, and begins the check.
DG_TEST(keepalive_of_a_listener_begins_the_check_of_its_address)
{
    static const uint8_t NO_NUMBERS[2] = {0, 0};
    for (size_t i = 0; i + 1 < COUNT; i++) {
        struct fake_record record = {0};
        scene_start(&SCENES[i]);
        (void)data_from(A);
        CHECK_EQ(server.delivered, 1);
        fake_server_forget(&server);
        if (SCENES[i].version == 13)
            (void)say_from(B, DG_CONTENT_ACK, NO_NUMBERS, sizeof NO_NUMBERS);
        else
            (void)rrc_from(B, CHALLENGE, 42);
        CHECK_EQ(server.delivered, 1);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHECKS), 1);
        CHECK_EQ(take_to(&record), B); // the challenge or KeyUpdate that asks
        CHECK_EQ(answers_go(), B);
        scene_stop();
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(keepalive_is_what_every_peer_opens),
    DG_CASE(keepalive_of_a_listener_begins_the_check_of_its_address),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
