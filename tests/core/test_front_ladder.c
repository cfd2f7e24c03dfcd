// SPDX-License-Identifier: GPL-3.0-or-later
// The rungs before a handshake exists, one after the other: source, records, shape, bucket, three for one,
// cookie, budgets. Every refusal has a name, and silence is checked as well as speech.
#include "check.h"
#include "core/front_state.h"
#include "support/front_rig.h"
#include "support/random.h"

#include <string.h>

#define NOW (100 * DG_SECOND)
#define LOCAL "192.0.2.9:5684"

static struct toy_client client_of(unsigned number, bool is_13)
{
    struct toy_client client = toy_client_new("198.51.100.1:4000", LOCAL, is_13, number);
    client.path.peer.ip[13] = (uint8_t)(number >> 16);
    client.path.peer.ip[14] = (uint8_t)(number >> 8);
    client.path.peer.ip[15] = (uint8_t)(1 + number % 250);
    return client;
}

// Attack 17, RFC 9147 11: a source that cannot be a peer, or that is ourselves.
DG_TEST(front_drops_impossible_sources)
{
    static struct rig rig;
    front_rig_init(&rig);
    CHECK(dg_address_parse(LOCAL, &rig.config.own[0]));
    CHECK(dg_address_parse("[::]:7000", &rig.config.own[1]));
    CHECK(dg_address_parse("0.0.0.0:7001", &rig.config.own[2]));
    rig.config.own_count = 3;
    front_rig_open(&rig);
    static const struct {
        const char *peer, *local;
        bool is_fine;
    } sources[] = {
        {"198.51.100.1:4000", LOCAL, true},
        {"0.0.0.0:4000", LOCAL, false},
        {"224.0.0.1:4000", LOCAL, false},
        {"239.255.255.255:4000", LOCAL, false},
        {"255.255.255.255:4000", LOCAL, false},
        {"198.51.100.1:0", LOCAL, false},
        {"[::]:4000", "[2001:db8::9]:5684", false},
        {"[ff02::1]:4000", "[2001:db8::9]:5684", false},
        {"[2001:db8::1]:4000", "[2001:db8::9]:5684", true},
        {LOCAL, "192.0.2.10:5684", false},                     // our own address
        {"192.0.2.9:5685", LOCAL, true},                       // our host, another port
        {"192.0.2.77:7001", "192.0.2.77:7001", false},         // wildcard: the address spoken to
        {"192.0.2.78:7001", "192.0.2.77:7001", true},          // somebody else's port 7001
        {"127.0.0.1:7001", "192.0.2.77:7001", false},          // wildcard: loopback is ours
        {"127.0.0.1:7002", "127.0.0.1:7001", true},            // a client on our host
        {"[::1]:7000", "[2001:db8::9]:7000", false},
        {"[2001:db8::9]:7000", "[2001:db8::9]:7000", false},
        {"192.0.2.50:999", "192.0.2.50:999", false},           // whatever the configuration says
    };
    uint64_t impossible = 0;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct toy_client client = toy_client_new(sources[i].peer, sources[i].local, false, i);
        uint64_t sent = rig.sent;
        front_rig_turn(&rig, NOW, &client);
        impossible += !sources[i].is_fine;
        CHECK_MSG(rig.sent - sent == (sources[i].is_fine ? 1 : 0), "source %s", sources[i].peer);
        CHECK_EQ(RIG_COUNT(&rig, DROP_SOURCE_IMPOSSIBLE), impossible);
    }
    front_rig_close(&rig);
}

