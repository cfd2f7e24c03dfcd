// SPDX-License-Identifier: GPL-3.0-or-later
// What a server shows to whoever may ask, as the Prometheus text format and as JSON: counters, gauges and latencies, and
// never an identity, an address or anything else that a client says. Only formats; it takes no lock and changes nothing.
#ifndef DG_ADMIN_METRICS_H
#define DG_ADMIN_METRICS_H

#include "core/counters.h"
#include "core/latency.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// A value of now. name and help: words of our own, without the "dtlsgate_".
struct dg_metrics_gauge {
    const char *name;
    const char *help;
    uint64_t value;
};

#define DG_METRICS_GAUGES_MAX 24
#define DG_METRICS_SETS_MAX 80 // a thread's each

// What there is to show at one moment; the sets stay their threads'.
struct dg_metrics {
    const char *version;
    const struct dg_counters *counters[DG_METRICS_SETS_MAX];
    size_t counter_sets;
    const struct dg_latencies *latencies[DG_METRICS_SETS_MAX];
    size_t latency_sets;
    struct dg_metrics_gauge gauges[DG_METRICS_GAUGES_MAX];
    size_t gauge_count;
};

void dg_metrics_add_gauge(struct dg_metrics *metrics, const char *name, const char *help, uint64_t value);
// Text format 0.0.4.
void dg_metrics_prometheus(const struct dg_metrics *metrics, FILE *out);
void dg_metrics_json(const struct dg_metrics *metrics, FILE *out);

#endif
