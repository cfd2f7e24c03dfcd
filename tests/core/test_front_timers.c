// SPDX-License-Identifier: GPL-3.0-or-later
// Handshakes and the clock: clients that stop, workers without room, stopping, reloads, the front's own end.
// Time is an argument: nothing here waits.
#include "check.h"
#include "core/front_state.h"
#include "support/front_rig.h"

#define NOW (100 * DG_SECOND)
#define PEER "198.51.100.1:4000"
#define LOCAL "192.0.2.9:5684"

static struct toy_client client_of(bool is_13, bool with_cid, uint64_t seed)
{
    struct toy_client client = toy_client_new(PEER, LOCAL, is_13, seed);
    client.offers_cid = with_cid;
    client.cid_size = with_cid ? 5 : 0;
    return client;
}

// T7 and attack 15: a client that stops, at every stage at which it can.
DG_TEST(front_reaps_clients_that_stop_at_any_stage)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.gate.flights = 3;
    front_rig_open(&rig);
    unsigned begun = 0;
    for (unsigned i = 0; i < 2000; i++) {
        struct toy_client client = client_of(i % 2 == 0, i % 3 == 0, i);
        client.path.peer.port = (uint16_t)(1000 + i);
        for (unsigned turns = i % 5; turns > 0; turns--) { // 0: nothing at all .. 4: one proof is missing
            front_rig_turn(&rig, NOW, &client);
        }
        begun += i % 5 >= 2;
    }
    CHECK_EQ(dg_front_busy(rig.front), begun);
    CHECK_EQ(rig.gate.live, begun);
    dg_time now = NOW;
    unsigned turns = 0;
    while (dg_front_deadline(rig.front) != DG_NEVER) { // the clock that an owner would run
        now = dg_front_deadline(rig.front);
        dg_front_advance(rig.front, now);
        REQUIRE(++turns < 1000);
    }
    CHECK_EQ(now, NOW + rig.config.handshake_timeout);
    CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_EXPIRED), begun);
    CHECK_EQ(dg_front_busy(rig.front), 0);
    CHECK_EQ(rig.gate.live, 0);
    CHECK_EQ(rig.gate.violations, 0);
    CHECK(rig.gate.advance_calls >= begun * 4); // 1, 2, 4, 8, 16 s
    front_rig_close(&rig);
}

DG_TEST(front_frees_a_handshake_whose_timer_gives_up)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.gate.retransmit_max = 2;
    front_rig_open(&rig);
    struct toy_client client = client_of(false, false, 1);
    front_rig_begin(&rig, NOW, &client);
    dg_time now = NOW;
    while (dg_front_busy(rig.front) > 0 && now < NOW + DG_MINUTE) {
        now = dg_front_deadline(rig.front);
        dg_front_advance(rig.front, now);
    }
    CHECK(now < NOW + rig.config.handshake_timeout);
    CHECK_STR(rig.failure.reason, "the client does not answer");
    CHECK_EQ(rig.gate.live, 0);
    front_rig_close(&rig);
}

// Whatever a handshake says that it ended of, it ends once; and its client pays for it, unless it is ours.
DG_TEST(front_counts_the_end_of_a_handshake_once)
{
    static struct rig rig;
    static const struct {
        enum dg_counter counter;
        unsigned failed, expired, paid;
    } ends[] = {{DG_COUNT_NONE, 1, 0, 1},
                {DG_COUNT_HANDSHAKES_EXPIRED, 0, 1, 1},
                {DG_COUNT_FAIL_MEMORY, 1, 0, 0}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        front_rig_init(&rig);
        rig.config.admission.failures.address = (struct dg_bucket_rate){.rate = 1, .burst = 1};
        rig.gate.retransmit_max = 2;
        rig.gate.gives_up_as = ends[i].counter;
        front_rig_open(&rig);
        struct toy_client client = client_of(false, false, 1), again = client_of(false, false, 2);
        front_rig_begin(&rig, NOW, &client);
        dg_time now = NOW;
        while (dg_front_busy(rig.front) > 0 && now < NOW + DG_MINUTE) {
            now = dg_front_deadline(rig.front);
            dg_front_advance(rig.front, now);
        }
        CHECK_EQ(rig.failed, 1);
        CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_STARTED), 1);
        CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_FAILED), ends[i].failed);
        CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_EXPIRED), ends[i].expired);
        front_rig_run(&rig, now, &again);
        CHECK_EQ(RIG_COUNT(&rig, DROP_PENALTY), ends[i].paid);
        front_rig_close(&rig);
    }
}

