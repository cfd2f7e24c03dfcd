// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate connect HOST:PORT`: from options to a netcat or a tunnel. Owns the signals, as a descriptor.
#include "cli/cli.h"

#include "base/log.h"
#include "base/looks_secret.h"
#include "cli/dial.h"
#include "cli/process.h"
#include "client/netcat.h"
#include "client/tunnel.h"
#include "config/connect_options.h"
#include "crypto/wolf_aead.h"
#include "io/clock.h"
#include "io/resolve.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static dg_time or_never(uint32_t seconds)
{
    return seconds > 0 ? seconds * DG_SECOND : DG_NEVER;
}

static int be_netcat(const struct dg_connect_options *options, const struct dg_client_config *client, int signal_fd)
{
    const struct dg_netcat_config config = {
        .client = *client,
        .input = options->hex ? DG_NETCAT_HEX : options->datagram ? DG_NETCAT_DATAGRAMS : DG_NETCAT_LINES,
        .wait = options->wait * DG_SECOND,
        .rebind = or_never(options->rebind),
        .is_verbose = options->verbose != 0,
    };
    switch (dg_netcat_run(&config, signal_fd)) {
    case DG_NETCAT_DONE:
        return DG_EXIT_OK;
    case DG_NETCAT_NOTHING:
        return DG_EXIT_NO_ANSWER;
    case DG_NETCAT_FAILED:
        break;
    }
    return DG_EXIT_FAILURE;
}

static int be_tunnel(const struct dg_connect_options *options, const struct dg_client_config *client, int signal_fd)
{
    char error[256];
    const struct dg_tunnel_config config = {
        .listen = options->listen.items[0],
        .client = *client,
        .senders_max = options->associations_max,
        .hold_max = options->hold_max,
        .idle_timeout = options->idle_timeout * DG_SECOND,
        .answer_wait = or_never(options->answer_wait),
        .rebind = or_never(options->rebind),
        .is_verbose = options->verbose != 0,
    };
    struct dg_tunnel *tunnel = dg_tunnel_new(&config, error, sizeof error);
    if (!tunnel) {
        fprintf(stderr, "dtlsgate connect: %s\n", error);
        return DG_EXIT_FAILURE;
    }
    dg_tunnel_run(tunnel, signal_fd);
    dg_tunnel_free(tunnel);
    return DG_EXIT_OK;
}

static int signals_as_descriptor(bool is_tunnel)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR2);
    if (is_tunnel)
        sigaddset(&signals, SIGUSR1);
    signal(SIGPIPE, SIG_IGN); // the reader of our output may go away
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static int run(const struct dg_connect_options *options, const char *where)
{
    char error[512], host[DG_HOST_MAX];
    const struct dg_client_choice choice = DG_CLIENT_CHOICE_OF(options);
    struct dg_client_config client = {
        .dial = &dg_wolf_dial,
        .aead = &dg_wolf_aead,
        .datagram_max = (uint16_t)options->datagram_max,
        .cid_size = options->connection_id_length,
        .handshake_timeout = options->handshake_timeout * DG_SECOND,
        .retransmit = options->retransmit * DG_SECOND,
        .keepalive = options->keepalive * DG_SECOND,
    };
    if (!dg_resolve_all(where, client.servers, DG_CLIENT_SERVERS_MAX, &client.server_count, host, error, sizeof error)) {
        fprintf(stderr, "dtlsgate connect: %s: %s\n", where, error);
        return DG_EXIT_FAILURE;
    }
    if (!dg_crypto_init()) {
        fprintf(stderr, "dtlsgate connect: the TLS library does not start\n");
        return DG_EXIT_FAILURE;
    }
    int status = DG_EXIT_FAILURE;
    struct dg_dialer *dialer = dg_cli_dialer_new(&choice, host, options->resume == DG_CHOICE_YES, error, sizeof error);
    int signal_fd = signals_as_descriptor(options->listen.count > 0);
    client.dialer = dialer;
    if (!dialer)
        fprintf(stderr, "dtlsgate connect: %s\n", error);
    else if (signal_fd < 0)
        fprintf(stderr, "dtlsgate connect: descriptors are short\n");
    else
        status = options->listen.count > 0 ? be_tunnel(options, &client, signal_fd)
                                           : be_netcat(options, &client, signal_fd);
    if (signal_fd >= 0)
        close(signal_fd);
    dg_dialer_free(dialer);
    dg_crypto_cleanup();
    return status;
}

static void print_help(void)
{
    puts("usage: dtlsgate connect HOST:PORT [--option value ...]\n\n"
         "Sends each line of the standard input to the DTLS server at HOST:PORT and prints what comes back; with\n"
         "--listen, is a local UDP port that leads there. The server proves itself by --ca, --pin or --psk-file. Where\n"
         "HOST has several addresses, the next one is tried when nobody answers at one.\n");
    dg_connect_options_help(stdout);
    puts("\nExit status: 0 all was sent (and with -w, something came back); 1 it did not work (a file, the handshake, the\n"
         "network), the standard error says why; 2 wrong usage; 3 with -w, nothing came back in time. SIGUSR2 changes our\n"
         "own port, SIGUSR1 logs a tunnel's counters, SIGTERM and SIGINT end with close_notify.");
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int dg_cli_connect(int argc, char **argv)
{
    if (argc > 1 && is_help(argv[1])) {
        print_help();
        return DG_EXIT_OK;
    }
    if (argc < 2 || argv[1][0] == '-' || !dg_resolve_takes(argv[1])) {
        fprintf(stderr, "dtlsgate connect: found %s%.60s%s, expected HOST:PORT first; do: dtlsgate connect --help\n",
                argc < 2 ? "nothing" : "\"", argc < 2 ? "" : dg_word_shown(argv[1]), argc < 2 ? "" : "\"");
        return DG_EXIT_USAGE;
    }
    static struct dg_connect_options options;
    char error[512];
    dg_connect_options_default(&options);
    if (!dg_connect_options_parse(&options, argc - 2, argv + 2, error, sizeof error) ||
        !dg_connect_options_check(&options, error, sizeof error)) {
        fprintf(stderr, "dtlsgate connect: %s\n", error);
        return DG_EXIT_USAGE;
    }
    dg_log_set_clock(dg_clock_wall_ns);
    dg_log_set_level((enum dg_log_level)options.log_level);
    dg_process_forbid_core_dumps();
    if (options.insecure_no_verify)
        fprintf(stderr, "dtlsgate connect: warning: --insecure-no-verify: the server is NOT verified, whoever answers is "
                        "taken for it\n");
    dg_process_raise_descriptor_limit();
    return run(&options, argv[1]);
}
