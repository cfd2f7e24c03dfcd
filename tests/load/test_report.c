// SPDX-License-Identifier: GPL-3.0-or-later
// The reports and the judgement in them: figures where they belong, words that are escaped, and a limit of our own side
// said where there was one and nowhere else. tests/system/test_bench.py reads whole reports with a JSON parser.
#include "check.h"

#include "base/json.h"
#include "load/limits.h"
#include "load/report.h"

#include <stdlib.h>
#include <string.h>

static struct dg_load_config config;
static struct dg_load_result result;
static struct dg_load_times times;
static struct dg_load_limit limits[DG_LOAD_LIMITS_MAX];

static void begin(void)
{
    memset(&config, 0, sizeof config);
    memset(&result, 0, sizeof result);
    memset(&times, 0, sizeof times);
    CHECK(dg_address_parse("127.0.0.1:5684", &config.server));
    config.threads = 1;
    config.associations = 3;
    config.handshakes_at_once = 64;
    config.rate = 100;
    config.message_bytes = 64;
    config.wants_answers = true;
    result.times = &times;
    result.load_time = 2 * DG_SECOND;
    result.usage[0] = (struct dg_load_usage){.wall = 100 * DG_SECOND, .cpu = 50 * DG_SECOND};
}

static char *written(bool is_json)
{
    static char text[65536];
    FILE *out = fmemopen(text, sizeof text, "w");
    if (!out)
        return text;
    if (is_json)
        CHECK(dg_load_report_json(&config, &result, out));
    else
        dg_load_report_text(&config, &result, out);
    fclose(out);
    return text;
}

static bool is_limit(const char *name)
{
    size_t count = dg_load_limits_judge(&config, &result, limits);
    for (size_t i = 0; i < count; i++)
        if (strcmp(limits[i].name, name) == 0)
            return true;
    return false;
}

DG_TEST(load_limits_are_none_on_a_quiet_side)
{
    begin();
    for (int i = 0; i < 1000; i++)
        dg_load_histogram_record(&times.lag, i < 995 ? 50 * DG_MICROSECOND : DG_SECOND);
    CHECK_EQ(dg_load_limits_judge(&config, &result, limits), 0);
    CHECK(strstr(written(false), "nothing on this side was the limit"));
    CHECK(strstr(written(true), "\"was_the_limit\": false"));
}

DG_TEST(load_limits_are_each_said)
{
    begin();
    result.usage[0].cpu = 89 * DG_SECOND;
    CHECK(!is_limit("processor"));
    result.usage[0].cpu = 90 * DG_SECOND;
    CHECK(is_limit("processor") && !is_limit("processor_shared"));
    result.usage[0] = (struct dg_load_usage){.wall = 100 * DG_SECOND, .cpu = DG_SECOND, .waited = 5 * DG_SECOND};
    CHECK(is_limit("processor_shared") && !is_limit("processor"));

    begin();
    for (int i = 0; i < 1000; i++)
        dg_load_histogram_record(&times.lag, i < 985 ? 50 * DG_MICROSECOND : DG_SECOND);
    CHECK(is_limit("schedule"));
    begin();
    result.receive_overflows = 1;
    CHECK(is_limit("receive_buffer"));
    begin();
    result.send_refusals = 1;
    CHECK(is_limit("send_buffer"));
    begin();
    result.begun_late = 1;
    CHECK(is_limit("handshakes_at_once"));
    for (int i = 0; i < 100; i++) // the wait for room is not told twice
        dg_load_histogram_record(&times.lag, DG_SECOND);
    CHECK(!is_limit("schedule"));
    CHECK(strstr(written(false), "this side was a limit:"));
    CHECK(strstr(written(true), "\"name\": \"handshakes_at_once\""));
}

