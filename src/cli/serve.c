// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate serve`: a keeper and, under it, the server; with --keeper none the server alone. Owns the server's signals:
// SIGTERM and SIGINT stop it with close_notify to every client, SIGHUP reloads credentials, SIGUSR1 logs the counters,
// SIGUSR2 ends it without a word to the clients, because the next process goes on with them.
#include "cli/cli.h"

#include "base/log.h"
#include "cli/process.h"
#include "cli/watch.h"
#include "config/config.h"
#include "io/clock.h"
#include "io/crash_note.h"
#include "io/notify.h"
#include "keeper/keeper.h"
#include "server/log_options.h"
#include "server/rehearse.h"
#include "server/sandbox.h"
#include "server/server.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define STOP_WAIT_MS 5000 // and as long as the alerts take at their pace
#define HAND_OVER_WAIT_MS 2000 // for handshakes under way

// What the server's process has from its beginning: who keeps, and what was kept.
struct origin {
    struct dg_notify notify;
    struct dg_inheritance inherited;
};

static void log_word(enum dg_log_level level, const char *event, const char *key, const char *text)
{
    struct dg_log_line line;
    dg_log_begin(&line, level, event);
    if (key)
        dg_log_text(&line, key, text);
    dg_log_end(&line);
}

static void log_ready(const struct dg_notify *notify)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "ready");
    dg_log_u64(&line, "pid", (uint64_t)getpid());
    if (notify->has_keeper)
        dg_log_u64(&line, "restarts", notify->restarts);
    dg_log_end(&line);
}

// --- signals -------------------------------------------------------------------------------------------------------

static unsigned stop_wait_ms(struct dg_server *server)
{
    uint64_t wait_ms = STOP_WAIT_MS + (uint64_t)dg_server_associations(server) * 1000 / dg_server_drain_rate(server);
    return wait_ms < UINT_MAX ? (unsigned)wait_ms : UINT_MAX;
}

// False: nobody would go on.
static bool hand_over(struct dg_server *server, const struct dg_notify *notify)
{
    if (notify->fd < 0) {
        log_word(DG_LOG_WARNING, "not-handed-over", "reason", "nobody keeps the associations: they would be lost");
        return false;
    }
    dg_server_hand_over(server, HAND_OVER_WAIT_MS);
    log_word(DG_LOG_INFO, "handed-over", NULL, NULL);
    return true;
}

// True: the server has ended.
static bool serve_signal(struct dg_server *server, const struct dg_notify *notify, uint32_t number)
{
    char error[1024];
    switch (number) {
    case SIGHUP:
        (void)dg_server_reload_again(server, error, sizeof error); // the log says how it went
        return false;
    case SIGUSR1:
        dg_server_report_counters(server);
        return false;
    case SIGUSR2:
        return hand_over(server, notify);
    default:
        (void)dg_notify_say(notify, "STOPPING=1");
        log_word(DG_LOG_INFO, "stopping", "signal", number == SIGINT ? "SIGINT" : "SIGTERM");
        dg_server_stop(server, stop_wait_ms(server));
        return true;
    }
}

// Threads that turn are asked a few times in the time in which a server must have said so.
static int watch_ms(const struct dg_config *config, const struct dg_notify *notify)
{
    uint64_t limit_ms = notify->has_keeper ? config->process.watchdog * UINT64_C(1000) : notify->watchdog / DG_MILLISECOND;
    return limit_ms > 0 && notify->fd >= 0 ? (int)(limit_ms / 4 + 1) : -1;
}

// True: the signal ends the threads that are watched.
static bool is_end(const struct dg_notify *notify, uint32_t number)
{
    return number == SIGTERM || number == SIGINT || (number == SIGUSR2 && notify->fd >= 0);
}

