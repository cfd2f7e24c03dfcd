// SPDX-License-Identifier: GPL-3.0-or-later
// Configuration files: what is taken has its values and places, whatever is wrong is told with its place and all of it,
// no secret is repeated, and what is dumped is loaded again as it was.
#include "check.h"

#include "config/config.h"
#include "core/slot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct dg_config_errors errors;

// Makes a file of the text and reads it.
static struct dg_config *read_text(const char *text, struct dg_config *(*read)(const char *, struct dg_config_errors *))
{
    int file = memfd_create("config", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    size_t size = strlen(text);
    bool is_written = file >= 0 && fchmod(file, 0600) == 0 && write(file, text, size) == (ssize_t)size;
    struct dg_config *config = is_written ? read(path, &errors) : NULL;
    close(file);
    return config;
}

static struct dg_config *load(const char *text) { return read_text(text, dg_config_load); }
static struct dg_config *inspect(const char *text) { return read_text(text, dg_config_inspect); }

static bool says(const char *part)
{
    for (size_t i = 0; i < dg_config_errors_held(&errors); i++)
        if (strstr(errors.texts[i], part))
            return true;
    return false;
}

static const char *all(void)
{
    static char text[sizeof errors.texts + 4 * DG_CONFIG_ERRORS_MAX];
    text[0] = '\0';
    dg_config_errors_join(&errors, " / ", text, sizeof text);
    return text;
}

static const char whole[] =
    "# two listeners\n"
    "workers: 3\n"
    "log-level: warning\n"
    "listeners:\n"
    "  - name: sensors\n"
    "    listen: [\"127.0.0.1:5684\", \"[::1]:5684\"]\n"
    "    backend: udp:127.0.0.1:5683\n"
    "    psk-file: /etc/dtlsgate/psk.txt\n"
    "    profile: iot\n"
    "    rules:\n"
    "      - name: lab\n"
    "        identity: lab-*\n"
    "        proof: [psk, certificate]\n"
    "        from: [192.0.2.0/24, 2001:db8::/32]\n"
    "        action: allow\n"
    "        backend: echo\n"
    "        messages-rate: 20\n"
    "        associations-max: 2\n"
    "        when-full: replace\n"
    "      - action: deny\n"
    "  - listen: 127.0.0.1:5685\n"
    "    backend: echo\n"
    "    client-ca: ca.pem\n"
    "    certificates:\n"
    "      - cert: one.pem\n"
    "        key: one.key\n"
    "      - {cert: /two.pem, key: credential:two}\n"
    "    rules: [{identity: 'q\"uo\\te', action: deny}, {action: allow}]\n";

DG_TEST(config_file_has_its_values_and_places)
{
    struct dg_config *config = load(whole);
    CHECK_MSG(config != NULL, "%s", all());
    if (!config)
        return;
    CHECK_EQ(config->process.workers, 3);
    CHECK_EQ(config->listener_count, 2);
    const struct dg_config_listener *sensors = &config->listeners[0], *second = &config->listeners[1];
    CHECK_STR(sensors->name, "sensors");
    CHECK_EQ(sensors->options.listen.count, 2);
    CHECK_EQ(sensors->options.workers, 3);
    CHECK_EQ(sensors->options.profile, 1);
    CHECK_STR(sensors->options.psk_file, "/etc/dtlsgate/psk.txt");
    CHECK_EQ(sensors->rule_count, 2);
    const struct dg_policy_rule *rule = &sensors->rules[0].rule;
    CHECK_STR(rule->name, "lab");
    CHECK_STR(rule->identity, "lab-*");
    CHECK_EQ(rule->proofs, 1 << DG_IDENTITY_PSK | 1 << DG_IDENTITY_CERTIFICATE);
    CHECK_EQ(rule->network_count, 2);
    CHECK_EQ(rule->networks[0].bits, 96 + 24);
    CHECK(!rule->is_denied);
    CHECK_EQ(rule->messages_rate, 20);
    CHECK_EQ(rule->associations_max, 2);
    CHECK_EQ(rule->when_full, DG_POLICY_FULL_REPLACE);
    CHECK_STR(sensors->rules[0].backend, "echo");
    CHECK(sensors->rules[1].rule.is_denied);
    CHECK_EQ(sensors->rules[1].place.line, 20);
    CHECK_STR(second->name, "127.0.0.1:5685");
    CHECK_EQ(second->certificate_count, 2);
    CHECK_STR(second->certificates[0].cert, second->options.cert);
    CHECK_MSG(second->options.cert[0] == '/' && strstr(second->options.cert, "/one.pem"), "%s", second->options.cert);
    CHECK_STR(second->certificates[1].cert, "/two.pem");
    CHECK_STR(second->certificates[1].key, "credential:two");
    CHECK_EQ(dg_config_place_of(config, sensors, "psk-file").line, 8);
    CHECK_EQ(dg_config_place_of(config, NULL, "log-level").line, 3);
    CHECK_EQ(dg_config_place_of(config, second, "profile").line, 21);
    dg_config_free(config);
}

static char *dump(const struct dg_config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    dg_config_dump(config, out);
    fclose(out);
    return text;
}

DG_TEST(config_dump_loads_again_as_it_was)
{
    struct dg_config *config = load(whole);
    REQUIRE(config != NULL);
    char *first = dump(config);
    dg_config_free(config);
    config = load(first);
    CHECK_MSG(config != NULL, "%s", all());
    if (config) {
        char *second = dump(config);
        CHECK_STR(second, first);
        CHECK(strstr(second, "identity: \"lab-*\"") != NULL);
        CHECK(strstr(second, "identity: \"q\\\"uo\\\\te\"") != NULL);
        free(second);
    }
    dg_config_free(config);
    free(first);
}

// Something that is not the default, for an option of any kind.
static void print_other(FILE *out, const char *indent, const struct dg_option *option)
{
    const char *last = strrchr(option->argument, '|');
    fprintf(out, "%s%s: ", indent, option->name);
    switch (option->kind) {
    case DG_OPTION_KIND_TEXT:
        fprintf(out, "%s\n", dg_option_is_file(option) ? "some/file" : "\"a \\\"text\\\"\"");
        break;
    case DG_OPTION_KIND_TEXTS:
        fputs("[\"one, two\", '# three']\n", out);
        break;
    case DG_OPTION_KIND_ADDRESSES:
        fputs("[127.0.0.1:7, \"[2001:db8::1]:8\"]\n", out);
        break;
    case DG_OPTION_KIND_NETWORKS:
        fputs("[10.0.0.0/8, 2001:db8::/32, 192.0.2.7, \"::/0\"]\n", out);
        break;
    case DG_OPTION_KIND_NUMBER:
        fprintf(out, "%u\n", option->preset == option->max ? option->min : option->max);
        break;
    case DG_OPTION_KIND_CHOICE:
        fprintf(out, "%.*s\n", (int)strcspn(option->preset ? option->argument : last + 1, "|"),
                option->preset ? option->argument : last + 1);
        break;
    case DG_OPTION_KIND_WORDS:
        fprintf(out, "[%s, %.*s]\n", last + 1, (int)strcspn(option->argument, "|"), option->argument);
        break;
    case DG_OPTION_KIND_FLAG:
        CHECK_MSG(false, "a file has no flags");
        break;
    }
}

static void print_others(FILE *out, const char *indent, const struct dg_option_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        print_other(out, indent, &table->rows[i]);
}

static void differ(const struct dg_option_table *table, const void *a, const void *b)
{
    for (size_t i = 0; i < table->count; i++)
        CHECK_MSG(!dg_option_equal(&table->rows[i], a, b), "%s: is not read, or not told apart", table->rows[i].name);
}

// Whatever row is added to a table: it is read from a file, dumped, and read again as it was.
DG_TEST(config_every_option_goes_into_a_file_and_comes_back)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    REQUIRE(out != NULL);
    print_others(out, "", &dg_options_table_process);
    fputs("listeners:\n  - name: x\n", out);
    print_others(out, "    ", &dg_options_table_listener);
    fputs("    rules:\n      -\n", out);
    print_others(out, "        ", &dg_config_table_rule);
    fclose(out);
    struct dg_options defaults;
    const struct dg_config_rule rule = {0};
    dg_options_default(&defaults);
    struct dg_config *config = inspect(text);
    REQUIRE(config != NULL && config->listener_count == 1 && config->listeners[0].rule_count == 1);
    differ(&dg_options_table_process, &config->process, &defaults);
    differ(&dg_options_table_listener, &config->listeners[0].options, &defaults);
    differ(&dg_config_table_rule, &config->listeners[0].rules[0], &rule);
    char *first = dump(config);
    dg_config_free(config);
    config = inspect(first);
    REQUIRE(config != NULL);
    char *second = dump(config);
    CHECK_STR(second, first);
    CHECK(strstr(first, "not given") == NULL);
    dg_config_free(config);
    free(second);
    free(first);
    free(text);
}

