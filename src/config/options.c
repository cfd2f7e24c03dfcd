// SPDX-License-Identifier: GPL-3.0-or-later
// The table of the server's options, and what single options cannot know. Never opens a file.
#include "config/options.h"

#include "core/cid.h"

#define DG_OPTION_STRUCT struct dg_options
static const struct dg_option rows[] = {
    DG_OPTION_LIST(DG_OPTION_ROW_TEXT, DG_OPTION_ROW_ADDRESSES, DG_OPTION_ROW_NUMBER, DG_OPTION_ROW_CHOICE,
                   DG_OPTION_ROW_TEXTS)};
static const struct dg_option_table table = {
    "dtlsgate serve --help", "--listen", rows, sizeof rows / sizeof rows[0], sizeof(struct dg_options)};

void dg_options_default(struct dg_options *options)
{
    dg_option_table_default(&table, options);
}

bool dg_options_set(struct dg_options *options, const char *name, const char *value, char *error, size_t error_size)
{
    return dg_option_table_set(&table, options, name, value, error, error_size);
}

bool dg_options_parse(struct dg_options *options, int argc, char **argv, char *error, size_t error_size)
{
    return dg_option_table_parse(&table, options, argc, argv, error, error_size);
}

void dg_options_help(FILE *out)
{
    dg_option_table_help(&table, out);
}

void dg_options_markdown(FILE *out)
{
    dg_option_table_markdown(&table, out);
}

static bool has_way_to_check_clients(const struct dg_options *options)
{
    return options->psk_file[0] || options->client_ca[0] || options->client_keys[0];
}

static bool do_ids_suffice(const struct dg_options *options, char *error, size_t error_size)
{
    uint64_t enough = dg_cid_associations_max(options->connection_id_length);
    if (options->connection_id == DG_CHOICE_NO || options->associations_max <= enough)
        return true;
    snprintf(error, error_size, "--associations-max %u is more than connection IDs of %u bytes can tell apart, which is "
             "%llu: give a longer --connection-id-length, or a smaller --associations-max",
             options->associations_max, options->connection_id_length, (unsigned long long)enough);
    return false;
}

bool dg_options_check(const struct dg_options *options, char *error, size_t error_size)
{
    const char *missing = NULL;
    if (options->listen.count == 0)
        missing = "--listen ADDR:PORT is missing: where should clients come to? For example --listen 127.0.0.1:5684";
    else if (!options->backend[0])
        missing = "--backend is missing: where should plaintext go? --backend echo, or --backend udp:HOST:PORT";
    else if (!options->psk_file[0] && !options->cert[0])
        missing = "the server has nothing to show clients: give --psk-file FILE, or --cert FILE and --key FILE; "
                  "dtlsgate init DIR makes throwaway ones";
    else if (options->cert[0] && !options->key[0])
        missing = "--key FILE is missing: the private key of --cert";
    else if (options->key[0] && !options->cert[0])
        missing = "--cert FILE is missing: the certificate of --key";
    else if (options->client_auth == DG_CLIENT_AUTH_REQUIRED && !has_way_to_check_clients(options))
        missing = "there is nothing to check clients by: give --psk-file, --client-ca or --client-keys; "
                  "letting everybody in takes the explicit word --client-auth insecure-none";
    else if (options->client_auth == DG_CLIENT_AUTH_INSECURE_NONE && (options->client_ca[0] || options->client_keys[0]))
        missing = "--client-auth insecure-none and --client-ca or --client-keys contradict each other: leave out what "
                  "you do not mean";
    else if ((options->client_ca[0] || options->client_keys[0]) && !options->cert[0])
        missing = "--client-ca and --client-keys need --cert and --key: a client that shows a certificate or key "
                  "expects one of the server";
    else if (options->backend_port_min > options->backend_port_max)
        missing = "--backend-port-min is above --backend-port-max; expected a range of local ports";
    else if (options->keeper == DG_KEEPER_NONE && (options->upgrade_socket[0] || options->binary[0]))
        missing = "--upgrade-socket and --binary are the keeper's: leave out --keeper none, or them";
    if (missing) {
        snprintf(error, error_size, "%s", missing);
        return false;
    }
    return do_ids_suffice(options, error, error_size);
}