// A worker without room: the result waits, with what came early, until the deadline. Attack 43: the others
// go on meanwhile, more of them than there are places to wait in.
DG_TEST(front_retries_the_hand_over_until_its_deadline)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    rig.no_room = true;
    enum { CLIENTS = DG_FRONT_PENDING_MAX + 10 };
    static struct toy_client clients[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client_of(true, false, i);
        clients[i].path.peer.port = (uint16_t)(1000 + i);
        CHECK_EQ(front_rig_run(&rig, NOW, &clients[i]), TOY_DONE);
    }
    CHECK_EQ(rig.handed_over, 0);
    CHECK_EQ(dg_front_busy(rig.front), CLIENTS);
    CHECK_EQ(rig.gate.live, CLIENTS - DG_FRONT_PENDING_MAX);
    uint8_t datagram[256];
    size_t size = toy_data(&clients[0], datagram, sizeof datagram);
    front_rig_give(&rig, NOW, &clients[0].path, datagram, size);
    dg_time now = NOW + 5 * DG_MILLISECOND;
    CHECK(dg_front_deadline(rig.front) <= now);
    dg_front_advance(rig.front, now);
    CHECK_EQ(rig.handed_over, 0);
    rig.no_room = false;
    for (int i = 0; i < 3; i++) {
        now += DG_MILLISECOND;
        dg_front_advance(rig.front, now);
    }
    CHECK_EQ(rig.handed_over, CLIENTS);
    CHECK_EQ(rig.gate.live, 0);
    CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_COMPLETED), CLIENTS);
    // And one that never finds room.
    rig.no_room = true;
    struct toy_client late = client_of(false, false, 999);
    front_rig_run(&rig, now, &late);
    dg_front_advance(rig.front, now + rig.config.handover_timeout - 1);
    CHECK_EQ(dg_front_busy(rig.front), 1);
    dg_front_advance(rig.front, now + rig.config.handover_timeout);
    CHECK_EQ(RIG_COUNT(&rig, HANDOVERS_GIVEN_UP), 1);
    CHECK_EQ(dg_front_busy(rig.front), 0);
    CHECK_EQ(rig.front->pending_used, 0);
    front_rig_close(&rig);
}

// A worker without room is no failure of the client's: its address is not kept out for that.
DG_TEST(front_given_up_hand_over_is_not_on_its_clients_account)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.config.admission.failures.address = (struct dg_bucket_rate){.rate = 1, .burst = 1};
    front_rig_open(&rig);
    struct toy_client first = client_of(false, false, 1), again = client_of(false, false, 2);
    dg_time late = NOW + rig.config.handover_timeout;
    rig.no_room = true;
    CHECK_EQ(front_rig_run(&rig, NOW, &first), TOY_DONE);
    dg_front_advance(rig.front, late);
    CHECK_EQ(RIG_COUNT(&rig, HANDOVERS_GIVEN_UP), 1);
    rig.no_room = false;
    CHECK_EQ(front_rig_run(&rig, late, &again), TOY_DONE);
    CHECK_EQ(RIG_COUNT(&rig, DROP_PENALTY), 0);
    CHECK_EQ(rig.handed_over, 1);
    front_rig_close(&rig);
}

