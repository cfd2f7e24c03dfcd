// SPDX-License-Identifier: GPL-3.0-or-later
// The lying network itself: perfect when nothing is asked of it, each fault at about its rate, addresses
// led back to their clients, and the same seed giving the same deliveries byte for byte.
#include "base/hash.h"
#include "check.h"
#include "support/netsim.h"
#include "support/random.h"

#include <stdlib.h>
#include <string.h>

static struct dg_address ipv4(uint8_t last, uint16_t port)
{
    return (struct dg_address){.ip = {[10] = 0xff, [11] = 0xff, 192, 0, 2, last}, .port = port};
}

static struct dg_address ipv6(uint8_t last, uint16_t port)
{
    return (struct dg_address){.ip = {0x20, 0x01, 0x0d, 0xb8, [15] = last}, .port = port};
}

static bool same(const struct dg_address *a, const struct dg_address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

// One delivery as the receiver saw it. Without padding, so that it can be hashed whole.
struct delivery {
    dg_time at;
    struct dg_address from, to;
    size_t size;
    uint8_t bytes[64];
};
_Static_assert(sizeof(struct delivery) == 8 + 24 + 24 + sizeof(size_t) + 64, "no padding");

static bool take_next(struct netsim *net, struct delivery *delivery)
{
    memset(delivery, 0, sizeof *delivery);
    delivery->at = netsim_next(net);
    return delivery->at != DG_NEVER && netsim_receive(net, delivery->at, &delivery->from, &delivery->to,
                                                      delivery->bytes, sizeof delivery->bytes, &delivery->size);
}

static void send_number(struct netsim *net, dg_time now, uint32_t number)
{
    struct dg_address client = ipv4(1, 1000), server = ipv4(2, 5684);
    uint8_t bytes[32] = {0};
    memcpy(bytes, &number, sizeof number);
    netsim_send(net, now, NETSIM_TO_SERVER, &client, &server, bytes, sizeof bytes);
}

static uint32_t number_of(const struct delivery *delivery)
{
    uint32_t number;
    memcpy(&number, delivery->bytes, sizeof number);
    return number;
}

DG_TEST(netsim_without_faults_delivers_at_once_and_in_order)
{
    struct netsim *net = netsim_new(1);
    struct delivery delivery;
    CHECK_EQ(netsim_next(net), DG_NEVER);
    CHECK(!take_next(net, &delivery));
    for (uint32_t i = 0; i < 1000; i++) {
        send_number(net, 100 + i / 10, i);
    }
    CHECK_EQ(netsim_under_way(net), 1000);
    struct dg_address client = ipv4(1, 1000), server = ipv4(2, 5684);
    for (uint32_t i = 0; i < 1000; i++) {
        REQUIRE(take_next(net, &delivery));
        CHECK_EQ(number_of(&delivery), i);
        CHECK_EQ(delivery.at, 100 + i / 10);
        CHECK_EQ(delivery.size, 32);
        CHECK(same(&delivery.from, &client) && same(&delivery.to, &server));
    }
    CHECK_EQ(netsim_counts(net, NETSIM_TO_SERVER)->delivered, 1000);
    CHECK_EQ(netsim_counts(net, NETSIM_TO_CLIENT)->sent, 0);
    netsim_free(net);
    netsim_free(NULL);
}

DG_TEST(netsim_delivers_nothing_before_its_time_and_cuts_at_the_buffer)
{
    struct netsim *net = netsim_new(1);
    struct netsim_faults faults = {.delay_min = 50, .delay_max = 50};
    netsim_set_faults(net, NETSIM_TO_SERVER, &faults);
    send_number(net, 100, 7);
    struct dg_address from, to;
    uint8_t bytes[5];
    size_t size = 99;
    CHECK_EQ(netsim_next(net), 150);
    CHECK(!netsim_receive(net, 149, &from, &to, bytes, sizeof bytes, &size));
    CHECK_EQ(size, 99);
    REQUIRE(netsim_receive(net, 150, &from, &to, bytes, sizeof bytes, &size));
    CHECK_EQ(size, 5);
    CHECK_EQ(bytes[0], 7);
    // An empty datagram is one too.
    netsim_send(net, 200, NETSIM_TO_CLIENT, &to, &from, NULL, 0);
    REQUIRE(netsim_receive(net, 200, &from, &to, NULL, 0, &size));
    CHECK_EQ(size, 0);
    netsim_free(net);
}

DG_TEST(netsim_delay_stays_within_its_limits_and_keeps_the_order)
{
    struct netsim *net = netsim_new(dg_test_seed());
    struct netsim_faults faults = {.delay_min = 10 * DG_MILLISECOND, .delay_max = 90 * DG_MILLISECOND};
    netsim_set_faults(net, NETSIM_TO_SERVER, &faults);
    dg_time least = DG_NEVER, most = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        dg_time sent = i * DG_SECOND; // far apart: nobody waits for the one before
        send_number(net, sent, i);
        struct delivery delivery;
        REQUIRE(take_next(net, &delivery));
        dg_time took = delivery.at - sent;
        least = took < least ? took : least;
        most = took > most ? took : most;
    }
    CHECK(least >= faults.delay_min && least < 12 * DG_MILLISECOND);
    CHECK(most <= faults.delay_max && most > 88 * DG_MILLISECOND);
    for (uint32_t i = 0; i < 2000; i++) {
        send_number(net, DG_HOUR + i, i);
    }
    for (uint32_t i = 0; i < 2000; i++) {
        struct delivery delivery;
        REQUIRE(take_next(net, &delivery));
        CHECK_EQ(number_of(&delivery), i);
    }
    netsim_free(net);
}

