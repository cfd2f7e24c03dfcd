// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate config`: what the configuration is in effect. Owns how errors of a configuration are written out. Serves nothing,
// reads no file but the configuration's.
#include "cli/cli.h"

#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dg_cli_config_errors(const char *command, const struct dg_config_errors *errors)
{
    for (size_t i = 0; i < dg_config_errors_held(errors); i++)
        fprintf(stderr, "dtlsgate %s: %s\n", command, errors->texts[i]);
    if (dg_config_errors_more(errors) > 0)
        fprintf(stderr, "dtlsgate %s: and %zu more\n", command, dg_config_errors_more(errors));
}

struct dg_config *dg_cli_config(const char *command, int argc, char **argv)
{
    struct dg_config_errors *errors = calloc(1, sizeof *errors);
    if (!errors) {
        fprintf(stderr, "dtlsgate %s: memory is short\n", command);
        return NULL;
    }
    struct dg_config *config = dg_config_of_arguments(argc, argv, errors);
    dg_cli_config_errors(command, errors);
    free(errors);
    return config;
}

int dg_cli_config_command(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "dump") != 0) {
        bool is_asked = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        fprintf(is_asked ? stdout : stderr,
                "usage: dtlsgate config dump -c FILE [--option value ...]\n"
                "       dtlsgate config dump --listen ADDR:PORT --backend BACKEND [--option value ...]\n"
                "Prints the configuration in effect, every option with its value, as a file for dtlsgate serve -c. It names "
                "the files\nwith secrets and shows none. Status 2: the configuration is wrong, and standard error says all "
                "of it.\n");
        return is_asked ? DG_EXIT_OK : DG_EXIT_USAGE;
    }
    struct dg_config *config = dg_cli_config("config dump", argc - 2, argv + 2);
    if (!config)
        return DG_EXIT_USAGE;
    dg_config_dump(config, stdout);
    dg_config_free(config);
    return fflush(stdout) == 0 ? DG_EXIT_OK : DG_EXIT_FAILURE;
}
