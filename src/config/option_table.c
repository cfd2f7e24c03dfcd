// SPDX-License-Identifier: GPL-3.0-or-later
// Sets the options of a table from text. Never knows an option, never opens a file.
#include "config/option_table.h"

#include "base/looks_secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_SHOWN 80       // characters of a value in a message

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

const struct dg_option *dg_option_table_find(const struct dg_option_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    return NULL;
}

// Levenshtein's, of short words; "psk" is next to "psk-file".
size_t dg_option_distance(const char *a, const char *b)
{
    size_t row[64], shorter_size = strlen(a) < strlen(b) ? strlen(a) : strlen(b);
    if (shorter_size > 0 && strncmp(a, b, shorter_size) == 0 && (a[shorter_size] == '-' || b[shorter_size] == '-'))
        return 1;
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

// word: the name, or all that stands behind "--".
static bool refuse_unknown(const struct dg_option_table *table, const char *word, char *error, size_t error_size)
{
    char name[DG_OPTION_TEXT];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    if (dg_looks_secret(name)) {
        snprintf(error, error_size, "found what looks like a key itself, which is not repeated here; expected an option such as "
                 "%s; do: %s", table->example, table->help_command);
        return false;
    }
    const struct dg_option *nearest = &table->rows[0];
    for (size_t i = 1; i < table->count; i++)
        if (dg_option_distance(table->rows[i].name, name) < dg_option_distance(nearest->name, name))
            nearest = &table->rows[i];
    snprintf(error, error_size, "--%.*s: there is no such option; the nearest is --%s; do: %s",
             FOUND_SHOWN, name, nearest->name, table->help_command);
    return false;
}

static bool refuse(const char *value, const char *expected, char *error, size_t error_size)
{
    if (dg_hides_secret(value)) // under the wrong name it is a secret, too
        snprintf(error, error_size, "found what looks like a key itself, which is not repeated here; expected %s", expected);
    else
        snprintf(error, error_size, "found \"%.*s\", expected %s", FOUND_SHOWN, value, expected);
    return false;
}

bool dg_option_is_list(const struct dg_option *option)
{
    return option->kind == DG_OPTION_KIND_TEXTS || option->kind == DG_OPTION_KIND_ADDRESSES ||
           option->kind == DG_OPTION_KIND_NETWORKS || option->kind == DG_OPTION_KIND_WORDS;
}

bool dg_option_is_file(const struct dg_option *option)
{
    return strcmp(option->argument, "FILE") == 0 || strcmp(option->argument, "PATH") == 0;
}

bool dg_option_is_relative_file(const struct dg_option *option, const char *value)
{
    return dg_option_is_file(option) && value[0] != '/' && value[0] != '\0' && strncmp(value, "credential:", 11) != 0 &&
           strncmp(value, "env:", 4) != 0 &&
           (strcmp(option->argument, "PATH") != 0 || !dg_option_is_nowhere(value));
}

bool dg_option_is_nowhere(const char *path) { return strcmp(path, "none") == 0; }

bool dg_option_holds_control(const void *text, size_t size)
{
    const uint8_t *bytes = text;
    for (size_t i = 0; i < size; i++) {
        bool is_c1 = i > 0 && bytes[i - 1] == 0xc2 && bytes[i] >= 0x80 && bytes[i] <= 0x9f; // U+0080 to U+009F
        if (bytes[i] < 0x20 || bytes[i] == 0x7f || is_c1)
            return true;
    }
    return false;
}

static bool set_text(char *field, const struct dg_option *option, const char *value, char *error, size_t error_size)
{
    size_t size = strlen(value);
    if (dg_option_is_file(option) && dg_looks_secret(value)) {
        snprintf(error, error_size, "found what looks like a key itself, which is not repeated here; expected the name of "
                 "the file that holds it");
        return false;
    }
    if (dg_option_holds_control(value, size)) {
        snprintf(error, error_size, "found a control character, expected none");
        return false;
    }
    if (size == 0 || size >= option->max) {
        char expected[80];
        snprintf(expected, sizeof expected, "1 to %u characters", option->max - 1);
        return refuse(value, expected, error, error_size);
    }
    memcpy(field, value, size + 1);
    return true;
}

static bool add_text(struct dg_text_list *list, const struct dg_option *option, const char *value, char *error,
                     size_t error_size)
{
    if (list->count == DG_OPTION_TEXTS)
        return refuse(value, "at most 16 of this option", error, error_size);
    if (!set_text(list->items[list->count], option, value, error, error_size))
        return false;
    list->count++;
    return true;
}

static bool add_address(struct dg_address_list *list, const char *value, char *error, size_t error_size)
{
    if (list->count == DG_OPTION_ADDRESSES)
        return refuse(value, "at most 8 of this option", error, error_size);
    if (!dg_address_parse(value, &list->items[list->count]))
        return refuse(value, "a numeric address and a port, as 192.0.2.1:5684 or [2001:db8::1]:5684", error,
                      error_size);
    list->count++;
    return true;
}

static bool add_network(struct dg_network_list *list, const char *value, char *error, size_t error_size)
{
    if (list->count == DG_POLICY_NETWORKS)
        return refuse(value, "at most 16 of this option", error, error_size);
    if (!dg_network_parse(value, &list->items[list->count]))
        return refuse(value, "a network or address, as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7, without bits beyond its length",
                      error, error_size);
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
        return refuse(value, expected, error, error_size);
    }
    *field = (uint32_t)number;
    return true;
}

