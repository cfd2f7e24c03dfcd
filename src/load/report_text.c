// SPDX-License-Identifier: GPL-3.0-or-later
// The report for people. Its first two lines say what was asked for and what was agreed on.
#include "load/limits.h"
#include "load/report.h"

typedef unsigned long long ull;

static double seconds(dg_time time)
{
    return (double)time / (double)DG_SECOND;
}

static double ms(dg_time time)
{
    return (double)time / (double)DG_MILLISECOND;
}

static double per_second(uint64_t count, dg_time time)
{
    return time > 0 ? (double)count / seconds(time) : 0;
}

static ull of(const struct dg_load_tally *tally, enum dg_load_tally_item item)
{
    return dg_load_tally_read(tally, item);
}

static void tell_times(FILE *out, const char *what, const struct dg_load_histogram *times)
{
    if (dg_load_histogram_count(times) == 0)
        return;
    fprintf(out, "  %-18s median %.3f ms, 90%% %.3f, 99%% %.3f, 99.9%% %.3f, greatest %.3f, mean %.3f\n", what,
            ms(dg_load_histogram_quantile(times, 50000)), ms(dg_load_histogram_quantile(times, 90000)),
            ms(dg_load_histogram_quantile(times, 99000)), ms(dg_load_histogram_quantile(times, 99900)),
            ms(dg_load_histogram_greatest(times)), ms(dg_load_histogram_mean(times)));
}

static void tell_head(const struct dg_load_config *config, const struct dg_load_result *result, FILE *out)
{
    static const char *const kinds[] = {"messages", "handshakes", "idle associations"};
    char server[DG_ADDRESS_TEXT];
    dg_address_format(&config->server, server);
    fprintf(out, "%s to %s, %u thread%s", kinds[config->kind], server, config->threads, config->threads == 1 ? "" : "s");
    if (config->connect_only)
        fputs(", associations only", out);
    else if (config->rate_from > 0)
        fprintf(out, ", from %u to %u a second", config->rate_from, config->rate);
    else if (config->rate > 0)
        fprintf(out, ", %u a second", config->rate);
    else if (config->every > 0)
        fprintf(out, ", each association every %.0f s", seconds(config->every));
    else if (config->kind == DG_LOAD_MESSAGES)
        fprintf(out, ", as fast as answers come, %u under way", config->in_flight);
    if (config->kind == DG_LOAD_MESSAGES && !config->connect_only)
        fprintf(out, ", %u bytes each", config->message_bytes);
    fputc('\n', out);
    if (result->version != 0)
        fprintf(out, "DTLS 1.%d, %s, connection IDs: %s, return routability check: %s\n", result->version - 10,
                result->suite, result->has_cid ? "yes" : "no", result->has_rrc ? "yes" : "no");
    if (result->is_interrupted)
        fputs("interrupted by a signal: the figures are of the part before it\n", out);
}

static void tell_connecting(const struct dg_load_config *config, const struct dg_load_result *result, FILE *out)
{
    if (config->kind == DG_LOAD_HANDSHAKES)
        return;
    ull done = of(&result->tally, DG_LOAD_HANDSHAKES_DONE) - of(&result->tally_load, DG_LOAD_HANDSHAKES_DONE);
    fprintf(out, "connecting: %llu of %u associations made in %.3f s, %.1f a second\n", done, config->associations,
            seconds(result->connect_time), per_second(done, result->connect_time));
    tell_times(out, "handshake", &result->times->handshake);
    if (config->connect_only)
        tell_times(out, "behind schedule", &result->times->lag);
}

