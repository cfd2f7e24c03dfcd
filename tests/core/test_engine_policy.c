// SPDX-License-Identifier: GPL-3.0-or-later
// What rules mean for associations: who is taken over, what passes of what a client says, how long it may be silent, and
// what becomes of it when it moves.
#include "path_scene.h"

#define LISTENER 77 // of the scene's peer, which is "me" with a pre-shared key

static struct dg_policy *policy_of(const struct dg_policy_rule *rules, size_t count)
{
    static const uint64_t digest = LISTENER;
    const struct dg_policy_listener listener = {.digests = &digest, .digest_count = 1, .rules = rules, .rule_count = count};
    struct dg_policy *policy = dg_policy_new(&listener, 1);
    CHECK(policy != NULL);
    return policy;
}

static const struct scene PLAIN[] = {{.version = 12, .is_null = true}, {.version = 13, .is_null = true}};

static void say(unsigned count, size_t size)
{
    static const uint8_t WORDS[1200] = {'w'};
    for (unsigned i = 0; i < count; i++)
        (void)say_from(A, DG_CONTENT_APPLICATION_DATA, WORDS, size);
}

// --- who is taken over ------------------------------------------------------------------------

static struct fake_setup setup_of(uint8_t version, uint32_t who)
{
    return (struct fake_setup){.version = version, .aead = DG_AEAD_AES_128_GCM, .has_flight = true, .who = who};
}

// Told so under its own keys, by an alert that says why (RFC 8446 6.2: access_denied), and nothing is left of it.
static void is_refused(uint8_t version, enum dg_counter reason, uint8_t description)
{
    struct fake_peer other;
    struct fake_record record = {0};
    size_t offset = 0;
    fake_server_forget(&server);
    unsigned opened = server.opened, closed = server.closed;
    const struct fake_setup setup = setup_of(version, 9);
    CHECK(!fake_peer_join(&other, &server, &setup));
    CHECK_EQ(server.refusal, reason);
    CHECK_EQ(fake_count(&server, reason), 1);
    CHECK_EQ(server.sent_count, 1);
    CHECK(fake_peer_take(&other, &offset, &record));
    CHECK_EQ(record.type, DG_CONTENT_ALERT);
    CHECK_EQ(record.data[0], DG_ALERT_LEVEL_FATAL);
    CHECK_EQ(record.data[1], description);
    CHECK_EQ(server.opened, opened);
    CHECK_EQ(server.closed, closed);
    CHECK_EQ(dg_engine_live(server.engine), 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_ASSOCIATIONS_OPENED), 1);
}

DG_TEST(policy_refuses_a_proven_client_that_no_rule_allows)
{
    const struct dg_policy_rule somebody_else = {.name = "others", .identity = "you"};
    for (size_t i = 0; i < 2; i++) {
        scene_start(&PLAIN[i]);
        struct dg_policy *policy = policy_of(&somebody_else, 1);
        server.policy = policy;
        is_refused(PLAIN[i].version, DG_COUNT_FAIL_POLICY, DG_ALERT_ACCESS_DENIED);
        CHECK_EQ(server.newcomers, 1); // it was not even counted against limits
        scene_stop();
        dg_policy_free(policy);
    }
}

// Whom no rule would allow is not told so under keys and sizes that nobody has looked at; and what comes to nothing
// ends nobody.
DG_TEST(policy_is_not_asked_about_a_handover_that_is_out_of_range)
{
    const struct dg_policy_rule somebody_else = {.name = "others", .identity = "you"};
    for (int what = 0; what < 4; what++) {
        scene_start(&PLAIN[1]);
        struct dg_policy *policy = policy_of(&somebody_else, 1);
        server.policy = what < 3 ? policy : NULL;
        fake_server_forget(&server);
        struct dg_handover handover;
        fake_peer_handover(&peer, &handover);
        handover.peer_has_cid = 1;
        switch (what) {
        case 0: handover.aead = UINT8_MAX; break;
        case 1: handover.hash = UINT8_MAX; break;
        case 2: handover.peer_cid_size = UINT8_MAX; break;
        default: handover.finished_size = handover.ticket_size = UINT16_MAX; break;
        }
        CHECK(!dg_engine_take_over(server.engine, server.now, &handover));
        CHECK_EQ(server.refusal, DG_COUNT_FAIL_TAKEOVER);
        CHECK_EQ(server.sent_count, 0);
        CHECK_EQ(fake_count(&server, DG_COUNT_FAIL_POLICY), 0);
        CHECK_EQ(server.closed, 0);
        CHECK_EQ(dg_engine_live(server.engine), 1);
        scene_stop();
        dg_policy_free(policy);
    }
}

