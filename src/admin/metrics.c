// SPDX-License-Identifier: GPL-3.0-or-later
// The two formats, made from the lists of counters and of latencies, so that nothing can be counted and not shown.
#include "admin/metrics.h"

#include "base/attributes.h"
#include "base/json.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *family, *help, *labels;
} LATENCIES[DG_LATENCY_KINDS] = {
#define LATENCY(suffix, name, says, words) [DG_LATENCY_##suffix] = {.family = name, .help = says, .labels = words},
    DG_LATENCY_LIST(LATENCY)
#undef LATENCY
};

static uint64_t sum(const struct dg_metrics *metrics, enum dg_counter counter)
{
    return dg_counters_sum(metrics->counters, metrics->counter_sets, counter);
}

static uint64_t sum_drops(const struct dg_metrics *metrics, enum dg_counter reason)
{
    return dg_datagram_drops_sum(metrics->counters, metrics->counter_sets, reason);
}

// Read once, so that a histogram's count is that of its buckets.
struct whole {
    uint64_t buckets[DG_LATENCY_BUCKETS + 1]; // what took at most so long, all below included
    uint64_t sum_ns;
};

static struct whole latency(const struct dg_metrics *metrics, enum dg_latency_kind kind)
{
    struct whole whole = {0};
    for (size_t i = 0; i < metrics->latency_sets; i++) {
        const struct dg_latency *one = &metrics->latencies[i]->kinds[kind];
        for (size_t bucket = 0; bucket <= DG_LATENCY_BUCKETS; bucket++)
            whole.buckets[bucket] += atomic_load_explicit(&one->buckets[bucket], memory_order_relaxed);
        whole.sum_ns += atomic_load_explicit(&one->sum_ns, memory_order_relaxed);
    }
    for (size_t bucket = 1; bucket <= DG_LATENCY_BUCKETS; bucket++)
        whole.buckets[bucket] += whole.buckets[bucket - 1];
    return whole;
}

static double seconds(uint64_t ns) { return (double)ns / (double)DG_SECOND; }

void dg_metrics_add_gauge(struct dg_metrics *metrics, const char *name, const char *help, uint64_t value)
{
    DG_BUG_UNLESS(metrics->gauge_count < DG_METRICS_GAUGES_MAX);
    metrics->gauges[metrics->gauge_count++] = (struct dg_metrics_gauge){name, help, value};
}

// --- Prometheus ----------------------------------------------------------------------------------------------------

static void begin_family(FILE *out, const char *name, const char *suffix, const char *help, const char *type)
{
    fprintf(out, "# HELP dtlsgate_%s%s %s\n# TYPE dtlsgate_%s%s %s\n", name, suffix, help, name, suffix, type);
}

static void print_counters(const struct dg_metrics *metrics, FILE *out)
{
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++) {
        enum dg_counter counter = (enum dg_counter)i;
        const char *name = dg_counter_name(counter);
        begin_family(out, name, "_total", dg_counter_text(counter), "counter");
        fprintf(out, "dtlsgate_%s_total %" PRIu64 "\n", name, sum(metrics, counter));
    }
    begin_family(out, "datagrams_dropped", "_total", "datagrams that came to nothing, by the first reason", "counter");
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++) {
        enum dg_counter reason = (enum dg_counter)i;
        if (dg_counter_is_drop(reason))
            fprintf(out, "dtlsgate_datagrams_dropped_total{reason=\"%s\"} %" PRIu64 "\n", dg_counter_name(reason),
                    sum_drops(metrics, reason));
    }
}

