// SPDX-License-Identifier: GPL-3.0-or-later
// The keeper's one loop: signals, words of the servers, callers, and the time of the next start.
#include "keeper/keeper_state.h"

#include "io/clock.h"
#include "keeper/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_FAILED 1

void dg_keeper_log(enum dg_log_level level, const char *event, const char *reason)
{
    struct dg_log_line line;
    dg_log_begin(&line, level, event);
    if (reason)
        dg_log_text(&line, "reason", reason);
    dg_log_end(&line);
}

void dg_keeper_signal(pid_t pid, int number)
{
    if (pid <= 0) // kill(2) would take it for everybody
        return;
    if (kill(pid, number) != 0 && errno == EPERM)
        dg_keeper_log(DG_LOG_ERROR, "not-signalled",
                      "the server has become another user (--user), whose processes the keeper may not signal: let it have "
                      "CAP_KILL (CapabilityBoundingSet= of the unit)");
}

bool dg_keeper_start(struct keeper *keeper, struct dg_child *child, int binary, bool replaces)
{
    char error[256];
    const struct dg_child_start how = {
        .binary = binary,
        .argv = keeper->config->argv,
        .store = &keeper->store,
        .restarts = keeper->restart.in_all,
        .replaces = replaces,
    };
    if (dg_child_start(child, &how, error, sizeof error))
        return true;
    dg_keeper_log(DG_LOG_ERROR, "not-started", error);
    return false;
}

// --- what servers say ----------------------------------------------------------------------------------------------

static void keep(struct keeper *keeper, const char *name, int fd)
{
    struct dg_inherited item = {.fd = fd};
    snprintf(item.name, sizeof item.name, "%s", name);
    if (!dg_notify_store(&keeper->above, &item))
        dg_keeper_log(DG_LOG_WARNING, "not-kept", "the service manager does not take descriptors");
    if (dg_store_add(&keeper->store, name, fd) == DG_STORE_FULL)
        dg_keeper_log(DG_LOG_ERROR, "not-kept", "there are too many descriptors to keep");
}

static void became_ready(struct keeper *keeper, struct dg_child *child)
{
    if (child->is_ready)
        return;
    child->is_ready = true;
    child->ready_at = dg_clock_now();
    dg_watchdog_heard(child, child->ready_at);
    int binary = fcntl(child->binary, F_DUPFD_CLOEXEC, 3);
    if (binary >= 0) {
        if (keeper->good_binary >= 0)
            close(keeper->good_binary);
        keeper->good_binary = binary;
    }
    (void)dg_notify_say(&keeper->above, "READY=1");
    dg_replace_ready(keeper, child);
}

static void hear(struct keeper *keeper, struct dg_child *child)
{
    struct dg_child_news news;
    while (dg_child_hear(child, &news)) {
        const struct dg_notice *notice = &news.notice;
        if (notice->stores && notice->name[0] && news.fd >= 0)
            keep(keeper, notice->name, news.fd);
        else if (news.fd >= 0)
            close(news.fd);
        else if (notice->stores)
            dg_keeper_log(DG_LOG_ERROR, "not-kept", "a descriptor did not arrive: raise LimitNOFILE");
        if (notice->forgets && notice->name[0]) {
            dg_store_forget(&keeper->store, notice->name);
            (void)dg_notify_forget(&keeper->above, notice->name);
        }
        if (notice->status[0])
            memcpy(child->status, notice->status, sizeof child->status);
        if (notice->is_prepared && child == &keeper->next)
            dg_replace_prepared(keeper);
        if (notice->is_watched) {
            child->has_watchdog = true;
            child->watchdog = notice->watchdog;
        }
        if (notice->is_ready)
            became_ready(keeper, child);
        if (notice->is_alive)
            dg_watchdog_heard(child, dg_clock_now());
        if (notice->is_stopping)
            child->alive_at = 0; // a goodbye takes as long as it takes
    }
}

// --- deaths --------------------------------------------------------------------------------------------------------

static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void describe(int status, char *text, size_t size)
{
    if (WIFEXITED(status))
        snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
    else
        snprintf(text, size, "was killed by signal %d", WTERMSIG(status));
}

static void log_death(const struct keeper *keeper, const char *how, dg_time wait)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_ERROR, "server-died");
    dg_log_text(&line, "reason", how);
    dg_log_u64(&line, "pid", (uint64_t)keeper->server.pid);
    dg_log_u64(&line, "restarts", keeper->restart.in_all);
    dg_log_u64(&line, "wait_ms", wait / DG_MILLISECOND);
    dg_log_end(&line);
}