// Sends `count` numbered datagrams, each a millisecond after the other, and measures what arrived.
struct measured {
    unsigned arrived, twice, overtaken, shorter, damaged, other_sender;
};

static struct measured measure(struct netsim *net, uint32_t count)
{
    struct measured measured = {0};
    uint8_t *seen = calloc(count, 1);
    struct dg_address client = ipv4(1, 1000);
    uint32_t newest = 0, next = 0;
    struct delivery delivery;
    while (seen != NULL && (next < count || netsim_under_way(net) > 0)) {
        dg_time next_send = next < count ? next * DG_MILLISECOND : DG_NEVER;
        if (next_send <= netsim_next(net)) {
            send_number(net, next_send, next);
            next++;
            continue;
        }
        if (!take_next(net, &delivery)) {
            break;
        }
        measured.arrived++;
        measured.other_sender += same(&delivery.from, &client) ? 0 : 1;
        if (delivery.size < 32) {
            measured.shorter++;
            continue;
        }
        uint32_t number = number_of(&delivery);
        static const uint8_t ZEROS[28];
        if (number >= count || memcmp(delivery.bytes + 4, ZEROS, sizeof ZEROS) != 0) {
            measured.damaged++;
            continue;
        }
        measured.twice += seen[number] != 0 ? 1 : 0;
        seen[number] = 1;
        measured.overtaken += number < newest ? 1 : 0;
        newest = number > newest ? number : newest;
    }
    free(seen);
    return measured;
}

// Within seven standard deviations of permille / 1000 of count.
static bool about(uint64_t seen, unsigned permille, uint64_t count)
{
    double expected = (double)count * permille / 1000;
    double away = (double)seen - expected;
    return away * away <= 49 * (expected * (1000 - permille) / 1000 + 1);
}

enum { RATE_COUNT = 20000 };

static struct measured measure_fault(struct netsim_faults faults, struct netsim_counts *ret_counts)
{
    struct netsim *net = netsim_new(dg_test_seed());
    netsim_set_faults(net, NETSIM_TO_SERVER, &faults);
    struct measured measured = measure(net, RATE_COUNT);
    *ret_counts = *netsim_counts(net, NETSIM_TO_SERVER);
    netsim_free(net);
    return measured;
}

DG_TEST(netsim_each_fault_comes_at_about_its_rate)
{
    static const unsigned RATES[] = {10, 100, 500};
    for (size_t i = 0; i < sizeof RATES / sizeof RATES[0]; i++) {
        unsigned rate = RATES[i];
        struct netsim_counts counts;
        struct measured m = measure_fault((struct netsim_faults){.loss = rate}, &counts);
        CHECK(about(counts.lost, rate, RATE_COUNT));
        CHECK_EQ(m.arrived, RATE_COUNT - counts.lost);
        CHECK_EQ(m.twice + m.overtaken + m.shorter + m.damaged + m.other_sender, 0);

        m = measure_fault((struct netsim_faults){.duplicate = rate}, &counts);
        CHECK(about(counts.duplicated, rate, RATE_COUNT));
        CHECK_EQ(m.twice, counts.duplicated);
        CHECK_EQ(m.arrived, RATE_COUNT + m.twice);
        CHECK_EQ(m.overtaken + m.shorter + m.damaged + m.other_sender, 0);

        m = measure_fault((struct netsim_faults){.reorder = rate, .reorder_delay = 50 * DG_MILLISECOND}, &counts);
        CHECK(about(counts.reordered, rate, RATE_COUNT));
        CHECK(m.overtaken > counts.reordered / 2 && m.overtaken <= counts.reordered);
        CHECK_EQ(m.arrived, RATE_COUNT);
        CHECK_EQ(m.twice + m.shorter + m.damaged + m.other_sender, 0);

        m = measure_fault((struct netsim_faults){.truncate = rate}, &counts);
        CHECK(about(counts.truncated, rate, RATE_COUNT));
        CHECK_EQ(m.shorter, counts.truncated);
        CHECK_EQ(m.twice + m.overtaken + m.damaged + m.other_sender, 0);

        m = measure_fault((struct netsim_faults){.rewrite = rate}, &counts);
        CHECK(about(counts.rewritten, rate, RATE_COUNT));
        CHECK_EQ(m.other_sender, counts.rewritten);
        CHECK_EQ(m.arrived, RATE_COUNT);
        CHECK_EQ(m.twice + m.overtaken + m.shorter + m.damaged, 0);

        m = measure_fault((struct netsim_faults){.rebind = rate}, &counts);
        CHECK(about(counts.rebound, rate, RATE_COUNT));
        CHECK(m.other_sender > RATE_COUNT - 3000); // all from the first time on
    }
}

