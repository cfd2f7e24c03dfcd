// SPDX-License-Identifier: GPL-3.0-or-later
// The mesh between real threads: every message arrives once, in order, and no sleeper is left asleep.
#include "check.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/threads.h"

#include <string.h>

DG_TEST(mesh_full_ring_refuses_and_the_turns_are_fair)
{
    struct dg_mesh *mesh = dg_mesh_new(3, 256);
    REQUIRE(mesh != NULL);
    static _Alignas(64) uint8_t buffer[DG_MESSAGE_BYTES_MAX];
    uint32_t put[3] = {0};
    for (uint32_t from = 0; from < 2; from++) {
        const struct dg_ring_part part = {&from, sizeof from};
        while (dg_mesh_put(mesh, from, 2, DG_MESSAGE_DATAGRAM, &part, 1)) {
            put[from]++;
        }
    }
    CHECK(put[0] > 4);
    CHECK_EQ(put[0], put[1]);
    CHECK(!dg_mesh_is_empty(mesh, 2));
    CHECK(dg_mesh_is_empty(mesh, 0));
    int64_t ahead = 0; // of writer 0 over writer 1
    uint32_t kind, from;
    size_t size, got = 0;
    while (dg_mesh_get(mesh, 2, &kind, buffer, &size)) {
        memcpy(&from, buffer, sizeof from);
        ahead += from == 0 ? 1 : -1;
        CHECK(ahead >= -1 && ahead <= 1);
        got++;
    }
    CHECK_EQ(got, put[0] + put[1]);
    CHECK(dg_mesh_is_empty(mesh, 2));
    dg_mesh_free(mesh);
}

// Each thread tells each other numbers and sleeps when there is nothing: a lost wake-up would hang it.
struct talk {
    struct dg_mesh *mesh;
    uint32_t self;
    uint32_t received;
    bool in_order;
};
#define TALKERS 3
#define TALK_MESSAGES 5000u

static void talk(void *context)
{
    struct talk *own = context;
    struct dg_counters counters = {0};
    struct dg_loop loop;
    char error[256];
    if (!dg_loop_init(&loop, own->mesh, own->self, NULL, 0, &counters, error, sizeof error)) {
        return;
    }
    uint32_t next_in[TALKERS] = {0}, next_out[TALKERS] = {0};
    own->in_order = true;
    while (own->received < (TALKERS - 1) * TALK_MESSAGES) {
        bool is_all_said = true;
        for (uint32_t to = 0; to < TALKERS; to++) {
            uint32_t message[2] = {own->self, next_out[to]};
            const struct dg_ring_part part = {message, sizeof message};
            if (to != own->self && next_out[to] < TALK_MESSAGES) {
                next_out[to] += dg_mesh_put(own->mesh, own->self, to, DG_MESSAGE_DATAGRAM, &part, 1);
                is_all_said = false;
            }
        }
        dg_loop_wait(&loop, 0, is_all_said ? DG_NEVER : 0);
        uint32_t kind, message[2];
        size_t size;
        while (dg_mesh_get(own->mesh, own->self, &kind, loop.message, &size)) {
            memcpy(message, loop.message, sizeof message);
            own->in_order = own->in_order && size == sizeof message && message[1] == next_in[message[0]]++;
            own->received++;
        }
    }
    // What the others still wait for has been said: a thread ends only after it heard everything, and may
    // have more to say.
    for (uint32_t to = 0; to < TALKERS; to++) {
        while (to != own->self && next_out[to] < TALK_MESSAGES) {
            uint32_t message[2] = {own->self, next_out[to]};
            const struct dg_ring_part part = {message, sizeof message};
            next_out[to] += dg_mesh_put(own->mesh, own->self, to, DG_MESSAGE_DATAGRAM, &part, 1);
        }
    }
    dg_loop_clear(&loop);
}

DG_TEST(mesh_loses_no_wake_up)
{
    struct dg_mesh *mesh = dg_mesh_new(TALKERS, 1024);
    struct talk talkers[TALKERS];
    struct dg_thread threads[TALKERS];
    REQUIRE(mesh != NULL);
    for (uint32_t i = 0; i < TALKERS; i++) {
        talkers[i] = (struct talk){.mesh = mesh, .self = i};
        REQUIRE(dg_thread_start(&threads[i], "talker", talk, &talkers[i]));
    }
    for (uint32_t i = 0; i < TALKERS; i++) {
        dg_thread_join(&threads[i]);
        CHECK_EQ(talkers[i].received, (TALKERS - 1) * TALK_MESSAGES);
        CHECK(talkers[i].in_order);
    }
    dg_mesh_free(mesh);
}

#define PATIENCE (20 * DG_SECOND) // a sleep that ends by it was not woken