DG_TEST(policy_limit_refuses_a_newcomer_and_leaves_nothing_of_it)
{
    for (size_t i = 0; i < 2; i++) {
        scene_start(&PLAIN[i]);
        server.join_reason = DG_COUNT_FAIL_IDENTITY_LIMIT;
        is_refused(PLAIN[i].version, DG_COUNT_FAIL_IDENTITY_LIMIT, DG_ALERT_ACCESS_DENIED);
        uint32_t live = 0;
        for (uint32_t shard = 0; shard < 4; shard++) {
            struct dg_shard *all = server.engine->by_number[shard];
            live += shard_account(all);
        }
        CHECK_EQ(live, 1);
        server.join_reason = DG_COUNT_NONE;
        struct fake_peer other;
        const struct fake_setup setup = setup_of(PLAIN[i].version, 9);
        CHECK(fake_peer_join(&other, &server, &setup));
        scene_stop();
    }
}

DG_TEST(policy_table_never_holds_more_than_associations_max)
{
    struct dg_engine_config config = dg_engine_config_default();
    config.associations_max = 10;
    fake_server_start(&server, &dg_null_aead, &config);
    static struct fake_peer peers[12];
    for (uint32_t i = 0; i < 12; i++) {
        const struct fake_setup setup = setup_of(i % 2 != 0 ? 12 : 13, i + 1);
        CHECK_EQ(fake_peer_join(&peers[i], &server, &setup), i < 10);
    }
    CHECK_EQ(fake_count(&server, DG_COUNT_TABLE_FULL), 2);
    CHECK_EQ(server.refusal, DG_COUNT_TABLE_FULL);
    dg_engine_close(server.engine, server.now, peers[3].ref, DG_COUNT_CLOSED_SHUTDOWN);
    const struct fake_setup setup = setup_of(13, 11);
    CHECK(fake_peer_join(&peers[10], &server, &setup));
    fake_server_stop(&server);
}

// An association whose limit another policy lowers ends, though it is allowed.
DG_TEST(policy_limit_ends_one_that_was_there_before)
{
    scene_start(&PLAIN[1]);
    server.join_reason = DG_COUNT_FAIL_IDENTITY_LIMIT;
    dg_engine_set_policy_generation(server.engine, 500);
    say(1, 5);
    CHECK_EQ(server.delivered, 0);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_IDENTITY_LIMIT);
    CHECK_EQ(server.newcomers, 1);
    CHECK_EQ(server.joined, 2);
    scene_stop();
}

// --- rates --------------------------------------------------------------------------------------

DG_TEST(policy_messages_above_the_rate_are_dropped_and_told_once_a_minute)
{
    const struct dg_policy_rule slow = {.name = "slow", .messages_rate = 5};
    for (size_t i = 0; i < 2; i++) {
        scene_start(&PLAIN[i]);
        struct dg_policy *policy = policy_of(&slow, 1);
        fake_server_obey(&server, policy);
        say(100, 20);
        CHECK_EQ(server.delivered, 10); // two seconds' worth saved up
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_RATE_MESSAGES), 90);
        CHECK_EQ(server.limited, 1);
        CHECK_EQ(server.refusal, DG_COUNT_DROP_RATE_MESSAGES);
        server.now += DG_SECOND;
        say(20, 20);
        CHECK_EQ(server.delivered, 15);
        CHECK_EQ(server.limited, 1);
        server.now += DG_MINUTE;
        say(20, 20);
        CHECK_EQ(server.delivered, 25);
        CHECK_EQ(server.limited, 2);
        // Answers, and what is no plaintext, are not limited.
        for (unsigned n = 0; n < 50; n++)
            CHECK(answer(20));
        CHECK_EQ(dg_engine_live(server.engine), 1);
        scene_stop();
        dg_policy_free(policy);
    }
}

