// SPDX-License-Identifier: GPL-3.0-or-later
// Clients that move and have negotiated return routability checks (RFC 9853): both kinds of check, what goes to an
// address that has not answered, pace and time, what is no answer, our own answers.
#include "path_scene.h"

static const struct scene ENHANCED[] = {
    {.version = 12, .has_rrc = true}, {.version = 13, .has_rrc = true},
    {.version = 12, .has_rrc = true, .is_null = true, .peer_cid_size = 5},
    {.version = 13, .has_rrc = true, .is_null = true, .peer_cid_size = 5},
};
#define SCENES (sizeof ENHANCED / sizeof ENHANCED[0])

static struct scene basic(size_t number)
{
    struct scene scene = ENHANCED[number];
    scene.is_basic = true;
    return scene;
}

// --- the basic check ----------------------------------------------------------------------------

// RFC 9853 5.1: challenge to the new address, response from there, and answers go there.
DG_TEST(path_basic_check_binds_the_new_address)
{
    for (size_t i = 0; i < SCENES; i++) {
        struct scene scene = basic(i);
        scene_start(&scene);
        (void)data_from(B);
        CHECK_EQ(server.delivered, 1);
        uint64_t cookie = challenged(B);
        CHECK_EQ(bound_to(), A);
        server.now += 30 * DG_MILLISECOND;
        (void)rrc_from(B, RESPONSE, cookie);
        CHECK_EQ(bound_to(), B);
        CHECK_EQ(server.moved, 1);
        CHECK_EQ(place_of(&server.moved_from), A);
        CHECK_EQ(answers_go(), B);
        CHECK(path_side() == NULL);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHECKS), 1);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATHS_MOVED), 1);
        CHECK_EQ(fake_slot(&server, peer.ref)->rtt_ms, 31);
        // Whole answers, however long.
        for (unsigned k = 0; k < 20; k++)
            CHECK(answer(1000));
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_BUDGET), 0);
        scene_stop();
    }
}

// RFC 9853 5.1: T over, the address before stays; a late answer is none; new data begins a new check.
DG_TEST(path_basic_check_that_nobody_answers_keeps_the_address)
{
    for (size_t i = 0; i < SCENES; i++) {
        struct scene scene = basic(i);
        scene_start(&scene);
        (void)data_from(B);
        uint64_t cookie = challenged(B);
        fake_server_run(&server, DG_SECOND);
        CHECK_EQ(bound_to(), A);
        CHECK_EQ(answers_go(), A);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHECKS_FAILED), 1);
        fake_server_forget(&server);
        (void)rrc_from(B, RESPONSE, cookie); // itself a record from a new address: a new check
        CHECK_EQ(bound_to(), A);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_PATH_MESSAGE), 1);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHECKS), 2);
        cookie = challenged(B);
        // After one that failed, an answer may take twice as long.
        server.now += 1900 * DG_MILLISECOND;
        dg_engine_advance(server.engine, server.now, server.wall_s);
        (void)rrc_from(B, RESPONSE, cookie);
        CHECK_EQ(bound_to(), B);
        scene_stop();
    }
}

// RFC 9853 5.5, 5.3: a challenge that is lost is followed by another, with another cookie, at most one in a round
// trip; any of them may be answered.
DG_TEST(path_challenges_are_repeated_at_a_pace)
{
    for (size_t i = 0; i < SCENES; i++) {
        struct scene scene = basic(i);
        scene_start(&scene);
        (void)data_from(B);
        for (unsigned k = 0; k < 4; k++) // room for three
            (void)data_from(B);
        uint64_t first = challenged(B);
        fake_server_run(&server, 330 * DG_MILLISECOND);
        CHECK_EQ(server.sent_count, 0);
        fake_server_run(&server, 10 * DG_MILLISECOND);
        uint64_t second = challenged(B);
        CHECK(first != second);
        fake_server_run(&server, 659 * DG_MILLISECOND);
        uint64_t third = challenged(B);
        CHECK(third != first && third != second);
        (void)rrc_from(B, RESPONSE, i % 2 ? first : second);
        CHECK_EQ(bound_to(), B);
        // Answered twice: the other one counts as nothing (RFC 9853 7.1).
        (void)rrc_from(B, RESPONSE, third);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_PATH_MESSAGE), 1);
        CHECK_EQ(server.moved, 1);
        scene_stop();
    }
}