DG_TEST(netsim_flip_always_changes_one_byte)
{
    struct netsim *net = netsim_new(dg_test_seed());
    struct netsim_faults faults = {.flip = 300};
    netsim_set_faults(net, NETSIM_TO_CLIENT, &faults);
    struct dg_address client = ipv6(1, 1000), server = ipv6(2, 5684);
    uint8_t sent[64];
    memset(sent, 0x3c, sizeof sent);
    unsigned changed = 0;
    for (int i = 0; i < 10000; i++) {
        netsim_send(net, 1, NETSIM_TO_CLIENT, &server, &client, sent, sizeof sent);
        struct delivery delivery;
        REQUIRE(take_next(net, &delivery));
        REQUIRE(delivery.size == sizeof sent);
        unsigned different = 0;
        for (size_t j = 0; j < sizeof sent; j++) {
            different += delivery.bytes[j] != sent[j] ? 1 : 0;
        }
        CHECK(different <= 1);
        changed += different;
    }
    CHECK(about(changed, 300, 10000));
    CHECK_EQ(netsim_counts(net, NETSIM_TO_CLIENT)->flipped, changed);
    netsim_free(net);
}

DG_TEST(netsim_bounds_its_queue_and_its_datagrams)
{
    struct netsim *net = netsim_new(1);
    struct netsim_faults faults = {.mtu_bytes = 31};
    netsim_set_queue_limit(net, 10);
    for (uint32_t i = 0; i < 25; i++) {
        send_number(net, 1, i);
    }
    CHECK_EQ(netsim_under_way(net), 10);
    CHECK_EQ(netsim_counts(net, NETSIM_TO_SERVER)->overflowed, 15);
    netsim_set_faults(net, NETSIM_TO_SERVER, &faults);
    send_number(net, 1, 1);
    CHECK_EQ(netsim_counts(net, NETSIM_TO_SERVER)->too_big, 1);
    netsim_free(net); // with datagrams under way
}

DG_TEST(netsim_leads_answers_back_to_a_client_that_moved)
{
    struct netsim *net = netsim_new(3);
    struct dg_address server = ipv4(2, 5684);
    struct dg_address clients[2] = {ipv4(1, 1000), ipv6(1, 1000)};
    for (int i = 0; i < 2; i++) {
        const struct dg_address *client = &clients[i];
        struct dg_address moved = netsim_rebind(net, client);
        CHECK(!same(&moved, client));
        CHECK_EQ(dg_address_is_ipv4(&moved), i == 0);
        struct delivery delivery;
        netsim_send(net, 1, NETSIM_TO_SERVER, client, &server, "x", 1);
        REQUIRE(take_next(net, &delivery));
        CHECK(same(&delivery.from, &moved));

        netsim_set_old_addresses_work(net, true);
        netsim_send(net, 1, NETSIM_TO_CLIENT, &server, &moved, "y", 1);
        REQUIRE(take_next(net, &delivery));
        CHECK(same(&delivery.to, client) && same(&delivery.from, &server));
        struct dg_address again = netsim_rebind(net, client);
        CHECK(!same(&again, &moved));
        netsim_send(net, 1, NETSIM_TO_CLIENT, &server, &moved, "y", 1);
        REQUIRE(take_next(net, &delivery));
        CHECK(same(&delivery.to, client));

        netsim_set_old_addresses_work(net, false);
        netsim_send(net, 1, NETSIM_TO_CLIENT, &server, &moved, "y", 1);
        netsim_send(net, 1, NETSIM_TO_CLIENT, &server, client, "y", 1);
        CHECK(!take_next(net, &delivery));
        netsim_send(net, 1, NETSIM_TO_CLIENT, &server, &again, "y", 1);
        REQUIRE(take_next(net, &delivery));
        CHECK(same(&delivery.to, client));
    }
    CHECK_EQ(netsim_counts(net, NETSIM_TO_CLIENT)->unreachable, 4);
    netsim_free(net);
}

