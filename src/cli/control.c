// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate status`, `associations`, `close`, `reload` and `why`: each says one request at a running server's control
// socket and shows the answer. Exit status: 0 done; 1 refused, nothing fits, or nobody answers; 2 wrong usage.
#include "cli/cli.h"

#include "admin/client.h"
#include "base/looks_secret.h"

#include <stdio.h>
#include <string.h>

struct usage {
    const char *name;
    const char *text;
    bool takes_argument, takes_identity, takes_json;
};

static const char COMMON[] =
    "  --control PATH      the server's control socket; without it, " DG_CONTROL_DEFAULT "\n"
    "Identities are written as the log shows them, \\xHH for a byte; a pattern has * for any bytes and ? for one.\n";

static const struct usage STATUS = {
    "status", "usage: dtlsgate status [--json] [--control PATH]\nWhat the server is, whom it serves, what it counts, and what "
              "somebody should look at.\n", false, false, true};
static const struct usage ASSOCIATIONS = {
    "associations", "usage: dtlsgate associations [--identity PATTERN] [--json] [--control PATH]\nWho is connected, a line each.\n",
    false, true, true};
static const struct usage CLOSE = {
    "close", "usage: dtlsgate close ID | --identity PATTERN [--control PATH]\nEnds one association, by the id that the log and "
             "dtlsgate associations show, or all of a kind, with close_notify, and says which.\nA client may come again: to keep it "
             "out, remove its credential or deny it by a rule, and reload.\n", true, true, true};
static const struct usage RELOAD = {
    "reload", "usage: dtlsgate reload [--control PATH]\nHas the server read its configuration and credentials again, whole. Where "
              "something is wrong nothing changes,\nand the reason is said here.\n", false, false, false};
static const struct usage WHY = {
    "why", "usage: dtlsgate why IDENTITY|ADDRESS [--json] [--control PATH]\nIs this client connected, what went wrong for it "
           "lately, and what can be done about it?\n", true, false, true};

struct arguments {
    const char *control, *identity, *rest;
    bool is_json, wants_help;
};

static bool take_value(const char *name, int argc, char **argv, int *at, const char **ret)
{
    size_t size = strlen(name);
    if (strncmp(argv[*at], name, size) == 0 && argv[*at][size] == '=') {
        *ret = argv[*at] + size + 1;
        return true;
    }
    if (strcmp(argv[*at], name) != 0 || *at + 1 >= argc)
        return false;
    *ret = argv[++*at];
    return true;
}

// False: error says what was found.
static bool read_arguments(const struct usage *usage, int argc, char **argv, struct arguments *ret, const char **error)
{
    bool options_are_over = false;
    *ret = (struct arguments){.control = DG_CONTROL_DEFAULT};
    for (int i = 1; i < argc; i++) {
        *error = argv[i];
        if (!options_are_over && strcmp(argv[i], "--") == 0)
            options_are_over = true;
        else if (!options_are_over && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0))
            ret->wants_help = true;
        else if (!options_are_over && usage->takes_json && strcmp(argv[i], "--json") == 0)
            ret->is_json = true;
        else if (!options_are_over && take_value("--control", argc, argv, &i, &ret->control))
            continue;
        else if (!options_are_over && usage->takes_identity && take_value("--identity", argc, argv, &i, &ret->identity))
            continue;
        else if ((options_are_over || argv[i][0] != '-') && usage->takes_argument && !ret->rest)
            ret->rest = argv[i];
        else
            return false;
    }
    return true;
}

static int ask(const struct usage *usage, const struct arguments *arguments, const char *command, const char *argument)
{
    char word[2048];
    const struct dg_control_call call = {arguments->control, command, argument, arguments->is_json};
    bool is_done = dg_control_ask(&call, stdout, word, sizeof word);
    if (!is_done)
        fprintf(stderr, "dtlsgate %s: %s\n", usage->name, word);
    else if (!arguments->is_json && usage != &STATUS && usage != &WHY)
        puts(word);
    return is_done ? DG_EXIT_OK : DG_EXIT_FAILURE;
}

static int refuse(const struct usage *usage, const char *found, const char *why)
{
    fprintf(stderr, "dtlsgate %s: %s%s%s\n%s%s", usage->name, why, found ? ": " : "",
            found ? dg_word_shown(found) : "", usage->text, COMMON);
    return DG_EXIT_USAGE;
}

// False: the command ends with *ret_status.
static bool begin(const struct usage *usage, int argc, char **argv, struct arguments *ret, int *ret_status)
{
    const char *error = NULL;
    if (!read_arguments(usage, argc, argv, ret, &error)) {
        *ret_status = refuse(usage, error, "not understood");
        return false;
    }
    if (ret->wants_help) {
        printf("%s%s", usage->text, COMMON);
        *ret_status = DG_EXIT_OK;
        return false;
    }
    return true;
}

int dg_cli_status(int argc, char **argv)
{
    struct arguments arguments;
    int status;
    return begin(&STATUS, argc, argv, &arguments, &status) ? ask(&STATUS, &arguments, "status", NULL) : status;
}

int dg_cli_associations(int argc, char **argv)
{
    struct arguments arguments;
    int status;
    if (!begin(&ASSOCIATIONS, argc, argv, &arguments, &status))
        return status;
    return ask(&ASSOCIATIONS, &arguments, "associations", arguments.identity);
}

int dg_cli_close(int argc, char **argv)
{
    struct arguments arguments;
    int status;
    if (!begin(&CLOSE, argc, argv, &arguments, &status))
        return status;
    if (!arguments.rest == !arguments.identity)
        return refuse(&CLOSE, NULL, "expected an association's id, or --identity PATTERN");
    return arguments.rest ? ask(&CLOSE, &arguments, "close", arguments.rest)
                          : ask(&CLOSE, &arguments, "close-identity", arguments.identity);
}

int dg_cli_reload(int argc, char **argv)
{
    struct arguments arguments;
    int status;
    return begin(&RELOAD, argc, argv, &arguments, &status) ? ask(&RELOAD, &arguments, "reload", NULL) : status;
}

int dg_cli_why(int argc, char **argv)
{
    struct arguments arguments;
    int status;
    if (!begin(&WHY, argc, argv, &arguments, &status))
        return status;
    if (!arguments.rest || !arguments.rest[0])
        return refuse(&WHY, NULL, "expected an identity or an address");
    return ask(&WHY, &arguments, "why", arguments.rest);
}
