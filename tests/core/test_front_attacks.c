// SPDX-License-Identifier: GPL-3.0-or-later
// Floods and forgeries against a front, each by the number under which it met other servers: what is kept
// for a stranger, what a flood costs those who are at work, and that nothing malformed gets through.
#include "check.h"
#include "core/front_state.h"
#include "support/front_rig.h"
#include "support/random.h"

#include <malloc.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define HAS_ASAN 1
#endif

// The sanitizer keeps its own heap, and not every compiler comes with the header that says how much it holds.
#ifdef HAS_ASAN
size_t __sanitizer_get_current_allocated_bytes(void);
#define FLOOD 100000u
#else
#define FLOOD 1000000u
#endif

#define NOW (100 * DG_SECOND)
#define LOCAL "192.0.2.9:5684"

static size_t heap_bytes(void)
{
#ifdef HAS_ASAN
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

static struct toy_client client_of(unsigned number, bool is_13)
{
    struct toy_client client = toy_client_new("20.0.0.1:4000", LOCAL, is_13, number);
    client.path.peer.ip[12] = (uint8_t)(20 + (number >> 24));
    client.path.peer.ip[13] = (uint8_t)(number >> 16);
    client.path.peer.ip[14] = (uint8_t)(number >> 8);
    client.path.peer.ip[15] = (uint8_t)number;
    return client;
}

// Moves a prepared datagram to another spoofed source.
static void spoof(struct dg_path *path, unsigned number)
{
    *path = client_of(number, false).path;
}

// Attack 10: a million first hellos from spoofed sources. Counters and buckets move, nothing else does.
DG_TEST(front_keeps_nothing_for_a_flood_of_first_hellos)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.config.admission.answers.all = (struct dg_bucket_rate){.rate = 1000, .burst = 1000};
    front_rig_open(&rig);
    struct toy_client client = client_of(0, true), other = client_of(0, false);
    uint8_t hellos[2][512];
    size_t sizes[2] = {toy_hello(&client, hellos[0], 512), toy_hello(&other, hellos[1], 512)};
    struct toy_client honest = client_of(0xffffff, false);
    front_rig_begin(&rig, NOW, &honest); // at work while the flood comes
    REQUIRE(honest.state == TOY_PROVING);
    size_t before = heap_bytes();
    uint64_t sent = rig.sent;
    for (unsigned i = 0; i < FLOOD; i++) {
        struct dg_path path;
        spoof(&path, i);
        front_rig_give(&rig, NOW + i * DG_MICROSECOND, &path, hellos[i % 2], sizes[i % 2]);
    }
    CHECK(heap_bytes() < before + 8192); // what the heap keeps for itself of what this test freed
    CHECK_EQ(dg_front_busy(rig.front), 1);
    CHECK_EQ(rig.front->area.used, 0);
    CHECK(rig.sent - sent <= 1000 + FLOOD / 1000); // answers are what the bucket gives
    CHECK_EQ(RIG_COUNT(&rig, DROP_ANSWER_LIMITED) + RIG_COUNT(&rig, DROP_ANSWER_NETWORK) +
                 RIG_COUNT(&rig, DROP_ANSWER_GLOBAL) + (rig.sent - sent),
             FLOOD);
    CHECK_EQ(front_rig_run(&rig, NOW + DG_SECOND, &honest), TOY_DONE); // attack 43
    front_rig_close(&rig);
}

// F9 and attack 6: a million first fragments from spoofed sources keep memory under its bound, and whole
// hellos are served all the while.
DG_TEST(front_bounds_a_flood_of_first_fragments)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client client = client_of(0, true);
    client.hello_bytes = 1800;
    uint8_t part[1500];
    size_t size = toy_hello_part(&client, 0, 1000, part, sizeof part);
    size_t before = heap_bytes();
    for (unsigned i = 0; i < FLOOD; i++) {
        struct dg_path path;
        spoof(&path, i);
        front_rig_give(&rig, NOW, &path, part, size);
        if (i % (FLOOD / 10) == 0) {
            struct toy_client honest = client_of(0xf00000 + i, i % 2 == 0);
            CHECK_EQ(front_rig_run(&rig, NOW, &honest), TOY_DONE);
        }
    }
    CHECK(heap_bytes() < before + 8192); // what the heap keeps for itself of what this test freed
    CHECK_EQ(rig.front->area.used, rig.config.reassembly_max);
    CHECK_EQ(RIG_COUNT(&rig, DROP_FRAGMENTS_FULL), FLOOD - rig.config.reassembly_max);
    dg_front_advance(rig.front, NOW + rig.config.reassembly_timeout);
    CHECK_EQ(rig.front->area.used, 0);
    CHECK_EQ(RIG_COUNT(&rig, DROP_FRAGMENT_EXPIRED), rig.config.reassembly_max);
    front_rig_close(&rig);
}

