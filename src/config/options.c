// SPDX-License-Identifier: GPL-3.0-or-later
// Parses, checks and prints options from the one table in options.h. Never opens a file.
#include "config/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { KIND_TEXT, KIND_ADDRESSES, KIND_NUMBER, KIND_CHOICE };

struct option {
    enum option_kind kind;
    size_t offset;
    const char *name;
    const char *argument; // of CHOICE: its words
    uint32_t preset, min, max;
    const char *help;
};

#define ROW_TEXT(field, name, argument, help) {KIND_TEXT, offsetof(struct dg_options, field), name, argument, 0, 0, 0, help},
#define ROW_ADDRESSES(field, name, argument, help)                                                                \
    {KIND_ADDRESSES, offsetof(struct dg_options, field), name, argument, 0, 0, 0, help},
#define ROW_NUMBER(field, name, argument, preset, min, max, help)                                                 \
    {KIND_NUMBER, offsetof(struct dg_options, field), name, argument, preset, min, max, help},
#define ROW_CHOICE(field, name, words, preset, help)                                                              \
    {KIND_CHOICE, offsetof(struct dg_options, field), name, words, preset, 0, 0, help},
static const struct option table[] = {DG_OPTION_LIST(ROW_TEXT, ROW_ADDRESSES, ROW_NUMBER, ROW_CHOICE)};
#define OPTION_COUNT (sizeof table / sizeof table[0])
#define FOUND_SHOWN 80 // characters of a value in a message

static void *field_of(struct dg_options *options, const struct option *option)
{
    return (char *)options + option->offset;
}

void dg_options_default(struct dg_options *options)
{
    memset(options, 0, sizeof *options);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (table[i].kind == KIND_NUMBER || table[i].kind == KIND_CHOICE)
            *(uint32_t *)field_of(options, &table[i]) = table[i].preset;
}

static const struct option *find(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

// Levenshtein distance of two short words.
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    size_t b_size = strnlen(b, 63);
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = changed < shorter ? changed : shorter;
        }
    }
    return row[b_size];
}

static bool refuse_unknown(const char *name, char *error, size_t error_size)
{
    const struct option *nearest = &table[0];
    for (size_t i = 1; i < OPTION_COUNT; i++)
        if (distance(table[i].name, name) < distance(nearest->name, name))
            nearest = &table[i];
    snprintf(error, error_size, "--%.*s: there is no such option; the nearest is --%s; do: dtlsgate serve --help",
             FOUND_SHOWN, name, nearest->name);
    return false;
}

static bool refuse(const struct option *option, const char *value, const char *expected, char *error, size_t error_size)
{
    snprintf(error, error_size, "--%s: found \"%.*s\", expected %s", option->name, FOUND_SHOWN, value, expected);
    return false;
}

static bool set_text(char *field, const struct option *option, const char *value, char *error, size_t error_size)
{
    size_t size = strlen(value);
    if (size == 0 || size >= DG_OPTION_TEXT)
        return refuse(option, value, "1 to 511 characters", error, error_size);
    memcpy(field, value, size + 1);
    return true;
}

static bool set_address(struct dg_address_list *list, const struct option *option, const char *value, char *error,
                        size_t error_size)
{
    if (list->count == DG_OPTION_ADDRESSES)
        return refuse(option, value, "at most 8 of this option", error, error_size);
    if (!dg_address_parse(value, &list->items[list->count]))
        return refuse(option, value, "a numeric address and a port, as 192.0.2.1:5684 or [2001:db8::1]:5684", error,
                      error_size);
    list->count++;
    return true;
}

static bool set_number(uint32_t *field, const struct option *option, const char *value, char *error, size_t error_size)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || number < option->min || number > option->max) {
        char expected[80];
        snprintf(expected, sizeof expected, "a whole number from %u to %u", option->min, option->max);
        return refuse(option, value, expected, error, error_size);
    }
    *field = (uint32_t)number;
    return true;
}

static bool set_choice(uint32_t *field, const struct option *option, const char *value, char *error, size_t error_size)
{
    size_t size = strlen(value);
    uint32_t index = 0;
    for (const char *word = option->argument; word; index++) {
        const char *bar = strchr(word, '|');
        size_t word_size = bar ? (size_t)(bar - word) : strlen(word);
        if (word_size == size && strncmp(word, value, size) == 0) {
            *field = index;
            return true;
        }
        word = bar ? bar + 1 : NULL;
    }
    char expected[80];
    snprintf(expected, sizeof expected, "one of %s", option->argument);
    return refuse(option, value, expected, error, error_size);
}

