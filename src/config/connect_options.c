// SPDX-License-Identifier: GPL-3.0-or-later
// The table of the client's options, and what single options cannot know. Never opens a file.
#include "config/connect_options.h"

#include <string.h>

#define DG_OPTION_STRUCT struct dg_connect_options
static const struct dg_option rows[] = {DG_CONNECT_OPTION_LIST(DG_OPTION_ROW_TEXT, DG_OPTION_ROW_ADDRESSES,
                                                               DG_OPTION_ROW_NUMBER, DG_OPTION_ROW_CHOICE,
                                                               DG_OPTION_ROW_FLAG)};
static const struct dg_option_table table = {
    "dtlsgate connect --help", "--psk-file", rows, sizeof rows / sizeof rows[0], sizeof(struct dg_connect_options)};

void dg_connect_options_default(struct dg_connect_options *options)
{
    dg_option_table_default(&table, options);
}

// Netcat's users type -w without a thought.
bool dg_connect_options_parse(struct dg_connect_options *options, int argc, char **argv, char *error, size_t error_size)
{
    static char wait[] = "--wait";
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "-w") == 0)
            argv[i] = wait;
    return dg_option_table_parse(&table, options, argc, argv, error, error_size);
}

static const char *mixed_modes(const struct dg_connect_options *options)
{
    if (options->listen.count > 1)
        return "--listen stands there twice: a tunnel has one local address";
    if (options->hex && options->datagram)
        return "--hex and --datagram are two ways to read the input: give one of them";
    if (options->listen.count == 1 && (options->hex || options->datagram || options->wait))
        return "--hex, --datagram and --wait are for the standard input, which a tunnel (--listen) does not read";
    if (options->rebind && options->connection_id == DG_CHOICE_NO)
        return "--rebind needs connection IDs: without them the server takes a new port for a stranger";
    if (options->listen.count == 1 && options->listen_network == DG_LISTEN_NETWORK_LOOPBACK &&
        !dg_address_is_loopback(&options->listen.items[0]))
        return "--listen is not on the loopback: whoever reaches it speaks to the server in our name, and in clear up "
               "to here; that takes --listen-network any";
    return NULL;
}

bool dg_connect_options_check(const struct dg_connect_options *options, char *error, size_t error_size)
{
    const struct dg_client_choice choice = DG_CLIENT_CHOICE_OF(options);
    const char *wrong = dg_client_choice_check(&choice);
    if (!wrong)
        wrong = mixed_modes(options);
    if (!wrong)
        return true;
    snprintf(error, error_size, "%s", wrong);
    return false;
}

void dg_connect_options_help(FILE *out)
{
    dg_option_table_help(&table, out);
}

void dg_connect_options_markdown(FILE *out)
{
    dg_option_table_markdown(&table, out);
}