// F9: hellos in parts, first and second, are answered as whole ones are, in any order of their parts.
DG_TEST(front_serves_fragmented_hellos)
{
    static struct rig rig;
    for (int is_13 = 0; is_13 < 2; is_13++) {
        for (int backwards = 0; backwards < 2; backwards++) {
            front_rig_init(&rig);
            front_rig_open(&rig);
            struct toy_client client = client_of(7, is_13 != 0);
            client.hello_bytes = 1900;
            for (int round = 0; round < 2; round++) {
                uint8_t parts[4][1024];
                size_t sizes[4];
                for (size_t i = 0; i < 4; i++) {
                    sizes[i] = toy_hello_part(&client, i, 500, parts[i], sizeof parts[i]);
                    REQUIRE(sizes[i] > 0);
                }
                bool moved = false;
                for (size_t i = 0; i < 4; i++) {
                    size_t at = backwards != 0 ? 3 - i : i;
                    CHECK(!moved);
                    front_rig_give(&rig, NOW, &client.path, parts[at], sizes[at]);
                    for (size_t n = 0; n < rig.queued; n++) {
                        moved |= toy_receive(&client, rig.queue[n].bytes, rig.queue[n].size);
                    }
                }
                CHECK(moved);
                CHECK_EQ(rig.gate.last_hello_bytes, 1900);
            }
            CHECK_EQ(client.state, TOY_PROVING);
            CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
            CHECK_EQ(rig.gate.violations, 0);
            front_rig_close(&rig);
        }
    }
}

// F1 with parts: what came in earlier datagrams counts, the last part alone does not have to pay.
DG_TEST(front_counts_three_for_one_over_fragments)
{
    static struct rig rig;
    for (int enough = 0; enough < 2; enough++) {
        front_rig_init(&rig);
        front_rig_open(&rig);
        struct toy_client client = client_of(7, true);
        client.hello_bytes = 525; // a body of 500: parts of 490 and 10
        uint8_t parts[2][1024];
        size_t first = toy_hello_part(&client, 0, 490, parts[0], 1024);
        size_t last = toy_hello_part(&client, 1, 490, parts[1], 1024);
        REQUIRE(first == 515 && last == 35);
        rig.gate.answer_bytes = 3 * (first + last) + (enough != 0 ? 0 : 1);
        front_rig_give(&rig, NOW, &client.path, parts[0], first);
        front_rig_give(&rig, NOW, &client.path, parts[1], last);
        CHECK_EQ(rig.sent, enough);
        CHECK_EQ(RIG_COUNT(&rig, DROP_AMPLIFICATION), 1 - enough);
        front_rig_close(&rig);
    }
}

// Attacks 1, 2, 4, 5 and 7 through the front: contradicting parts are dropped under their names.
DG_TEST(front_drops_contradicting_fragments)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client client = client_of(7, true);
    client.hello_bytes = 1000;
    uint8_t first[1024], second[1024], bad[1024];
    size_t first_size = toy_hello_part(&client, 0, 500, first, sizeof first);
    size_t second_size = toy_hello_part(&client, 1, 500, second, sizeof second);
    static const struct {
        size_t at;
        uint8_t change;
        enum dg_counter reason;
    } cases[] = {
        {16, 0x10, DG_COUNT_DROP_FRAGMENT_CONFLICT}, // message_length
        {15, 16, DG_COUNT_DROP_RECORD_TOO_LONG},    // message_length far above the limit
        {18, 1, DG_COUNT_NONE},                     // message_seq: another message
        {13, 16 ^ 1, DG_COUNT_DROP_NOT_HELLO},      // type
        {20, 0x40, DG_COUNT_DROP_RECORD_MALFORMED}, // an offset that passes the end
        {24, 1, DG_COUNT_DROP_RECORD_MALFORMED},    // a length that does not fit its record
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dg_front_advance(rig.front, NOW + (i + 1) * DG_MINUTE - 1); // forgets the case before
        dg_time now = NOW + (i + 1) * DG_MINUTE;
        front_rig_give(&rig, now, &client.path, first, first_size);
        memcpy(bad, second, second_size);
        bad[cases[i].at] ^= cases[i].change;
        uint64_t counted = front_rig_count(&rig, cases[i].reason), sent = rig.sent;
        front_rig_give(&rig, now, &client.path, bad, second_size);
        CHECK_MSG(cases[i].reason == DG_COUNT_NONE || front_rig_count(&rig, cases[i].reason) == counted + 1,
                  "case %zu", i);
        CHECK_EQ(rig.sent, sent);
    }
    CHECK_EQ(rig.gate.hello_calls, 0);
    front_rig_close(&rig);
}

// Attack 14: hello upon hello from one address and port. Others are served, and its own handshake goes on.
DG_TEST(front_survives_rapid_hellos_from_one_port)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client running = client_of(1, false);
    front_rig_begin(&rig, NOW, &running);
    for (unsigned i = 0; i < 20000; i++) {
        struct toy_client flood = client_of(1, i % 2 == 0);
        memset(flood.random, (int)(i & 0xff), 16);
        memcpy(flood.random + 16, &i, sizeof i);
        uint8_t datagram[512];
        size_t size = toy_hello(&flood, datagram, sizeof datagram);
        front_rig_give(&rig, NOW, &flood.path, datagram, size);
    }
    CHECK_EQ(dg_front_busy(rig.front), 1);
    CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_REPLACED), 0);
    CHECK_EQ(front_rig_run(&rig, NOW, &running), TOY_DONE);
    struct toy_client other = client_of(0x500000, true);
    CHECK_EQ(front_rig_run(&rig, NOW, &other), TOY_DONE);
    front_rig_close(&rig);
}

