// SPDX-License-Identifier: GPL-3.0-or-later
// Differences between two looks at the threads' tallies and histograms.
#include "load/progress.h"

#include "io/clock.h"
#include "load/thread.h"
#include "load/usage.h"

#include <stdio.h>
#include <stdlib.h>

struct dg_load_progress {
    const struct dg_load_config *config;
    const struct dg_load_shared *shared;
    struct dg_load_thread *const *threads;
    struct dg_load_result *result;
    dg_time started_at, told_at, cpu_before;
    uint64_t before[DG_LOAD_TALLY_COUNT];
    bool is_sampling;
    uint64_t sampled[DG_LOAD_TALLY_COUNT];
    struct dg_load_histogram sum, sum_before, between;
};

struct dg_load_progress *dg_load_progress_new(const struct dg_load_config *config, const struct dg_load_shared *shared,
                                              struct dg_load_thread *const *threads, struct dg_load_result *result)
{
    struct dg_load_progress *progress = calloc(1, sizeof *progress);
    if (!progress)
        return NULL;
    progress->config = config;
    progress->shared = shared;
    progress->threads = threads;
    progress->result = result;
    progress->started_at = progress->told_at = dg_clock_now();
    progress->cpu_before = dg_load_usage_of_process();
    return progress;
}

void dg_load_progress_free(struct dg_load_progress *progress)
{
    free(progress);
}

// How much more there is of each item than at the last look.
static void look(struct dg_load_progress *progress, uint64_t now[DG_LOAD_TALLY_COUNT],
                 uint64_t more[DG_LOAD_TALLY_COUNT])
{
    for (size_t item = 0; item < DG_LOAD_TALLY_COUNT; item++) {
        now[item] = 0;
        for (uint32_t i = 0; i < progress->config->threads; i++)
            now[item] += dg_load_tally_read(&progress->threads[i]->tally, (enum dg_load_tally_item)item);
        more[item] = now[item] - progress->before[item];
        progress->before[item] = now[item];
    }
}

static void look_at_times(struct dg_load_progress *progress)
{
    dg_load_histogram_clear(&progress->sum);
    for (uint32_t i = 0; i < progress->config->threads; i++) {
        const struct dg_load_times *times = progress->threads[i]->times;
        dg_load_histogram_add(&progress->sum, progress->config->kind == DG_LOAD_HANDSHAKES ? &times->handshake
                                                                                          : &times->latency);
    }
    dg_load_histogram_between(&progress->between, &progress->sum, &progress->sum_before);
    dg_load_histogram_clear(&progress->sum_before);
    dg_load_histogram_add(&progress->sum_before, &progress->sum);
}

static void keep(struct dg_load_progress *progress, const struct dg_load_sample *sample)
{
    struct dg_load_result *result = progress->result;
    if (result->sample_count < DG_LOAD_SAMPLES_MAX)
        result->samples[result->sample_count++] = *sample;
}

// Samples are of the load alone, which may begin between two looks: from what each thread noted then.
static bool has_begun(struct dg_load_progress *progress)
{
    if (progress->is_sampling)
        return true;
    for (uint32_t i = 0; i < progress->config->threads; i++)
        if (atomic_load_explicit(&progress->threads[i]->stage, memory_order_acquire) < DG_LOAD_LOADING)
            return false;
    for (uint32_t i = 0; i < progress->config->threads; i++)
        for (size_t item = 0; item < DG_LOAD_TALLY_COUNT; item++)
            progress->sampled[item] +=
                dg_load_tally_read(&progress->threads[i]->tally_before, (enum dg_load_tally_item)item);
    progress->is_sampling = true;
    return true;
}

// What has come since the last sample.
static uint64_t take(struct dg_load_progress *progress, const uint64_t *all, enum dg_load_tally_item item)
{
    uint64_t before = progress->sampled[item];
    progress->sampled[item] = all[item];
    return all[item] - before;
}

static double ms(dg_time time)
{
    return (double)time / (double)DG_MILLISECOND;
}

void dg_load_progress_tell(struct dg_load_progress *progress, dg_time now)
{
    uint64_t all[DG_LOAD_TALLY_COUNT], more[DG_LOAD_TALLY_COUNT];
    const double seconds = (double)dg_time_since(now, progress->told_at) / (double)DG_SECOND;
    const dg_time cpu = dg_load_usage_of_process();
    const double busy = (double)dg_time_since(cpu, progress->cpu_before) / (double)DG_SECOND / seconds * 100;
    const dg_time load_at = atomic_load_explicit(&progress->shared->load_at, memory_order_relaxed);
    const bool is_load = load_at != 0 && now >= load_at && has_begun(progress);
    look(progress, all, more);
    look_at_times(progress);
    progress->told_at = now;
    progress->cpu_before = cpu;
    // The counts were read one after the other, while they grew.
    const uint64_t gone = all[DG_LOAD_ASSOCIATIONS_ENDED] + all[DG_LOAD_ASSOCIATIONS_CLOSED];
    const unsigned long long live = all[DG_LOAD_HANDSHAKES_DONE] > gone ? all[DG_LOAD_HANDSHAKES_DONE] - gone : 0;
    fprintf(stderr, "%6.1f s: %llu associations", (double)dg_time_since(now, progress->started_at) / (double)DG_SECOND,
            live);
    if (more[DG_LOAD_HANDSHAKES_DONE] + more[DG_LOAD_HANDSHAKES_FAILED] > 0)
        fprintf(stderr, ", %.0f handshakes/s, %llu failed", (double)more[DG_LOAD_HANDSHAKES_DONE] / seconds,
                (unsigned long long)more[DG_LOAD_HANDSHAKES_FAILED]);
    if (more[DG_LOAD_MESSAGES_SENT] + more[DG_LOAD_MESSAGES_ANSWERED] + more[DG_LOAD_MESSAGES_LOST] > 0)
        fprintf(stderr, ", %.0f sent/s, %.0f answered/s, %llu lost", (double)more[DG_LOAD_MESSAGES_SENT] / seconds,
                (double)more[DG_LOAD_MESSAGES_ANSWERED] / seconds, (unsigned long long)more[DG_LOAD_MESSAGES_LOST]);
    if (dg_load_histogram_count(&progress->between) > 0)
        fprintf(stderr, ", median %.3f ms, 99%% %.3f ms",
                ms(dg_load_histogram_quantile(&progress->between, 50000)),
                ms(dg_load_histogram_quantile(&progress->between, 99000)));
    fprintf(stderr, ", processor %.0f%%\n", busy);
    if (!is_load)
        return;
    const struct dg_load_sample sample = {
        .at = dg_time_since(now, load_at),
        .sent = take(progress, all, DG_LOAD_MESSAGES_SENT),
        .answered = take(progress, all, DG_LOAD_MESSAGES_ANSWERED),
        .lost = take(progress, all, DG_LOAD_MESSAGES_LOST),
        .handshakes = take(progress, all, DG_LOAD_HANDSHAKES_DONE),
        .median = dg_load_histogram_quantile(&progress->between, 50000),
        .p99 = dg_load_histogram_quantile(&progress->between, 99000),
    };
    keep(progress, &sample);
}