static void tell_load(const struct dg_load_config *config, const struct dg_load_result *result, FILE *out)
{
    const struct dg_load_tally *tally = &result->tally_load;
    if (config->connect_only)
        return;
    fprintf(out, "load: %.3f s\n", seconds(result->load_time));
    if (config->kind == DG_LOAD_HANDSHAKES) {
        ull done = of(tally, DG_LOAD_HANDSHAKES_DONE);
        fprintf(out, "  handshakes         %llu begun, %llu done (%.1f a second), %llu of them resumed\n",
                of(tally, DG_LOAD_HANDSHAKES_STARTED), done, per_second(done, result->load_time),
                of(tally, DG_LOAD_HANDSHAKES_RESUMED));
        tell_times(out, "handshake", &result->times->handshake);
    }
    if (config->kind == DG_LOAD_MESSAGES) {
        ull sent = of(tally, DG_LOAD_MESSAGES_SENT), answered = of(tally, DG_LOAD_MESSAGES_ANSWERED);
        fprintf(out, "  messages           %llu sent (%.1f a second), %llu answered (%.1f a second), %llu lost", sent,
                per_second(sent, result->load_time), answered, per_second(answered, result->load_time),
                of(tally, DG_LOAD_MESSAGES_LOST));
        fprintf(out, ", %llu refused by us, %llu answers late, %llu repeated, %llu foreign\n",
                of(tally, DG_LOAD_MESSAGES_UNSENT), of(tally, DG_LOAD_ANSWERS_LATE), of(tally, DG_LOAD_ANSWERS_REPEATED),
                of(tally, DG_LOAD_ANSWERS_FOREIGN));
        tell_times(out, "latency", &result->times->latency);
    }
    if (of(tally, DG_LOAD_OMITTED) > 0)
        fprintf(out, "  omitted            %llu were due and never begun: they are in no latency\n", of(tally, DG_LOAD_OMITTED));
    tell_times(out, "behind schedule", &result->times->lag);
}

static void tell_associations(const struct dg_load_config *config, const struct dg_load_result *result, FILE *out)
{
    const struct dg_load_tally *tally = &result->tally_load;
    if (config->kind == DG_LOAD_HANDSHAKES)
        return;
    fprintf(out, "associations: %llu live at the end, %llu ended by the server or an error, %llu new handshakes, %llu "
                 "changes of address\n",
            (ull)result->associations_live, of(&result->tally, DG_LOAD_ASSOCIATIONS_ENDED),
            of(tally, DG_LOAD_HANDSHAKES_STARTED), of(tally, DG_LOAD_MOVES));
    if (config->kind != DG_LOAD_MESSAGES || !config->wants_answers || config->connect_only)
        return;
    fprintf(out, "  %llu wait for an answer since their last one\n", (ull)result->associations_unheard);
    tell_times(out, "longest wait", &result->times->wait);
    fprintf(out, "  longest time without an answer to anybody: %.3f ms, from %.3f s of the load\n", ms(result->silence),
            seconds(result->silence_began));
}

static void tell_failures(const struct dg_load_result *result, FILE *out)
{
    ull timeouts = of(&result->tally, DG_LOAD_HANDSHAKE_TIMEOUTS);
    if (timeouts > 0)
        fprintf(out, "handshake flights that were repeated: %llu\n", timeouts);
    if (of(&result->tally, DG_LOAD_HANDSHAKES_FAILED) == 0)
        return;
    fprintf(out, "handshakes that failed: %llu\n", of(&result->tally, DG_LOAD_HANDSHAKES_FAILED));
    for (size_t i = 0; i < DG_LOAD_REASONS_MAX && result->reasons[i].count > 0; i++) {
        const struct dg_load_reason *reason = &result->reasons[i];
        fprintf(out, "  %llu: %s", (ull)reason->count, reason->why);
        if (reason->alert >= 0)
            fprintf(out, " (alert %d of the server)", reason->alert);
        fputc('\n', out);
    }
}

static void tell_limits(const struct dg_load_config *config, const struct dg_load_result *result, FILE *out)
{
    struct dg_load_limit limits[DG_LOAD_LIMITS_MAX];
    size_t count = dg_load_limits_judge(config, result, limits);
    fputs("processor of each thread:", out);
    for (uint32_t i = 0; i < config->threads; i++) {
        const struct dg_load_usage *usage = &result->usage[i];
        double whole = usage->wall > 0 ? (double)usage->wall / 100 : 1;
        fprintf(out, " %.0f%% busy, %.1f%% waiting for it;", (double)usage->cpu / whole, (double)usage->waited / whole);
    }
    fputs(count == 0 ? "\nnothing on this side was the limit\n" : "\nthis side was a limit:\n", out);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "  %s\n", limits[i].text);
}

void dg_load_report_text(const struct dg_load_config *config, const struct dg_load_result *result, FILE *out)
{
    tell_head(config, result, out);
    tell_connecting(config, result, out);
    tell_load(config, result, out);
    tell_associations(config, result, out);
    tell_failures(result, out);
    tell_limits(config, result, out);
}