DG_TEST(config_of_options_is_one_listener)
{
    struct dg_options options;
    char error[512];
    dg_options_default(&options);
    CHECK(dg_config_of_options(&options, error, sizeof error) == NULL);
    CHECK_MSG(strstr(error, "--listen ADDR:PORT is missing") != NULL, "%s", error);
    REQUIRE(dg_options_set(&options, "listen", "127.0.0.1:5684", error, sizeof error));
    REQUIRE(dg_options_set(&options, "backend", "echo", error, sizeof error));
    REQUIRE(dg_options_set(&options, "cert", "/c.pem", error, sizeof error));
    REQUIRE(dg_options_set(&options, "key", "/c.key", error, sizeof error));
    REQUIRE(dg_options_set(&options, "client-ca", "/ca.pem", error, sizeof error));
    REQUIRE(dg_options_set(&options, "workers", "7", error, sizeof error));
    struct dg_config *config = dg_config_of_options(&options, error, sizeof error);
    CHECK_MSG(config != NULL, "%s", error);
    if (!config)
        return;
    CHECK_EQ(config->process.workers, 7);
    CHECK_EQ(config->process.listen.count, 0);
    CHECK_EQ(config->listener_count, 1);
    CHECK_STR(config->listeners[0].name, "127.0.0.1:5684");
    CHECK_EQ(config->listeners[0].certificate_count, 1);
    CHECK_STR(config->listeners[0].certificates[0].key, "/c.key");
    struct dg_config *copy = dg_config_copy(config);
    dg_config_free(config);
    REQUIRE(copy != NULL);
    CHECK_STR(copy->listeners[0].options.cert, "/c.pem");
    dg_config_free(copy);
}