bool dg_options_set(struct dg_options *options, const char *name, const char *value, char *error, size_t error_size)
{
    const struct option *option = find(name);
    if (!option)
        return refuse_unknown(name, error, error_size);
    void *field = field_of(options, option);
    switch (option->kind) {
    case KIND_TEXT:
        return set_text(field, option, value, error, error_size);
    case KIND_ADDRESSES:
        return set_address(field, option, value, error, error_size);
    case KIND_NUMBER:
        return set_number(field, option, value, error, error_size);
    case KIND_CHOICE:
        return set_choice(field, option, value, error, error_size);
    }
    DG_BUG("option kind");
}

bool dg_options_parse(struct dg_options *options, int argc, char **argv, char *error, size_t error_size)
{
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
            snprintf(error, error_size, "found \"%.*s\", expected an option such as --listen; do: dtlsgate serve --help",
                     FOUND_SHOWN, argv[i]);
            return false;
        }
        char name[64];
        const char *equals = strchr(argv[i], '=');
        size_t size = equals ? (size_t)(equals - argv[i] - 2) : strlen(argv[i] + 2);
        if (size >= sizeof name)
            return refuse_unknown(argv[i] + 2, error, error_size);
        memcpy(name, argv[i] + 2, size);
        name[size] = '\0';
        if (!find(name))
            return refuse_unknown(name, error, error_size);
        if (!equals && i + 1 == argc) {
            snprintf(error, error_size, "--%s: its value is missing", name);
            return false;
        }
        if (!dg_options_set(options, name, equals ? equals + 1 : argv[++i], error, error_size))
            return false;
    }
    return true;
}

static bool has_way_to_check_clients(const struct dg_options *options)
{
    return options->psk_file[0] || options->client_ca[0] || options->client_keys[0];
}

bool dg_options_check(const struct dg_options *options, char *error, size_t error_size)
{
    const char *missing = NULL;
    if (options->listen.count == 0)
        missing = "--listen ADDR:PORT is missing: where should clients come to? For example --listen 127.0.0.1:5684";
    else if (!options->backend[0])
        missing = "--backend is missing: where should plaintext go? --backend echo, or --backend udp:HOST:PORT";
    else if (!options->psk_file[0] && !options->cert[0])
        missing = "the server has nothing to show clients: give --psk-file FILE, or --cert FILE and --key FILE; "
                  "dtlsgate init DIR makes throwaway ones";
    else if (options->cert[0] && !options->key[0])
        missing = "--key FILE is missing: the private key of --cert";
    else if (options->key[0] && !options->cert[0])
        missing = "--cert FILE is missing: the certificate of --key";
    else if (options->client_auth == DG_CLIENT_AUTH_REQUIRED && !has_way_to_check_clients(options))
        missing = "there is nothing to check clients by: give --psk-file, --client-ca or --client-keys; "
                  "letting everybody in takes the explicit word --client-auth insecure-none";
    else if ((options->client_ca[0] || options->client_keys[0]) && !options->cert[0])
        missing = "--client-ca and --client-keys need --cert and --key: a client that shows a certificate or key "
                  "expects one of the server";
    else if (options->backend_port_min > options->backend_port_max)
        missing = "--backend-port-min is above --backend-port-max; expected a range of local ports";
    if (!missing)
        return true;
    snprintf(error, error_size, "%s", missing);
    return false;
}

static void print_choice(FILE *out, const struct option *option)
{
    const char *word = option->argument;
    for (uint32_t i = 0; i < option->preset; i++)
        word = strchr(word, '|') + 1;
    fprintf(out, "%.*s", (int)strcspn(word, "|"), word);
}

static void print_preset(FILE *out, const struct option *option)
{
    if (option->kind == KIND_NUMBER)
        fprintf(out, "%u", option->preset);
    else if (option->kind == KIND_CHOICE)
        print_choice(out, option);
}

void dg_options_help(FILE *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        fprintf(out, "  --%s %s\n        %s", table[i].name, table[i].argument, table[i].help);
        if (table[i].kind == KIND_NUMBER || table[i].kind == KIND_CHOICE) {
            fputs(" (default ", out);
            print_preset(out, &table[i]);
            fputs(")", out);
        }
        fputs("\n", out);
    }
}

static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fputs(*text == '|' ? "\\|" : (char[]){*text, '\0'}, out);
}

void dg_options_markdown(FILE *out)
{
    fputs("| option | value | default | range | meaning |\n|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        fprintf(out, "| `--%s` | ", table[i].name);
        print_cell(out, table[i].argument);
        fputs(" | ", out);
        print_preset(out, &table[i]);
        fputs(" | ", out);
        if (table[i].kind == KIND_NUMBER)
            fprintf(out, "%u to %u", table[i].min, table[i].max);
        fputs(" | ", out);
        print_cell(out, table[i].help);
        fputs(" |\n", out);
    }
}
