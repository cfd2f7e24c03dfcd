// SPDX-License-Identifier: GPL-3.0-or-later
// The table of eight places for a number: what is found again, and what a full set forgets.
#include "core/set_table.h"

#include "check.h"

// Of one set, whatever the table's size.
static uint64_t number(uint64_t i) { return (i + 1) << 32; }

DG_TEST(set_table_finds_what_was_added_and_nothing_else)
{
    struct dg_set_table table;
    REQUIRE(dg_set_table_init(&table, 100));
    CHECK_EQ((uintptr_t)table.entries % DG_CACHE_LINE, 0);
    CHECK(dg_set_table_find(&table, 7) == NULL);
    CHECK(dg_set_table_find(&table, 0) == NULL);
    for (uint64_t i = 0; i < 100; i++)
        dg_set_table_add(&table, i * 0x9e3779b97f4a7c15u)->count = i;
    unsigned found = 0;
    for (uint64_t i = 0; i < 100; i++) {
        const struct dg_set_entry *entry = dg_set_table_find(&table, i * 0x9e3779b97f4a7c15u);
        CHECK(entry == NULL || entry->count == i);
        found += entry != NULL;
    }
    CHECK(found > 90); // some sets have more than eight
    CHECK(dg_set_table_find(&table, 7) == NULL);
    dg_set_table_clear(&table);
    dg_set_table_clear(&table);
}

DG_TEST(set_table_full_set_forgets_the_lowest_rank)
{
    struct dg_set_table table;
    REQUIRE(dg_set_table_init(&table, 1024));
    for (uint64_t i = 0; i < DG_SET_WAYS; i++)
        dg_set_table_add(&table, number(i))->rank = 100 + (i ^ 5); // the sixth has the lowest
    struct dg_set_entry *entry = dg_set_table_add(&table, number(99));
    CHECK_EQ(entry->rank, 0);
    CHECK_EQ(entry->count, 0);
    entry->rank = 200;
    CHECK(dg_set_table_find(&table, number(5)) == NULL);
    for (uint64_t i = 0; i < DG_SET_WAYS; i++)
        CHECK_EQ(dg_set_table_find(&table, number(i)) != NULL, i != 5);
    // A place that was given back comes first, whatever the others' ranks.
    dg_set_table_remove(dg_set_table_find(&table, number(2)));
    dg_set_table_find(&table, number(1))->rank = 0;
    dg_set_table_add(&table, number(55))->rank = 300;
    CHECK(dg_set_table_find(&table, number(1)) != NULL);
    CHECK(dg_set_table_find(&table, number(55)) != NULL);
    dg_set_table_clear(&table);
}

DG_TEST(set_table_keeps_the_number_that_marks_the_unused)
{
    struct dg_set_table table;
    REQUIRE(dg_set_table_init(&table, 8));
    struct dg_set_entry *entry = dg_set_table_add(&table, 0);
    entry->count = 3;
    CHECK(dg_set_table_find(&table, 0) == entry);
    dg_set_table_clear(&table);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(set_table_finds_what_was_added_and_nothing_else),
        DG_CASE(set_table_full_set_forgets_the_lowest_rank),
        DG_CASE(set_table_keeps_the_number_that_marks_the_unused),
    };
    return dg_test_main(cases, sizeof cases / sizeof *cases, argc, argv);
}