#define LISTENER "listeners: [{listen: \"127.0.0.1:5684\", backend: echo, psk-file: p"

#define FOUR "{cert: a, key: a}, {cert: b, key: b}, {cert: c, key: c}, {cert: d, key: d}"
#define SIXTEEN FOUR ", " FOUR ", " FOUR ", " FOUR
#define TEN "0123456-xy"

DG_TEST(config_errors_say_place_found_and_accepted)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "found nothing, expected keys and values"},
        {"workers: 4\n", ":1:1: listeners: is missing"},
        {"workers: 65\n" LISTENER "}]\n", ":1:10: workers: found \"65\", expected a whole number from 0 to 64"},
        {"worker: 6\n" LISTENER "}]\n", ":1:1: worker: there is no such key in the top of the file; the nearest is workers"},
        {"\nlisten: 127.0.0.1:1\n" LISTENER "}]\n", ":2:1: listen: does not belong into the top of the file; it belongs into a block"},
        {"lisen: 127.0.0.1:1\n" LISTENER "}]\n", "the nearest is listen, which belongs into a block under listeners:"},
        {LISTENER ", workers: 3}]\n", "workers: does not belong into a listener; it belongs at the top"},
        {LISTENER ", psk: x}]\n", "psk: there is no such key in a listener; the nearest is psk-file"},
        {LISTENER ", backend: echo}]\n", "backend: stands already in line 1; expected each key once"},
        {LISTENER ", client-auth: [required]}]\n", "client-auth: found a list, expected required|insecure-none"},
        {LISTENER ", client-ca: }]\n", "client-ca: found nothing, expected FILE"},
        {LISTENER ", client-ca: \"a\\e[31m\"}]\n", "found a value with a line break or another control character"},
        {"listeners: [{listen: \"127.0.0.1:1\", backend: ehco, psk-file: p}]\n", ":1:37: backend: found \"ehco\", expected echo"},
        {LISTENER ", rules: [{action: allow, backend: \"udp:5683\"}]}]\n", "backend: found \"udp:5683\", expected echo"},
        {LISTENER ", rules: [{action: allow, backend: \"proxy-unix:run/x\"}]}]\n", "where PATH begins with /"},
        {LISTENER ", name: \"a b\"}]\n", "holds a character that is not a letter"},
        {LISTENER ", rules: []}]\n", "rules: found nothing, expected a list of blocks"},
        {LISTENER ", rules: [{identity: a}]}]\n", "the rule says not what it does; expected action: allow, or action: deny"},
        {LISTENER ", rules: [{action: deny, bytes-rate: 1}]}]\n", "a rule that denies has no backend, rates"},
        {LISTENER ", rules: [{action: allow, when-full: replace}]}]\n", "when-full: replace needs associations-max"},
        {LISTENER ", rules: [{action: allow, proof: none}]}]\n", "the rule fits nobody"},
        {LISTENER ", rules: [{action: allow, from: 10.0.0.1/8}]}]\n", "from: found \"10.0.0.1/8\", expected a network"},
        {LISTENER ", rules: [{action: allow, from: 10.0.0.0/8}, {action: deny, from: 10.2.0.0/16}]}]\n", "the rule is never reached"},
        {LISTENER ", rules: [{action: allow, identity: \"*\"}, {action: deny, identity: x}]}]\n", "the rule is never reached"},
        {LISTENER ", rules: [{name: n, action: deny, identity: a}, {name: n, action: allow}]}]\n", "is called \"n\" too"},
        {LISTENER ", rules: [{identity: 'a\\', action: allow}]}]\n", "ends with a \\ that nothing follows"},
        {LISTENER ", client-ca: \"a\\u009b31m\"}]\n", "another control character"},
        {LISTENER ", cert: o, key: k, certificates: [" SIXTEEN "]}]\n", ":1:68: cert: is one more than the 16"},
        {LISTENER ", certificates: [{cert: a}]}]\n", "key: FILE is missing"},
        {LISTENER "}, {listen: \"127.0.0.1:5684\", backend: echo, psk-file: p}]\n", "is listened on twice, by listener 127.0.0.1:5684 too"},
        {"listeners: {listen: \"127.0.0.1:1\"}\n", "listeners: found a block of keys, expected a list of blocks"},
        {"listeners: &x [{listen: \"127.0.0.1:1\"}]\n", "found an anchor or a tag"},
        {"listeners: [*x]\n", "found an alias"},
        {"workers: !!int 3\n", "found an anchor or a tag"},
        {"workers: 3\n---\nworkers: 4\n", ":2:1: found a second document"},
        {"workers: 3\n  listeners: 4\n", ":2:12: this is not YAML"},
        {"workers: [1\n", "this is not YAML"},
        {"workers: \xff\n", ":1:10: this is not YAML"},
        {"a: [[[[[[[[[1]]]]]]]]]\n", "too often"},
        {"control-socket: /" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "1234567\n" LISTENER "}]\n",
         ":1:1: control-socket: found a path of 108 bytes, expected at most 107"},
        {"upgrade-socket: /" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "\n" LISTENER "}]\n", "found a path of 111 bytes"},
        {"metrics: --a-b\n" LISTENER "}]\n", ":1:1: metrics: found \"--a-b\", expected unix:PATH, or ADDR:PORT"},
        {"metrics: unix:m.sock\n" LISTENER "}]\n", ":1:1: metrics: found \"unix:m.sock\", expected unix:PATH, where PATH begins with /"},
        {"backend-port-min: 5000\nbackend-port-max: 4000\n" LISTENER "}]\n", ":1:1: backend-port-min: is above backend-port-max:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dg_config *config = load(cases[i].text);
        CHECK_MSG(config == NULL, "case %zu was taken", i);
        CHECK_MSG(says(cases[i].expected), "case %zu: %s", i, all());
        dg_config_free(config);
    }
}

