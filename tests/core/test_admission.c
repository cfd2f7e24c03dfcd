// SPDX-License-Identifier: GPL-3.0-or-later
// Buckets by prefix: who shares one, what a full table forgets, what a failure costs.
#include "check.h"
#include "core/admission.h"
#include "core/prefix.h"
#include "support/random.h"

#include <string.h>

static struct dg_address address(const char *text)
{
    struct dg_address parsed = {0};
    CHECK(dg_address_parse(text, &parsed));
    return parsed;
}

static struct dg_address numbered(uint32_t number)
{
    struct dg_address made = address("10.0.0.1:1000");
    made.ip[12] = (uint8_t)(10 + (number >> 24));
    made.ip[13] = (uint8_t)(number >> 16);
    made.ip[14] = (uint8_t)(number >> 8);
    made.ip[15] = (uint8_t)number;
    return made;
}

static struct dg_admission_config config(void)
{
    return (struct dg_admission_config){
        .answers = {.address = {.rate = 1000, .burst = 1000}, .network = {.rate = 1, .burst = 3}, .all = {1000, 1000}},
        .starts = {.address = {.rate = 1, .burst = 2}, .network = {.rate = 1, .burst = 3}, .all = {.rate = 1, .burst = 4}},
        .failures = {.address = {.rate = 1, .burst = 2}, .network = {.rate = 1, .burst = 5}},
        .prefixes_max = 64,
    };
}

DG_TEST(admission_answers_each_network_within_its_bucket)
{
    struct dg_admission_config limits = config();
    struct dg_admission *admission = dg_admission_new(&limits);
    REQUIRE(admission != NULL);
    dg_time now = 5 * DG_SECOND;
    const char *same[] = {"192.0.2.1:1", "192.0.2.200:2", "192.0.2.7:3", "192.0.2.9:4"}; // one /24
    for (int i = 0; i < 4; i++) {
        struct dg_address peer = address(same[i]);
        CHECK_EQ(dg_admission_answer(admission, now, &peer), i < 3 ? DG_COUNT_NONE : DG_COUNT_DROP_ANSWER_NETWORK);
    }
    const char *same6[] = {"[2001:db8:0:1::1]:1", "[2001:db8:0:ff::2]:2", "[2001:db8:0:80::2]:3", "[2001:db8::4]:4"};
    for (int i = 0; i < 4; i++) { // one /48
        struct dg_address peer = address(same6[i]);
        CHECK_EQ(dg_admission_answer(admission, now, &peer), i < 3 ? DG_COUNT_NONE : DG_COUNT_DROP_ANSWER_NETWORK);
    }
    struct dg_address other = address("192.0.3.1:1"), other6 = address("[2001:db8:1::1]:1");
    CHECK_EQ(dg_admission_answer(admission, now, &other), DG_COUNT_NONE);
    CHECK_EQ(dg_admission_answer(admission, now, &other6), DG_COUNT_NONE);
    struct dg_address back = address(same[0]);
    CHECK_EQ(dg_admission_answer(admission, now + DG_SECOND, &back), DG_COUNT_NONE);
    CHECK_EQ(dg_admission_answer(admission, now + DG_SECOND, &back), DG_COUNT_DROP_ANSWER_NETWORK);
    dg_admission_free(admission);
}

DG_TEST(admission_limits_all_answers_together)
{
    struct dg_admission_config limits = config();
    limits.answers.all = (struct dg_bucket_rate){.rate = 10, .burst = 50};
    struct dg_admission *admission = dg_admission_new(&limits);
    REQUIRE(admission != NULL);
    unsigned answered = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        struct dg_address peer = numbered(i << 8); // each of a prefix of its own
        answered += dg_admission_answer(admission, DG_SECOND, &peer) == DG_COUNT_NONE;
    }
    CHECK_EQ(answered, 50);
    // A prefix that has had its share takes nothing from everybody's.
    for (uint32_t i = 0; i < 10; i++) {
        struct dg_address peer = numbered(0x00ffff00);
        answered += dg_admission_answer(admission, 3 * DG_SECOND, &peer) == DG_COUNT_NONE;
    }
    CHECK_EQ(answered, 53);
    for (uint32_t i = 0; i < 100; i++) {
        struct dg_address peer = numbered(0x01000000 + (i << 8));
        answered += dg_admission_answer(admission, 3 * DG_SECOND, &peer) == DG_COUNT_NONE;
    }
    CHECK_EQ(answered, 70);
    dg_admission_free(admission);
}