// R1, RFC 9147 4.1: all first bytes of a stranger. Nothing is answered, everything is counted or forwarded.
DG_TEST(front_sorts_all_first_bytes)
{
    static struct rig rig;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned epoch = 0; epoch < 2; epoch++) {
            front_rig_init(&rig);
            front_rig_open(&rig);
            struct toy_client client = client_of(1, false);
            // type, version, epoch, number, length 30 with or without ID: one record in either reading
            uint8_t datagram[64] = {(uint8_t)first, 0xfe, 0xfd, 0, (uint8_t)epoch};
            size_t size = first == 25 ? 13 + 8 + 30 : 13 + 30;
            datagram[first == 25 ? 20 : 12] = 30;
            if ((first & 0xe4) == 0x24) { // unified, with length
                size_t head = 1u + (first & 0x10 ? 8u : 0u) + (first & 0x08 ? 2u : 1u);
                memset(datagram + 1, 0, sizeof datagram - 1);
                datagram[head + 1] = (uint8_t)(size - head - 2);
            }
            front_rig_give(&rig, NOW, &client.path, datagram, size);
            bool is_plain = (first >= 20 && first <= 23) || first == 26;
            bool is_unified = first >= 32 && first < 64;
            bool is_rrc = first == 27 && epoch == 1; // RFC 9853 4: never in clear
            bool is_protected = is_unified || is_rrc || (epoch == 1 && (is_plain || first == 25));
            CHECK_EQ(rig.sent, 0);
            CHECK_EQ(rig.forwarded, is_protected ? 1 : 0);
            CHECK_EQ(RIG_COUNT(&rig, DROP_UNKNOWN_TYPE), !is_plain && !is_unified && !is_rrc && first != 25);
            CHECK_EQ(RIG_COUNT(&rig, DROP_NOT_HELLO), is_plain && epoch == 0);
            CHECK_EQ(RIG_COUNT(&rig, DROP_RECORD_MALFORMED), first == 25 && epoch == 0);
            CHECK_EQ(rig.gate.hello_calls + rig.gate.check_cookie_calls, 0);
            // The same, passed on by a worker: never back.
            front_rig_give_passed_on(&rig, NOW, &client.path, datagram, size);
            CHECK_EQ(rig.forwarded, is_protected ? 1 : 0);
            CHECK_EQ(RIG_COUNT(&rig, DROP_NO_ASSOCIATION), is_protected);
            front_rig_close(&rig);
        }
    }
}

// F8, RFC 9147 4.5.2: garbage, damaged hellos and cut ones get no answer; whole ones do.
DG_TEST(front_answers_no_garbage)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct test_random random = {.state = dg_test_seed()};
    unsigned fine = 0;
    for (unsigned round = 0; round < 20000; round++) {
        struct toy_client client = client_of(round, round % 2 == 0);
        uint8_t datagram[2048];
        size_t size = toy_hello(&client, datagram, sizeof datagram);
        switch (round % 3) {
        case 0:
            test_random_fill(&random, datagram, size);
            datagram[0] = 22;
            break;
        case 1:
            size = test_random_below(&random, size);
            break;
        default: // the heads are well-formed, the vectors are not
            test_random_fill(&random, datagram + 25, size - 25);
            datagram[25] = 0xfe;
            datagram[26] = 0xfd;
            break;
        }
        uint64_t answered = rig.sent;
        front_rig_give(&rig, NOW, &client.path, datagram, size);
        fine += rig.sent != answered;
    }
    CHECK_EQ(fine, 0);
    CHECK_EQ(rig.gate.violations, 0);
    CHECK_EQ(rig.gate.hello_calls, 0);
    CHECK_EQ(rig.forwarded, 0);
    front_rig_close(&rig);
}

// RFC 9147 5.3: the record of a first hello says 1.2, or 1.0 for the sake of old servers.
DG_TEST(front_takes_hellos_of_two_record_versions)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    for (unsigned low = 0; low < 256; low++) {
        struct toy_client client = client_of(low, false);
        uint8_t datagram[512];
        size_t size = toy_hello(&client, datagram, sizeof datagram);
        datagram[2] = (uint8_t)low;
        front_rig_give(&rig, NOW, &client.path, datagram, size);
        CHECK_EQ(rig.queued, low == 0xfd || low == 0xff ? 1 : 0);
    }
    CHECK_EQ(RIG_COUNT(&rig, DROP_RECORD_MALFORMED), 254);
    front_rig_close(&rig);
}

