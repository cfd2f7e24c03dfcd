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

static void are_messages(const struct dg_config_errors *errors)
{
    CHECK(errors->count > 0);
    for (size_t i = 0; i < errors->count && i < DG_CONFIG_ERRORS_MAX; i++) {
        size_t size = strnlen(errors->texts[i], sizeof errors->texts[i]);
        CHECK(size > strlen(path) + 2 && size < sizeof errors->texts[i]);
        CHECK(strncmp(errors->texts[i], path, strlen(path)) == 0);
        CHECK(errors->places[i].line > 0);
        CHECK(!errors->are_secrets[i] || !shows_digits(errors->texts[i] + strlen(path)));
        CHECK(i == 0 || errors->places[i - 1].line <= errors->places[i].line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dg_config_errors errors;
    struct dg_config *config = load(data, size, &errors);
    if (!config) {
        are_messages(&errors);
        return 0;
    }
    CHECK(errors.count == 0);
    is_checked(config);
    says_the_same(config, &errors);
    dg_config_free(config);
    return 0;
}