// The status is that of whoever served.
static void end(struct keeper *keeper, int status)
{
    if (keeper->is_over)
        return;
    keeper->is_over = true;
    keeper->status = exit_status(status);
}

static void start_again(struct keeper *keeper, dg_time now, const char *how)
{
    dg_time ready_for = keeper->server.is_ready ? dg_time_since(now, keeper->server.ready_at) : 0;
    dg_time wait = keeper->server.is_leaving ? 0 : dg_restart_after_death(&keeper->restart, ready_for);
    keeper->restart_at = now + wait;
    log_death(keeper, how, wait);
}

static void server_died(struct keeper *keeper, int status)
{
    char how[64];
    describe(status, how, sizeof how);
    // An upgrade's program that ends before it is ready has failed, whatever its status says.
    bool ended_by_itself = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !keeper->server.is_leaving &&
                           !keeper->server.is_new;
    bool has_successor = keeper->next.pid > 0;
    if (keeper->server.is_new)
        dg_replace_failed(keeper, &keeper->server, how);
    // In order: told to end, and nobody else still does; replaced; never was one ready; ended of its own will; died.
    if (keeper->is_stopping && !keeper->next.is_ready)
        end(keeper, status);
    else if (!has_successor && (keeper->good_binary < 0 || ended_by_itself))
        end(keeper, status);
    else if (!has_successor)
        start_again(keeper, dg_clock_now(), how);
    dg_child_clear(&keeper->server);
    if (has_successor)
        dg_replace_promote(keeper);
}

static void next_died(struct keeper *keeper, int status)
{
    char how[64];
    describe(status, how, sizeof how);
    if (keeper->is_stopping && keeper->next.is_ready)
        end(keeper, status);
    else if (keeper->next.is_new)
        dg_replace_failed(keeper, &keeper->next, how);
    else
        dg_replace_lost(keeper, how);
    dg_child_clear(&keeper->next);
}

static void reap(struct keeper *keeper)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == keeper->server.pid) {
            hear(keeper, &keeper->server); // its last words
            server_died(keeper, status);
        } else if (pid == keeper->next.pid) {
            hear(keeper, &keeper->next);
            next_died(keeper, status);
        }
    }
}

// --- signals -------------------------------------------------------------------------------------------------------

// To whoever serves. The old one of an upgrade does not any more, once the new one is ready.
static void pass_on(const struct keeper *keeper, int number)
{
    dg_keeper_signal(keeper->next.is_ready ? keeper->next.pid : keeper->server.pid, number);
}

static void stop(struct keeper *keeper, int number)
{
    keeper->is_stopping = true;
    hear(keeper, &keeper->next); // it may have become ready in this moment
    keeper->restart_at = DG_NEVER;
    keeper->upgrade_until = DG_NEVER;
    if (keeper->next.is_ready) {
        dg_keeper_signal(keeper->server.pid, SIGKILL); // owns nothing any more
    } else if (keeper->next.pid > 0) {
        dg_keeper_signal(keeper->next.pid, SIGKILL);
        dg_replace_refuse(keeper, "the server was told to end");
    }
    (void)dg_notify_say(&keeper->above, "STOPPING=1");
    pass_on(keeper, number);
    if (keeper->server.pid == 0) {
        keeper->is_over = true;
        keeper->status = 0;
    }
}