// F1, RFC 9147 5.1: bytes out are at most three times those in, for every size of hello and of answer.
DG_TEST(front_sends_three_bytes_for_one_at_most)
{
    static struct rig rig;
    static const size_t answers[] = {0, 100, 201, 202, 600, 1200};
    for (size_t a = 0; a < sizeof answers / sizeof *answers; a++) {
        front_rig_init(&rig);
        rig.gate.answer_bytes = answers[a];
        front_rig_open(&rig);
        uint64_t withheld = 0;
        for (size_t size = 26; size <= 1400; size++) {
            for (int is_13 = 0; is_13 < 2; is_13++) {
                struct toy_client client = client_of((unsigned)size * 2 + (unsigned)is_13, is_13 != 0);
                client.hello_bytes = size;
                uint8_t datagram[2048];
                size_t whole = toy_hello(&client, datagram, sizeof datagram);
                size_t given = size < whole ? size : whole; // smaller than any hello: cut
                uint64_t bytes = rig.sent_bytes;
                front_rig_give(&rig, NOW, &client.path, datagram, given);
                CHECK(rig.sent_bytes - bytes <= 3 * given);
                bool is_answerable = given == whole;
                bool is_withheld = is_answerable && answers[a] > 3 * given;
                withheld += is_withheld;
                CHECK_EQ(rig.sent_bytes != bytes, is_answerable && !is_withheld);
            }
        }
        CHECK_EQ(RIG_COUNT(&rig, DROP_AMPLIFICATION), withheld);
        CHECK_EQ(dg_front_busy(rig.front), 0);
        front_rig_close(&rig);
    }
}

// Several hellos in one datagram share its three for one.
DG_TEST(front_counts_three_for_one_over_the_datagram)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.gate.answer_bytes = 200;
    front_rig_open(&rig);
    struct toy_client client = client_of(1, false);
    uint8_t datagram[1024];
    size_t size = 0;
    for (int i = 0; i < 5; i++) {
        size += toy_hello(&client, datagram + size, sizeof datagram - size);
    }
    rig.gate.answer_bytes = size; // three of five fit
    front_rig_give(&rig, NOW, &client.path, datagram, size);
    CHECK_EQ(rig.sent, 3);
    CHECK_EQ(RIG_COUNT(&rig, DROP_AMPLIFICATION), 2);
    front_rig_close(&rig);
}

// Nor does a record for somebody's running handshake open the meter for the hello behind it, which names
// the same address but proves nothing.
DG_TEST(front_counts_three_for_one_beside_a_handshake)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client running = client_of(1, false), bare = client_of(1, false);
    bare.random[0] ^= 1;
    front_rig_begin(&rig, NOW, &running);
    REQUIRE(running.state == TOY_PROVING);
    rig.gate.answer_bytes = 1000;
    uint8_t datagram[1024];
    size_t size = toy_plain(&running, DG_CONTENT_CHANGE_CIPHER_SPEC, "\1", 1, datagram, sizeof datagram);
    size += toy_hello(&bare, datagram + size, sizeof datagram - size);
    front_rig_give(&rig, NOW, &running.path, datagram, size);
    CHECK_EQ(rig.queued, 0);
    CHECK_EQ(RIG_COUNT(&rig, DROP_AMPLIFICATION), 1);
    front_rig_close(&rig);
}

// F2 and attack 12: whatever a hello offers, without a cookie it gets a cookie and nothing else; and a
// library that would begin without one (attack 11) is not let.
DG_TEST(front_begins_nothing_without_a_cookie)
{
    static struct rig rig;
    for (int is_13 = 0; is_13 < 2; is_13++) {
        for (int starts_always = 0; starts_always < 2; starts_always++) {
            front_rig_init(&rig);
            rig.gate.starts_always = starts_always != 0;
            front_rig_open(&rig);
            struct toy_client client = client_of(1, is_13 != 0);
            client.hello_bytes = 400; // room for whatever is sent
            uint8_t datagram[1024];
            size_t size = toy_hello(&client, datagram, sizeof datagram);
            front_rig_give(&rig, NOW, &client.path, datagram, size);
            CHECK_EQ(dg_front_busy(rig.front), 0);
            CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_STARTED), 0);
            CHECK_EQ(rig.gate.live, 0);
            CHECK(!rig.gate.last_had_cid);
            CHECK_EQ(rig.gate.check_cookie_calls, 0);
            CHECK(rig.sent_bytes <= 3 * size);
            if (starts_always == 0) {
                CHECK_EQ(RIG_COUNT(&rig, HELLOS_ANSWERED), 1);
                front_rig_give(&rig, NOW, &client.path, rig.queue[0].bytes, rig.queue[0].size); // our answer, reflected
                CHECK_EQ(RIG_COUNT(&rig, DROP_NOT_HELLO), 1);
                CHECK_EQ(rig.sent, 1);
            }
            front_rig_close(&rig);
        }
    }
}