DG_TEST(config_errors_are_all_told_in_their_order)
{
    CHECK(load("workers: x\nworker: 1\n" LISTENER ", profile: old,\n rules: [{action: no}, {action: allow, from: 1}]},\n"
               " {listen: \"127.0.0.1:5684\"}]\n") == NULL);
    CHECK_MSG(errors.count >= 7, "%zu: %s", errors.count, all());
    for (size_t i = 1; i < errors.count; i++)
        CHECK_MSG(errors.places[i - 1].line <= errors.places[i].line, "%s", all());
    CHECK(says("workers: found \"x\"") && says("worker: there") && says("profile: found \"old\"") &&
          says("action: found \"no\"") && says("from: found \"1\"") && says("backend: is missing"));
    static char many[64 * 1024];
    size_t at = 0;
    for (int i = 0; i < 200; i++)
        at += (size_t)snprintf(many + at, sizeof many - at, "key-%d: 1\n", i);
    CHECK(load(many) == NULL);
    CHECK_MSG(errors.count > DG_CONFIG_ERRORS_MAX, "%zu", errors.count);
    CHECK_EQ(dg_config_errors_held(&errors), DG_CONFIG_ERRORS_MAX);
    char more[64], few[400], one[sizeof errors.texts[0]];
    snprintf(more, sizeof more, " / and %zu more", errors.count - DG_CONFIG_ERRORS_MAX);
    CHECK_STR(all() + strlen(all()) - strlen(more), more);
    // Those that fit whole, and how many there are beside them.
    dg_config_errors_join(&errors, "; ", few, sizeof few);
    size_t left = 0, shown = 0;
    const char *last = strstr(few, "; and ");
    REQUIRE(last && sscanf(last, "; and %zu more", &left) == 1);
    for (const char *each = few; (each = strstr(each, "there is no such key")) != NULL; each++)
        shown++;
    CHECK_MSG(shown > 1 && left == errors.count - shown, "%zu, %s", shown, few);
    CHECK_MSG(last > few && strncmp(last - strlen(errors.texts[shown - 1]), errors.texts[shown - 1],
                                    strlen(errors.texts[shown - 1])) == 0, "%s", few);
    CHECK(strlen(few) + 2 + strlen(errors.texts[shown]) >= sizeof few); // another one had no room
    // The first is there in any case.
    dg_config_errors_join(&errors, "; ", one, strlen(errors.texts[0]));
    snprintf(more, sizeof more, "; and %zu more", errors.count - 1);
    CHECK_STR(one + strlen(one) - strlen(more), more);
    CHECK_EQ(strlen(one), strlen(errors.texts[0]) - 1);
    CHECK(strncmp(one, errors.texts[0], strlen(one) - strlen(more)) == 0);
}

