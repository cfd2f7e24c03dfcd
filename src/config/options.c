// SPDX-License-Identifier: GPL-3.0-or-later
// The table of the server's options, and what single options cannot know. Never opens a file.
#include "config/options.h"

#include "base/looks_secret.h"
#include "core/cid.h"
#include "io/local_address.h"

#include <string.h>

#define DG_OPTION_STRUCT struct dg_options
static const struct dg_option rows[] = {
    DG_OPTION_LIST(DG_OPTION_ROW_TEXT, DG_OPTION_ROW_ADDRESSES, DG_OPTION_ROW_NUMBER, DG_OPTION_ROW_CHOICE,
                   DG_OPTION_ROW_TEXTS)};
#define TABLE_OF(first, count) {"dtlsgate serve --help", "--listen", first, count, sizeof(struct dg_options)}
const struct dg_option_table dg_options_table = TABLE_OF(rows, sizeof rows / sizeof rows[0]);
const struct dg_option_table dg_options_table_listener = TABLE_OF(rows, DG_LISTENER_OPTIONS_COUNT);
const struct dg_option_table dg_options_table_process = TABLE_OF(rows + DG_LISTENER_OPTIONS_COUNT, DG_PROCESS_OPTIONS_COUNT);

void dg_options_default(struct dg_options *options)
{
    dg_option_table_default(&dg_options_table, options);
}

const char *dg_options_upgrade_socket(const struct dg_options *options)
{
    return dg_option_is_nowhere(options->upgrade_socket) ? "" : options->upgrade_socket;
}

bool dg_options_set(struct dg_options *options, const char *name, const char *value, char *error, size_t error_size)
{
    return dg_option_table_set(&dg_options_table, options, name, value, error, error_size);
}

bool dg_options_parse(struct dg_options *options, int argc, char **argv, char *error, size_t error_size)
{
    return dg_option_table_parse(&dg_options_table, options, argc, argv, error, error_size);
}

void dg_options_help(FILE *out)
{
    dg_option_table_help(&dg_options_table, out);
}

void dg_options_markdown(FILE *out)
{
    dg_option_table_markdown(&dg_options_table, out);
}

// --- what single options cannot know -------------------------------------------------------------------------------

static bool has_way_to_check_clients(const struct dg_options *options)
{
    return options->psk_file[0] || options->psk_store[0] || options->client_ca[0] || options->client_keys[0] ||
           options->client_fingerprints[0];
}

void dg_options_check_listener(const struct dg_options *options, const struct dg_options_ear *ear)
{
    bool has_certificates = options->client_ca[0] || options->client_fingerprints[0];
    bool has_client_keys = has_certificates || options->client_keys[0];
    if (options->listen.count == 0)
        ear->hear(ear->context, "listen", "--listen ADDR:PORT is missing: where should clients come to? For example "
                  "--listen 127.0.0.1:5684");
    if (!options->backend[0])
        ear->hear(ear->context, "backend", "--backend is missing: where should plaintext go? --backend echo, or "
                  "--backend udp:HOST:PORT");
    if (!options->psk_file[0] && !options->psk_store[0] && !options->cert[0] && !options->key[0])
        ear->hear(ear->context, "cert", "the server has nothing to show clients: give --psk-file FILE, or --cert FILE and "
                  "--key FILE; dtlsgate init DIR makes throwaway ones");
    if (options->cert[0] && !options->key[0])
        ear->hear(ear->context, "cert", "--key FILE is missing: the private key of --cert");
    if (options->key[0] && !options->cert[0])
        ear->hear(ear->context, "key", "--cert FILE is missing: the certificate of --key");
    if (options->client_auth == DG_CLIENT_AUTH_REQUIRED && !has_way_to_check_clients(options))
        ear->hear(ear->context, "client-auth", "there is nothing to check clients by: give --psk-file, --psk-store, --client-ca, "
                  "--client-fingerprints or --client-keys; letting everybody in takes the explicit word --client-auth insecure-none");
    if (options->client_auth == DG_CLIENT_AUTH_INSECURE_NONE && has_client_keys)
        ear->hear(ear->context, "client-auth", "--client-auth insecure-none and --client-ca, --client-fingerprints or "
                  "--client-keys contradict each other: leave out what you do not mean");
    if (has_client_keys && !options->cert[0])
        ear->hear(ear->context,
                  options->client_ca[0]             ? "client-ca"
                  : options->client_fingerprints[0] ? "client-fingerprints"
                                                    : "client-keys",
                  "--client-ca, --client-fingerprints and --client-keys need --cert and --key: a client that shows a certificate or key expects one of the server");
    if (options->client_crl.count > 0 && !options->client_ca[0])
        ear->hear(ear->context, "client-crl", "--client-crl needs --client-ca: revocation lists are verified by the CAs in it");
    if (options->crl_missing == DG_CRL_MISSING_ACCEPT && options->client_crl.count == 0)
        ear->hear(ear->context, "crl-missing", "--crl-missing accept says nothing without --client-crl: leave it out, or name "
                  "the revocation lists");
    if (options->client_names.count > 0 && !has_certificates)
        ear->hear(ear->context, "client-names", "--client-names is about clients' certificates: give --client-ca or "
                  "--client-fingerprints too, or leave it out");
}

