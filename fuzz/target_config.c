// SPDX-License-Identifier: GPL-3.0-or-later
// Configuration files. What is taken has been checked whole and says the same when it is dumped and read again; what is
// refused is refused in words, each with its place, and no word repeats a key.
//
// Input: the file.
#include "fuzz.h"

#include "config/config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int file = -1;
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    file = memfd_create("config", MFD_CLOEXEC);
    CHECK(file >= 0 && fchmod(file, 0600) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return 0;
}

static struct dg_config *load(const void *text, size_t size, struct dg_config_errors *errors)
{
    CHECK(pwrite(file, text, size, 0) == (ssize_t)size && ftruncate(file, (off_t)size) == 0);
    return dg_config_load(path, errors);
}

static char *dump(const struct dg_config *config, size_t *ret_size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_size);
    CHECK(out != NULL);
    dg_config_dump(config, out);
    CHECK(fclose(out) == 0);
    return text;
}

static void is_checked(const struct dg_config *config)
{
    CHECK(config->listener_count >= 1 && config->listener_count <= DG_CONFIG_LISTENERS_MAX);
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct dg_config_listener *listener = &config->listeners[i];
        CHECK(listener->name[0] != '\0' && memchr(listener->name, '\0', sizeof listener->name) != NULL);
        CHECK(listener->options.listen.count >= 1 && listener->options.backend[0] != '\0');
        CHECK(listener->certificate_count <= DG_CONFIG_CERTIFICATES_MAX && listener->rule_count <= DG_CONFIG_RULES_MAX);
        CHECK(listener->options.workers == config->process.workers);
        for (size_t k = 0; k < listener->rule_count; k++)
            CHECK(listener->rules[k].rule.is_denied == (listener->rules[k].action == DG_RULE_DENY));
    }
}

static void says_the_same(const struct dg_config *config, struct dg_config_errors *errors)
{
    size_t first_size = 0, second_size = 0;
    char *first = dump(config, &first_size);
    struct dg_config *again = load(first, first_size, errors);
    CHECK_MSG(again != NULL, "%s", errors->texts[0]);
    char *second = dump(again, &second_size);
    CHECK(first_size == second_size && memcmp(first, second, first_size) == 0);
    dg_config_free(again);
    free(first);
    free(second);
}

static bool shows_digits(const char *text)
{
    size_t digits = 0;
    for (; *text; text++) {
        digits = isxdigit((unsigned char)*text) ? digits + 1 : 0;
        if (digits >= 16)
            return true;
    }
    return false;
}

// Whether the digits from..to, found in text, are a key that was repeated: told without the code's own rule. They stand in
// the file, alone or behind a colon, and are the end of a value or of a word that should be a key of the mapping. What is
// shown by design: plain numbers; digits inside a name ("00ff.pem", "/00ff", "lab 00ff"); what is cut after 80 characters.
static bool is_repeated(const char *text, const char *from, const char *to, const uint8_t *data, size_t size)
{
    static const struct {
        const char *begin, *end; // of what is repeated
    } forms[] = {{"found \"", "\", expected"},
                 {"called \"", "\" too"},
                 {" ", ": there is no such key"}, // behind the place
                 {" ", ": stands already"}};
    const char *before = from, *behind = to + strspn(to, " \t");
    if (strspn(from, "0123456789") >= (size_t)(to - from) || !memmem(data, size, from, (size_t)(to - from)))
        return false;
    while (before > text && strchr(" \t", before[-1]))
        before--;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const char *begin = strstr(text, forms[i].begin);
        if (!begin || begin >= from || strncmp(behind, forms[i].end, strlen(forms[i].end)) != 0)
            continue;
        begin += strlen(forms[i].begin);
        return behind - begin < 80 && (before <= begin || before[-1] == ':');
    }
    return false;
}

static bool repeats_key(const char *text, const uint8_t *data, size_t size)
{
    size_t digits = 0;
    for (const char *at = text;; at++) {
        if (isxdigit((unsigned char)*at)) {
            digits++;
            continue;
        }
        if (digits >= 32 && is_repeated(text, at - digits, at, data, size))
            return true;
        digits = 0;
        if (!*at)
            return false;
    }
}

static void are_messages(const struct dg_config_errors *errors, const uint8_t *data, size_t data_size)
{
    CHECK(errors->count > 0);
    for (size_t i = 0; i < errors->count && i < DG_CONFIG_ERRORS_MAX; i++) {
        size_t size = strnlen(errors->texts[i], sizeof errors->texts[i]);
        CHECK(size > strlen(path) + 2 && size < sizeof errors->texts[i]);
        CHECK(strncmp(errors->texts[i], path, strlen(path)) == 0);
        CHECK(errors->places[i].line > 0);
        CHECK(!errors->are_secrets[i] || !shows_digits(errors->texts[i] + strlen(path)));
        CHECK_MSG(!repeats_key(errors->texts[i] + strlen(path), data, data_size), "%s", errors->texts[i]);
        CHECK(i == 0 || errors->places[i - 1].line <= errors->places[i].line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dg_config_errors errors;
    struct dg_config *config = load(data, size, &errors);
    if (!config) {
        are_messages(&errors, data, size);
        return 0;
    }
    CHECK(errors.count == 0);
    is_checked(config);
    says_the_same(config, &errors);
    dg_config_free(config);
    return 0;
}
