// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate status`: what the server is, whom it serves, what it counts, and what somebody should look at.
#include "admin/advice.h"
#include "admin/answer.h"

#include <string.h>
#include <unistd.h>

// Counters that ask for somebody's eyes as soon as they are not zero.
static const enum dg_counter ALARMS[] = {
    DG_COUNT_DROP_KERNEL,       DG_COUNT_DROP_RING_FULL,      DG_COUNT_DROP_SEND_ERROR,      DG_COUNT_TABLE_FULL,
    DG_COUNT_SIDE_FULL,         DG_COUNT_SLOTS_QUARANTINED,   DG_COUNT_DROP_HANDSHAKES_FULL, DG_COUNT_FAIL_TAKEOVER,
    DG_COUNT_BACKEND_NO_PORT,   DG_COUNT_BACKEND_SEND_ERROR,  DG_COUNT_BACKEND_UNREACHABLE,
};
#define ALARM_COUNT (sizeof ALARMS / sizeof ALARMS[0])

static const struct {
    const char *name;  // in JSON
    const char *words; // for people
    enum dg_counter counter;
} RATES[] = {
    {"datagrams_in", "datagrams in", DG_COUNT_DATAGRAMS_RECEIVED},
    {"datagrams_out", "datagrams out", DG_COUNT_DATAGRAMS_SENT},
    {"delivered", "messages delivered", DG_COUNT_PLAINTEXT_DELIVERED},
    {"answered", "messages answered", DG_COUNT_PLAINTEXT_ANSWERED},
    {"handshakes", "handshakes", DG_COUNT_HANDSHAKES_COMPLETED},
    {"failed", "failed handshakes", DG_COUNT_HANDSHAKES_FAILED},
};
#define RATE_COUNT (sizeof RATES / sizeof RATES[0])

void dg_rates_sample(struct dg_rates *rates, dg_time now, const uint64_t counters[DG_COUNTER_COUNT])
{
    rates->samples[rates->next].at = now;
    memcpy(rates->samples[rates->next].counters, counters, sizeof rates->samples[0].counters);
    rates->next = (rates->next + 1) % DG_RATE_SAMPLES;
    if (rates->count < DG_RATE_SAMPLES)
        rates->count++;
}

// Since the oldest sample; 0: there is none yet.
static dg_time rates_span(const struct dg_rates *rates, dg_time now)
{
    size_t oldest = rates->count < DG_RATE_SAMPLES ? 0 : rates->next;
    return rates->count == 0 ? 0 : dg_time_since(now, rates->samples[oldest].at);
}

static double rate_of(const struct dg_rates *rates, dg_time now, const struct dg_admin_status *status,
                      enum dg_counter counter)
{
    dg_time span = rates_span(rates, now);
    if (span == 0)
        return 0;
    size_t oldest = rates->count < DG_RATE_SAMPLES ? 0 : rates->next;
    uint64_t grown = status->counters[counter] - rates->samples[oldest].counters[counter];
    return (double)grown * (double)DG_SECOND / (double)span;
}

static size_t live_of(const struct dg_admin_status *status)
{
    size_t live = 0;
    for (uint32_t i = 0; i < status->worker_count; i++)
        live += status->live[i];
    return live;
}

// --- for people ----------------------------------------------------------------------------------------------------

static void say_listeners(const struct dg_answer *answer, const struct dg_admin_status *status)
{
    for (size_t i = 0; i < status->listener_count; i++)
        dg_answer_line(answer, "listener      %s at %s, to %s", status->listeners[i].name, status->listeners[i].address,
                       status->listeners[i].backend);
}

static unsigned long long count_of(const struct dg_admin_status *status, enum dg_counter counter)
{
    return (unsigned long long)status->counters[counter];
}

static void say_figures(const struct dg_answer *answer, const struct dg_admin_status *status)
{
    char workers[512] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < status->worker_count && at + 24 < sizeof workers; i++)
        at += (size_t)snprintf(workers + at, sizeof workers - at, "%s%zu", i > 0 ? " + " : "", status->live[i]);
    dg_answer_line(answer, "associations  %zu live (%s by worker), room for %zu; %llu opened and %llu ended since the start",
                   live_of(status), workers, status->associations_max, count_of(status, DG_COUNT_ASSOCIATIONS_OPENED),
                   count_of(status, DG_COUNT_ASSOCIATIONS_CLOSED));
    dg_answer_line(answer, "handshakes    %zu under way, at most %zu; %llu begun, %llu proven (%llu resumed), %llu failed, %llu expired",
                   status->handshakes, status->handshakes_max, count_of(status, DG_COUNT_HANDSHAKES_STARTED),
                   count_of(status, DG_COUNT_HANDSHAKES_COMPLETED), count_of(status, DG_COUNT_HANDSHAKES_RESUMED),
                   count_of(status, DG_COUNT_HANDSHAKES_FAILED), count_of(status, DG_COUNT_HANDSHAKES_EXPIRED));
}

static void say_rates(const struct dg_answer *answer, const struct dg_admin_status *status, const struct dg_rates *rates,
                      dg_time now)
{
    char text[512] = "";
    size_t at = 0;
    for (size_t i = 0; i < RATE_COUNT; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.1f %s", i > 0 ? ", " : "",
                               rate_of(rates, now, status, RATES[i].counter), RATES[i].words);
    dg_answer_line(answer, "a second      %s (over the last %llu s)", text,
                   (unsigned long long)(rates_span(rates, now) / DG_SECOND));
}

