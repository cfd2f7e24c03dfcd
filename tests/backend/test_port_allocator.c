// SPDX-License-Identifier: GPL-3.0-or-later
// The port allocator beside a naive model: an array of states and times that is searched from end to end.
#include "backend/port_allocator.h"
#include "check.h"
#include "support/random.h"

#include <string.h>

static const struct dg_port_book NO_BOOK = {NULL};

DG_TEST(port_allocator_gives_each_worker_its_own_ports)
{
    struct dg_port_set reserved = {{0}};
    dg_port_set_add(&reserved, "102,105-107\n");
    bool seen[200] = {false};
    size_t total = 0;
    for (uint32_t worker = 0; worker < 3; worker++) {
        struct dg_port_allocator *ports =
            dg_port_allocator_new((struct dg_port_range){100, 120}, &reserved, NO_BOOK, worker, 3, DG_SECOND, 12345);
        REQUIRE(ports != NULL);
        total += dg_port_allocator_size(ports);
        for (uint16_t port; (port = dg_port_allocator_take(ports, 1)) != 0;) {
            CHECK(port >= 100 && port <= 120);
            CHECK_EQ(port % 3, worker);
            CHECK(!seen[port]);
            seen[port] = true;
        }
        dg_port_allocator_free(ports);
    }
    CHECK_EQ(total, 21 - 4);
    for (size_t port = 100; port <= 120; port++) {
        bool is_reserved = port == 102 || (port >= 105 && port <= 107);
        CHECK_EQ(seen[port], !is_reserved);
    }
}

// docs/backends.md: who reserves the whole range has kept it for the gate.
DG_TEST(port_allocator_takes_a_range_that_is_reserved_as_a_whole)
{
    const struct dg_port_range range = {100, 119};
    struct dg_port_set reserved = {{0}};
    dg_port_set_add(&reserved, "100-118,200");
    struct dg_port_allocator *ports = dg_port_allocator_new(range, &reserved, NO_BOOK, 0, 2, DG_SECOND, 1);
    REQUIRE(ports != NULL);
    CHECK_EQ(dg_port_allocator_size(ports), 0); // the one that is left is the other worker's
    dg_port_allocator_free(ports);
    dg_port_set_add(&reserved, "119");
    ports = dg_port_allocator_new(range, &reserved, NO_BOOK, 0, 2, DG_SECOND, 1);
    REQUIRE(ports != NULL);
    CHECK_EQ(dg_port_allocator_size(ports), 10);
    CHECK(dg_port_allocator_take(ports, 1) != 0);
    dg_port_allocator_free(ports);
}

DG_TEST(port_allocator_rests_a_port_for_the_whole_quarantine)
{
    struct dg_port_allocator *ports =
        dg_port_allocator_new((struct dg_port_range){40000, 40000}, NULL, NO_BOOK, 0, 1, 300 * DG_SECOND, 0);
    REQUIRE(ports != NULL);
    dg_time now = 5 * DG_SECOND;
    CHECK_EQ(dg_port_allocator_take(ports, now), 40000);
    CHECK_EQ(dg_port_allocator_take(ports, now), 0);
    dg_port_allocator_release(ports, now, 40000);
    CHECK_EQ(dg_port_allocator_take(ports, now), 0);
    CHECK_EQ(dg_port_allocator_take(ports, now + 300 * DG_SECOND - 1), 0);
    CHECK_EQ(dg_port_allocator_take(ports, now + 300 * DG_SECOND), 40000);
    dg_port_allocator_free(ports);
}

DG_TEST(port_allocator_gives_an_unused_port_again_at_once)
{
    struct dg_port_allocator *ports =
        dg_port_allocator_new((struct dg_port_range){40000, 40002}, NULL, NO_BOOK, 0, 1, 300 * DG_SECOND, 0);
    REQUIRE(ports != NULL);
    uint16_t used = dg_port_allocator_take(ports, 1);
    dg_port_allocator_release(ports, 1, used);
    for (int i = 0; i < 10; i++) {
        uint16_t port = dg_port_allocator_take(ports, 1);
        CHECK(port != 0 && port != used);
        dg_port_allocator_take_back(ports, port);
    }
    uint16_t first = dg_port_allocator_take(ports, 1), second = dg_port_allocator_take(ports, 1);
    CHECK(first != 0 && second != 0 && first != second && first != used && second != used);
    CHECK_EQ(dg_port_allocator_take(ports, 300 * DG_SECOND), 0); // the used one has not rested yet
    CHECK_EQ(dg_port_allocator_take(ports, 300 * DG_SECOND + 1), used);
    CHECK_EQ(dg_port_allocator_size(ports), 3);
    dg_port_allocator_free(ports);
}

DG_TEST(port_allocator_beside_a_naive_model)
{
    enum { FIRST = 65500, LAST = 65535, COUNT = LAST - FIRST + 1 };
    struct test_random random = {.state = dg_test_seed()};
    dg_time quarantine = 50;
    struct dg_port_allocator *ports = dg_port_allocator_new((struct dg_port_range){FIRST, LAST}, NULL, NO_BOOK, 0, 1,
                                                            quarantine, test_random_next(&random));
    REQUIRE(ports != NULL);
    bool in_use[COUNT] = {false};
    dg_time usable_at[COUNT] = {0};
    dg_time now = 1;
    for (int step = 0; step < 20000; step++) {
        now += test_random_below(&random, 4);
        if (test_random_permille(&random, 550)) {
            bool is_any = false;
            for (size_t i = 0; i < COUNT; i++) {
                is_any = is_any || (!in_use[i] && usable_at[i] <= now);
            }
            uint16_t port = dg_port_allocator_take(ports, now);
            CHECK_EQ(port != 0, is_any);
            if (port != 0) {
                REQUIRE(port >= FIRST);
                CHECK(!in_use[port - FIRST]);
                CHECK(usable_at[port - FIRST] <= now);
                in_use[port - FIRST] = true;
            }
        } else {
            size_t at = test_random_below(&random, COUNT);
            if (in_use[at]) {
                in_use[at] = false;
                usable_at[at] = now + quarantine;
                dg_port_allocator_release(ports, now, (uint16_t)(FIRST + at));
            }
        }
    }
    dg_port_allocator_free(ports);
}

