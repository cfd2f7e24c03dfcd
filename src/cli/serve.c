// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate serve`: one server until a signal ends it. Owns the signals: SIGTERM and SIGINT stop it with
// close_notify to every client, SIGHUP reloads credentials, SIGUSR1 logs the counters.
#include "cli/cli.h"

#include "base/log.h"
#include "cli/process.h"
#include "config/options.h"
#include "io/clock.h"
#include "server/server.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define STOP_WAIT_MS 5000 // and as long as the alerts take at their pace

static void log_word(enum dg_log_level level, const char *event, const char *key, const char *text)
{
    struct dg_log_line line;
    dg_log_begin(&line, level, event);
    if (key)
        dg_log_text(&line, key, text);
    dg_log_end(&line);
}

static void reload(struct dg_server *server)
{
    char error[512];
    if (dg_server_reload(server, error, sizeof error))
        log_word(DG_LOG_INFO, "reloaded", NULL, NULL);
    else
        log_word(DG_LOG_ERROR, "reload-refused", "reason", error);
}

static unsigned stop_wait_ms(const struct dg_server *server, uint32_t drain_rate)
{
    uint64_t wait_ms = STOP_WAIT_MS + (uint64_t)dg_server_associations(server) * 1000 / drain_rate;
    return wait_ms < UINT_MAX ? (unsigned)wait_ms : UINT_MAX;
}

static void serve_signals(struct dg_server *server, const struct dg_options *options, const sigset_t *signals)
{
    for (;;) {
        int number = 0;
        if (sigwait(signals, &number) != 0)
            continue;
        switch (number) {
        case SIGHUP:
            reload(server);
            break;
        case SIGUSR1:
            dg_server_report_counters(server);
            break;
        default:
            log_word(DG_LOG_INFO, "stopping", "signal", number == SIGINT ? "SIGINT" : "SIGTERM");
            dg_server_stop(server, stop_wait_ms(server, options->drain_rate));
            return;
        }
    }
}

static int run(const struct dg_options *options)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN); // the log's reader may go away
    char error[512];
    struct dg_server *server = dg_server_new(options, NULL, NULL, error, sizeof error);
    if (!server || !dg_server_start(server, error, sizeof error)) {
        fprintf(stderr, "dtlsgate serve: %s\n", error);
        dg_server_free(server);
        return DG_EXIT_FAILURE;
    }
    log_word(DG_LOG_INFO, "ready", NULL, NULL);
    serve_signals(server, options, &signals);
    dg_server_report_counters(server);
    dg_server_free(server);
    log_word(DG_LOG_INFO, "stopped", NULL, NULL);
    return DG_EXIT_OK;
}

static void print_help(void)
{
    puts("usage: dtlsgate serve --listen ADDR:PORT --backend BACKEND [--option value ...]\n");
    dg_options_help(stdout);
    puts("\nSIGTERM and SIGINT stop with close_notify to every client, SIGHUP reloads credentials, SIGUSR1 logs the "
         "counters.");
}

int dg_cli_serve(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help();
        return DG_EXIT_OK;
    }
    struct dg_options options;
    char error[512];
    dg_options_default(&options);
    if (!dg_options_parse(&options, argc - 1, argv + 1, error, sizeof error) ||
        !dg_options_check(&options, error, sizeof error)) {
        fprintf(stderr, "dtlsgate serve: %s\n", error);
        return DG_EXIT_USAGE;
    }
    dg_log_set_clock(dg_clock_wall_ns);
    dg_process_forbid_core_dumps();
    dg_process_raise_descriptor_limit();
    return run(&options);
}
