// SPDX-License-Identifier: GPL-3.0-or-later
// The options of the command line. Whatever is taken is inside its range; whatever is refused is refused in
// words and changes nothing.
//
// Input: arguments, each ended by a newline.
#include "fuzz.h"

#include "config/options.h"

#include <stdlib.h>
#include <string.h>

#define ARGUMENTS_MAX 64

#define IS_TEXT(field, name, argument, help) CHECK(memchr(options->field, '\0', sizeof options->field) != NULL);
#define IS_LIST(field, name, argument, help) CHECK(options->field.count <= DG_OPTION_ADDRESSES);
#define ARE_TEXTS(field, name, argument, help) are_texts(&options->field);
#define IS_NUMBER(field, name, argument, preset, min, max, help)                                          \
    CHECK((uint64_t)options->field + 1 > (uint64_t)(min) && options->field <= UINT32_C(max));
#define IS_CHOICE(field, name, words, preset, help) CHECK(options->field <= count_bars(words));

static uint32_t count_bars(const char *words)
{
    uint32_t count = 0;
    for (; *words != '\0'; words++)
        count += *words == '|';
    return count;
}

// No option has such a list yet: the compiler is not to complain.
__attribute__((unused)) static void are_texts(const struct dg_text_list *list)
{
    CHECK(list->count <= DG_OPTION_TEXTS);
    for (uint32_t i = 0; i < list->count; i++)
        CHECK(memchr(list->items[i], '\0', sizeof list->items[i]) != NULL);
}

static void is_in_range(const struct dg_options *options)
{
    DG_OPTION_LIST(IS_TEXT, IS_LIST, IS_NUMBER, IS_CHOICE, ARE_TEXTS)
}

static void is_message(const char *error, size_t capacity)
{
    size_t size = strnlen(error, capacity);
    CHECK(size > 0 && size < capacity);
}

// What is not wholly understood changes nothing.
static void set_alone(const struct dg_options *before, const char *name, const char *value)
{
    static struct dg_options options;
    char error[128];
    options = *before;
    memset(error, 0, sizeof error);
    if (dg_options_set(&options, name, value, error, sizeof error)) {
        is_in_range(&options);
    } else {
        is_message(error, sizeof error);
        CHECK(memcmp(&options, before, sizeof options) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dg_options options;
    char *arguments[ARGUMENTS_MAX], error[512] = "";
    int count = 0;
    // One block for each argument, so that a sanitizer sees who reads on.
    while (size > 0 && count < ARGUMENTS_MAX) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end != NULL ? (size_t)(end - data) : size;
        char *argument = malloc(length + 1);
        CHECK(argument != NULL);
        memcpy(argument, data, length);
        argument[length] = '\0';
        arguments[count++] = argument;
        data += length;
        size -= length;
        if (size > 0) {
            data++;
            size--;
        }
    }
    dg_options_default(&options);
    is_in_range(&options);
    if (count >= 2)
        set_alone(&options, arguments[0] + (strncmp(arguments[0], "--", 2) == 0 ? 2 : 0), arguments[1]);
    bool is_taken = dg_options_parse(&options, count, arguments, error, sizeof error);
    is_in_range(&options);
    if (!is_taken)
        is_message(error, sizeof error);
    error[0] = '\0';
    if (!dg_options_check(&options, error, sizeof error))
        is_message(error, sizeof error);
    while (count > 0)
        free(arguments[--count]);
    return 0;
}
