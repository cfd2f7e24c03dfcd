// SPDX-License-Identifier: GPL-3.0-or-later
// Options: defaults, ranges, the words of refusals, and the documentation's table.
#include "check.h"

#include "base/log.h"
#include "config/bench_options.h"
#include "config/config.h"
#include "config/connect_options.h"
#include "config/options.h"
#include "config/psk_options.h"
#include "crypto/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char error[512];

static bool parse(struct dg_options *options, const char *a, const char *b)
{
    char first[128], second[128];
    snprintf(first, sizeof first, "%s", a);
    snprintf(second, sizeof second, "%s", b ? b : "");
    char *argv[] = {first, second};
    error[0] = '\0';
    return dg_options_parse(options, b ? 2 : 1, argv, error, sizeof error);
}

DG_TEST(options_defaults_deny_and_stay_in_range)
{
    struct dg_options options;
    dg_options_default(&options);
    CHECK_EQ(options.client_auth, DG_CLIENT_AUTH_REQUIRED);
    CHECK_EQ(options.profile, 0);
    CHECK(!dg_options_check(&options, error, sizeof error));
#define IN_RANGE(field, name, argument, preset, min, max, help) CHECK((long long)options.field >= (min) && (long long)options.field <= (max));
#define NOTHING(...)
    DG_OPTION_LIST(NOTHING, NOTHING, IN_RANGE, NOTHING, NOTHING)
}

DG_TEST(options_are_set_in_both_forms)
{
    struct dg_options options;
    dg_options_default(&options);
    CHECK(parse(&options, "--workers", "8"));
    CHECK_EQ(options.workers, 8);
    CHECK(parse(&options, "--workers=3", NULL));
    CHECK_EQ(options.workers, 3);
    CHECK(parse(&options, "--profile", "iot"));
    CHECK_EQ(options.profile, 1);
    CHECK(parse(&options, "--listen", "127.0.0.1:5684"));
    CHECK(parse(&options, "--listen", "[::1]:5684"));
    CHECK_EQ(options.listen.count, 2);
    CHECK_EQ(options.listen.items[1].port, 5684);
    CHECK(parse(&options, "--psk-file", "a b=c"));
    CHECK_STR(options.psk_file, "a b=c");
}