// Attack 38: a penalty falls on the prefix that failed, costs nobody else, and ends by itself.
DG_TEST(admission_penalty_is_the_prefixs_own_and_ends)
{
    struct dg_admission_config limits = config();
    limits.failures.network = (struct dg_bucket_rate){.rate = 1000, .burst = 10000};
    struct dg_admission *admission = dg_admission_new(&limits);
    REQUIRE(admission != NULL);
    struct dg_address bad = address("192.0.2.1:1"), neighbour = address("192.0.2.2:1");
    dg_time now = DG_SECOND;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(dg_admission_begin(admission, now, &bad), DG_COUNT_NONE); // asking costs nothing
    }
    dg_admission_failed(admission, now, &bad);
    CHECK_EQ(dg_admission_begin(admission, now, &bad), DG_COUNT_NONE);
    for (int i = 0; i < 1000; i++) {
        dg_admission_failed(admission, now, &bad);
    }
    CHECK_EQ(dg_admission_begin(admission, now, &bad), DG_COUNT_DROP_PENALTY);
    CHECK_EQ(dg_admission_begin(admission, now, &neighbour), DG_COUNT_NONE);
    CHECK_EQ(dg_admission_begin(admission, now + DG_SECOND, &bad), DG_COUNT_NONE);
    // IPv6: the subnet, since one host has all of it.
    struct dg_address bad6 = address("[2001:db8::1]:1"), same6 = address("[2001:db8::2]:1");
    struct dg_address other6 = address("[2001:db8:0:1::1]:1");
    dg_admission_failed(admission, now, &bad6);
    dg_admission_failed(admission, now, &bad6);
    CHECK_EQ(dg_admission_begin(admission, now, &same6), DG_COUNT_DROP_PENALTY);
    CHECK_EQ(dg_admission_begin(admission, now, &other6), DG_COUNT_NONE);
    dg_admission_free(admission);
}

// Whoever fails from many addresses of a network is held up by the network's penalty; others are not.
DG_TEST(admission_penalty_of_a_network_is_for_all_its_addresses)
{
    struct dg_admission_config limits = config();
    struct dg_admission *admission = dg_admission_new(&limits);
    REQUIRE(admission != NULL);
    const char *texts[] = {"192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1", "192.0.2.5:1"};
    const char *texts6[] = {"[2001:db8:1:1::1]:1", "[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", "[2001:db8:1:ff00::1]:1",
                            "[2001:db8:1:ffff::1]:1"};
    for (int i = 0; i < 5; i++) {
        struct dg_address peer = address(texts[i]), peer6 = address(texts6[i]);
        CHECK_EQ(dg_admission_begin(admission, DG_SECOND, &peer), DG_COUNT_NONE);
        CHECK_EQ(dg_admission_begin(admission, DG_SECOND, &peer6), DG_COUNT_NONE);
        dg_admission_failed(admission, DG_SECOND, &peer);
        dg_admission_failed(admission, DG_SECOND, &peer6);
    }
    struct dg_address fresh = address("192.0.2.99:1"), fresh6 = address("[2001:db8:1:8::1]:1");
    struct dg_address other = address("192.0.3.1:1"), other6 = address("[2001:db8:2::1]:1");
    CHECK_EQ(dg_admission_begin(admission, DG_SECOND, &fresh), DG_COUNT_DROP_PENALTY_NETWORK);
    CHECK_EQ(dg_admission_begin(admission, DG_SECOND, &fresh6), DG_COUNT_DROP_PENALTY_NETWORK);
    CHECK_EQ(dg_admission_begin(admission, DG_SECOND, &other), DG_COUNT_NONE);
    CHECK_EQ(dg_admission_begin(admission, DG_SECOND, &other6), DG_COUNT_NONE);
    CHECK_EQ(dg_admission_begin(admission, 2 * DG_SECOND, &fresh), DG_COUNT_NONE); // it ends by itself
    dg_admission_free(admission);
}