// F3, F4, F5 and attack 16: cookies of others, of older secrets, and damaged ones.
DG_TEST(front_judges_cookies)
{
    static struct rig rig;
    for (int is_13 = 0; is_13 < 2; is_13++) {
        for (int what = 0; what < 6; what++) {
            front_rig_init(&rig);
            rig.gate.rotate_at = NOW + DG_MINUTE;
            front_rig_open(&rig);
            struct toy_client client = client_of(1, is_13 != 0);
            client.plain_sequence = 0x123456789abc;
            CHECK(front_rig_turn(&rig, NOW, &client));
            REQUIRE(client.state == TOY_HELLO_COOKIE);
            CHECK_EQ(rig.gate.last_sequence, 0x123456789abc); // F6: to be copied into the answer
            dg_time later = NOW + DG_SECOND;
            switch (what) {
            case 1: // another port
                client.path.peer.port++;
                break;
            case 2: // another address
                client.path.peer.ip[15] ^= 1;
                break;
            case 3: // damaged
                client.cookie[3] ^= 1;
                break;
            case 4: // within the overlap: good
            case 5: // an hour later
                for (int i = 0; i < (what == 4 ? 1 : 60); i++) {
                    later = dg_front_deadline(rig.front);
                    dg_front_advance(rig.front, later);
                }
                CHECK_EQ(rig.gate.gate_advances, what == 4 ? 1 : 60);
                break;
            default:
                break;
            }
            uint8_t datagram[1024];
            size_t size = toy_hello(&client, datagram, sizeof datagram);
            front_rig_give(&rig, later, &client.path, datagram, size);
            bool is_good = what == 0 || what == 4;
            CHECK_EQ(dg_front_busy(rig.front), is_good ? 1 : 0);
            CHECK_EQ(RIG_COUNT(&rig, DROP_COOKIE_INVALID), is_good ? 0 : 1);
            REQUIRE(rig.queued == 1);
            if (!is_good && is_13 != 0) { // RFC 9147 5.3: illegal_parameter, under the hello's number
                static const uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbd, 0, 2, 2, 47};
                REQUIRE(rig.queue[0].size == sizeof alert);
                CHECK_MEM(rig.queue[0].bytes, alert, sizeof alert);
            } else if (!is_good) { // RFC 6347 4.2.1: as if there were none
                CHECK_EQ(rig.queue[0].bytes[13], DG_HS_HELLO_VERIFY_REQUEST);
            }
            front_rig_close(&rig);
        }
    }
}

// F6, RFC 9147 5.3: a 1.3 hello with the old cookie field is illegal, whatever is in it.
DG_TEST(front_refuses_an_old_cookie_in_a_13_hello)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    struct toy_client client = client_of(1, true);
    front_rig_turn(&rig, NOW, &client);
    uint8_t datagram[1024];
    size_t size = toy_hello(&client, datagram, sizeof datagram);
    size_t at = 25 + 2 + 32 + 1; // its legacy_cookie
    REQUIRE(datagram[at] == 0);
    memmove(datagram + at + 2, datagram + at + 1, size - at - 1);
    datagram[at] = 1;
    datagram[at + 1] = 7;
    size++;
    datagram[12]++;
    datagram[16]++;
    datagram[24]++;
    front_rig_give(&rig, NOW, &client.path, datagram, size);
    CHECK_EQ(rig.gate.check_cookie_calls, 0);
    REQUIRE(rig.queued == 1 && rig.queue[0].size == 15);
    CHECK_EQ(rig.queue[0].bytes[14], DG_ALERT_ILLEGAL_PARAMETER);
    CHECK_EQ(dg_front_busy(rig.front), 0);
    front_rig_close(&rig);
}

