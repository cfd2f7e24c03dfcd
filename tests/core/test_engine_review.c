// SPDX-License-Identifier: GPL-3.0-or-later
// After a change of policy: who may not go on is closed at once though nobody says a word, a slice in each turn and at
// the pace of goodbyes, and nobody else notices.
#include "conversation.h"

#define PEERS 120

static struct fake_peer peers[PEERS];

static void settle(const struct dg_engine_config *config)
{
    fake_server_start(&server, &dg_wolf_aead, config);
    for (uint32_t i = 0; i < PEERS; i++) {
        const struct fake_setup setup = {
            .version = i % 2 == 0 ? 12 : 13, .aead = DG_AEAD_AES_128_GCM, .has_cid = i % 4 < 2, .who = i + 1};
        CHECK(fake_peer_join(&peers[i], &server, &setup));
    }
    fake_server_forget(&server);
    server.asked = 0;
}

// Turns without any time passing, as long as the engine wants them. Returns how many.
static unsigned turns(void)
{
    unsigned count = 0;
    for (; dg_engine_deadline(server.engine) <= server.now && count < 10000; count++)
        dg_engine_advance(server.engine, server.now, server.wall_s);
    return count;
}

DG_TEST(review_asks_everybody_without_a_word_and_without_time)
{
    settle(NULL);
    (void)turns();
    dg_engine_set_policy_generation(server.engine, 7);
    unsigned first = server.asked;
    unsigned taken = turns();
    CHECK_EQ(server.asked, first + PEERS);
    CHECK_MSG(taken >= 3, "%u turns: datagrams come in between", taken);
    CHECK_EQ(server.closed, 0);
    CHECK_EQ(server.sent_total, 0);
    peer = peers[5];
    CHECK(data_flows());
    CHECK_EQ(server.asked, first + PEERS); // it has been asked about
    fake_server_stop(&server);
}

DG_TEST(review_closes_the_removed_at_the_pace_of_goodbyes)
{
    struct dg_engine_config config = dg_engine_config_default();
    config.drain_per_second = 100;
    settle(&config);
    (void)turns();
    dg_time begun = server.now;
    server.refuses = true;
    dg_engine_set_policy_generation(server.engine, 7);
    (void)turns();
    CHECK(server.closed > 0 && server.closed < PEERS);
    fake_server_run(&server, 2 * DG_SECOND);
    CHECK_EQ(server.closed, PEERS);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_UNAUTHORISED);
    CHECK_EQ(server.sent_total, PEERS); // each is told
    CHECK_EQ(dg_engine_live(server.engine), 0);
    CHECK(server.now - begun < DG_SWEEP_PERIOD);
    fake_server_stop(&server);
}

DG_TEST(review_waits_for_the_next_word_where_that_is_asked_for)
{
    struct dg_engine_config config = dg_engine_config_default();
    config.closes_removed = false;
    settle(&config);
    (void)turns();
    server.refuses = true;
    dg_engine_set_policy_generation(server.engine, 7);
    fake_server_run(&server, 2 * DG_SWEEP_PERIOD);
    CHECK_EQ(server.closed, 0);
    (void)fake_peer_send(&peers[3], DG_CONTENT_APPLICATION_DATA, "x", 1);
    CHECK_EQ(server.delivered, 0);
    CHECK_EQ(server.closed, 1);
    // Told otherwise while it runs.
    config.closes_removed = true;
    dg_engine_set_config(server.engine, &config);
    dg_engine_set_policy_generation(server.engine, 8);
    (void)turns();
    fake_server_run(&server, DG_SECOND);
    CHECK_EQ(server.closed, PEERS);
    fake_server_stop(&server);
}

// What another process left behind is found first.
DG_TEST(review_after_a_restart_closes_whom_nobody_has_asked_about)
{
    settle(NULL);
    fake_server_restart(&server);
    server.refuses = true;
    dg_engine_set_policy_generation(server.engine, 9);
    dg_time begun = server.now;
    (void)turns();
    fake_server_run(&server, DG_SECOND);
    CHECK_EQ(server.closed, PEERS);
    CHECK_EQ(server.delivered, 0);
    CHECK(server.now - begun < DG_SWEEP_PERIOD);
    fake_server_stop(&server);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(review_asks_everybody_without_a_word_and_without_time),
        DG_CASE(review_closes_the_removed_at_the_pace_of_goodbyes),
        DG_CASE(review_waits_for_the_next_word_where_that_is_asked_for),
        DG_CASE(review_after_a_restart_closes_whom_nobody_has_asked_about),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