// The place of value among the words. False: it is none of them.
static bool find_word(const struct dg_option *option, const char *value, uint32_t *ret, char *error, size_t error_size)
{
    size_t size = strlen(value);
    uint32_t index = 0;
    for (const char *word = option->argument; word; index++) {
        size_t word_size = strcspn(word, "|");
        if (word_size == size && strncmp(word, value, size) == 0) {
            *ret = index;
            return true;
        }
        word = word[word_size] ? word + word_size + 1 : NULL;
    }
    char expected[80];
    snprintf(expected, sizeof expected, "one of %s", option->argument);
    return refuse(value, expected, error, error_size);
}

static bool add_word(uint32_t *field, const struct dg_option *option, const char *value, char *error, size_t error_size)
{
    uint32_t index;
    if (!find_word(option, value, &index, error, error_size))
        return false;
    *field |= UINT32_C(1) << index;
    return true;
}

static bool set_flag(uint32_t *field, const char *value, char *error, size_t error_size)
{
    if (value)
        return refuse(value, "no value", error, error_size);
    *field = 1;
    return true;
}

bool dg_option_set(const struct dg_option *option, void *options, const char *value, char *error, size_t error_size)
{
    if (!value && option->kind != DG_OPTION_KIND_FLAG)
        return refuse("", "a value", error, error_size);
    void *field = field_of(options, option);
    switch (option->kind) {
    case DG_OPTION_KIND_TEXT:
        return set_text(field, option, value, error, error_size);
    case DG_OPTION_KIND_TEXTS:
        return add_text(field, option, value, error, error_size);
    case DG_OPTION_KIND_ADDRESSES:
        return add_address(field, value, error, error_size);
    case DG_OPTION_KIND_NETWORKS:
        return add_network(field, value, error, error_size);
    case DG_OPTION_KIND_NUMBER:
        return set_number(field, option, value, error, error_size);
    case DG_OPTION_KIND_CHOICE:
        return find_word(option, value, field, error, error_size);
    case DG_OPTION_KIND_WORDS:
        return add_word(field, option, value, error, error_size);
    case DG_OPTION_KIND_FLAG:
        return set_flag(field, value, error, error_size);
    }
    DG_BUG("option kind");
}

// As dg_option_set; the error begins with the option's name.
static bool set_named(const struct dg_option *option, void *options, const char *value, char *error, size_t error_size)
{
    int size = snprintf(error, error_size, "--%s: ", option->name);
    size_t used = size > 0 && (size_t)size < error_size ? (size_t)size : 0;
    return dg_option_set(option, options, value, error + used, error_size - used);
}

bool dg_option_table_set(const struct dg_option_table *table, void *options, const char *name, const char *value,
                         char *error, size_t error_size)
{
    const struct dg_option *option = dg_option_table_find(table, name);
    if (!option)
        return refuse_unknown(table, name, error, error_size);
    return set_named(option, options, value, error, error_size);
}

bool dg_option_table_parse(const struct dg_option_table *table, void *options, int argc, char **argv, char *error,
                           size_t error_size)
{
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
            char expected[80];
            snprintf(expected, sizeof expected, "an option such as %s; do: %s", table->example, table->help_command);
            return refuse(dg_word_shown(argv[i]), expected, error, error_size);
        }
        char name[64];
        const char *equals = strchr(argv[i], '=');
        size_t size = equals ? (size_t)(equals - argv[i] - 2) : strlen(argv[i] + 2);
        if (size >= sizeof name)
            return refuse_unknown(table, argv[i] + 2, error, error_size);
        memcpy(name, argv[i] + 2, size);
        name[size] = '\0';
        const struct dg_option *option = dg_option_table_find(table, name);
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
        if (!set_named(option, options, value, error, error_size))
            return false;
    }
    return true;
}
