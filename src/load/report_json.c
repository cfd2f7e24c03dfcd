// SPDX-License-Identifier: GPL-3.0-or-later
// The report as JSON. Times are milliseconds, but for those that say seconds.
#include "base/json.h"
#include "load/limits.h"
#include "load/report.h"

static double seconds(dg_time time)
{
    return (double)time / (double)DG_SECOND;
}

static double ms(dg_time time)
{
    return (double)time / (double)DG_MILLISECOND;
}

static void put_tally(struct dg_json *json, const char *name, const struct dg_load_tally *tally)
{
    static const char *const names[] = {
#define DG_LOAD_TALLY_NAME(suffix, name) name,
        DG_LOAD_TALLY_LIST(DG_LOAD_TALLY_NAME)
#undef DG_LOAD_TALLY_NAME
    };
    dg_json_open_object(json, name);
    for (size_t i = 0; i < DG_LOAD_TALLY_COUNT; i++)
        dg_json_number(json, names[i], dg_load_tally_read(tally, (enum dg_load_tally_item)i));
    dg_json_close_object(json);
}

static void put_times(struct dg_json *json, const char *name, const struct dg_load_histogram *times)
{
    static const struct {
        const char *name;
        uint32_t of_100000;
    } quantiles[] = {{"p50", 50000}, {"p75", 75000},  {"p90", 90000},    {"p95", 95000},
                     {"p99", 99000}, {"p99_9", 99900}, {"p99_99", 99990}, {"p99_999", 99999}};
    dg_json_open_object(json, name);
    dg_json_number(json, "count", dg_load_histogram_count(times));
    dg_json_decimal(json, "mean_ms", ms(dg_load_histogram_mean(times)));
    dg_json_decimal(json, "least_ms", ms(dg_load_histogram_least(times)));
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        char member[32];
        snprintf(member, sizeof member, "%s_ms", quantiles[i].name);
        dg_json_decimal(json, member, ms(dg_load_histogram_quantile(times, quantiles[i].of_100000)));
    }
    dg_json_decimal(json, "greatest_ms", ms(dg_load_histogram_greatest(times)));
    dg_json_close_object(json);
}

static void put_asked(struct dg_json *json, const struct dg_load_config *config)
{
    static const char *const kinds[] = {"messages", "handshakes", "idle"};
    char server[DG_ADDRESS_TEXT];
    dg_address_format(&config->server, server);
    dg_json_open_object(json, "asked");
    dg_json_text(json, "server", server);
    dg_json_text(json, "load", kinds[config->kind]);
    dg_json_number(json, "threads", config->threads);
    dg_json_number(json, "associations", config->associations);
    dg_json_number(json, "handshakes_at_once", config->handshakes_at_once);
    dg_json_number(json, "ramp", config->ramp);
    dg_json_number(json, "rate", config->rate);
    dg_json_number(json, "rate_from", config->rate_from);
    dg_json_decimal(json, "every_seconds", seconds(config->every));
    dg_json_number(json, "in_flight", config->in_flight);
    dg_json_number(json, "message_bytes", config->message_bytes);
    dg_json_decimal(json, "duration_seconds", seconds(config->duration));
    dg_json_decimal(json, "answer_timeout_ms", ms(config->answer_timeout));
    dg_json_decimal(json, "move_every_seconds", seconds(config->move_every));
    dg_json_close_object(json);
}

static void put_agreed(struct dg_json *json, const struct dg_load_result *result)
{
    dg_json_open_object(json, "agreed");
    dg_json_text(json, "version", result->version == 13 ? "1.3" : result->version == 12 ? "1.2" : NULL);
    dg_json_text(json, "suite", result->version != 0 ? result->suite : NULL);
    dg_json_bool(json, "connection_ids", result->has_cid);
    dg_json_bool(json, "return_routability_check", result->has_rrc);
    dg_json_close_object(json);
}

