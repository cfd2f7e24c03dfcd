// SPDX-License-Identifier: GPL-3.0-or-later
// What the command line of `dtlsgate serve` and its relations says: a configuration file, with options of the process that
// go before the file's, or options alone. Never acts on them.
#include "config/config_internal.h"

#include "base/looks_secret.h"

#include <stdlib.h>
#include <string.h>

#define NAME_SHOWN 80

struct arguments {
    const char *path; // of the file; NULL: none is named
    char **rest;      // without it
    int count;
    struct dg_config_errors *errors;
};

static void complain(const struct arguments *arguments, const char *text)
{
    dg_config_complain(arguments->errors, "", (struct dg_config_place){0}, "%s", text);
}

static bool takes_value(const char *argument)
{
    return strncmp(argument, "--", 2) == 0 && !strchr(argument, '='); // every option of serve does
}

// Takes "-c FILE", "--config FILE" and "--config=FILE" out. False: it was told what is wrong.
static bool find_file(struct arguments *arguments, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char *path = NULL;
        if (strncmp(argv[i], "--config=", 9) == 0) {
            path = argv[i] + 9;
        } else if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) {
            path = i + 1 < argc ? argv[++i] : "";
        } else {
            arguments->rest[arguments->count++] = argv[i];
            if (takes_value(argv[i]) && i + 1 < argc)
                arguments->rest[arguments->count++] = argv[++i];
            continue;
        }
        if (!path[0] || arguments->path) {
            complain(arguments, path[0] ? "-c stands there twice: there is one configuration file"
                                        : "-c: the name of the configuration file is missing");
            return false;
        }
        arguments->path = path;
    }
    return true;
}

// The options of listeners that are given beside a file: which listener would they be for?
static bool refuse_listeners(const struct arguments *arguments)
{
    bool is_fine = true;
    for (int i = 0; i < arguments->count; i++) {
        const char *argument = arguments->rest[i];
        char name[64] = "";
        if (strncmp(argument, "--", 2) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
        if (takes_value(argument))
            i++;
        if (!dg_option_table_find(&dg_options_table_listener, name))
            continue;
        dg_config_complain(arguments->errors, "", (struct dg_config_place){0},
                           "--%.*s goes not with -c %s: it is an option of a listener, so it belongs into the file; options "
                           "of the process may stand beside -c", NAME_SHOWN, name, dg_word_shown(arguments->path));
        is_fine = false;
    }
    return is_fine;
}

static struct dg_config *load(const struct arguments *arguments)
{
    char error[512];
    if (!refuse_listeners(arguments))
        return NULL;
    struct dg_config *config = dg_config_load(arguments->path, arguments->errors);
    if (!config || arguments->count == 0)
        return config;
    bool is_fine = dg_option_table_parse(&dg_options_table_process, &config->process, arguments->count, arguments->rest,
                                         error, sizeof error);
    if (is_fine) {
        dg_config_settle(config);
        dg_config_check(config, arguments->errors);
    } else {
        complain(arguments, error);
    }
    if (arguments->errors->count == 0)
        return config;
    dg_config_free(config);
    return NULL;
}

static struct dg_config *make(const struct arguments *arguments)
{
    char error[512];
    struct dg_options *options = calloc(1, sizeof *options);
    struct dg_config *config = NULL;
    if (!options) {
        complain(arguments, "memory is short for the options");
        return NULL;
    }
    dg_options_default(options);
    if (dg_options_parse(options, arguments->count, arguments->rest, error, sizeof error))
        config = dg_config_of_options(options, error, sizeof error);
    if (!config)
        complain(arguments, error);
    free(options);
    return config;
}

struct dg_config *dg_config_of_arguments(int argc, char **argv, struct dg_config_errors *errors)
{
    struct arguments arguments = {.errors = errors, .rest = calloc((size_t)argc + 1, sizeof(char *))};
    struct dg_config *config = NULL;
    memset(errors, 0, sizeof *errors);
    if (!arguments.rest)
        complain(&arguments, "memory is short for the options");
    else if (find_file(&arguments, argc, argv))
        config = arguments.path ? load(&arguments) : make(&arguments);
    free(arguments.rest);
    if (config) {
        config->arguments = argv;
        config->argument_count = argc;
    }
    return config;
}

struct dg_config *dg_config_again(const struct dg_config *config, struct dg_config_errors *errors)
{
    memset(errors, 0, sizeof *errors);
    if (config->arguments)
        return dg_config_of_arguments(config->argument_count, config->arguments, errors);
    return config->path[0] ? dg_config_load(config->path, errors) : dg_config_copy(config);
}
