// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate bench HOST:PORT`: from options to a run of load and its report. Owns the signals, as a descriptor.
#include "cli/cli.h"

#include "base/log.h"
#include "base/looks_secret.h"
#include "cli/dial.h"
#include "cli/process.h"
#include "config/bench_options.h"
#include "crypto/wolf_aead.h"
#include "io/clock.h"
#include "io/resolve.h"
#include "load/report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define IN_FLIGHT_PRESET 256u

struct dialing {
    const struct dg_bench_options *options;
    const char *host;
};

static void *dialer_new(void *context, char *error, size_t error_size)
{
    const struct dialing *dialing = context;
    const struct dg_client_choice choice = DG_CLIENT_CHOICE_OF(dialing->options);
    return dg_cli_dialer_new(&choice, dialing->host, dialing->options->resumed != 0, error, error_size);
}

static void dialer_free(void *dialer)
{
    dg_dialer_free(dialer);
}

static uint32_t in_flight_of(const struct dg_bench_options *options)
{
    if (options->in_flight > 0)
        return options->in_flight;
    return options->associations < IN_FLIGHT_PRESET ? options->associations : IN_FLIGHT_PRESET;
}

static struct dg_load_config config_of(const struct dg_bench_options *options)
{
    return (struct dg_load_config){
        .dial = &dg_wolf_dial,
        .aead = &dg_wolf_aead,
        .dialer_new = dialer_new,
        .dialer_free = dialer_free,
        .kind = (enum dg_load_kind)options->load,
        .wants_resumed = options->resumed != 0,
        .wants_answers = options->answers == DG_BENCH_ANSWERS_ECHO,
        .leaves = options->leave != 0,
        .connect_only = options->connect_only != 0,
        .threads = options->threads,
        .sockets = options->sockets,
        .sources = options->sources,
        .offers_cid = options->connection_id == DG_CHOICE_YES,
        .cid_size = options->connection_id_length,
        .associations = options->associations,
        .handshakes_at_once = options->handshakes_at_once,
        .ramp = options->ramp,
        .rate = options->rate,
        .rate_from = options->rate_from,
        .every = options->every * DG_SECOND,
        .in_flight = in_flight_of(options),
        .message_bytes = options->size,
        .duration = options->duration * DG_SECOND,
        .answer_timeout = options->answer_timeout * DG_MILLISECOND,
        .move_every = options->move * DG_SECOND,
        .handshake_timeout = options->handshake_timeout * DG_SECOND,
        .retransmit = options->retransmit * DG_SECOND,
        .datagram_max = (uint16_t)options->datagram_max,
        .progress_every = options->progress * DG_SECOND,
    };
}

// --- the report ----------------------------------------------------------------------------------------------

static bool write_json(const struct dg_load_config *config, const struct dg_load_result *result, const char *path)
{
    FILE *out = fopen(path, "we");
    bool done = out && dg_load_report_json(config, result, out);
    if (out && fclose(out) != 0)
        done = false;
    if (!done)
        fprintf(stderr, "dtlsgate bench: --json: %s cannot be written: %s\n", path, strerror(errno));
    return done;
}

static bool report(const struct dg_bench_options *options, const struct dg_load_config *config,
                   const struct dg_load_result *result)
{
    const bool is_json = strcmp(options->json, "-") == 0;
    if (!is_json)
        dg_load_report_text(config, result, stdout);
    bool done = is_json ? dg_load_report_json(config, result, stdout)
                        : fflush(stdout) == 0 && ferror(stdout) == 0;
    if (!done)
        fprintf(stderr, "dtlsgate bench: the report cannot be written: %s\n", strerror(errno));
    return (is_json || !options->json[0] || write_json(config, result, options->json)) && done;
}

// Figures of a server that nobody reached are none.
static int judge(const struct dg_load_result *result)
{
    if (dg_load_tally_read(&result->tally, DG_LOAD_HANDSHAKES_DONE) > 0)
        return DG_EXIT_OK;
    fprintf(stderr, "dtlsgate bench: not one handshake came about: %s\n",
            result->reasons[0].count > 0 ? result->reasons[0].why : "none was begun");
    return DG_EXIT_FAILURE;
}

// --- the run ---------------------------------------------------------------------------------------------------