DG_TEST(options_refusals_say_found_expected_and_keep_the_value)
{
    static const struct {
        const char *option, *value, *expected;
    } cases[] = {
        {"--workers", "abc", "--workers: found \"abc\", expected a whole number from 0 to 64"},
        {"--workers", "65", "found \"65\""},
        {"--workers", "-1", "found \"-1\""},
        {"--workers", "", "found \"\""},
        {"--workers", "1x", "found \"1x\""},
        {"--workers", "99999999999999999999999", "expected a whole number"},
        {"--profile", "old", "expected one of modern|iot"},
        {"--profile", "mode", "expected one of modern|iot"},
        {"--listen", "localhost", "expected a numeric address and a port"},
        {"--listen", "1.2.3.4", "expected a numeric address and a port"},
        {"--worker", "1", "the nearest is --workers"},
        {"--client-cert", "x", "there is no such option"},
        {"-w", "1", "expected an option"},
        {"--psk-file", "", "expected 1 to 511 characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dg_options options, before;
        dg_options_default(&options);
        before = options;
        CHECK_MSG(!parse(&options, cases[i].option, cases[i].value), "case %zu was taken", i);
        CHECK_MSG(strstr(error, cases[i].expected) != NULL, "case %zu: \"%s\"", i, error);
        CHECK_MEM(&options, &before, sizeof options);
    }
    struct dg_options options;
    dg_options_default(&options);
    CHECK(!parse(&options, "--workers", NULL));
    CHECK_STR(error, "--workers: its value is missing");
    // A key that stands where no option takes it gets into no log by the refusal.
    CHECK(!parse(&options, "demo:00112233445566778899aabbccddeeff", NULL));
    CHECK_MSG(strstr(error, "00112233") == NULL && strstr(error, "expected an option such as --listen") != NULL, "%s", error);
    // Nor as the name of an option.
    static const char *const words[] = {"--alice:00112233445566778899aabbccddeeff", "--00112233445566778899aabbccddeeff",
                                        "--alice:00112233445566778899aabbccddeeff=x", "-00112233445566778899aabbccddeeff",
                                        "--00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff=x",
                                        "--alice=00112233445566778899aabbccddeeff",
                                        "--a-name-that-is-as-long-as-no-option-has-one-and-longer=00112233445566778899aabbccddeeff"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        CHECK(!parse(&options, words[i], NULL));
        CHECK_MSG(strstr(error, "00112233") == NULL && strstr(error, "do: dtlsgate serve --help"), "%zu: %s", i, error);
    }
}

// CWE-807: without something to check clients by there is no server, unless by the explicit word.
DG_TEST(options_without_client_credentials_are_refused)
{
    struct dg_options options;
    dg_options_default(&options);
    REQUIRE(parse(&options, "--listen", "127.0.0.1:0") && parse(&options, "--backend", "echo"));
    CHECK(!dg_options_check(&options, error, sizeof error));
    CHECK_MSG(strstr(error, "--psk-file") != NULL, "%s", error);
    REQUIRE(parse(&options, "--cert", "c.pem"));
    CHECK(!dg_options_check(&options, error, sizeof error));
    CHECK_MSG(strstr(error, "--key FILE is missing") != NULL, "%s", error);
    REQUIRE(parse(&options, "--key", "k.pem"));
    CHECK(!dg_options_check(&options, error, sizeof error));
    CHECK_MSG(strstr(error, "nothing to check clients by") && strstr(error, "insecure-none"), "%s", error);
    struct dg_options open = options;
    REQUIRE(parse(&open, "--client-auth", "insecure-none"));
    CHECK(dg_options_check(&open, error, sizeof error));
    REQUIRE(parse(&options, "--client-ca", "ca.pem"));
    CHECK(dg_options_check(&options, error, sizeof error));
    REQUIRE(parse(&options, "--client-auth", "insecure-none"));
    CHECK(!dg_options_check(&options, error, sizeof error));
    CHECK_MSG(strstr(error, "contradict") != NULL, "%s", error);
}

// How many associations IDs of a length tell apart: docs/memory.md.
DG_TEST(options_of_connection_ids_that_are_too_short_are_refused)
{
    struct dg_options options;
    dg_options_default(&options);
    CHECK_EQ(options.connection_id_length, 8);
    REQUIRE(parse(&options, "--listen", "127.0.0.1:0") && parse(&options, "--backend", "echo") &&
            parse(&options, "--psk-file", "psk.txt"));
    CHECK(!parse(&options, "--connection-id-length", "3"));
    CHECK(!parse(&options, "--connection-id-length", "17"));
    REQUIRE(parse(&options, "--connection-id-length", "4") && parse(&options, "--associations-max", "1048576"));
    CHECK_MSG(dg_options_check(&options, error, sizeof error), "%s", error);
    REQUIRE(parse(&options, "--associations-max", "1048577"));
    CHECK(!dg_options_check(&options, error, sizeof error));
    CHECK_STR(error, "--associations-max 1048577 is more than connection IDs of 4 bytes can tell apart, which is 1048576: "
                     "give a longer --connection-id-length, or a smaller --associations-max");
    REQUIRE(parse(&options, "--connection-id", "no"));
    CHECK_MSG(dg_options_check(&options, error, sizeof error), "%s", error);
    REQUIRE(parse(&options, "--connection-id", "yes") && parse(&options, "--associations-max", "67108864"));
    for (uint32_t length = 5; length <= 16; length++) {
        options.connection_id_length = length;
        CHECK_MSG(dg_options_check(&options, error, sizeof error), "%u: %s", length, error);
    }
}

DG_TEST(options_words_have_their_numbers)
{
    struct dg_options options;
    dg_options_default(&options);
    const struct {
        const char *name, *word;
        const uint32_t *field;
        uint32_t number;
    } cases[] = {
        {"client-auth", "required", &options.client_auth, DG_CLIENT_AUTH_REQUIRED},
        {"client-auth", "insecure-none", &options.client_auth, DG_CLIENT_AUTH_INSECURE_NONE},
        {"profile", "modern", &options.profile, DG_PROFILE_MODERN},
        {"profile", "iot", &options.profile, DG_PROFILE_IOT},
        {"connection-id", "yes", &options.connection_id, DG_CHOICE_YES},
        {"connection-id", "no", &options.connection_id, DG_CHOICE_NO},
        {"backend-network", "loopback", &options.backend_network, DG_BACKEND_NETWORK_LOOPBACK},
        {"backend-network", "any", &options.backend_network, DG_BACKEND_NETWORK_ANY},
        {"steering", "filter", &options.steering, DG_STEERING_FILTER},
        {"steering", "forward", &options.steering, DG_STEERING_FORWARD},
        {"log-level", "error", &options.log_level, DG_LOG_ERROR},
        {"log-level", "warning", &options.log_level, DG_LOG_WARNING},
        {"log-level", "info", &options.log_level, DG_LOG_INFO},
        {"log-level", "debug", &options.log_level, DG_LOG_DEBUG},
        {"log-contents", "yes", &options.log_contents, DG_CHOICE_YES},
        {"log-contents", "no", &options.log_contents, DG_CHOICE_NO},
    };
    CHECK_EQ(options.log_contents, DG_CHOICE_NO);
    CHECK_EQ(options.backend_network, DG_BACKEND_NETWORK_LOOPBACK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_MSG(dg_options_set(&options, cases[i].name, cases[i].word, error, sizeof error), "%s", error);
        CHECK_MSG(*cases[i].field == cases[i].number, "%s %s", cases[i].name, cases[i].word);
    }
}

struct named {
    struct dg_text_list names;
};
#define DG_OPTION_STRUCT struct named
static const struct dg_option named_rows[] = {DG_OPTION_ROW_TEXTS(names, "name", "NAME", "may be given up to 16 times")};
static const struct dg_option_table named_table = {"help", "--name", named_rows, 1, sizeof(struct named)};

DG_TEST(options_of_several_texts_keep_each_up_to_their_bound)
{
    static struct named named, full;
    char option[] = "--name", first[] = "first", second[] = "--name=second";
    char *argv[] = {option, first, second};
    dg_option_table_default(&named_table, &named);
    CHECK_EQ(named.names.count, 0);
    REQUIRE(dg_option_table_parse(&named_table, &named, 3, argv, error, sizeof error));
    CHECK_EQ(named.names.count, 2);
    CHECK_STR(named.names.items[0], "first");
    CHECK_STR(named.names.items[1], "second");
    CHECK(!dg_option_table_set(&named_table, &named, "name", "", error, sizeof error));
    CHECK_MSG(strstr(error, "expected 1 to 511 characters") != NULL, "%s", error);
    CHECK_EQ(named.names.count, 2);
    while (named.names.count < DG_OPTION_TEXTS)
        REQUIRE(dg_option_table_set(&named_table, &named, "name", "more", error, sizeof error));
    full = named;
    CHECK(!dg_option_table_set(&named_table, &named, "name", "too many", error, sizeof error));
    CHECK_STR(error, "--name: found \"too many\", expected at most 16 of this option");
    CHECK_MEM(&named, &full, sizeof named);
}

static void is_in(const char *document, void (*print)(FILE *out))
{
    char *made = NULL;
    size_t made_size = 0;
    FILE *out = open_memstream(&made, &made_size);
    REQUIRE(out);
    print(out);
    fclose(out);
    const char *source = getenv("DTLSGATE_SOURCE");
    char path[512];
    snprintf(path, sizeof path, "%s/docs/%s", source ? source : ".", document);
    FILE *file = fopen(path, "r");
    CHECK_MSG(file != NULL, "docs/%s is missing", document);
    if (file) {
        static char text[65536];
        size_t size = fread(text, 1, sizeof text - 1, file);
        text[size] = '\0';
        CHECK_MSG(strstr(text, made) != NULL, "docs/%s is not what the tables make of it: run scripts/options-doc", document);
        fclose(file);
    }
    free(made);
}

DG_TEST(options_documentation_is_the_table)
{
    is_in("options.md", dg_options_markdown);
    is_in("options.md", dg_connect_options_markdown);
    is_in("options.md", dg_bench_options_markdown);
    is_in("options.md", dg_psk_options_markdown);
}

static void print_rule(FILE *out) { dg_option_table_keys(&dg_config_table_rule, out); }
static void print_certificate(FILE *out) { dg_option_table_keys(&dg_config_table_certificate, out); }
static void print_listener_roff(FILE *out) { dg_option_table_roff(&dg_options_table_listener, false, out); }
static void print_process_roff(FILE *out) { dg_option_table_roff(&dg_options_table_process, false, out); }
static void print_rule_roff(FILE *out) { dg_option_table_roff(&dg_config_table_rule, true, out); }
static void print_certificate_roff(FILE *out) { dg_option_table_roff(&dg_config_table_certificate, true, out); }

DG_TEST(options_of_the_file_and_the_manual_are_the_tables)
{
    is_in("configuration.md", print_rule);
    is_in("configuration.md", print_certificate);
    is_in("man/dtlsgate.8", print_listener_roff);
    is_in("man/dtlsgate.8", print_process_roff);
    is_in("man/dtlsgate.8", print_rule_roff);
    is_in("man/dtlsgate.8", print_certificate_roff);
}

static bool connects(const char *words)
{
    struct dg_connect_options options;
    char text[512], *argv[16];
    int argc = 0;
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok(text, " "); word && argc < 16; word = strtok(NULL, " "))
        argv[argc++] = word;
    dg_connect_options_default(&options);
    error[0] = '\0';
    return dg_connect_options_parse(&options, argc, argv, error, sizeof error) &&
           dg_connect_options_check(&options, error, sizeof error);
}