// What was due when the server had ended every association is in the report, and no limit of ours.
DG_TEST(load_limits_are_not_what_a_server_ended)
{
    begin();
    dg_load_tally_by(&result.tally, DG_LOAD_OMITTED, 700);
    dg_load_tally_by(&result.tally_load, DG_LOAD_OMITTED, 700);
    CHECK(!is_limit("omitted"));
    CHECK(strstr(written(false), "700 were due and never begun"));
    result.associations_live = 1;
    CHECK(is_limit("omitted"));
    result.associations_live = 0;
    config.kind = DG_LOAD_HANDSHAKES;
    CHECK(is_limit("omitted"));
}

DG_TEST(load_report_has_its_figures)
{
    begin();
    result.version = 12;
    strcpy(result.suite, "TLS_PSK_WITH_AES_128_CCM_8");
    dg_load_tally_by(&result.tally, DG_LOAD_HANDSHAKES_DONE, 3);
    dg_load_tally_by(&result.tally, DG_LOAD_HANDSHAKES_FAILED, 2);
    dg_load_tally_by(&result.tally, DG_LOAD_MESSAGES_SENT, 200);
    dg_load_tally_by(&result.tally_load, DG_LOAD_MESSAGES_SENT, 200);
    dg_load_tally_by(&result.tally_load, DG_LOAD_MESSAGES_ANSWERED, 190);
    dg_load_tally_by(&result.tally_load, DG_LOAD_MESSAGES_LOST, 10);
    for (uint64_t i = 1; i <= 190; i++)
        dg_load_histogram_record(&times.latency, i * DG_MILLISECOND);
    result.reasons[0] = (struct dg_load_reason){.why = "the server does not answer", .alert = -1, .count = 1};
    result.reasons[1] = (struct dg_load_reason){.why = "refused", .alert = 40, .count = 1};
    const char *text = written(false);
    CHECK(strstr(text, "DTLS 1.2, TLS_PSK_WITH_AES_128_CCM_8"));
    CHECK(strstr(text, "200 sent (100.0 a second), 190 answered (95.0 a second), 10 lost"));
    CHECK(strstr(text, "handshakes that failed: 2\n  1: the server does not answer\n  1: refused (alert 40 of the server)"));
    CHECK(strstr(text, "3 of 3 associations made"));
    text = written(true);
    CHECK(strstr(text, "\"server\": \"127.0.0.1:5684\""));
    CHECK(strstr(text, "\"messages_lost\": 10"));
    CHECK(strstr(text, "\"count\": 190,\n    \"mean_ms\": 95.500000"));
    CHECK(strstr(text, "\"alert\": 40"));
}

DG_TEST(load_report_of_nothing_is_whole)
{
    begin();
    CHECK(strstr(written(false), "0 of 3 associations made"));
    CHECK(strstr(written(true), "\"version\": null"));
}

DG_TEST(load_json_escapes_what_is_not_plain)
{
    char text[256];
    FILE *out = fmemopen(text, sizeof text, "w");
    REQUIRE(out);
    struct dg_json json = {.out = out};
    dg_json_open_object(&json, NULL);
    dg_json_open_array(&json, "empty");
    dg_json_close_array(&json);
    dg_json_text(&json, "words", "a\"b\\c\n\xc3");
    dg_json_open_array(&json, "list");
    dg_json_number(&json, NULL, 1);
    dg_json_bool(&json, NULL, true);
    dg_json_close_array(&json);
    dg_json_close_object(&json);
    fclose(out);
    CHECK_STR(text, "{\n  \"empty\": [],\n  \"words\": \"a\\u0022b\\u005cc\\u000a\\u00c3\",\n  \"list\": [\n    1,\n    true\n"
                    "  ]\n}\n");
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(load_limits_are_none_on_a_quiet_side),
        DG_CASE(load_limits_are_each_said),
        DG_CASE(load_limits_are_not_what_a_server_ended),
        DG_CASE(load_report_has_its_figures),
        DG_CASE(load_report_of_nothing_is_whole),
        DG_CASE(load_json_escapes_what_is_not_plain),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