static void check_socket(const char *option, const char *path, const struct dg_options_ear *ear)
{
    char text[128];
    if (strlen(path) < DG_LOCAL_PATH_MAX)
        return;
    snprintf(text, sizeof text, "--%s: found a path of %zu bytes, expected at most %d", option, strlen(path),
             DG_LOCAL_PATH_MAX - 1);
    ear->hear(ear->context, option, text);
}

void dg_options_check_process(const struct dg_options *options, const struct dg_options_ear *ear)
{
    check_socket("control-socket", options->control_socket, ear);
    check_socket("upgrade-socket", options->upgrade_socket, ear);
    if (dg_hides_secret(options->user)) // told at its place, before anybody looks it up
        ear->hear(ear->context, "user", "--user: found what looks like a key itself, which is not repeated here; expected the "
                  "name of a user");
    if (options->backend_port_min > options->backend_port_max)
        ear->hear(ear->context, "backend-port-min", "--backend-port-min is above --backend-port-max; expected a range of "
                  "local ports");
    if (options->keeper == DG_KEEPER_NONE && (dg_options_upgrade_socket(options)[0] || options->binary[0]))
        ear->hear(ear->context, "keeper", "--upgrade-socket and --binary are the keeper's: leave out --keeper none, or "
                  "them");
    struct dg_local_address metrics;
    char error[256];
    if (options->metrics[0] && !dg_local_address_read("metrics", options->metrics, &metrics, error, sizeof error))
        ear->hear(ear->context, "metrics", error);
    uint64_t enough = dg_cid_associations_max(options->connection_id_length);
    if (options->connection_id == DG_CHOICE_NO || options->associations_max <= enough)
        return;
    char text[256];
    snprintf(text, sizeof text, "--associations-max %u is more than connection IDs of %u bytes can tell apart, which is "
             "%llu: give a longer --connection-id-length, or a smaller --associations-max",
             options->associations_max, options->connection_id_length, (unsigned long long)enough);
    ear->hear(ear->context, "associations-max", text);
}

struct first_fault {
    char *error;
    size_t error_size;
    bool is_found;
};

static void hear_first(void *context, const char *option, const char *text)
{
    struct first_fault *first = context;
    (void)option;
    if (!first->is_found)
        snprintf(first->error, first->error_size, "%s", text);
    first->is_found = true;
}

bool dg_options_check(const struct dg_options *options, char *error, size_t error_size)
{
    struct first_fault first = {.error = error, .error_size = error_size};
    const struct dg_options_ear ear = {hear_first, &first};
    dg_options_check_listener(options, &ear);
    dg_options_check_process(options, &ear);
    return !first.is_found;
}