// Two hundred clients and a server that answers all of them, everything going wrong: a hash over all that
// was delivered, in order.
static uint64_t hash_of_a_run(uint64_t seed)
{
    static const struct netsim_faults FAULTS = {
        .loss = 100, .duplicate = 80, .reorder = 120, .truncate = 50, .flip = 60, .rewrite = 30, .rebind = 20,
        .delay_min = DG_MILLISECOND, .delay_max = 40 * DG_MILLISECOND,
    };
    const struct dg_hash_key key = {.k0 = 1, .k1 = 2};
    struct netsim *net = netsim_new(seed);
    netsim_set_faults(net, NETSIM_TO_SERVER, &FAULTS);
    netsim_set_faults(net, NETSIM_TO_CLIENT, &FAULTS);
    struct dg_address server = ipv4(250, 5684);
    uint64_t hash = 0;
    for (uint16_t i = 0; i < 200; i++) {
        struct dg_address client = ipv4((uint8_t)(i % 50), (uint16_t)(2000 + i));
        netsim_send(net, i, NETSIM_TO_SERVER, &client, &server, &client, sizeof client);
    }
    struct delivery delivery;
    for (int i = 0; i < 5000 && take_next(net, &delivery); i++) {
        uint64_t link[2] = {hash, dg_hash(&key, &delivery, sizeof delivery)};
        hash = dg_hash(&key, link, sizeof link);
        if (same(&delivery.to, &server)) {
            netsim_send(net, delivery.at, NETSIM_TO_CLIENT, &server, &delivery.from, delivery.bytes, delivery.size);
        } else {
            netsim_send(net, delivery.at, NETSIM_TO_SERVER, &delivery.to, &server, delivery.bytes, delivery.size);
        }
    }
    CHECK(netsim_counts(net, NETSIM_TO_CLIENT)->delivered > 500);
    CHECK_EQ(netsim_seed(net), seed);
    netsim_free(net);
    return hash;
}

DG_TEST(netsim_same_seed_repeats_every_delivery)
{
    uint64_t seed = dg_test_seed();
    uint64_t first = hash_of_a_run(seed);
    CHECK_EQ(hash_of_a_run(seed), first);
    CHECK(hash_of_a_run(seed + 1) != first);
}

DG_TEST(netsim_queue_follows_the_clock)
{
    // Nothing comes out that is earlier than what came out before: it would have been due first.
    struct netsim *net = netsim_new(dg_test_seed());
    struct test_random random = {dg_test_seed()};
    struct netsim_faults faults = {.reorder = 500, .duplicate = 200, .delay_max = DG_SECOND, .reorder_delay = DG_SECOND};
    netsim_set_faults(net, NETSIM_TO_SERVER, &faults);
    dg_time now = 0, last = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        if (test_random_permille(&random, 500)) {
            send_number(net, now, i);
        }
        struct delivery delivery;
        now += test_random_below(&random, 20 * DG_MILLISECOND);
        while (netsim_next(net) <= now) {
            REQUIRE(take_next(net, &delivery));
            CHECK(delivery.at >= last && delivery.at <= now);
            last = delivery.at;
        }
    }
    struct netsim_counts counts = *netsim_counts(net, NETSIM_TO_SERVER);
    CHECK_EQ(counts.delivered + netsim_under_way(net), counts.sent + counts.duplicated);
    netsim_free(net);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(netsim_without_faults_delivers_at_once_and_in_order),
        DG_CASE(netsim_delivers_nothing_before_its_time_and_cuts_at_the_buffer),
        DG_CASE(netsim_delay_stays_within_its_limits_and_keeps_the_order),
        DG_CASE(netsim_each_fault_comes_at_about_its_rate),
        DG_CASE(netsim_flip_always_changes_one_byte),
        DG_CASE(netsim_bounds_its_queue_and_its_datagrams),
        DG_CASE(netsim_leads_answers_back_to_a_client_that_moved),
        DG_CASE(netsim_same_seed_repeats_every_delivery),
        DG_CASE(netsim_queue_follows_the_clock),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