DG_TEST(policy_bytes_above_the_rate_are_dropped)
{
    const struct dg_policy_rule slow = {.bytes_rate = 10000, .messages_rate = 1000};
    scene_start(&PLAIN[1]);
    struct dg_policy *policy = policy_of(&slow, 1);
    fake_server_obey(&server, policy);
    say(100, 1000);
    CHECK_EQ(server.delivered, 20);
    CHECK_EQ(fake_count(&server, DG_COUNT_DROP_RATE_BYTES), 80);
    server.now += DG_SECOND;
    say(100, 500);
    CHECK_EQ(server.delivered, 40);
    scene_stop();
    dg_policy_free(policy);
}

// However small the rate, a datagram of any size passes now and then.
DG_TEST(policy_of_one_byte_a_second_lets_a_message_pass)
{
    const struct dg_policy_rule slow = {.bytes_rate = 1};
    scene_start(&PLAIN[0]);
    struct dg_policy *policy = policy_of(&slow, 1);
    fake_server_obey(&server, policy);
    say(1, 1200);
    CHECK_EQ(server.delivered, 1);
    scene_stop();
    dg_policy_free(policy);
}

DG_TEST(policy_without_rates_keeps_no_memory_for_them)
{
    const struct dg_policy_rule plain = {.name = "plain"}, slow = {.messages_rate = 1};
    scene_start(&PLAIN[1]);
    struct dg_policy *without = policy_of(&plain, 1), *with = policy_of(&slow, 1);
    fake_server_obey(&server, without);
    CHECK(server.engine->rates == NULL && !server.engine->may_hold_back);
    say(50, 20);
    CHECK_EQ(server.delivered, 50);
    fake_server_obey(&server, with);
    CHECK(server.engine->rates != NULL);
    say(50, 20);
    CHECK_EQ(server.delivered, 52);
    fake_server_obey(&server, without);
    CHECK(server.engine->rates == NULL && !server.engine->may_hold_back);
    say(50, 20);
    CHECK_EQ(server.delivered, 102);
    scene_stop();
    dg_policy_free(without);
    dg_policy_free(with);
}

// The slot of one that has ended is another's: it begins with what its own rule allows.
DG_TEST(policy_rates_are_of_the_association_not_of_its_slot)
{
    const struct dg_policy_rule slow = {.messages_rate = 1};
    scene_start(&PLAIN[1]);
    struct dg_policy *policy = policy_of(&slow, 1);
    fake_server_obey(&server, policy);
    say(5, 20);
    CHECK_EQ(server.delivered, 2);
    uint32_t slot = peer.ref.slot;
    dg_engine_close(server.engine, server.now, peer.ref, DG_COUNT_CLOSED_SHUTDOWN);
    const struct fake_setup setup = peer.setup;
    REQUIRE(fake_peer_join(&peer, &server, &setup));
    CHECK_EQ(peer.ref.slot, slot);
    places[A] = peer.path;
    say(5, 20);
    CHECK_EQ(server.delivered, 4);
    scene_stop();
    dg_policy_free(policy);
}

// --- idle time ------------------------------------------------------------------------------------

DG_TEST(policy_idle_time_of_a_rule_goes_before_the_configured_one)
{
    const struct dg_policy_rule brief = {.idle_seconds = 60};
    for (unsigned is_checked = 0; is_checked < 2; is_checked++) {
        scene_start(&PLAIN[1]);
        struct dg_policy *policy = policy_of(&brief, 1);
        struct dg_engine_config config = server.engine->config;
        config.closes_removed = is_checked != 0; // also where nobody has asked about it under this policy
        dg_engine_set_config(server.engine, &config);
        fake_server_obey(&server, policy);
        fake_server_run(&server, 50 * DG_SECOND);
        CHECK_EQ(server.closed, 0);
        fake_server_run(&server, 30 * DG_SECOND);
        CHECK_EQ(server.closed, 1);
        CHECK_EQ(server.reason, DG_COUNT_CLOSED_IDLE);
        scene_stop();
        dg_policy_free(policy);
    }
}