// CWE-807: a client that nothing tells who the server is does not connect, unless by the explicit word.
DG_TEST(connect_options_verify_by_default)
{
    CHECK(!connects(""));
    CHECK_MSG(strstr(error, "--ca FILE") && strstr(error, "--insecure-no-verify"), "%s", error);
    CHECK(!connects("--cert c.pem --key k.pem"));
    CHECK(connects("--insecure-no-verify"));
    CHECK(!connects("--insecure-no-verify --ca ca.pem"));
    CHECK(connects("--ca ca.pem"));
    CHECK(connects("--pin sha256:00"));
    CHECK(connects("--psk-file psk.txt"));
}

static bool benches(const char *words)
{
    struct dg_bench_options options;
    char text[512], *argv[16];
    int argc = 0;
    snprintf(text, sizeof text, "--psk-file p %s", words);
    for (char *word = strtok(text, " "); word && argc < 16; word = strtok(NULL, " "))
        argv[argc++] = word;
    dg_bench_options_default(&options);
    error[0] = '\0';
    return dg_bench_options_parse(&options, argc, argv, error, sizeof error) &&
           dg_bench_options_check(&options, error, sizeof error);
}

DG_TEST(bench_options_that_contradict_are_refused_in_words)
{
    static const struct {
        const char *words, *expected;
    } cases[] = {
        {"--rate 5 --every 5", "two ways to say when messages are sent"},
        {"--rate-from 5", "--rate-from needs --rate"},
        {"--load idle --rate 5", "--load idle sends nothing"},
        {"--load handshakes --every 5", "--every is for messages"},
        {"--load handshakes --in-flight 5", "--in-flight is for messages"},
        {"--in-flight 5 --rate 5", "closed loop"},
        {"--answers none", "--answers none needs --rate or --every"},
        {"--resumed", "--resumed goes with --load handshakes"},
        {"--load handshakes --connect-only", "contradicts --load handshakes"},
        {"--size 1300", "--size is too large"},
        {"--size 15", "expected a whole number from 16"},
        {"--move 1 --connection-id no", "--move needs connection IDs"},
        {"--move 1 --load handshakes", "contradicts --load handshakes"},
        {"--threads 8 --handshakes-at-once 7", "each thread needs one"},
        {"--threads 8 --associations 7", "each thread needs one"},
        {"--threads 8 --associations 8 --in-flight 7", "each thread needs one"},
        {"--insecure-no-verify --pin sha256:00", "contradicts --ca and --pin"},
        {"--rates 5", "the nearest is --rate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_MSG(!benches(cases[i].words), "%s: was taken", cases[i].words);
        CHECK_MSG(strstr(error, cases[i].expected) != NULL, "%s: \"%s\"", cases[i].words, error);
    }
    CHECK(benches(""));
    CHECK(benches("--associations 1000 --rate 20000 --threads 2 --move 5"));
    CHECK(benches("--answers none --every 10"));
    CHECK(benches("--load handshakes --resumed --rate 100"));
    CHECK(benches("--connect-only --leave --ramp 100"));
}

// CWE-807: nor does a load generator take whoever answers for the server.
DG_TEST(bench_options_verify_by_default)
{
    struct dg_bench_options options;
    dg_bench_options_default(&options);
    CHECK(!dg_bench_options_check(&options, error, sizeof error));
    CHECK_MSG(strstr(error, "nothing to prove the server by") != NULL, "%s", error);
    options.insecure_no_verify = 1;
    CHECK(dg_bench_options_check(&options, error, sizeof error));
}

DG_TEST(connect_options_flags_take_no_value)
{
    CHECK(connects("--psk-file p --hex -w 3"));
    CHECK(connects("--hex --psk-file p --wait=3"));
    CHECK(!connects("--psk-file p --hex=yes"));
    CHECK_STR(error, "--hex: found \"yes\", expected no value");
    CHECK(!connects("--psk-file p --hexa"));
    CHECK_MSG(strstr(error, "nearest is --hex; do: dtlsgate connect --help") != NULL, "%s", error);
    CHECK(!connects("--psk-file p -w"));
    CHECK_STR(error, "--wait: its value is missing");
}

DG_TEST(connect_options_that_contradict_are_refused)
{
    static const struct {
        const char *words, *expected;
    } cases[] = {
        {"--psk-file p --hex --datagram", "--hex and --datagram"},
        {"--psk-file p --listen 127.0.0.1:1 --hex", "a tunnel"},
        {"--psk-file p --listen 127.0.0.1:1 --listen 127.0.0.1:2", "stands there twice"},
        {"--psk-file p --listen 192.0.2.1:1", "--listen-network any"},
        {"--psk-file p --listen 0.0.0.0:1", "--listen-network any"},
        {"--psk-file p --rebind 1 --connection-id no", "needs connection IDs"},
        {"--ca ca.pem --psk-identity x", "needs --psk-file"},
        {"--ca ca.pem --cert c.pem", "--key FILE is missing"},
        {"--ca ca.pem --key k.pem", "--cert FILE is missing"},
        {"--pin sha256:00 --raw-public-key", "--key FILE is missing"},
        {"--pin sha256:00 --raw-public-key --key k --cert c", "two ways"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_MSG(!connects(cases[i].words), "case %zu was taken", i);
        CHECK_MSG(strstr(error, cases[i].expected) != NULL, "case %zu: \"%s\"", i, error);
    }
    CHECK(connects("--psk-file p --listen 192.0.2.1:1 --listen-network any"));
    CHECK(connects("--psk-file p --listen [::1]:1 --rebind 1"));
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(options_defaults_deny_and_stay_in_range),
        DG_CASE(options_are_set_in_both_forms),
        DG_CASE(options_refusals_say_found_expected_and_keep_the_value),
        DG_CASE(options_without_client_credentials_are_refused),
        DG_CASE(options_of_connection_ids_that_are_too_short_are_refused),
        DG_CASE(options_words_have_their_numbers),
        DG_CASE(options_of_several_texts_keep_each_up_to_their_bound),
        DG_CASE(options_documentation_is_the_table),
        DG_CASE(options_of_the_file_and_the_manual_are_the_tables),
        DG_CASE(connect_options_verify_by_default),
        DG_CASE(bench_options_that_contradict_are_refused_in_words),
        DG_CASE(bench_options_verify_by_default),
        DG_CASE(connect_options_flags_take_no_value),
        DG_CASE(connect_options_that_contradict_are_refused),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
