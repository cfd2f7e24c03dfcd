// SPDX-License-Identifier: GPL-3.0-or-later
// The client's parts without sockets: hexadecimal lines, back-off, held datagrams, and the table of local senders
// beside a naive one.
#include "check.h"

#include "client/backoff.h"
#include "client/hex_line.h"
#include "client/holding.h"
#include "client/sender_table.h"
#include "support/random.h"

#include <stdio.h>
#include <string.h>

DG_TEST(hex_lines_are_read_strictly)
{
    static const struct {
        const char *line;
        bool is_good;
        size_t size;
        uint8_t bytes[4];
    } cases[] = {
        {"", true, 0, {0}},
        {"00ff7F", true, 3, {0x00, 0xff, 0x7f}},
        {" de ad\tBe ef\r\n", true, 4, {0xde, 0xad, 0xbe, 0xef}},
        {"0", false, 0, {0}},
        {"001", false, 0, {0}},
        {"0 0", false, 0, {0}},
        {"0g", false, 0, {0}},
        {"0x00", false, 0, {0}},
        {"0011223344", false, 0, {0}}, // above the capacity
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[4] = {0};
        size_t size = 99;
        bool is_good = dg_hex_read(cases[i].line, strlen(cases[i].line), bytes, sizeof bytes, &size);
        CHECK_MSG(is_good == cases[i].is_good, "case %zu", i);
        if (is_good) {
            CHECK_EQ(size, cases[i].size);
            CHECK_MEM(bytes, cases[i].bytes, cases[i].size);
        }
    }
}

DG_TEST(hex_lines_come_back_as_they_were)
{
    uint8_t bytes[256], back[256];
    char text[512];
    size_t size = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    dg_hex_write(bytes, sizeof bytes, text);
    REQUIRE(dg_hex_read(text, sizeof text, back, sizeof back, &size));
    CHECK_EQ(size, sizeof bytes);
    CHECK_MEM(back, bytes, sizeof bytes);
}

DG_TEST(backoff_doubles_to_a_minute_with_jitter)
{
    static const uint64_t seconds[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    struct dg_backoff least = {0}, most = {0};
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        dg_time half = seconds[i] * DG_SECOND / 2;
        CHECK_EQ(dg_backoff_fail(&least, 0), half);
        CHECK_EQ(dg_backoff_fail(&most, half), 2 * half);
    }
    least.failures = UINT32_MAX;
    dg_time wait = dg_backoff_fail(&least, UINT64_MAX);
    CHECK(wait >= DG_MINUTE / 2 && wait <= DG_MINUTE);
    CHECK_EQ(least.failures, UINT32_MAX);
    dg_backoff_reset(&least);
    CHECK_EQ(dg_backoff_fail(&least, 0), DG_SECOND / 2);
}

DG_TEST(holding_keeps_the_newest_in_order)
{
    struct dg_holding holding = {0};
    const uint8_t *data = NULL;
    size_t size = 0;
    CHECK(!dg_holding_peek(&holding, &data, &size));
    dg_holding_pop(&holding);
    unsigned lost = 0;
    for (uint8_t i = 0; i < 100; i++) {
        uint8_t bytes[3] = {i, 1, 2};
        if (!dg_holding_put(&holding, 16, bytes, i % 4)) // an empty datagram is one too
            lost++;
    }
    CHECK_EQ(lost, 84);
    CHECK_EQ(holding.count, 16);
    for (uint8_t i = 84; i < 100; i++) {
        REQUIRE(dg_holding_peek(&holding, &data, &size));
        CHECK_EQ(size, i % 4);
        if (size > 0)
            CHECK_EQ(data[0], i);
        dg_holding_pop(&holding);
    }
    CHECK(!dg_holding_peek(&holding, &data, &size));
    CHECK(dg_holding_put(&holding, 1, (const uint8_t *)"x", 1));
    dg_holding_clear(&holding);
    CHECK_EQ(holding.count, 0);
}

// --- the table of senders ----------------------------------------------------------------------------------

#define CAPACITY 24
#define STEPS 200000

// What the table must do, without a hash or a list: whoever is here with his age.
static struct naive {
    bool is_here;
    struct dg_address address;
    uint64_t age;
} naive[CAPACITY];

static uint32_t naive_find(const struct dg_address *address)
{
    for (uint32_t i = 0; i < CAPACITY; i++)
        if (naive[i].is_here && dg_address_equal(&naive[i].address, address))
            return i;
    return DG_NO_SENDER;
}

static uint32_t naive_oldest(void)
{
    uint32_t oldest = DG_NO_SENDER;
    for (uint32_t i = 0; i < CAPACITY; i++)
        if (naive[i].is_here && (oldest == DG_NO_SENDER || naive[i].age < naive[oldest].age))
            oldest = i;
    return oldest;
}

DG_TEST(sender_table_agrees_with_a_naive_one)
{
    struct dg_sender_table table;
    REQUIRE(dg_sender_table_init(&table, CAPACITY));
    memset(naive, 0, sizeof naive);
    struct test_random random = {dg_test_seed()};
    for (uint64_t step = 1; step <= STEPS; step++) {
        struct dg_address address = {.port = (uint16_t)(1 + test_random_below(&random, 40))};
        address.ip[15] = (uint8_t)test_random_below(&random, 2);
        uint32_t place = dg_sender_table_find(&table, &address);
        if (place != naive_find(&address)) {
            CHECK_MSG(false, "step %llu: another place", (unsigned long long)step);
            break;
        }
        if (place == DG_NO_SENDER) {
            place = dg_sender_table_add(&table, step, &address);
            bool is_full = true;
            for (uint32_t i = 0; i < CAPACITY; i++)
                is_full = is_full && naive[i].is_here;
            CHECK((place == DG_NO_SENDER) == is_full);
            if (is_full) {
                uint32_t oldest = dg_sender_table_oldest(&table);
                CHECK_EQ(oldest, naive_oldest());
                dg_sender_table_remove(&table, oldest);
                naive[oldest].is_here = false;
                place = dg_sender_table_add(&table, step, &address);
            }
            REQUIRE(place < CAPACITY && !naive[place].is_here);
            naive[place] = (struct naive){true, address, step};
        } else if (test_random_below(&random, 4) == 0) {
            dg_sender_table_remove(&table, place);
            naive[place].is_here = false;
        } else {
            dg_sender_table_touch(&table, step, place);
            naive[place].age = step;
        }
        CHECK_EQ(dg_sender_table_oldest(&table), naive_oldest());
    }
    uint32_t here = 0;
    for (uint32_t i = 0; i < CAPACITY; i++)
        here += naive[i].is_here;
    CHECK_EQ(table.count, here);
    dg_sender_table_clear(&table);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(hex_lines_are_read_strictly),
        DG_CASE(hex_lines_come_back_as_they_were),
        DG_CASE(backoff_doubles_to_a_minute_with_jitter),
        DG_CASE(holding_keeps_the_newest_in_order),
        DG_CASE(sender_table_agrees_with_a_naive_one),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