// The writer saw a reader that was awake and spared the system call: the reader must look once more.
DG_TEST(mesh_message_put_before_the_sleep_ends_it)
{
    struct dg_mesh *mesh = dg_mesh_new(2, 1024);
    struct dg_counters counters = {0};
    struct dg_loop loop;
    char error[256];
    REQUIRE(mesh != NULL);
    REQUIRE(dg_loop_init(&loop, mesh, 1, NULL, 0, &counters, error, sizeof error));
    REQUIRE(dg_mesh_put(mesh, 0, 1, DG_MESSAGE_DATAGRAM, NULL, 0));
    dg_time before = dg_clock_now();
    dg_loop_wait(&loop, before, before + PATIENCE);
    CHECK(dg_clock_now() - before < PATIENCE);
    CHECK(!dg_mesh_is_empty(mesh, 1));

    // And a word to stop, given at any time before.
    uint32_t kind;
    size_t size;
    REQUIRE(dg_mesh_get(mesh, 1, &kind, loop.message, &size));
    dg_loop_stop(&loop, DG_STOP_GENTLY);
    dg_loop_stop(&loop, DG_STOP_NOT); // a weaker word changes nothing
    before = dg_clock_now();
    dg_loop_wait(&loop, before, before + PATIENCE);
    CHECK(dg_clock_now() - before < PATIENCE);
    CHECK_EQ(dg_loop_stopping(&loop), DG_STOP_GENTLY);
    dg_loop_clear(&loop);
    dg_mesh_free(mesh);
}

// One message in flight between two sleepers: each round needs a wake-up, in one direction and the other.
struct ping {
    struct dg_mesh *mesh;
    uint32_t self;
    bool was_lost;
};
#define PINGS 10000u

static void ping(void *context)
{
    struct ping *own = context;
    struct dg_counters counters = {0};
    struct dg_loop loop;
    char error[256];
    if (!dg_loop_init(&loop, own->mesh, own->self, NULL, 0, &counters, error, sizeof error)) {
        own->was_lost = true;
        return;
    }
    for (uint32_t round = 0; round < PINGS && !own->was_lost; round++) {
        if (own->self == 0) {
            own->was_lost = !dg_mesh_put(own->mesh, 0, 1, DG_MESSAGE_DATAGRAM, NULL, 0);
        }
        uint32_t kind;
        size_t size;
        while (!own->was_lost && !dg_mesh_get(own->mesh, own->self, &kind, loop.message, &size)) {
            dg_time before = dg_clock_now();
            dg_loop_wait(&loop, before, before + PATIENCE);
            own->was_lost = dg_clock_now() - before >= PATIENCE;
        }
        if (own->self == 1 && !own->was_lost) {
            own->was_lost = !dg_mesh_put(own->mesh, 1, 0, DG_MESSAGE_DATAGRAM, NULL, 0);
        }
    }
    dg_loop_clear(&loop);
}

DG_TEST(mesh_wakes_a_sleeper_every_time)
{
    struct dg_mesh *mesh = dg_mesh_new(2, 1024);
    REQUIRE(mesh != NULL);
    struct ping pings[2] = {{.mesh = mesh, .self = 0}, {.mesh = mesh, .self = 1}};
    struct dg_thread threads[2];
    for (uint32_t i = 0; i < 2; i++) {
        REQUIRE(dg_thread_start(&threads[i], "ping", ping, &pings[i]));
    }
    for (uint32_t i = 0; i < 2; i++) {
        dg_thread_join(&threads[i]);
        CHECK(!pings[i].was_lost);
    }
    dg_mesh_free(mesh);
}

// Two peers at one place: neither's hand-over ends what the other's handshake began.
DG_TEST(mesh_contested_peers_of_one_hash_leave_each_other_alone)
{
    const dg_time now = DG_MINUTE, end = 2 * DG_MINUTE;
    const struct dg_address a = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}, .port = 1};
    struct dg_mesh *mesh = dg_mesh_new(2, 1024);
    REQUIRE(mesh != NULL);
    dg_mesh_contest(mesh, &a, end);
    struct dg_address b = a;
    do {
        b.port++;
        REQUIRE(b.port != a.port);
    } while (!dg_mesh_is_contested(mesh, &b, now));
    dg_mesh_contest(mesh, &b, now); // b's began before
    CHECK(dg_mesh_is_contested(mesh, &a, now));
    dg_mesh_contest(mesh, &b, end + 1); // b's begins after
    dg_mesh_contest(mesh, &b, now);
    CHECK(dg_mesh_is_contested(mesh, &a, now));
    CHECK(!dg_mesh_is_contested(mesh, &a, end));
    dg_mesh_free(mesh);
}

DG_TEST(mesh_contested_peer_is_so_until_its_hand_over)
{
    const dg_time now = DG_MINUTE;
    const struct dg_address a = {.port = 1};
    struct dg_mesh *mesh = dg_mesh_new(2, 1024);
    REQUIRE(mesh != NULL);
    for (int i = 0; i < 2; i++) {
        CHECK(!dg_mesh_is_contested(mesh, &a, now));
        dg_mesh_contest(mesh, &a, now + DG_MINUTE);
        CHECK(dg_mesh_is_contested(mesh, &a, now));
        dg_mesh_contest(mesh, &a, now);
    }
    CHECK(!dg_mesh_is_contested(mesh, &a, now));
    dg_mesh_free(mesh);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(mesh_full_ring_refuses_and_the_turns_are_fair),
        DG_CASE(mesh_loses_no_wake_up),
        DG_CASE(mesh_message_put_before_the_sleep_ends_it),
        DG_CASE(mesh_wakes_a_sleeper_every_time),
        DG_CASE(mesh_contested_peers_of_one_hash_leave_each_other_alone),
        DG_CASE(mesh_contested_peer_is_so_until_its_hand_over),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
