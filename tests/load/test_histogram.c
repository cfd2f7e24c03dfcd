// SPDX-License-Identifier: GPL-3.0-or-later
// The histogram beside a sorted list of the same values: no quantile is too good, and none is more than 1/256 too bad.
#include "check.h"

#include "load/histogram.h"
#include "support/random.h"

#include <stdlib.h>

static struct dg_load_histogram histogram, other, third;

static int by_size(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static uint64_t exact(const uint64_t *sorted, size_t count, uint32_t of_100000)
{
    size_t place = (count * of_100000 + 99999) / 100000;
    return sorted[place > 0 ? place - 1 : 0];
}

DG_TEST(load_histogram_is_empty_at_first)
{
    dg_load_histogram_clear(&histogram);
    CHECK_EQ(dg_load_histogram_count(&histogram), 0);
    CHECK_EQ(dg_load_histogram_quantile(&histogram, 50000), 0);
    CHECK_EQ(dg_load_histogram_mean(&histogram), 0);
    CHECK_EQ(dg_load_histogram_greatest(&histogram), 0);
}

DG_TEST(load_histogram_quantiles_are_those_of_the_sorted_values)
{
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    static const uint32_t quantiles[] = {1, 1000, 25000, 50000, 90000, 99000, 99900, 99990, 99999, 100000};
    struct test_random random = {dg_test_seed()};
    dg_load_histogram_clear(&histogram);
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = test_random_next(&random) >> (24 + test_random_next(&random) % 39); // all magnitudes
        dg_load_histogram_record(&histogram, values[i]);
    }
    qsort(values, COUNT, sizeof values[0], by_size);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        uint64_t wanted = exact(values, COUNT, quantiles[i]);
        uint64_t found = dg_load_histogram_quantile(&histogram, quantiles[i]);
        CHECK_MSG(found >= wanted && found <= wanted + wanted / 256 + 1, "%u: %llu for %llu", quantiles[i],
                  (unsigned long long)found, (unsigned long long)wanted);
    }
    CHECK_EQ(dg_load_histogram_least(&histogram), values[0]);
    CHECK_EQ(dg_load_histogram_greatest(&histogram), values[COUNT - 1]);
    CHECK_EQ(dg_load_histogram_count(&histogram), COUNT);
}

DG_TEST(load_histogram_small_values_are_exact)
{
    dg_load_histogram_clear(&histogram);
    for (uint64_t value = 0; value < 512; value++)
        dg_load_histogram_record(&histogram, value);
    CHECK_EQ(dg_load_histogram_quantile(&histogram, 50000), 255);
    CHECK_EQ(dg_load_histogram_quantile(&histogram, 25000), 127);
    CHECK_EQ(dg_load_histogram_mean(&histogram), 255);
}

// What is out of range is counted, and the greatest value stays what it was.
DG_TEST(load_histogram_keeps_what_is_too_large)
{
    dg_load_histogram_clear(&histogram);
    dg_load_histogram_record(&histogram, 1000);
    dg_load_histogram_record(&histogram, 10 * DG_HOUR);
    CHECK_EQ(dg_load_histogram_count(&histogram), 2);
    CHECK_EQ(dg_load_histogram_greatest(&histogram), 10 * DG_HOUR);
    CHECK_EQ(dg_load_histogram_quantile(&histogram, 100000), 10 * DG_HOUR);
    CHECK(dg_load_histogram_quantile(&histogram, 50000) < 1004);
}

DG_TEST(load_histogram_adds_and_subtracts)
{
    dg_load_histogram_clear(&histogram);
    dg_load_histogram_clear(&other);
    for (uint64_t value = 1; value <= 100; value++) {
        dg_load_histogram_record(&histogram, value * 1000000);
        dg_load_histogram_record(&other, value * 3);
    }
    dg_load_histogram_clear(&third);
    dg_load_histogram_add(&third, &histogram);
    dg_load_histogram_add(&third, &other);
    CHECK_EQ(dg_load_histogram_count(&third), 200);
    CHECK_EQ(dg_load_histogram_least(&third), 3);
    CHECK_EQ(dg_load_histogram_greatest(&third), 100000000);
    struct dg_load_histogram *between = calloc(1, sizeof *between);
    REQUIRE(between);
    dg_load_histogram_between(between, &third, &histogram);
    CHECK_EQ(dg_load_histogram_count(between), 100);
    CHECK_EQ(dg_load_histogram_mean(between), dg_load_histogram_mean(&other));
    CHECK_EQ(dg_load_histogram_quantile(between, 50000), 150);
    free(between);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(load_histogram_is_empty_at_first),
        DG_CASE(load_histogram_quantiles_are_those_of_the_sorted_values),
        DG_CASE(load_histogram_small_values_are_exact),
        DG_CASE(load_histogram_keeps_what_is_too_large),
        DG_CASE(load_histogram_adds_and_subtracts),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