// F7: answers come out of buckets, alerts too; a valid cookie passes them.
DG_TEST(front_limits_answers_but_not_valid_cookies)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.config.admission.answers.network = (struct dg_bucket_rate){.rate = 1, .burst = 4};
    front_rig_open(&rig);
    struct toy_client honest = client_of(0, false);
    front_rig_turn(&rig, NOW, &honest);
    for (unsigned i = 0; i < 50; i++) {
        struct toy_client client = toy_client_new("198.0.0.77:4000", LOCAL, i % 2 != 0, i);
        client.cookie_size = i % 4 < 2 ? 0 : 16;
        memcpy(client.path.peer.ip, honest.path.peer.ip, 15);
        uint8_t datagram[1024];
        size_t size = toy_hello(&client, datagram, sizeof datagram);
        front_rig_give(&rig, NOW, &client.path, datagram, size);
    }
    CHECK_EQ(rig.sent, 4);
    CHECK_EQ(RIG_COUNT(&rig, DROP_ANSWER_NETWORK), 47);
    CHECK_EQ(front_rig_run(&rig, NOW, &honest), TOY_DONE);
    front_rig_close(&rig);
}

// T7 and attack 15: no more handshakes than there is room for, in all and for one prefix.
DG_TEST(front_caps_handshakes)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.config.handshakes_max = 20;
    rig.config.handshakes_per_prefix = 5;
    front_rig_open(&rig);
    for (unsigned i = 0; i < 10; i++) { // one host, ten ports
        struct toy_client client = client_of(0, i % 2 != 0);
        client.path.peer.port = (uint16_t)(1000 + i);
        front_rig_begin(&rig, NOW, &client);
        CHECK_EQ(client.state, i < 5 ? TOY_PROVING : TOY_HELLO_COOKIE);
    }
    CHECK_EQ(RIG_COUNT(&rig, DROP_HANDSHAKES_PREFIX), 5);
    for (unsigned i = 0; i < 30; i++) {
        struct toy_client client = client_of(1 + i, false);
        front_rig_begin(&rig, NOW, &client);
    }
    CHECK_EQ(dg_front_busy(rig.front), 20);
    CHECK_EQ(rig.gate.live, 20);
    CHECK_EQ(RIG_COUNT(&rig, DROP_HANDSHAKES_FULL), 15);
    // Their time comes, all is free again.
    dg_front_advance(rig.front, NOW + rig.config.handshake_timeout);
    CHECK_EQ(dg_front_busy(rig.front), 0);
    CHECK_EQ(rig.gate.live, 0);
    struct toy_client client = client_of(99, true);
    CHECK_EQ(front_rig_run(&rig, NOW + DG_MINUTE, &client), TOY_DONE);
    front_rig_close(&rig);
}

DG_TEST(front_penalises_a_prefix_that_keeps_failing)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.config.admission.failures.address = (struct dg_bucket_rate){.rate = 1, .burst = 3};
    front_rig_open(&rig);
    for (unsigned i = 0; i < 6; i++) {
        struct toy_client client = client_of(0, i % 2 != 0);
        client.path.peer.port = (uint16_t)(1000 + i);
        client.wrong_key = true;
        front_rig_run(&rig, NOW, &client);
        CHECK_EQ(client.state, i < 3 ? TOY_REFUSED : TOY_HELLO_COOKIE);
    }
    CHECK_EQ(RIG_COUNT(&rig, DROP_PENALTY), 3);
    CHECK_EQ(RIG_COUNT(&rig, FAIL_WRONG_KEY), 3);
    CHECK_EQ(rig.failed, 3);
    struct toy_client other = client_of(1, false), same = client_of(0, false);
    CHECK_EQ(front_rig_run(&rig, NOW, &other), TOY_DONE);
    CHECK_EQ(front_rig_run(&rig, NOW + DG_SECOND, &same), TOY_DONE); // it ends by itself
    front_rig_close(&rig);
}

// One address and port that begins anew again and again never fails, but costs a handshake's work each time.
DG_TEST(front_penalises_a_client_that_keeps_beginning_anew)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.config.admission.failures.address = (struct dg_bucket_rate){.rate = 1, .burst = 3};
    front_rig_open(&rig);
    for (unsigned i = 0; i < 6; i++) {
        struct toy_client client = toy_client_new("198.51.100.1:4000", LOCAL, i % 2 != 0, i);
        front_rig_begin(&rig, NOW, &client);
        CHECK_EQ(client.state, i < 4 ? TOY_PROVING : TOY_HELLO_COOKIE);
    }
    CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_REPLACED), 3);
    CHECK_EQ(RIG_COUNT(&rig, DROP_PENALTY), 2);
    CHECK_EQ(dg_front_busy(rig.front), 1);
    struct toy_client other = client_of(1, false);
    CHECK_EQ(front_rig_run(&rig, NOW, &other), TOY_DONE);
    front_rig_close(&rig);
}