static void print_latency(const struct dg_metrics *metrics, enum dg_latency_kind kind, FILE *out)
{
    const char *family = LATENCIES[kind].family, *labels = LATENCIES[kind].labels;
    const struct whole whole = latency(metrics, kind);
    if (LATENCIES[kind].help[0] != '\0')
        begin_family(out, family, "", LATENCIES[kind].help, "histogram");
    for (size_t bucket = 0; bucket < DG_LATENCY_BUCKETS; bucket++)
        fprintf(out, "dtlsgate_%s_bucket{%s,le=\"%.12g\"} %" PRIu64 "\n", family, labels,
                seconds(dg_latency_bound_ns(bucket)), whole.buckets[bucket]);
    fprintf(out, "dtlsgate_%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", family, labels, whole.buckets[DG_LATENCY_BUCKETS]);
    fprintf(out, "dtlsgate_%s_sum{%s} %.9f\n", family, labels, seconds(whole.sum_ns));
    fprintf(out, "dtlsgate_%s_count{%s} %" PRIu64 "\n", family, labels, whole.buckets[DG_LATENCY_BUCKETS]);
}

void dg_metrics_prometheus(const struct dg_metrics *metrics, FILE *out)
{
    begin_family(out, "build_info", "", "1; the version is its label", "gauge");
    fprintf(out, "dtlsgate_build_info{version=\"%s\"} 1\n", metrics->version);
    for (size_t i = 0; i < metrics->gauge_count; i++) {
        const struct dg_metrics_gauge *gauge = &metrics->gauges[i];
        begin_family(out, gauge->name, "", gauge->help, "gauge");
        fprintf(out, "dtlsgate_%s %" PRIu64 "\n", gauge->name, gauge->value);
    }
    print_counters(metrics, out);
    for (int kind = 0; kind < DG_LATENCY_KINDS; kind++)
        print_latency(metrics, (enum dg_latency_kind)kind, out);
}

// --- JSON ----------------------------------------------------------------------------------------------------------

static void write_latency(struct dg_json *json, const struct dg_metrics *metrics, enum dg_latency_kind kind)
{
    const struct whole whole = latency(metrics, kind);
    dg_json_open_object(json, NULL);
    dg_json_text(json, "family", LATENCIES[kind].family);
    dg_json_text(json, "labels", LATENCIES[kind].labels);
    dg_json_number(json, "count", whole.buckets[DG_LATENCY_BUCKETS]);
    dg_json_number(json, "sum_ns", whole.sum_ns);
    dg_json_open_array(json, "buckets"); // not cumulative, those with something in them
    for (size_t bucket = 0; bucket <= DG_LATENCY_BUCKETS; bucket++) {
        uint64_t count = whole.buckets[bucket] - (bucket > 0 ? whole.buckets[bucket - 1] : 0);
        if (count == 0)
            continue;
        dg_json_open_object(json, NULL);
        if (bucket < DG_LATENCY_BUCKETS)
            dg_json_number(json, "at_most_ns", dg_latency_bound_ns(bucket));
        dg_json_number(json, "count", count);
        dg_json_close_object(json);
    }
    dg_json_close_array(json);
    dg_json_close_object(json);
}

void dg_metrics_json(const struct dg_metrics *metrics, FILE *out)
{
    struct dg_json json = {.out = out};
    dg_json_open_object(&json, NULL);
    dg_json_text(&json, "version", metrics->version);
    dg_json_open_object(&json, "gauges");
    for (size_t i = 0; i < metrics->gauge_count; i++)
        dg_json_number(&json, metrics->gauges[i].name, metrics->gauges[i].value);
    dg_json_close_object(&json);
    dg_json_open_object(&json, "counters");
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++)
        dg_json_number(&json, dg_counter_name((enum dg_counter)i), sum(metrics, (enum dg_counter)i));
    dg_json_close_object(&json);
    dg_json_open_object(&json, "datagrams_dropped");
    for (int i = DG_COUNT_NONE; i < DG_COUNTER_COUNT; i++)
        if (sum_drops(metrics, (enum dg_counter)i) > 0)
            dg_json_number(&json, dg_counter_name((enum dg_counter)i), sum_drops(metrics, (enum dg_counter)i));
    dg_json_close_object(&json);
    dg_json_open_array(&json, "latencies");
    for (int kind = 0; kind < DG_LATENCY_KINDS; kind++)
        write_latency(&json, metrics, (enum dg_latency_kind)kind);
    dg_json_close_array(&json);
    dg_json_close_object(&json);
}
