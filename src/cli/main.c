// SPDX-License-Identifier: GPL-3.0-or-later
// Chooses the subcommand. Never does anything itself.
#include "cli/cli.h"

#include "base/looks_secret.h"
#include "cli/process.h"
#include "config/bench_options.h"
#include "config/config.h"
#include "config/connect_options.h"
#include "config/options.h"
#include "config/psk_options.h"
#include "dtlsgate/dtlsgate.h"

#include <stdio.h>
#include <string.h>

static int cli_help(int argc, char **argv);
static int cli_version(int argc, char **argv);
static int cli_options_table(int argc, char **argv);

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; // NULL: not for people
} commands[] = {
    {"serve", dg_cli_serve, "stand in front of a UDP service and let in the clients that prove who they are"},
    {"connect", dg_cli_connect, "be the client: standard input and output through an association, or a tunnel"},
    {"bench", dg_cli_bench, "put load on a DTLS server and report its handshakes, messages and latency"},
    {"config", dg_cli_config_command, "show the configuration in effect, as a file that serve takes"},
    {"check", dg_cli_check, "look a configuration and its files over for weaknesses"},
    {"status", dg_cli_status, "what a running server is, whom it serves, what it counts, what somebody should look at"},
    {"associations", dg_cli_associations, "who is connected"},
    {"why", dg_cli_why, "why a client is not connected, and what to do about it"},
    {"close", dg_cli_close, "end an association, or all of an identity"},
    {"reload", dg_cli_reload, "have a running server read its configuration and credentials again"},
    {"upgrade", dg_cli_upgrade, "have a running server go on in a new process, of a new version perhaps"},
    {"psk", dg_cli_psk, "keep the pre-shared keys of a fleet: add, remove, rotate, list, import, export"},
    {"init", dg_cli_init, "make throwaway credentials in a folder: a CA, certificates, a pre-shared key"},
    {"help", cli_help, "this text"},
    {"version", cli_version, "the version"},
    {"options-table", cli_options_table, NULL},
};

static int cli_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("dtlsgate: a DTLS 1.2 and 1.3 server for any UDP service, and its other end\n\nusage: dtlsgate COMMAND [--option value ...]\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].help)
            printf("  %-12s %s\n", commands[i].name, commands[i].help);
    puts("\n`dtlsgate serve --help`, and so on, lists the options of a command.");
    return DG_EXIT_OK;
}

static int cli_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("dtlsgate %s\n", dtlsgate_version());
    return DG_EXIT_OK;
}

// A part of the configuration: for docs/configuration.md, or for the manual.
static int print_part(const char *name, bool is_roff)
{
    static const struct {
        const char *name;
        const struct dg_option_table *table;
        bool is_keys; // of the file alone
    } parts[] = {
        {"listener", &dg_options_table_listener, false},
        {"process", &dg_options_table_process, false},
        {"rule", &dg_config_table_rule, true},
        {"certificate", &dg_config_table_certificate, true},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(parts[i].name, name) != 0)
            continue;
        if (is_roff)
            dg_option_table_roff(parts[i].table, parts[i].is_keys, stdout);
        else
            dg_option_table_keys(parts[i].table, stdout);
        return DG_EXIT_OK;
    }
    return DG_EXIT_USAGE;
}

static int cli_options_table(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "connect") == 0)
        dg_connect_options_markdown(stdout);
    else if (argc > 1 && strcmp(argv[1], "bench") == 0)
        dg_bench_options_markdown(stdout);
    else if (argc > 1 && strcmp(argv[1], "psk") == 0)
        dg_psk_options_markdown(stdout);
    else if (argc > 1)
        return print_part(argv[1], argc > 2 && strcmp(argv[2], "roff") == 0);
    else
        dg_options_markdown(stdout);
    return DG_EXIT_OK;
}

static const char *find_nearest(const char *name)
{
    const struct command *nearest = &commands[0];
    for (size_t i = 1; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].help && dg_option_distance(commands[i].name, name) < dg_option_distance(nearest->name, name))
            nearest = &commands[i];
    return nearest->name;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    if (!dg_process_open_standard_streams())
        return DG_EXIT_FAILURE; // and nowhere to say it
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc > 1 ? argc - 1 : argc, argc > 1 ? argv + 1 : argv);
    fprintf(stderr, "dtlsgate: found \"%.60s\", expected a command; the nearest is %s; do: dtlsgate help\n",
            dg_word_shown(name), find_nearest(name));
    return DG_EXIT_USAGE;
}