static int signals_as_descriptor(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static int run_load(const struct dg_bench_options *options, struct dg_load_config *config)
{
    char error[512];
    int status = DG_EXIT_FAILURE;
    int signal_fd = signals_as_descriptor();
    if (signal_fd < 0) {
        fprintf(stderr, "dtlsgate bench: descriptors are short\n");
        return status;
    }
    struct dg_load_result *result = dg_load_run(config, signal_fd, error, sizeof error);
    if (result)
        status = report(options, config, result) ? judge(result) : DG_EXIT_FAILURE;
    else
        fprintf(stderr, "dtlsgate bench: %s\n", error);
    dg_load_result_free(result);
    close(signal_fd);
    return status;
}

static int run(const struct dg_bench_options *options, const char *where)
{
    char error[512], host[DG_HOST_MAX];
    struct dg_load_config config = config_of(options);
    struct dialing dialing = {.options = options, .host = host};
    config.dialer_context = &dialing;
    if (!dg_resolve(where, &config.server, host, error, sizeof error)) {
        fprintf(stderr, "dtlsgate bench: %s: %s\n", where, error);
        return DG_EXIT_FAILURE;
    }
    if (options->sources > 1 && (!dg_address_is_ipv4(&config.server) || !dg_address_is_loopback(&config.server))) {
        fprintf(stderr, "dtlsgate bench: --sources are addresses in 127/8, which lead to a server on 127/8 only: leave it "
                        "out, and say --sockets\n");
        return DG_EXIT_USAGE;
    }
    if (!dg_crypto_init()) {
        fprintf(stderr, "dtlsgate bench: the TLS library does not start\n");
        return DG_EXIT_FAILURE;
    }
    int status = run_load(options, &config);
    dg_crypto_cleanup();
    return status;
}

static void print_help(void)
{
    puts("usage: dtlsgate bench HOST:PORT [--option value ...]\n\n"
         "Puts load on the DTLS server at HOST:PORT and reports what came of it: handshakes and messages a second,\n"
         "latency, what was lost, and whether this side was the limit. The server proves itself by --ca, --pin or\n"
         "--psk-file, as with dtlsgate connect. Put load only on servers that are yours.\n\n"
         "  dtlsgate bench 127.0.0.1:5684 --psk-file psk.txt --associations 1000 --rate 20000\n"
         "  dtlsgate bench 127.0.0.1:5684 --psk-file psk.txt --load handshakes --duration 5\n"
         "  dtlsgate bench 127.0.0.1:5684 --psk-file psk.txt --associations 1000 --every 10 --duration 60 --json out.json\n");
    dg_bench_options_help(stdout);
    puts("\nExit status: 0 a report was made; 1 it could not be, or not one handshake came about; 2 wrong usage. SIGINT and\n"
         "SIGTERM end the load early; the report is of what there was. docs/bench.md explains every figure.");
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int dg_cli_bench(int argc, char **argv)
{
    if (argc > 1 && is_help(argv[1])) {
        print_help();
        return DG_EXIT_OK;
    }
    if (argc < 2 || argv[1][0] == '-' || !dg_resolve_takes(argv[1])) {
        fprintf(stderr, "dtlsgate bench: found %s%.60s%s, expected HOST:PORT first; do: dtlsgate bench --help\n",
                argc < 2 ? "nothing" : "\"", argc < 2 ? "" : dg_word_shown(argv[1]), argc < 2 ? "" : "\"");
        return DG_EXIT_USAGE;
    }
    static struct dg_bench_options options;
    char error[512];
    dg_bench_options_default(&options);
    if (!dg_bench_options_parse(&options, argc - 2, argv + 2, error, sizeof error) ||
        !dg_bench_options_check(&options, error, sizeof error)) {
        fprintf(stderr, "dtlsgate bench: %s\n", error);
        return DG_EXIT_USAGE;
    }
    dg_log_set_clock(dg_clock_wall_ns);
    dg_process_forbid_core_dumps();
    if (options.insecure_no_verify)
        fprintf(stderr, "dtlsgate bench: warning: --insecure-no-verify: the server is NOT verified, whoever answers is "
                        "taken for it\n");
    dg_process_raise_descriptor_limit();
    return run(&options, argv[1]);
}