static _Atomic uint64_t words[65536];

static void forget(void)
{
    for (size_t port = 0; port < sizeof words / sizeof words[0]; port++)
        words[port] = 0;
}

static struct dg_port_allocator *next_process(uint32_t worker, uint32_t worker_count)
{
    return dg_port_allocator_new((struct dg_port_range){100, 109}, NULL, (struct dg_port_book){words}, worker, worker_count,
                                 300 * DG_SECOND, 7);
}

static size_t take_all(struct dg_port_allocator *ports, dg_time now, bool *ret_has_gone_out)
{
    size_t count = 0;
    for (uint16_t port; (port = dg_port_allocator_take(ports, now)) != 0; count++)
        ret_has_gone_out[port - 100] = true;
    return count;
}

// What rested or was held when the process died rests and is held in the next one.
DG_TEST(port_allocator_goes_on_with_the_book_of_the_process_before)
{
    bool has_gone_out[10] = {false};
    forget();
    const struct dg_port_book book = {words};
    struct dg_port_allocator *ports = next_process(0, 1);
    REQUIRE(ports != NULL);
    dg_time now = 1000 * DG_SECOND;
    uint16_t held = dg_port_allocator_take(ports, now), resting = dg_port_allocator_take(ports, now);
    dg_port_book_use(book, held, 3, 4);
    dg_port_book_use(book, resting, 3, 5);
    dg_port_allocator_release(ports, now, resting);
    dg_port_allocator_free(ports);

    ports = next_process(0, 1);
    CHECK_EQ(take_all(ports, now, has_gone_out), 8);
    CHECK(!has_gone_out[held - 100] && !has_gone_out[resting - 100]);
    CHECK_EQ(dg_port_allocator_take(ports, now + 300 * DG_SECOND - 1), 0);
    CHECK_EQ(dg_port_allocator_take(ports, now + 300 * DG_SECOND), resting);
    CHECK_EQ(dg_port_allocator_take(ports, now + 3000 * DG_SECOND), 0);
    dg_port_allocator_release(ports, now + 3000 * DG_SECOND, held); // its association ended
    CHECK_EQ(dg_port_allocator_take(ports, now + 3300 * DG_SECOND), held);
    dg_port_allocator_free(ports);
}

// With more workers than before, who holds a port is not who gives it out: it is found in the book when it has rested.
DG_TEST(port_allocator_gets_ports_back_that_another_worker_held)
{
    bool has_gone_out[10] = {false};
    forget();
    dg_port_book_use((struct dg_port_book){words}, 101, 0, 9);
    struct dg_port_allocator *holder = next_process(0, 2), *giver = next_process(1, 2);
    REQUIRE(holder != NULL && giver != NULL);
    dg_time now = 1000 * DG_SECOND;
    CHECK_EQ(take_all(giver, now, has_gone_out), 4);
    CHECK(!has_gone_out[1]);
    dg_port_allocator_release(holder, now, 101);
    CHECK_EQ(dg_port_allocator_take(giver, now + 299 * DG_SECOND), 0);
    CHECK_EQ(dg_port_allocator_take(giver, now + 302 * DG_SECOND), 101);
    CHECK_EQ(take_all(holder, now + 302 * DG_SECOND, has_gone_out), 5);
    dg_port_allocator_free(holder);
    dg_port_allocator_free(giver);
}

DG_TEST(port_set_reads_the_form_of_the_kernel_and_survives_any_other)
{
    struct dg_port_set set = {{0}};
    dg_port_set_add(&set, "");
    dg_port_set_add(&set, "\n");
    dg_port_set_add(&set, "x,-,9-,99999-100000,7-3,18446744073709551616");
    size_t count = 0;
    for (size_t port = 0; port < 65536; port++) {
        count += set.bits[port / 8] >> port % 8 & 1;
    }
    CHECK_EQ(count, 0);
    dg_port_set_add(&set, "1,8080,65534-70000");
    for (size_t port = 0; port < 65536; port++) {
        bool is_in = port == 1 || port == 8080 || port >= 65534;
        CHECK_EQ(set.bits[port / 8] >> port % 8 & 1, is_in);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(port_allocator_gives_each_worker_its_own_ports),
        DG_CASE(port_allocator_takes_a_range_that_is_reserved_as_a_whole),
        DG_CASE(port_allocator_rests_a_port_for_the_whole_quarantine),
        DG_CASE(port_allocator_gives_an_unused_port_again_at_once),
        DG_CASE(port_allocator_beside_a_naive_model),
        DG_CASE(port_allocator_goes_on_with_the_book_of_the_process_before),
    DG_CASE(port_allocator_gets_ports_back_that_another_worker_held),
    DG_CASE(port_set_reads_the_form_of_the_kernel_and_survives_any_other),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