// Attack 15, the other way: complete handshakes by the thousand leave only what is bounded.
DG_TEST(front_thousand_handshakes_at_once_from_one_host)
{
    static struct rig rig;
    static struct toy_client clients[1000];
    front_rig_init(&rig);
    rig.gate.flights = 2;
    front_rig_open(&rig);
    for (unsigned i = 0; i < 1000; i++) {
        clients[i] = toy_client_new("127.0.0.1:1", "127.0.0.1:5684", i % 2 == 0, i);
        clients[i].path.peer.port = (uint16_t)(10000 + i);
        clients[i].offers_cid = i % 3 == 0;
    }
    for (unsigned turn = 0; turn < 5; turn++) {
        for (unsigned i = 0; i < 1000; i++) {
            front_rig_turn(&rig, NOW, &clients[i]);
        }
    }
    for (unsigned i = 0; i < 1000; i++) {
        CHECK_EQ(clients[i].state, TOY_DONE);
    }
    CHECK_EQ(rig.handed_over, 1000);
    CHECK_EQ(rig.gate.live, 0);
    CHECK_EQ(rig.gate.violations, 0);
    front_rig_close(&rig);
}

// Attack 28 in miniature: whatever damaged datagrams do to the front, no handshake ever sees two records at
// once, application data or a malformed hello, none is lost, and a clean run afterwards goes through.
DG_TEST(front_survives_damaged_datagrams_of_every_kind)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.config.admission.failures.address = rig.config.admission.failures.network =
        (struct dg_bucket_rate){.rate = 100000, .burst = 100000};
    front_rig_open(&rig);
    struct test_random random = {.state = dg_test_seed()};
    static struct toy_client clients[32];
    dg_time now = NOW;
    for (unsigned i = 0; i < 32; i++) {
        clients[i] = client_of(i, i % 2 == 0);
        clients[i].offers_cid = i % 3 == 0;
    }
    for (unsigned round = 0; round < 60000; round++) {
        unsigned which = (unsigned)test_random_below(&random, 32);
        struct toy_client *client = &clients[which];
        if (client->state >= TOY_DONE || test_random_permille(&random, 20)) {
            *client = client_of(which, round % 2 == 0);
            client->offers_cid = round % 3 == 0;
            test_random_fill(&random, client->random, sizeof client->random);
        }
        uint8_t datagram[2048];
        size_t size = toy_send(client, true, datagram, 1024);
        if (test_random_permille(&random, 300)) {
            size += toy_data(client, datagram + size, 512);
        }
        if (size > 0 && test_random_permille(&random, 600)) {
            for (uint64_t flips = 1 + test_random_below(&random, 3); flips > 0; flips--) {
                datagram[test_random_below(&random, size)] ^= (uint8_t)(1u << test_random_below(&random, 8));
            }
        }
        if (test_random_permille(&random, 100)) {
            size = test_random_below(&random, size + 1);
        }
        now += test_random_below(&random, 5) * DG_MILLISECOND;
        rig.no_room = test_random_permille(&random, 100);
        if (test_random_permille(&random, 200)) {
            front_rig_give_passed_on(&rig, now, &client->path, datagram, size);
        } else {
            front_rig_give(&rig, now, &client->path, datagram, size);
        }
        for (size_t i = 0; i < rig.queued; i++) {
            toy_receive(client, rig.queue[i].bytes, rig.queue[i].size);
        }
        if (dg_front_deadline(rig.front) <= now) {
            dg_front_advance(rig.front, now);
        }
    }
    rig.no_room = false;
    CHECK_MSG(rig.handed_over > 100, "only %u handshakes got through: the test proves little", rig.handed_over);
    CHECK_EQ(rig.gate.violations, 0);
    dg_front_advance(rig.front, now + DG_HOUR);
    CHECK_EQ(dg_front_busy(rig.front), 0);
    CHECK_EQ(rig.gate.live, 0);
    struct toy_client last = client_of(0x123456, true);
    CHECK_EQ(front_rig_run(&rig, now + DG_HOUR, &last), TOY_DONE);
    front_rig_close(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(front_keeps_nothing_for_a_flood_of_first_hellos),
        DG_CASE(front_bounds_a_flood_of_first_fragments),
        DG_CASE(front_serves_fragmented_hellos),
        DG_CASE(front_counts_three_for_one_over_fragments),
        DG_CASE(front_drops_contradicting_fragments),
        DG_CASE(front_survives_rapid_hellos_from_one_port),
        DG_CASE(front_thousand_handshakes_at_once_from_one_host),
        DG_CASE(front_survives_damaged_datagrams_of_every_kind),
    };
    return dg_test_main(cases, sizeof cases / sizeof *cases, argc, argv);
}