static void take_signals(struct keeper *keeper)
{
    struct signalfd_siginfo info;
    while (read(keeper->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        int number = (int)info.ssi_signo;
        switch (number) {
        case SIGCHLD:
            reap(keeper);
            break;
        case SIGTERM:
        case SIGINT:
            stop(keeper, number);
            break;
        case SIGUSR2:
            // Ends without a word to the clients: only where somebody above us keeps what we would close.
            if (keeper->above.fd >= 0)
                stop(keeper, number);
            else
                dg_keeper_log(DG_LOG_WARNING, "not-handed-over",
                              "nobody else keeps the associations: SIGUSR2 is for service managers that do");
            break;
        default:
            pass_on(keeper, number);
        }
    }
}

// --- the loop ------------------------------------------------------------------------------------------------------

static int wait_ms(const struct keeper *keeper, dg_time now)
{
    dg_time deadline = dg_time_min(dg_time_min(keeper->restart_at, keeper->upgrade_until), dg_watchdog_deadline(keeper));
    if (deadline == DG_NEVER)
        return -1;
    return (int)((dg_time_since(deadline, now) + DG_MILLISECOND - 1) / DG_MILLISECOND);
}

static void take_turn(struct keeper *keeper)
{
    struct pollfd waits[] = {
        {.fd = keeper->signal_fd, .events = POLLIN},
        {.fd = keeper->server.fd, .events = POLLIN},
        {.fd = keeper->next.fd, .events = POLLIN},
        {.fd = keeper->upgrade_fd, .events = POLLIN},
    };
    if (poll(waits, sizeof waits / sizeof waits[0], wait_ms(keeper, dg_clock_now())) < 0)
        return; // interrupted; signals come as reads
    if (waits[1].revents)
        hear(keeper, &keeper->server);
    if (waits[2].revents)
        hear(keeper, &keeper->next);
    if (waits[0].revents)
        take_signals(keeper);
    if (waits[3].revents && !keeper->is_over)
        dg_replace_asked(keeper);
    dg_time now = dg_clock_now();
    dg_watchdog_check(keeper, now);
    if (keeper->upgrade_until <= now)
        dg_replace_late(keeper);
    if (keeper->restart_at <= now) {
        keeper->restart_at = DG_NEVER;
        if (!dg_keeper_start(keeper, &keeper->server, keeper->good_binary, false))
            keeper->restart_at = now + DG_RESTART_LONGEST_WAIT;
    }
}

static bool take_over_signals(struct keeper *keeper)
{
    static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&signals, numbers[i]);
    signal(SIGPIPE, SIG_IGN); // the log's reader may go away
    signal(SIGCHLD, SIG_DFL); // whoever started us may have ignored it
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
        return false;
    keeper->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return keeper->signal_fd >= 0;
}

// The program that runs now, by its path: where an upgrade looks, unless it was told.
static void find_binary(struct keeper *keeper)
{
    if (keeper->config->binary && keeper->config->binary[0]) {
        snprintf(keeper->binary, sizeof keeper->binary, "%s", keeper->config->binary);
        return;
    }
    ssize_t size = readlink("/proc/self/exe", keeper->binary, sizeof keeper->binary - 1);
    keeper->binary[size > 0 ? size : 0] = '\0';
}

static bool begin(struct keeper *keeper, char *error, size_t error_size)
{
    for (size_t i = 0; i < keeper->config->kept.count; i++)
        (void)dg_store_add(&keeper->store, keeper->config->kept.items[i].name, keeper->config->kept.items[i].fd);
    find_binary(keeper);
    const char *path = keeper->config->upgrade_socket;
    if (path && path[0] && (keeper->upgrade_fd = dg_upgrade_listen(path, error, error_size)) < 0)
        return false;
    int self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (self < 0 || !take_over_signals(keeper)) {
        snprintf(error, error_size, "the keeper cannot begin: %s; --keeper none does without it", strerror(errno));
        if (self >= 0)
            close(self);
        return false;
    }
    bool done = dg_keeper_start(keeper, &keeper->server, self, false);
    close(self);
    if (!done)
        snprintf(error, error_size, "the server cannot be started; --keeper none does without a keeper");
    return done;
}

static void clear(struct keeper *keeper)
{
    dg_child_clear(&keeper->server);
    dg_child_clear(&keeper->next);
    dg_store_clear(&keeper->store);
    dg_notify_close(&keeper->above);
    dg_upgrade_answer(keeper->caller_fd, "the server has ended");
    const int fds[] = {keeper->good_binary, keeper->upgrade_fd, keeper->signal_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (keeper->upgrade_fd >= 0)
        (void)unlink(keeper->config->upgrade_socket);
}

int dg_keeper_run(const struct dg_keeper_config *config)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper)
        return EXIT_FAILED;
    *keeper = (struct keeper){
        .config = config,
        .above = config->above,
        .good_binary = -1,
        .server = {.fd = -1, .binary = -1},
        .next = {.fd = -1, .binary = -1},
        .restart_at = DG_NEVER,
        .upgrade_fd = -1,
        .caller_fd = -1,
        .upgrade_until = DG_NEVER,
        .told_above_at = config->above.watchdog > 0 ? 0 : DG_NEVER,
        .signal_fd = -1,
        .status = EXIT_FAILED,
    };
    char error[512];
    if (begin(keeper, error, sizeof error))
        while (!keeper->is_over || keeper->next.pid > 0)
            take_turn(keeper);
    else
        fprintf(stderr, "dtlsgate serve: %s\n", error);
    int status = keeper->status;
    clear(keeper);
    free(keeper);
    return status;
}