DG_TEST(front_early_data_of_a_waiting_hand_over_goes_along)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    rig.no_room = true;
    struct toy_client client = client_of(true, true, 1);
    CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
    uint8_t datagram[256];
    size_t size = toy_data(&client, datagram, sizeof datagram);
    rig.no_room = false;
    front_rig_give(&rig, NOW, &client.path, datagram, size);
    CHECK_EQ(rig.handed_over, 1);
    CHECK_EQ(rig.early_count, 1);
    front_rig_close(&rig);
}

// Strangers still get their cookie: the next process, which has the same secrets, takes it.
DG_TEST(front_stopping_begins_no_handshake_and_ends_what_runs)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client running = client_of(false, false, 1), waiting = client_of(true, false, 2);
    struct toy_client stranger = client_of(true, false, 3);
    waiting.path.peer.port++;
    stranger.path.peer.port = (uint16_t)(stranger.path.peer.port + 2);
    front_rig_begin(&rig, NOW, &running);
    front_rig_turn(&rig, NOW, &waiting);
    dg_front_stop(rig.front);
    CHECK_EQ(dg_front_busy(rig.front), 1);
    CHECK_EQ(front_rig_run(&rig, NOW, &waiting), TOY_HELLO_COOKIE);
    CHECK_EQ(front_rig_run(&rig, NOW, &stranger), TOY_HELLO_COOKIE);
    CHECK_EQ(RIG_COUNT(&rig, DROP_HANDSHAKES_FULL), 2);
    CHECK_EQ(front_rig_run(&rig, NOW, &running), TOY_DONE);
    CHECK_EQ(dg_front_busy(rig.front), 0);
    front_rig_close(&rig);
}

// A reload: new handshakes meet the new gate, those under way end with the one that they began with.
DG_TEST(front_changes_gates_between_handshakes)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct fake_gate second = fake_gate_default();
    struct toy_client old = client_of(false, false, 1), fresh = client_of(true, false, 2);
    fresh.path.peer.port++;
    front_rig_begin(&rig, NOW, &old);
    dg_front_set_gate(rig.front, &second);
    CHECK_EQ(front_rig_run(&rig, NOW, &fresh), TOY_DONE);
    CHECK_EQ(front_rig_run(&rig, NOW, &old), TOY_DONE);
    CHECK_EQ(rig.gate.taken, 1);
    CHECK_EQ(second.taken, 1);
    CHECK_EQ(rig.gate.live + second.live, 0);
    front_rig_close(&rig);
}

// The front freed in the middle of everything frees everything (the sanitizer's leak check is the judge).
DG_TEST(front_freed_at_any_moment_leaks_nothing)
{
    static struct rig rig;
    for (int stage = 0; stage < 6; stage++) {
        front_rig_init(&rig);
        front_rig_open(&rig);
        rig.no_room = true;
        struct toy_client client = client_of(true, true, 1);
        for (int turn = 0; turn < stage; turn++) {
            front_rig_turn(&rig, NOW, &client);
            uint8_t datagram[256];
            size_t size = toy_data(&client, datagram, sizeof datagram);
            front_rig_give(&rig, NOW, &client.path, datagram, size);
        }
        front_rig_close(&rig);
        CHECK_EQ(rig.gate.live, 0);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(front_reaps_clients_that_stop_at_any_stage),
        DG_CASE(front_frees_a_handshake_whose_timer_gives_up),
        DG_CASE(front_counts_the_end_of_a_handshake_once),
        DG_CASE(front_retries_the_hand_over_until_its_deadline),
        DG_CASE(front_given_up_hand_over_is_not_on_its_clients_account),
        DG_CASE(front_early_data_of_a_waiting_hand_over_goes_along),
        DG_CASE(front_stopping_begins_no_handshake_and_ends_what_runs),
        DG_CASE(front_changes_gates_between_handshakes),
        DG_CASE(front_freed_at_any_moment_leaks_nothing),
    };
    return dg_test_main(cases, sizeof cases / sizeof *cases, argc, argv);
}