static void say_counters(const struct dg_answer *answer, const struct dg_admin_status *status)
{
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++) {
        enum dg_counter counter = (enum dg_counter)i;
        if (status->counters[i] > 0 && dg_advice_is_due(counter))
            dg_answer_line(answer, "%-13s %s %llu: %s", "counted", dg_counter_name(counter), count_of(status, counter),
                           dg_counter_text(counter));
    }
}

static void say_warnings(const struct dg_answer *answer, const struct dg_admin_status *status)
{
    for (size_t i = 0; i < status->warning_count; i++)
        dg_answer_line(answer, "WARNING       %s", status->warnings[i]);
    for (size_t i = 0; i < ALARM_COUNT; i++)
        if (status->counters[ALARMS[i]] > 0)
            dg_answer_line(answer, "WARNING       %s is %llu: %s", dg_counter_name(ALARMS[i]), count_of(status, ALARMS[i]),
                           dg_advice(ALARMS[i]));
}

static void say_status(const struct dg_answer *answer, const struct dg_admin_status *status, const struct dg_rates *rates,
                       dg_time now)
{
    char since[DG_ANSWER_TIME], uptime[DG_ANSWER_TIME];
    dg_answer_line(answer, "dtlsgate      %s, pid %ld, up %s (since %s), generation %u", DTLSGATE_VERSION, (long)getpid(),
                   dg_answer_duration(status->uptime, uptime), dg_answer_time(status->started_wall_s, since),
                   status->generation);
    say_listeners(answer, status);
    say_figures(answer, status);
    say_rates(answer, status, rates, now);
    say_counters(answer, status);
    say_warnings(answer, status);
}

// --- JSON ----------------------------------------------------------------------------------------------------------

static void write_listeners(struct dg_json *json, const struct dg_admin_status *status)
{
    dg_json_open_array(json, "listeners");
    for (size_t i = 0; i < status->listener_count; i++) {
        dg_json_open_object(json, NULL);
        dg_json_text(json, "name", status->listeners[i].name);
        dg_json_text(json, "address", status->listeners[i].address);
        dg_json_text(json, "backend", status->listeners[i].backend);
        dg_json_close_object(json);
    }
    dg_json_close_array(json);
}

static void write_warnings(struct dg_json *json, const struct dg_admin_status *status)
{
    dg_json_open_array(json, "warnings");
    for (size_t i = 0; i < status->warning_count; i++)
        dg_json_text(json, NULL, status->warnings[i]);
    for (size_t i = 0; i < ALARM_COUNT; i++) {
        char text[1024];
        if (status->counters[ALARMS[i]] == 0)
            continue;
        snprintf(text, sizeof text, "%s is %llu: %s", dg_counter_name(ALARMS[i]), count_of(status, ALARMS[i]),
                 dg_advice(ALARMS[i]));
        dg_json_text(json, NULL, text);
    }
    dg_json_close_array(json);
}

static void write_figures(struct dg_json *json, const struct dg_admin_status *status)
{
    dg_json_open_object(json, "associations");
    dg_json_number(json, "live", live_of(status));
    dg_json_number(json, "max", status->associations_max);
    dg_json_open_array(json, "by_worker");
    for (uint32_t i = 0; i < status->worker_count; i++)
        dg_json_number(json, NULL, status->live[i]);
    dg_json_close_array(json);
    dg_json_close_object(json);
    dg_json_open_object(json, "handshakes");
    dg_json_number(json, "under_way", status->handshakes);
    dg_json_number(json, "max", status->handshakes_max);
    dg_json_close_object(json);
}

static void write_rates(struct dg_json *json, const struct dg_admin_status *status, const struct dg_rates *rates,
                        dg_time now)
{
    dg_json_open_object(json, "a_second");
    dg_json_decimal(json, "over_seconds", (double)rates_span(rates, now) / (double)DG_SECOND);
    for (size_t i = 0; i < RATE_COUNT; i++)
        dg_json_decimal(json, RATES[i].name, rate_of(rates, now, status, RATES[i].counter));
    dg_json_close_object(json);
}

static void write_status(const struct dg_answer *answer, const struct dg_admin_status *status,
                         const struct dg_rates *rates, dg_time now)
{
    char since[DG_ANSWER_TIME];
    struct dg_json json = dg_answer_json(answer);
    dg_json_open_object(&json, NULL);
    dg_json_text(&json, "version", DTLSGATE_VERSION);
    dg_json_number(&json, "pid", (uint64_t)getpid());
    dg_json_text(&json, "since", dg_answer_time(status->started_wall_s, since));
    dg_json_number(&json, "uptime_seconds", status->uptime / DG_SECOND);
    dg_json_number(&json, "generation", status->generation);
    write_listeners(&json, status);
    write_figures(&json, status);
    write_rates(&json, status, rates, now);
    dg_json_open_object(&json, "counters");
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++)
        dg_json_number(&json, dg_counter_name((enum dg_counter)i), status->counters[i]);
    dg_json_close_object(&json);
    write_warnings(&json, status);
    dg_json_close_object(&json);
}

void dg_answer_status(const struct dg_answer *answer, const struct dg_admin_status *status, const struct dg_rates *rates,
                      dg_time now)
{
    if (answer->is_json)
        write_status(answer, status, rates, now);
    else
        say_status(answer, status, rates, now);
}
