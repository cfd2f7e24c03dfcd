// SPDX-License-Identifier: GPL-3.0-or-later
// Parses and prints the options of a table. Never knows an option, never opens a file.
#include "config/option_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_SHOWN 80 // characters of a value in a message

static void *field_of(void *options, const struct dg_option *option)
{
    return (char *)options + option->offset;
}

void dg_option_table_default(const struct dg_option_table *table, void *options)
{
    memset(options, 0, table->struct_size);
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].kind == DG_OPTION_KIND_NUMBER || table->rows[i].kind == DG_OPTION_KIND_CHOICE)
            *(uint32_t *)field_of(options, &table->rows[i]) = table->rows[i].preset;
}

static const struct dg_option *find(const struct dg_option_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
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

static bool refuse_unknown(const struct dg_option_table *table, const char *name, char *error, size_t error_size)
{
    const struct dg_option *nearest = &table->rows[0];
    for (size_t i = 1; i < table->count; i++)
        if (distance(table->rows[i].name, name) < distance(nearest->name, name))
            nearest = &table->rows[i];
    snprintf(error, error_size, "--%.*s: there is no such option; the nearest is --%s; do: %s",
             FOUND_SHOWN, name, nearest->name, table->help_command);
    return false;
}

static bool refuse(const struct dg_option *option, const char *value, const char *expected, char *error, size_t error_size)
{
    snprintf(error, error_size, "--%s: found \"%.*s\", expected %s", option->name, FOUND_SHOWN, value, expected);
    return false;
}

static bool set_text(char *field, const struct dg_option *option, const char *value, char *error, size_t error_size)
{
    size_t size = strlen(value);
    if (size == 0 || size >= DG_OPTION_TEXT)
        return refuse(option, value, "1 to 511 characters", error, error_size);
    memcpy(field, value, size + 1);
    return true;
}

static bool add_text(struct dg_text_list *list, const struct dg_option *option, const char *value, char *error,
                     size_t error_size)
{
    if (list->count == DG_OPTION_TEXTS)
        return refuse(option, value, "at most 16 of this option", error, error_size);
    if (!set_text(list->items[list->count], option, value, error, error_size))
        return false;
    list->count++;
    return true;
}

static bool set_address(struct dg_address_list *list, const struct dg_option *option, const char *value, char *error,
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

static bool set_number(uint32_t *field, const struct dg_option *option, const char *value, char *error, size_t error_size)
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

static bool set_choice(uint32_t *field, const struct dg_option *option, const char *value, char *error, size_t error_size)
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

static bool set_flag(uint32_t *field, const struct dg_option *option, const char *value, char *error, size_t error_size)
{
    if (value)
        return refuse(option, value, "no value", error, error_size);
    *field = 1;
    return true;
}

static bool set(const struct dg_option *option, void *options, const char *value, char *error, size_t error_size)
{
    void *field = field_of(options, option);
    switch (option->kind) {
    case DG_OPTION_KIND_TEXT:
        return set_text(field, option, value, error, error_size);
    case DG_OPTION_KIND_TEXTS:
        return add_text(field, option, value, error, error_size);
    case DG_OPTION_KIND_ADDRESSES:
        return set_address(field, option, value, error, error_size);
    case DG_OPTION_KIND_NUMBER:
        return set_number(field, option, value, error, error_size);
    case DG_OPTION_KIND_CHOICE:
        return set_choice(field, option, value, error, error_size);
    case DG_OPTION_KIND_FLAG:
        return set_flag(field, option, value, error, error_size);
    }
    DG_BUG("option kind");
}

bool dg_option_table_set(const struct dg_option_table *table, void *options, const char *name, const char *value,
                         char *error, size_t error_size)
{
    const struct dg_option *option = find(table, name);
    if (!option)
        return refuse_unknown(table, name, error, error_size);
    if (!value && option->kind != DG_OPTION_KIND_FLAG)
        return refuse(option, "", "a value", error, error_size);
    return set(option, options, value, error, error_size);
}

bool dg_option_table_parse(const struct dg_option_table *table, void *options, int argc, char **argv, char *error,
                           size_t error_size)
{
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
            snprintf(error, error_size, "found \"%.*s\", expected an option such as %s; do: %s", FOUND_SHOWN,
                     argv[i], table->example, table->help_command);
            return false;
        }
        char name[64];
        const char *equals = strchr(argv[i], '=');
        size_t size = equals ? (size_t)(equals - argv[i] - 2) : strlen(argv[i] + 2);
        if (size >= sizeof name)
            return refuse_unknown(table, argv[i] + 2, error, error_size);
        memcpy(name, argv[i] + 2, size);
        name[size] = '\0';
        const struct dg_option *option = find(table, name);
        if (!option)
            return refuse_unknown(table, name, error, error_size);
        const char *value = equals ? equals + 1 : NULL;
        if (!value && option->kind != DG_OPTION_KIND_FLAG) {
            if (i + 1 == argc) {
                snprintf(error, error_size, "--%s: its value is missing", name);
                return false;
            }
            value = argv[++i];
        }
        if (!set(option, options, value, error, error_size))
            return false;
    }
    return true;
}

static void print_choice(FILE *out, const struct dg_option *option)
{
    const char *word = option->argument;
    for (uint32_t i = 0; i < option->preset; i++)
        word = strchr(word, '|') + 1;
    fprintf(out, "%.*s", (int)strcspn(word, "|"), word);
}

static void print_preset(FILE *out, const struct dg_option *option)
{
    if (option->kind == DG_OPTION_KIND_NUMBER)
        fprintf(out, "%u", option->preset);
    else if (option->kind == DG_OPTION_KIND_CHOICE)
        print_choice(out, option);
}

void dg_option_table_help(const struct dg_option_table *table, FILE *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct dg_option *option = &table->rows[i];
        fprintf(out, "  --%s%s%s\n        %s", option->name, option->argument[0] ? " " : "", option->argument,
                option->help);
        if (option->kind == DG_OPTION_KIND_NUMBER || option->kind == DG_OPTION_KIND_CHOICE) {
            fputs(" (default ", out);
            print_preset(out, option);
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

void dg_option_table_markdown(const struct dg_option_table *table, FILE *out)
{
    fputs("| option | value | default | range | meaning |\n|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < table->count; i++) {
        const struct dg_option *option = &table->rows[i];
        fprintf(out, "| `--%s` | ", option->name);
        print_cell(out, option->argument);
        fputs(" | ", out);
        print_preset(out, option);
        fputs(" | ", out);
        if (option->kind == DG_OPTION_KIND_NUMBER)
            fprintf(out, "%u to %u", option->min, option->max);
        fputs(" | ", out);
        print_cell(out, option->help);
        fputs(" |\n", out);
    }
}