// All three buckets have to have a token, and who is refused by one takes nothing of the others.
DG_TEST(admission_begins_handshakes_within_three_buckets)
{
    struct dg_admission_config limits = config();
    struct dg_admission *admission = dg_admission_new(&limits);
    REQUIRE(admission != NULL);
    struct dg_address a = address("192.0.2.1:1"), b = address("192.0.2.2:1"), c = address("192.0.2.3:1");
    struct dg_address far = address("198.51.100.1:1"), farther = address("[2001:db8::1]:1");
    dg_time now = DG_SECOND;
    CHECK_EQ(dg_admission_start(admission, now, &a), DG_COUNT_NONE);
    CHECK_EQ(dg_admission_start(admission, now, &a), DG_COUNT_NONE);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(dg_admission_start(admission, now, &a), DG_COUNT_DROP_START_LIMITED);
    }
    CHECK_EQ(dg_admission_start(admission, now, &b), DG_COUNT_NONE);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(dg_admission_start(admission, now, &c), DG_COUNT_DROP_START_NETWORK);
    }
    CHECK_EQ(dg_admission_start(admission, now, &far), DG_COUNT_NONE);
    CHECK_EQ(dg_admission_start(admission, now, &farther), DG_COUNT_DROP_START_GLOBAL);
    CHECK_EQ(dg_admission_start(admission, now + DG_SECOND, &c), DG_COUNT_NONE);
    // Without a limit for all there is none.
    limits.starts.all = (struct dg_bucket_rate){0, 0};
    dg_admission_set_rates(admission, &limits);
    CHECK_EQ(dg_admission_start(admission, now + DG_SECOND, &farther), DG_COUNT_NONE);
    dg_admission_free(admission);
}

// A table of 64 under 100,000 prefixes: a busy prefix that used up its answers is not forgotten for quiet ones.
DG_TEST(admission_full_table_forgets_the_quietest)
{
    struct dg_admission_config limits = config();
    limits.answers.network = (struct dg_bucket_rate){.rate = 0, .burst = 3};
    limits.answers.all = (struct dg_bucket_rate){.rate = 1000000, .burst = 1000000};
    struct dg_admission *admission = dg_admission_new(&limits);
    REQUIRE(admission != NULL);
    struct dg_address busy = address("203.0.113.5:1");
    unsigned answered = 0;
    dg_time now = DG_SECOND;
    for (uint32_t i = 0; i < 100000; i++) {
        now += DG_MICROSECOND;
        struct dg_address other = numbered(i << 8);
        CHECK_EQ(dg_admission_answer(admission, now, &other), DG_COUNT_NONE);
        answered += dg_admission_answer(admission, now, &busy) == DG_COUNT_NONE;
    }
    CHECK_EQ(answered, 3);
    dg_admission_free(admission);
}

DG_TEST(admission_prefix_is_cut_at_the_bit)
{
    struct test_random random = {.state = dg_test_seed()};
    struct dg_hash_key key = {1, 2};
    for (unsigned round = 0; round < 20000; round++) {
        struct dg_address a = {0};
        bool is_ipv4 = test_random_below(&random, 2) == 0;
        test_random_fill(&random, a.ip, sizeof a.ip);
        if (is_ipv4) {
            memcpy(a.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
        } else {
            a.ip[0] = 0x20;
        }
        struct dg_prefix_bits bits = {.ipv4 = (uint8_t)test_random_below(&random, 33),
                                      .ipv6 = (uint8_t)(1 + test_random_below(&random, 128))};
        unsigned kept = is_ipv4 ? 96u + bits.ipv4 : bits.ipv6;
        unsigned flipped = (is_ipv4 ? 96u : 8u) + (unsigned)test_random_below(&random, is_ipv4 ? 32 : 120);
        struct dg_address b = a;
        b.ip[flipped / 8] ^= (uint8_t)(0x80u >> flipped % 8);
        b.port = 99;
        CHECK_EQ(dg_prefix_number(&key, &a, bits) == dg_prefix_number(&key, &b, bits), flipped >= kept);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(admission_answers_each_network_within_its_bucket),
        DG_CASE(admission_limits_all_answers_together),
        DG_CASE(admission_penalty_is_the_prefixs_own_and_ends),
        DG_CASE(admission_penalty_of_a_network_is_for_all_its_addresses),
        DG_CASE(admission_begins_handshakes_within_three_buckets),
        DG_CASE(admission_full_table_forgets_the_quietest),
        DG_CASE(admission_prefix_is_cut_at_the_bit),
    };
    return dg_test_main(cases, sizeof cases / sizeof *cases, argc, argv);
}