static void put_associations(struct dg_json *json, const struct dg_load_result *result)
{
    dg_json_open_object(json, "associations");
    dg_json_number(json, "live_at_end", result->associations_live);
    dg_json_number(json, "unheard_at_end", result->associations_unheard);
    dg_json_decimal(json, "silence_ms", ms(result->silence));
    dg_json_decimal(json, "silence_began_seconds", seconds(result->silence_began));
    put_times(json, "longest_wait", &result->times->wait);
    dg_json_close_object(json);
}

static void put_failures(struct dg_json *json, const struct dg_load_result *result)
{
    dg_json_open_array(json, "failures");
    for (size_t i = 0; i < DG_LOAD_REASONS_MAX && result->reasons[i].count > 0; i++) {
        dg_json_open_object(json, NULL);
        dg_json_number(json, "count", result->reasons[i].count);
        dg_json_text(json, "why", result->reasons[i].why);
        if (result->reasons[i].alert >= 0)
            dg_json_number(json, "alert", (uint64_t)result->reasons[i].alert);
        dg_json_close_object(json);
    }
    dg_json_close_array(json);
}

static void put_this_side(struct dg_json *json, const struct dg_load_config *config,
                          const struct dg_load_result *result)
{
    struct dg_load_limit limits[DG_LOAD_LIMITS_MAX];
    size_t count = dg_load_limits_judge(config, result, limits);
    dg_json_open_object(json, "this_side");
    dg_json_bool(json, "was_the_limit", count > 0);
    dg_json_open_array(json, "limits");
    for (size_t i = 0; i < count; i++) {
        dg_json_open_object(json, NULL);
        dg_json_text(json, "name", limits[i].name);
        dg_json_text(json, "text", limits[i].text);
        dg_json_close_object(json);
    }
    dg_json_close_array(json);
    dg_json_open_array(json, "threads");
    for (uint32_t i = 0; i < config->threads; i++) {
        dg_json_open_object(json, NULL);
        dg_json_decimal(json, "wall_seconds", seconds(result->usage[i].wall));
        dg_json_decimal(json, "processor_seconds", seconds(result->usage[i].cpu));
        dg_json_decimal(json, "waited_seconds", seconds(result->usage[i].waited));
        dg_json_close_object(json);
    }
    dg_json_close_array(json);
    dg_json_number(json, "receive_overflows", result->receive_overflows);
    dg_json_number(json, "send_refusals", result->send_refusals);
    dg_json_number(json, "handshakes_begun_late", result->begun_late);
    dg_json_close_object(json);
}

static void put_samples(struct dg_json *json, const struct dg_load_result *result)
{
    dg_json_open_array(json, "samples");
    for (uint32_t i = 0; i < result->sample_count; i++) {
        const struct dg_load_sample *sample = &result->samples[i];
        dg_json_open_object(json, NULL);
        dg_json_decimal(json, "at_seconds", seconds(sample->at));
        dg_json_number(json, "sent", sample->sent);
        dg_json_number(json, "answered", sample->answered);
        dg_json_number(json, "lost", sample->lost);
        dg_json_number(json, "handshakes", sample->handshakes);
        dg_json_decimal(json, "p50_ms", ms(sample->median));
        dg_json_decimal(json, "p99_ms", ms(sample->p99));
        dg_json_close_object(json);
    }
    dg_json_close_array(json);
}

bool dg_load_report_json(const struct dg_load_config *config, const struct dg_load_result *result, FILE *out)
{
    struct dg_json json = {.out = out};
    dg_json_open_object(&json, NULL);
    put_asked(&json, config);
    put_agreed(&json, result);
    dg_json_bool(&json, "interrupted", result->is_interrupted);
    dg_json_decimal(&json, "connect_seconds", seconds(result->connect_time));
    dg_json_decimal(&json, "load_seconds", seconds(result->load_time));
    put_tally(&json, "all", &result->tally);
    put_tally(&json, "load", &result->tally_load);
    put_times(&json, "handshake", &result->times->handshake);
    put_times(&json, "latency", &result->times->latency);
    put_times(&json, "behind_schedule", &result->times->lag);
    put_associations(&json, result);
    put_failures(&json, result);
    put_this_side(&json, config, result);
    put_samples(&json, result);
    dg_json_close_object(&json);
    return fflush(out) == 0 && ferror(out) == 0;
}