// --- networks ---------------------------------------------------------------------------------------

static const struct scene MOVES[] = {
    {.version = 12}, {.version = 13}, {.version = 12, .is_strict = true}, {.version = 13, .has_rrc = true},
};

static struct dg_policy *only_at(const char *network)
{
    struct dg_policy_rule rule = {.network_count = 1};
    CHECK(dg_network_parse(network, &rule.networks[0]));
    return policy_of(&rule, 1);
}

// From where no rule allows a client nothing of it passes, wherever answers go; nor does that end it, since anybody who
// sees its records can send them from there.
DG_TEST(policy_network_holds_before_an_address_is_proven)
{
    for (size_t i = 0; i < sizeof MOVES / sizeof MOVES[0]; i++) {
        scene_start(&MOVES[i]);
        struct dg_policy *policy = only_at("192.0.2.1/32");
        fake_server_obey(&server, policy);
        (void)data_from(A);
        CHECK_EQ(server.delivered, 1);
        (void)data_from(B);
        CHECK_EQ(server.delivered, 1);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_POLICY_NETWORK), 1);
        CHECK_EQ(server.closed, 0);
        CHECK_EQ(server.limited, 1);
        CHECK_EQ(server.refusal, DG_COUNT_DROP_POLICY_NETWORK);
        (void)data_from(A);
        CHECK_EQ(server.delivered, 2);
        scene_stop();
        dg_policy_free(policy);
    }
}

DG_TEST(policy_ends_who_has_moved_to_where_no_rule_allows_it)
{
    scene_start(&MOVES[0]);
    struct dg_policy *policy = only_at("192.0.2.1/32");
    fake_server_obey(&server, policy);
    (void)data_from(A);
    (void)data_from(B);
    CHECK_EQ(server.closed, 0);
    (void)data_from(B); // its second record proves the address (address-change = newest)
    CHECK_EQ(server.moved, 1);
    CHECK_EQ(server.closed, 1);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_UNAUTHORISED);
    CHECK_EQ(server.delivered, 1);
    scene_stop();
    dg_policy_free(policy);
}

DG_TEST(policy_lets_a_client_move_within_its_network)
{
    scene_start(&MOVES[0]);
    struct dg_policy *policy = only_at("192.0.2.0/24");
    fake_server_obey(&server, policy);
    (void)data_from(A);
    (void)data_from(B);
    (void)data_from(B);
    CHECK_EQ(server.delivered, 3);
    CHECK_EQ(bound_to(), B);
    CHECK_EQ(server.closed, 0);
    scene_stop();
    dg_policy_free(policy);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(policy_refuses_a_proven_client_that_no_rule_allows),
        DG_CASE(policy_is_not_asked_about_a_handover_that_is_out_of_range),
        DG_CASE(policy_limit_refuses_a_newcomer_and_leaves_nothing_of_it),
        DG_CASE(policy_table_never_holds_more_than_associations_max),
        DG_CASE(policy_limit_ends_one_that_was_there_before),
        DG_CASE(policy_messages_above_the_rate_are_dropped_and_told_once_a_minute),
        DG_CASE(policy_bytes_above_the_rate_are_dropped),
        DG_CASE(policy_of_one_byte_a_second_lets_a_message_pass),
        DG_CASE(policy_without_rates_keeps_no_memory_for_them),
        DG_CASE(policy_rates_are_of_the_association_not_of_its_slot),
        DG_CASE(policy_idle_time_of_a_rule_goes_before_the_configured_one),
        DG_CASE(policy_network_holds_before_an_address_is_proven),
        DG_CASE(policy_ends_who_has_moved_to_where_no_rule_allows_it),
        DG_CASE(policy_lets_a_client_move_within_its_network),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
