// SPDX-License-Identifier: GPL-3.0-or-later
// What is shown of counters and latencies: every counter under its name, buckets that hold what they say, and both formats
// from the same sums.
#include "admin/metrics.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

DG_TEST(latency_lies_in_the_bucket_that_says_so)
{
    CHECK_EQ(dg_latency_bucket(0), 0);
    CHECK_EQ(dg_latency_bucket(1024), 0);
    CHECK_EQ(dg_latency_bucket(1025), 1);
    for (size_t bucket = 0; bucket < DG_LATENCY_BUCKETS; bucket++) {
        CHECK_EQ(dg_latency_bucket(dg_latency_bound_ns(bucket)), bucket);
        CHECK_EQ(dg_latency_bucket(dg_latency_bound_ns(bucket) + 1), bucket + 1);
    }
    CHECK_EQ(dg_latency_bucket(UINT64_MAX), DG_LATENCY_BUCKETS); // and no further
}

static char *print(const struct dg_metrics *metrics, void (*format)(const struct dg_metrics *metrics, FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        abort();
    format(metrics, out);
    (void)fclose(out);
    return text;
}

DG_TEST(metrics_show_every_counter_summed_over_threads)
{
    static struct dg_counters sets[2];
    static struct dg_latencies latencies[2];
    static struct dg_metrics metrics;
    char line[128];

    metrics = (struct dg_metrics){.version = "0", .counters = {&sets[0], &sets[1]}, .counter_sets = 2,
                                  .latencies = {&latencies[0], &latencies[1]}, .latency_sets = 2};
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++) {
        dg_count_by(&sets[0], (enum dg_counter)i, (uint64_t)i);
        dg_count_by(&sets[1], (enum dg_counter)i, 1000);
    }
    char *text = print(&metrics, dg_metrics_prometheus), *json = print(&metrics, dg_metrics_json);
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++) {
        snprintf(line, sizeof line, "\ndtlsgate_%s_total %d\n", dg_counter_name((enum dg_counter)i), 1000 + i);
        CHECK_MSG(strstr(text, line) != NULL, "no line%s", line);
        snprintf(line, sizeof line, "\"%s\": %d", dg_counter_name((enum dg_counter)i), 1000 + i);
        CHECK_MSG(strstr(json, line) != NULL, "no member %s", line);
    }
    free(text);
    free(json);
}

DG_TEST(metrics_show_latencies_of_all_threads_as_one)
{
    static struct dg_latencies latencies[2];
    static struct dg_metrics metrics;

    metrics = (struct dg_metrics){.version = "0", .latencies = {&latencies[0], &latencies[1]}, .latency_sets = 2};
    dg_latency_record(&latencies[0].kinds[DG_LATENCY_TO_CLIENT], 2048, 3);
    dg_latency_record(&latencies[1].kinds[DG_LATENCY_TO_CLIENT], 2049, 1);
    dg_latency_record(&latencies[1].kinds[DG_LATENCY_TO_CLIENT], 100 * DG_SECOND, 1); // above all bounds
    char *text = print(&metrics, dg_metrics_prometheus);
    static const char *const lines[] = {
        "\n# TYPE dtlsgate_through_seconds histogram\n",
        "\ndtlsgate_through_seconds_bucket{direction=\"to_client\",le=\"1.024e-06\"} 0\n",
        "\ndtlsgate_through_seconds_bucket{direction=\"to_client\",le=\"2.048e-06\"} 3\n",
        "\ndtlsgate_through_seconds_bucket{direction=\"to_client\",le=\"4.096e-06\"} 4\n",
        "\ndtlsgate_through_seconds_bucket{direction=\"to_client\",le=\"68.719476736\"} 4\n",
        "\ndtlsgate_through_seconds_bucket{direction=\"to_client\",le=\"+Inf\"} 5\n",
        "\ndtlsgate_through_seconds_sum{direction=\"to_client\"} 100.000008193\n",
        "\ndtlsgate_through_seconds_count{direction=\"to_client\"} 5\n",
    };
    for (size_t i = 0; i < COUNT(lines); i++)
        CHECK_MSG(strstr(text, lines[i]) != NULL, "no line%s", lines[i]);
    free(text);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(latency_lies_in_the_bucket_that_says_so),
    DG_CASE(metrics_show_every_counter_summed_over_threads),
    DG_CASE(metrics_show_latencies_of_all_threads_as_one),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