DG_TEST(config_half_of_a_certificate_is_told_once)
{
    static const struct {
        const char *text, *missing;
        size_t errors; // all of them
    } cases[] = {
        {LISTENER ", certificates: [{cert: a}]}]\n", "key: FILE is missing", 1},
        {LISTENER ", certificates: [{key: a}]}]\n", "cert: FILE is missing", 1},
        {LISTENER ", certificates: [{}]}]\n", "cert: FILE is missing", 1},
        {LISTENER ", cert: a}]\n", "key: FILE is missing", 1},
        {LISTENER ", certificates: [{cert: a, key: b}, {cert: c}]}]\n", "key: FILE is missing", 1},
        {LISTENER ", cert: a, key: b, certificates: [{cert: c}]}]\n", "key: FILE is missing", 1},
        {LISTENER ", profile: x, certificates: [{cert: a}]}]\n", "key: FILE is missing", 2},
        {LISTENER ", key: a, certificates: [{key: a}]}]\n", "cert: FILE is missing", 2}, // at two places
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK(load(cases[i].text) == NULL);
        CHECK_MSG(errors.count == cases[i].errors && says(cases[i].missing), "case %zu: %s", i, all());
    }
}

// CWE-312, CWE-798: a key in the file is refused, and is not shown to whoever reads the log.
DG_TEST(config_secrets_are_refused_and_never_shown)
{
    static const char *const cases[] = {
        LISTENER "}, {listen: \"127.0.0.1:1\", backend: echo, psk-file: \"demo:%s\"}]\n",
        LISTENER ", client-ca: %s}]\n",
        LISTENER ", psk: \"%s\"}]\n",
        LISTENER ", keys: {a: [b, \"x:%s\"]}}]\n",
        LISTENER ", %s: 1}]\n",
        LISTENER ", profile: %s}]\n",
        "listeners: [{backend: echo, psk-file: p, listen: \"a:%s\"}]\n",
        "listeners: [{listen: \"127.0.0.1:5684\", psk-file: p, backend: %s}]\n",
        LISTENER ", rules: [{action: allow, backend: %s}]}]\n",
        LISTENER ", rules: [{action: %s}]}]\n",
        LISTENER ", rules: [{action: allow, name: \"x:%s\"}]}]\n",
        "workers: %s\n" LISTENER "}]\n",
        "metrics: %s\n" LISTENER "}]\n",
        "user: \"demo:%s\"\n" LISTENER "}]\n",
        LISTENER ", key: \"-----BEGIN PRIVATE KEY-----\\n%s\\n-----END PRIVATE KEY-----\\n\"}]\n",
        LISTENER ", name: \"-----BEGIN PRIVATE KEY-----\\n%s\\n\"}]\n",
        LISTENER ", keys: {%s: 1, x: 2}}]\n",
        LISTENER ", key: \"-----BEGIN PRIVATE KEY----- %s\"}]\n",
        // A blank before it, and behind it.
        "listeners: [{listen: \"127.0.0.1:1\", backend: echo, psk-file: \"demo: %s\"}]\n",
        "listeners: [{listen: \"127.0.0.1:1\", backend: echo, psk-store: \"demo: %s \"}]\n",
        LISTENER ", client-auth: \"demo: %s\"}]\n",
        LISTENER ", profile: \" %s \"}]\n",
        "metrics: \"demo:\\t %s\"\n" LISTENER "}]\n",
        LISTENER ", \"demo:  %s \": 1}]\n",
    };
    char key[40], text[512];
    for (size_t i = 0; i < sizeof key - 8; i++)
        key[i] = "0123456789abcdef"[(i * 7 + 3) % 16];
    key[sizeof key - 8] = '\0';
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *mark = strstr(cases[i], "%s");
        snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - cases[i]), cases[i], key, mark + 2);
        CHECK(load(text) == NULL);
        bool is_secret = false;
        for (size_t k = 0; k < errors.count; k++)
            is_secret = is_secret || errors.are_secrets[k];
        CHECK_MSG(is_secret, "case %zu: %s", i, all());
        CHECK_MSG(!says(key), "case %zu shows it: %s", i, all());
    }
    struct dg_options options;
    dg_options_default(&options);
    CHECK(!dg_options_set(&options, "psk-file", key, text, sizeof text));
    CHECK_MSG(strstr(text, key) == NULL && strstr(text, "looks like a key") != NULL, "%s", text);
    snprintf(text, sizeof text, "alice:%s", key); // where the file's name belongs
    CHECK(dg_config_load(text, &errors) == NULL);
    CHECK_MSG(!says(key) && says("looks like a key") && errors.are_secrets[0], "%s", all());
}

