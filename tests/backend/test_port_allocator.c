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
        DG_CASE(port_allocator_rests_a_port_for_the_whole_quarantine),
        DG_CASE(port_allocator_gives_an_unused_port_again_at_once),
        DG_CASE(port_allocator_beside_a_naive_model),
        DG_CASE(port_set_reads_the_form_of_the_kernel_and_survives_any_other),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