static void serve_signals(struct dg_server *server, struct dg_notify *notify, struct dg_watch *watch, int signal_fd)
{
    bool is_over = false;
    while (!is_over) {
        struct pollfd waits[] = {
            {.fd = signal_fd, .events = POLLIN},
            {.fd = notify->has_keeper ? notify->fd : -1, .events = POLLIN},
        };
        if (poll(waits, 2, -1) < 0)
            continue;
        if (waits[1].revents) {
            // Whoever killed the keeper can kill us too. Until then the clients are served.
            log_word(DG_LOG_ERROR, "keeper-lost", "reason",
                     "the keeper has died: this server goes on alone, and its associations end with it");
            dg_watch_end(watch);
            dg_notify_close(notify);
        }
        struct signalfd_siginfo info;
        if (!waits[0].revents || read(signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
            continue;
        if (is_end(notify, info.ssi_signo))
            dg_watch_end(watch);
        is_over = serve_signal(server, notify, info.ssi_signo);
    }
}

static int signals_as_descriptor(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&signals, numbers[i]);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN); // the log's reader may go away
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

// --- the server's process ------------------------------------------------------------------------------------------

// Has what outlives us kept, from before the first client comes.
static void have_kept(const struct dg_server *server, const struct origin *origin)
{
    if (origin->notify.fd < 0)
        return;
    struct dg_inherited *items = calloc(DG_INHERITANCE_MAX, sizeof *items);
    const struct dg_inheritance wanted = {items, items ? dg_server_keep(server, items) : 0};
    if (!items || !dg_notify_keep(&origin->notify, &origin->inherited, &wanted))
        log_word(DG_LOG_WARNING, "not-kept", "reason", "associations end with this process: its descriptors are not kept");
    free(items);
}

// A server that replaces a living one looks at everything first, says so, and sleeps until the memory is free.
static bool wait_for_turn(const struct dg_config *config, const struct origin *origin, char *error, size_t error_size)
{
    if (!origin->notify.replaces)
        return true;
    if (!dg_server_rehearse(config, &origin->inherited, error, error_size) ||
        !dg_server_rehearse_host(config, &origin->inherited, error, error_size))
        return false;
    (void)dg_notify_say(&origin->notify, DG_NOTIFY_PREPARED);
    return dg_server_await(&origin->inherited, error, error_size);
}

static struct dg_server *start(const struct dg_config *config, struct origin *origin, char *error, size_t error_size)
{
    if (!wait_for_turn(config, origin, error, error_size))
        return NULL;
    struct dg_server *server = dg_server_new_config_from(config, NULL, NULL, &origin->inherited, error, error_size);
    if (!server)
        return NULL;
    have_kept(server, origin);
    if (dg_server_confine(config, error, error_size) && dg_server_start(server, error, error_size))
        return server;
    dg_server_free(server);
    return NULL;
}

static int run(const struct dg_config *config, struct origin *origin)
{
    char error[512];
    (void)prctl(PR_SET_NAME, "dtlsgate"); // a program that is started by its descriptor is named after that
    int signal_fd = signals_as_descriptor();
    struct dg_server *server = NULL;
    if (signal_fd < 0)
        snprintf(error, sizeof error, "descriptors are short");
    else
        server = start(config, origin, error, sizeof error);
    if (!server) {
        char status[600];
        snprintf(status, sizeof status, "STATUS=%.400s", error);
        (void)dg_notify_say(&origin->notify, status);
        fprintf(stderr, "dtlsgate serve: %s\n", error);
        return DG_EXIT_FAILURE;
    }
    struct dg_watch watch;
    if (!dg_watch_start(&watch, server, &origin->notify, watch_ms(config, &origin->notify)))
        log_word(DG_LOG_ERROR, "not-watched", "reason", "descriptors or threads are short: nobody hears that this server turns");
    dg_notify_watched(&origin->notify, config->process.watchdog * DG_SECOND);
    dg_notify_ready(&origin->notify); // first: who reads the line may kill us, and that is then no failed start
    log_ready(&origin->notify);
    serve_signals(server, &origin->notify, &watch, signal_fd);
    dg_server_report_counters(server);
    dg_server_free(server);
    close(signal_fd);
    log_word(DG_LOG_INFO, "stopped", NULL, NULL);
    return DG_EXIT_OK;
}

// --- the keeper's process ------------------------------------------------------------------------------------------

static int keep(const struct dg_config *config, const struct origin *origin, int argc, char **argv)
{
    char **command = calloc((size_t)argc + 2, sizeof *command);
    if (!command)
        return DG_EXIT_FAILURE;
    command[0] = program_invocation_name;
    memcpy(command + 1, argv, (size_t)argc * sizeof *argv);
    const struct dg_keeper_config keeper = {
        .argv = command,
        .binary = config->process.binary,
        .watchdog = config->process.watchdog * DG_SECOND,
        .upgrade_socket = dg_options_upgrade_socket(&config->process),
        .above = origin->notify,
        .kept = origin->inherited,
    };
    int status = dg_keeper_run(&keeper);
    free(command);
    return status;
}

static void print_help(void)
{
    puts("usage: dtlsgate serve -c FILE [--option value ...]\n"
         "       dtlsgate serve --listen ADDR:PORT --backend BACKEND [--option value ...]\n\n"
         "  -c, --config FILE\n        the configuration file: listeners with their credentials, rules and backends; options of "
         "the process may stand beside it and go before it\n");
    dg_options_help(stdout);
    puts("\nSIGTERM and SIGINT stop with close_notify to every client, SIGHUP reads configuration and credentials again, "
         "SIGUSR1 logs the counters.\nA server that dies is started again and goes on with its associations (--keeper).");
}

static int serve(const struct dg_config *config, int argc, char **argv)
{
    char error[512];
    struct origin origin;
    dg_notify_open(&origin.notify);
    if (!dg_notify_inherit(&origin.inherited, error, sizeof error)) {
        fprintf(stderr, "dtlsgate serve: %s\n", error);
        return DG_EXIT_FAILURE;
    }
    bool is_keeper = config->process.keeper == DG_KEEPER_AUTO && !origin.notify.has_keeper;
    int status = is_keeper ? keep(config, &origin, argc, argv) : run(config, &origin);
    if (!is_keeper)
        dg_notify_close(&origin.notify);
    free(origin.inherited.items);
    return status;
}

int dg_cli_serve(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help();
        return DG_EXIT_OK;
    }
    struct dg_config *config = dg_cli_config("serve", argc - 1, argv + 1);
    if (!config)
        return DG_EXIT_USAGE;
    dg_log_set_clock(dg_clock_wall_ns);
    dg_log_begin_by(&config->process);
    dg_process_forbid_core_dumps();
    dg_crash_note_install();
    dg_process_raise_descriptor_limit();
    int status = serve(config, argc, argv);
    dg_config_free(config);
    return status;
}