// The cookie has to come back from the address that it was sent to: somebody there may have carried it on.
DG_TEST(path_response_from_elsewhere_proves_nothing)
{
    for (size_t i = 0; i < SCENES; i++) {
        struct scene scene = basic(i);
        scene_start(&scene);
        (void)data_from(B);
        uint64_t cookie = challenged(B);
        (void)rrc_from(A, RESPONSE, cookie);
        CHECK_EQ(bound_to(), A);
        (void)rrc_from(C, RESPONSE, cookie);
        CHECK_EQ(bound_to(), A);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_PATH_MESSAGE), 2);
        CHECK_EQ(server.moved, 0);
        scene_stop();
    }
}

DG_TEST(path_wrong_cookies_prove_nothing)
{
    for (size_t i = 0; i < SCENES; i++) {
        struct scene scene = basic(i);
        scene_start(&scene);
        (void)data_from(B);
        uint64_t cookie = challenged(B);
        for (unsigned bit = 0; bit < 64; bit++)
            (void)rrc_from(B, RESPONSE, cookie ^ UINT64_C(1) << bit);
        (void)rrc_from(B, RESPONSE, 0);
        CHECK_EQ(bound_to(), A);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_PATH_MESSAGE), 65);
        CHECK_EQ(server.closed, 0);
        (void)rrc_from(B, RESPONSE, cookie);
        CHECK_EQ(bound_to(), B);
        scene_stop();
    }
}

// RFC 9853 5.1: A, then B, then C within T. The check of B is over, the one of C begins, a round trip later.
DG_TEST(path_nested_rebinding_checks_the_last_address)
{
    for (size_t i = 0; i < SCENES; i++) {
        struct scene scene = basic(i);
        scene_start(&scene);
        (void)data_from(B);
        uint64_t of_b = challenged(B);
        server.now += 100 * DG_MILLISECOND;
        (void)data_from(C);
        CHECK_EQ(server.sent_count, 0);
        (void)rrc_from(C, RESPONSE, of_b);
        CHECK_EQ(bound_to(), A);
        fake_server_run(&server, 240 * DG_MILLISECOND);
        uint64_t of_c = challenged(C);
        CHECK(of_b != of_c);
        (void)rrc_from(C, RESPONSE, of_c);
        CHECK_EQ(bound_to(), C);
        CHECK_EQ(answers_go(), C);
        scene_stop();
    }
}

// --- the enhanced check --------------------------------------------------------------------------

// RFC 9853 5.2: who answers at the address before stays there, whoever carried his records.
DG_TEST(path_enhanced_check_stays_where_the_client_answers)
{
    for (size_t i = 0; i < SCENES; i++) {
        for (unsigned from = A; from <= B; from++) { // also when that answer is carried on, or its way out is another
            scene_start(&ENHANCED[i]);
            (void)data_from(B);
            CHECK_EQ(server.delivered, 1);
            uint64_t cookie = challenged(A);
            CHECK_EQ(answers_go(), A);
            server.now += 20 * DG_MILLISECOND;
            (void)rrc_from(from, RESPONSE, cookie);
            CHECK_EQ(bound_to(), A);
            CHECK_EQ(answers_go(), A);
            fake_server_run(&server, 10 * DG_SECOND);
            CHECK_EQ(bound_to(), A);
            CHECK_EQ(fake_count(&server, DG_COUNT_PATHS_STAYED), 1);
            CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHALLENGES), 1);
            CHECK_EQ(server.moved, 0);
            scene_stop();
        }
    }
}

// RFC 9853 5.2: who says that he has left is asked at the new address, at once or a round trip later.
DG_TEST(path_enhanced_check_follows_a_drop)
{
    for (size_t i = 0; i < SCENES; i++) {
        scene_start(&ENHANCED[i]);
        (void)data_from(B);
        uint64_t cookie = challenged(A);
        server.now += 10 * DG_MILLISECOND;
        (void)rrc_from(A, DROP, cookie);
        CHECK_EQ(bound_to(), A);
        fake_server_run(&server, 330 * DG_MILLISECOND);
        cookie = challenged(B);
        (void)rrc_from(B, RESPONSE, cookie);
        CHECK_EQ(bound_to(), B);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATHS_MOVED), 1);
        scene_stop();
    }
}