DG_TEST(front_says_when_the_gate_refuses_a_good_hello)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.gate.refuses = true;
    front_rig_open(&rig);
    struct toy_client client = client_of(0, false);
    CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_REFUSED);
    CHECK_EQ(rig.failed, 1);
    CHECK_EQ(rig.failure.counter, DG_COUNT_FAIL_NO_COMMON);
    CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_FAILED), 1);
    CHECK_EQ(dg_front_busy(rig.front), 0);
    front_rig_close(&rig);
}

// Nobody pays for what is short here: neither before the cookie nor after it, and whoever comes again is served.
DG_TEST(front_blames_no_client_for_want_of_memory)
{
    static struct rig rig;
    front_rig_init(&rig);
    rig.config.admission.failures.address = (struct dg_bucket_rate){.rate = 1, .burst = 1};
    front_rig_open(&rig);
    struct toy_client client = client_of(0, false);
    rig.gate.is_short = true;
    CHECK(!front_rig_turn(&rig, NOW, &client));
    CHECK_EQ(RIG_COUNT(&rig, DROP_HELLO_MEMORY), 1);
    rig.gate.is_short = false;
    CHECK(front_rig_turn(&rig, NOW, &client)); // has a cookie now
    rig.gate.is_short = true;
    for (unsigned i = 0; i < 4; i++) {
        CHECK(!front_rig_turn(&rig, NOW, &client));
    }
    CHECK_EQ(RIG_COUNT(&rig, DROP_HELLO_MEMORY), 5);
    CHECK_EQ(dg_datagram_drops_read(&rig.counters, DG_COUNT_DROP_HELLO_MEMORY), 5);
    CHECK_EQ(RIG_COUNT(&rig, HANDSHAKES_STARTED) + RIG_COUNT(&rig, FAIL_NO_COMMON) + rig.failed, 0);
    rig.gate.is_short = false;
    CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
    front_rig_close(&rig);
}

DG_TEST(front_counts_a_full_send_queue)
{
    static struct rig rig;
    front_rig_init(&rig);
    front_rig_open(&rig);
    rig.output_is_full = true;
    struct toy_client client = client_of(0, false);
    CHECK(!front_rig_turn(&rig, NOW, &client));
    CHECK_EQ(RIG_COUNT(&rig, DROP_SEND_FULL), 1);
    CHECK_EQ(RIG_COUNT(&rig, HELLOS_ANSWERED), 0);
    rig.output_is_full = false;
    CHECK_EQ(front_rig_run(&rig, NOW, &client), TOY_DONE);
    front_rig_close(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(front_drops_impossible_sources),
        DG_CASE(front_sorts_all_first_bytes),
        DG_CASE(front_answers_no_garbage),
        DG_CASE(front_takes_hellos_of_two_record_versions),
        DG_CASE(front_sends_three_bytes_for_one_at_most),
        DG_CASE(front_counts_three_for_one_over_the_datagram),
        DG_CASE(front_counts_three_for_one_beside_a_handshake),
        DG_CASE(front_begins_nothing_without_a_cookie),
        DG_CASE(front_judges_cookies),
        DG_CASE(front_refuses_an_old_cookie_in_a_13_hello),
        DG_CASE(front_limits_answers_but_not_valid_cookies),
        DG_CASE(front_caps_handshakes),
        DG_CASE(front_penalises_a_prefix_that_keeps_failing),
        DG_CASE(front_penalises_a_client_that_keeps_beginning_anew),
        DG_CASE(front_says_when_the_gate_refuses_a_good_hello),
        DG_CASE(front_blames_no_client_for_want_of_memory),
        DG_CASE(front_counts_a_full_send_queue),
    };
    return dg_test_main(cases, sizeof cases / sizeof *cases, argc, argv);
}