static struct dg_config *of_arguments(const char *words)
{
    char text[512], *argv[16];
    int argc = 0;
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok(text, " "); word && argc < 16; word = strtok(NULL, " "))
        argv[argc++] = word;
    return dg_config_of_arguments(argc, argv, &errors);
}

DG_TEST(config_options_of_the_process_go_before_the_file)
{
    char path[] = "/tmp/dtlsgate-config-XXXXXX", words[256];
    int file = mkstemp(path);
    REQUIRE(file >= 0 && write(file, whole, sizeof whole - 1) == (ssize_t)sizeof whole - 1);
    close(file);
    snprintf(words, sizeof words, "--workers 5 -c %s --drain-rate=9", path);
    struct dg_config *config = of_arguments(words);
    CHECK_MSG(config != NULL, "%s", all());
    if (config) {
        CHECK_EQ(config->process.workers, 5);
        CHECK_EQ(config->process.drain_rate, 9);
        CHECK_EQ(config->listeners[1].options.workers, 5);
    }
    dg_config_free(config);
    snprintf(words, sizeof words, "--config=%s --listen 127.0.0.1:1 --profile=iot", path);
    CHECK(of_arguments(words) == NULL);
    CHECK_EQ(errors.count, 2);
    CHECK_MSG(says("--listen goes not with -c") && says("--profile goes not with -c"), "%s", all());
    snprintf(words, sizeof words, "-c %s -c %s", path, path);
    CHECK(of_arguments(words) == NULL);
    CHECK(says("-c stands there twice"));
    CHECK(of_arguments("-c") == NULL);
    CHECK(says("name of the configuration file is missing"));
    CHECK(of_arguments("-c /nonexistent/dtlsgate.yaml") == NULL);
    CHECK(says("/nonexistent/dtlsgate.yaml"));
    snprintf(words, sizeof words, "-c %s --workers 99", path);
    CHECK(of_arguments(words) == NULL);
    CHECK(says("--workers: found \"99\""));
    unlink(path);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(config_file_has_its_values_and_places),
        DG_CASE(config_dump_loads_again_as_it_was),
        DG_CASE(config_every_option_goes_into_a_file_and_comes_back),
        DG_CASE(config_of_options_is_one_listener),
        DG_CASE(config_errors_say_place_found_and_accepted),
        DG_CASE(config_errors_are_all_told_in_their_order),
        DG_CASE(config_half_of_a_certificate_is_told_once),
        DG_CASE(config_secrets_are_refused_and_never_shown),
        DG_CASE(config_options_of_the_process_go_before_the_file),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