// RFC 9853 5.2: no answer within T, so the new address is asked. The second time T is three round trips.
DG_TEST(path_enhanced_check_times_out_to_the_new_address)
{
    for (size_t i = 0; i < SCENES; i++) {
        scene_start(&ENHANCED[i]);
        (void)data_from(B);
        (void)challenged(A);
        fake_server_run(&server, 999 * DG_MILLISECOND);
        CHECK_EQ(server.sent_count, 2); // two more to A
        CHECK_EQ(place_of(&server.sent[1].path.peer), A);
        fake_server_forget(&server);
        CHECK_EQ(answers_go(), A);
        // The last challenge to A was a third of T ago.
        fake_server_run(&server, DG_MILLISECOND);
        uint64_t cookie = challenged(B);
        server.now += 59 * DG_MILLISECOND;
        (void)rrc_from(B, RESPONSE, cookie);
        CHECK_EQ(bound_to(), B);
        CHECK_EQ(fake_slot(&server, peer.ref)->rtt_ms, 60);

        fake_server_run(&server, DG_SECOND);
        fake_server_forget(&server);
        (void)data_from(C);
        (void)challenged(B);
        fake_server_run(&server, 179 * DG_MILLISECOND);
        fake_server_forget(&server);
        fake_server_run(&server, DG_MILLISECOND);
        cookie = challenged(C);
        (void)rrc_from(C, RESPONSE, cookie);
        CHECK_EQ(bound_to(), C);
        scene_stop();
    }
}

// A, B, C, A: the address before is asked once, whatever comes after it, and who is silent there has left.
DG_TEST(path_enhanced_check_goes_on_through_nested_rebinding)
{
    for (size_t i = 0; i < SCENES; i++) {
        scene_start(&ENHANCED[i]);
        (void)data_from(B);
        (void)challenged(A);
        fake_server_run(&server, 500 * DG_MILLISECOND);
        (void)data_from(C);
        fake_server_run(&server, 499 * DG_MILLISECOND);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHALLENGES), 3);
        fake_server_forget(&server);
        fake_server_run(&server, DG_MILLISECOND);
        (void)challenged(C);
        // From here on every new address is asked itself.
        fake_server_run(&server, 400 * DG_MILLISECOND);
        fake_server_forget(&server);
        (void)data_from(B);
        fake_server_run(&server, 400 * DG_MILLISECOND);
        (void)challenged(B);
        fake_server_run(&server, 400 * DG_MILLISECOND);
        fake_server_forget(&server);
        (void)data_from(C);
        fake_server_run(&server, 300 * DG_MILLISECOND);
        uint64_t cookie = challenged(C);
        (void)rrc_from(C, RESPONSE, cookie);
        CHECK_EQ(bound_to(), C);
        scene_stop();
    }
}

// The client's newest record came from the address before: nothing is left to be checked.
DG_TEST(path_check_ends_when_the_client_is_back)
{
    for (size_t i = 0; i < 2 * SCENES; i++) {
        struct scene scene = i < SCENES ? ENHANCED[i] : basic(i - SCENES);
        scene_start(&scene);
        (void)data_from(B);
        uint64_t cookie = challenged(scene.is_basic ? B : A);
        (void)data_from(A);
        CHECK_EQ(answers_go(), A);
        (void)rrc_from(A, RESPONSE, cookie);
        fake_server_run(&server, 20 * DG_SECOND);
        CHECK_EQ(bound_to(), A);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHALLENGES), 1);
        CHECK(path_side() == NULL);
        scene_stop();
    }
}

// --- messages ------------------------------------------------------------------------------------

// RFC 9853 4, 5.4: unknown types and what does not parse end nothing and are answered with nothing.
DG_TEST(path_messages_that_do_not_parse_are_ignored)
{
    static const uint8_t TYPES[] = {0, 1, 2, 3, 4, 254, 255};
    for (size_t i = 0; i < SCENES; i++) {
        scene_start(&ENHANCED[i]);
        unsigned count = 0;
        for (size_t type = 0; type < sizeof TYPES; type++) {
            for (size_t size = 0; size <= 20; size++) {
                uint8_t body[20] = {TYPES[type]};
                if (size == 9 && TYPES[type] == CHALLENGE)
                    continue;
                (void)say_from(A, DG_CONTENT_RETURN_ROUTABILITY_CHECK, body, size);
                count++;
            }
        }
        CHECK(count > 100); // more than an association bears of what makes no sense
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_PATH_MESSAGE), count);
        CHECK_EQ(server.sent_total + server.closed, 0);
        (void)data_from(A);
        CHECK_EQ(server.delivered, 1);
        scene_stop();
    }
}

