// SPDX-License-Identifier: GPL-3.0-or-later
// The thresholds, and the words. Each is about something that a server cannot cause, but for handshakes that wait for
// room: a slow one keeps all that may be under way busy.
#include "load/limits.h"

#include <stdarg.h>
#include <stdio.h>

#define BUSY_PERCENT 90           // of a thread's time on a processor
#define WAITED_PERCENT 5          // of a thread's time ready to run, without a processor
#define LAG (2 * DG_MILLISECOND)  // behind the schedule, at 99%

struct judgement {
    struct dg_load_limit *limits;
    size_t count;
};

DG_PRINTF(3, 4) static void add(struct judgement *judgement, const char *name, const char *format, ...)
{
    if (judgement->count == DG_LOAD_LIMITS_MAX)
        return;
    struct dg_load_limit *limit = &judgement->limits[judgement->count++];
    va_list arguments;
    limit->name = name;
    va_start(arguments, format);
    (void)vsnprintf(limit->text, sizeof limit->text, format, arguments);
    va_end(arguments);
}

static uint32_t percent(dg_time part, dg_time whole)
{
    return whole > 0 ? (uint32_t)((part * 100 + whole / 2) / whole) : 0;
}

static void judge_processors(const struct dg_load_config *config, const struct dg_load_result *result,
                             struct judgement *judgement)
{
    uint32_t busy = 0, waited = 0;
    for (uint32_t i = 0; i < config->threads; i++) {
        const struct dg_load_usage *usage = &result->usage[i];
        uint32_t of_it = percent(usage->cpu, usage->wall);
        uint32_t without = percent(usage->waited, usage->wall);
        busy = of_it > busy ? of_it : busy;
        waited = without > waited ? without : waited;
    }
    if (busy + waited >= BUSY_PERCENT)
        add(judgement, "processor", "a thread of ours was busy for %u%% of the time: use more --threads, or more hosts",
            busy + waited);
    if (waited >= WAITED_PERCENT)
        add(judgement, "processor_shared", "a thread of ours waited for a processor for %u%% of the time: something "
            "else, perhaps the server, runs on the same ones", waited);
}

size_t dg_load_limits_judge(const struct dg_load_config *config, const struct dg_load_result *result,
                            struct dg_load_limit ret[DG_LOAD_LIMITS_MAX])
{
    struct judgement judgement = {.limits = ret};
    judge_processors(config, result, &judgement);
    dg_time lag = dg_load_histogram_quantile(&result->times->lag, 99000);
    if (lag > LAG && result->begun_late == 0) // else it is the wait for room, which is told below
        add(&judgement, "schedule", "1%% of what was due went out more than %.1f ms late: the rate is above what this "
            "side keeps up with", (double)lag / (double)DG_MILLISECOND);
    uint64_t omitted = dg_load_tally_read(&result->tally, DG_LOAD_OMITTED);
    bool had_whom = config->kind == DG_LOAD_HANDSHAKES || result->associations_live > 0; // else the server ended them
    if (omitted > 0 && had_whom)
        add(&judgement, "omitted", "%llu messages or handshakes were due and never begun, even a second after the end: "
            "they are in no latency", (unsigned long long)omitted);
    if (result->receive_overflows > 0)
        add(&judgement, "receive_buffer", "the kernel dropped %llu datagrams that our receive buffers had no room for: "
            "raise net.core.rmem_max, use more --threads or --sockets",
            (unsigned long long)result->receive_overflows);
    if (result->send_refusals > 0)
        add(&judgement, "send_buffer", "our sockets did not take %llu datagrams: raise net.core.wmem_max, use more "
            "--sockets", (unsigned long long)result->send_refusals);
    if (result->begun_late > 0)
        add(&judgement, "handshakes_at_once", "%llu times a handshake was due while all %u that may be under way were, "
            "or every address and port of ours was taken: raise --handshakes-at-once, --sources or --sockets",
            (unsigned long long)result->begun_late, config->handshakes_at_once);
    return judgement.count;
}