// RFC 9853 4: nor does the right cookie make an unknown type an answer.
DG_TEST(path_unknown_types_with_the_right_cookie_are_ignored)
{
    for (size_t i = 0; i < 2 * SCENES; i++) {
        struct scene scene = i < SCENES ? ENHANCED[i] : basic(i - SCENES);
        unsigned asked = scene.is_basic ? B : A;
        scene_start(&scene);
        (void)data_from(B);
        uint64_t cookie = challenged(asked);
        for (unsigned type = 3; type < 256; type++)
            (void)rrc_from(asked, (uint8_t)type, cookie);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_PATH_MESSAGE), 253);
        CHECK_EQ(bound_to(), A);
        CHECK_EQ(server.sent_count, 0);
        (void)rrc_from(asked, RESPONSE, cookie);
        CHECK_EQ(bound_to(), asked);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATHS_STAYED), scene.is_basic ? 0 : 1);
        scene_stop();
    }
}

// RFC 9853 3: handled and sent only where it was negotiated.
DG_TEST(path_messages_without_negotiation_are_ignored)
{
    for (uint8_t version = 12; version <= 13; version++) {
        const struct scene scene = {.version = version};
        scene_start(&scene);
        for (uint8_t type = CHALLENGE; type <= DROP; type++)
            (void)rrc_from(A, type, 1);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_NOT_NEGOTIATED), 3);
        CHECK_EQ(server.sent_total, 0);
        (void)data_from(B);
        fake_server_run(&server, 5 * DG_SECOND);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHALLENGES), 0);
        scene_stop();
    }
}

// RFC 9853 4, 8: fresh random cookies. A counter or a clock would show in the differences.
DG_TEST(path_cookies_never_repeat)
{
    enum { COOKIES = 100000, TABLE = 1 << 18 };
    static uint64_t seen[TABLE];
    struct scene scene = basic(2);
    memset(seen, 0, sizeof seen);
    scene_start(&scene);
    uint64_t ones[64] = {0};
    for (unsigned i = 0; i < COOKIES; i++) {
        fake_server_forget(&server);
        (void)data_from(i % 2 ? C : B);
        uint64_t cookie = challenged(i % 2 ? C : B);
        size_t at = (size_t)(cookie % TABLE);
        while (seen[at] != 0 && seen[at] != cookie)
            at = (at + 1) % TABLE;
        REQUIRE(cookie != 0 && seen[at] == 0);
        seen[at] = cookie;
        for (unsigned bit = 0; bit < 64; bit++)
            ones[bit] += cookie >> bit & 1;
        (void)rrc_from(i % 2 ? C : B, RESPONSE, cookie);
        server.now += DG_SECOND;
    }
    for (unsigned bit = 0; bit < 64; bit++)
        CHECK_MSG(ones[bit] > COOKIES / 2 - 1500 && ones[bit] < COOKIES / 2 + 1500, "bit %u", bit); // nine sigma
    CHECK_EQ(server.moved, COOKIES);
    scene_stop();
}

// --- the responder --------------------------------------------------------------------------------

// RFC 9853 5.4: one response for each challenge, at once, with its cookie, to where it came from; a challenge that
// comes again is a replay.
DG_TEST(path_challenge_is_answered_once_where_it_came_from)
{
    for (size_t i = 0; i < SCENES; i++) {
        scene_start(&ENHANCED[i]);
        for (unsigned place = A; place <= B; place++) {
            uint8_t body[9] = {CHALLENGE, 1, 2, 3, 4, 5, 6, 7, 8}, out[128];
            struct fake_record record;
            fake_server_forget(&server);
            peer.path = places[place];
            size_t size = fake_peer_seal(&peer, DG_CONTENT_RETURN_ROUTABILITY_CHECK, body, sizeof body, out,
                                         sizeof out);
            CHECK(fake_peer_give(&peer, out, size) != DG_ENGINE_UNKNOWN);
            if (place == B) // and is itself a record from a new address
                (void)take_to(&record);
            CHECK_EQ(server.sent_count, 1);
            CHECK_EQ(take_to(&record), place);
            CHECK_EQ(record.type, DG_CONTENT_RETURN_ROUTABILITY_CHECK);
            body[0] = RESPONSE;
            CHECK_EQ(record.size, 9);
            CHECK_MEM(record.data, body, 9);
            CHECK(fake_peer_give(&peer, out, size) != DG_ENGINE_UNKNOWN);
            CHECK_EQ(server.sent_count, 0);
            CHECK_EQ(fake_count(&server, DG_COUNT_DROP_REPLAY), 1 + place);
            CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHALLENGES_ANSWERED), 1 + place);
        }
        CHECK_EQ(bound_to(), A);
        scene_stop();
    }
}

// In the client's role: a challenge at an address of ours that we have left is answered with path_drop, and nobody
// but who we dialled is ever sent data.
DG_TEST(path_client_answers_and_does_not_follow)
{
    for (size_t i = 0; i < SCENES; i++) {
        scene_start(&ENHANCED[i]);
        fake_slot(&server, peer.ref)->flags |= DG_SLOT_IS_CLIENT;
        struct fake_record record;
        (void)rrc_from(A, CHALLENGE, 5);
        CHECK_EQ(take_to(&record), A);
        CHECK(record.data[0] == RESPONSE && record.data[8] == 5);
        fake_slot(&server, peer.ref)->local_port++; // our socket is another now
        (void)rrc_from(A, CHALLENGE, 6);
        CHECK_EQ(take_to(&record), A);
        CHECK(record.data[0] == DROP && record.data[8] == 6);
        fake_slot(&server, peer.ref)->local_port--;
        (void)data_from(B);
        (void)data_from(B);
        CHECK_EQ(server.delivered, 2);
        CHECK_EQ(answers_go(), A);
        CHECK_EQ(fake_count(&server, DG_COUNT_PATH_CHECKS), 0);
        fake_slot(&server, peer.ref)->flags &= (uint8_t)~DG_SLOT_IS_CLIENT;
        scene_stop();
    }
}

// The process died after the last challenge was noted, and before its timer was taken back: the next one is not
// due for ever, and the check ends in its time.
DG_TEST(path_check_survives_a_death_at_its_last_challenge)
{
    const struct scene scene = {.version = 13, .has_rrc = true, .is_basic = true};
    scene_start(&scene);
    (void)data_from(B);
    struct dg_side_flight *flight = path_side();
    REQUIRE(flight != NULL);
    dg_side_path_of(flight)->cookie_count = DG_PATH_COOKIES;
    CHECK(flight->next_send <= server.now + DG_SECOND);
    fake_server_run(&server, DG_SECOND / 2);
    fake_server_run(&server, 2 * DG_SECOND);
    CHECK_EQ(dg_side_path_phase(flight), DG_PATH_RESTING);
    CHECK_EQ(bound_to(), A);
    scene_stop();
}

static const struct dg_test_case CASES[] = {
    DG_CASE(path_basic_check_binds_the_new_address),
    DG_CASE(path_basic_check_that_nobody_answers_keeps_the_address),
    DG_CASE(path_challenges_are_repeated_at_a_pace),
    DG_CASE(path_response_from_elsewhere_proves_nothing),
    DG_CASE(path_wrong_cookies_prove_nothing),
    DG_CASE(path_nested_rebinding_checks_the_last_address),
    DG_CASE(path_enhanced_check_stays_where_the_client_answers),
    DG_CASE(path_enhanced_check_follows_a_drop),
    DG_CASE(path_enhanced_check_times_out_to_the_new_address),
    DG_CASE(path_enhanced_check_goes_on_through_nested_rebinding),
    DG_CASE(path_check_ends_when_the_client_is_back),
    DG_CASE(path_messages_that_do_not_parse_are_ignored),
    DG_CASE(path_unknown_types_with_the_right_cookie_are_ignored),
    DG_CASE(path_messages_without_negotiation_are_ignored),
    DG_CASE(path_cookies_never_repeat),
    DG_CASE(path_challenge_is_answered_once_where_it_came_from),
    DG_CASE(path_client_answers_and_does_not_follow),
    DG_CASE(path_check_survives_a_death_at_its_last_challenge),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
