// SPDX-License-Identifier: GPL-3.0-or-later
// An upgrade: a new server is started beside the old one with copies of the descriptors, prepares itself, says so and
// waits for the memory; the old one is told to hand over and ends; the new one owns the memory and serves. Until the old
// one has been told, whatever goes wrong leaves it serving; after that the program of the old one is started again.
// Two servers never own the memory: the kernel's lock sees to that, not this file.
#include "keeper/keeper_state.h"

#include "io/clock.h"
#include "keeper/upgrade.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define PREPARE_TIME (60 * DG_SECOND) // reading many credentials
#define HAND_OVER_TIME (10 * DG_SECOND) // more than the server takes itself
#define READY_TIME (60 * DG_SECOND)

static void answer(struct keeper *keeper, const char *text)
{
    dg_upgrade_answer(keeper->caller_fd, text);
    keeper->caller_fd = -1;
    keeper->upgrade_until = DG_NEVER;
}

void dg_replace_refuse(struct keeper *keeper, const char *reason)
{
    dg_keeper_log(DG_LOG_ERROR, "upgrade-refused", reason);
    answer(keeper, reason);
}

static void begin(struct keeper *keeper)
{
    char error[DG_UPGRADE_ANSWER];
    int binary = dg_upgrade_open_binary(keeper->binary, error, sizeof error);
    if (binary < 0) {
        dg_replace_refuse(keeper, error);
        return;
    }
    dg_keeper_log(DG_LOG_INFO, "upgrade", NULL);
    // A server that is dead, in a crash loop perhaps, needs no hand-over.
    struct dg_child *child = keeper->server.pid > 0 ? &keeper->next : &keeper->server;
    bool done = dg_keeper_start(keeper, child, binary, child == &keeper->next);
    close(binary);
    if (!done) {
        dg_replace_refuse(keeper, "the new program could not be started; the log says why");
        return;
    }
    child->is_new = true;
    keeper->restart_at = DG_NEVER;
    keeper->upgrade_until = dg_clock_now() + PREPARE_TIME;
}

void dg_replace_asked(struct keeper *keeper)
{
    int caller = dg_upgrade_accept(keeper->upgrade_fd);
    if (caller < 0)
        return;
    if (keeper->caller_fd >= 0 || keeper->next.pid > 0) {
        dg_upgrade_answer(caller, "an upgrade is under way");
        return;
    }
    if (keeper->is_stopping) {
        dg_upgrade_answer(caller, "the server is about to end");
        return;
    }
    if (keeper->server.pid > 0 && !keeper->server.is_ready) {
        dg_upgrade_answer(caller, "the server has only just been started: ask again");
        return;
    }
    keeper->caller_fd = caller;
    begin(keeper);
}

void dg_replace_prepared(struct keeper *keeper)
{
    if (keeper->next.is_prepared || keeper->server.pid == 0 || keeper->is_stopping)
        return;
    keeper->next.is_prepared = true;
    keeper->server.is_leaving = true;
    dg_keeper_signal(keeper->server.pid, SIGUSR2);
    keeper->upgrade_until = dg_clock_now() + HAND_OVER_TIME;
}

void dg_replace_ready(struct keeper *keeper, struct dg_child *child)
{
    if (!child->is_new)
        return;
    child->is_new = false;
    dg_keeper_log(DG_LOG_INFO, "upgraded", NULL);
    if (child == &keeper->server)
        answer(keeper, DG_UPGRADE_DONE);
    else // the old one owns nothing any more, and has this long to end
        keeper->upgrade_until = dg_clock_now() + HAND_OVER_TIME;
}

void dg_replace_failed(struct keeper *keeper, const struct dg_child *child, const char *why)
{
    char text[DG_UPGRADE_ANSWER];
    snprintf(text, sizeof text, "the new program %s before it was ready%s%s; %s", why, child->status[0] ? ": " : "",
             child->status,
             keeper->server.pid > 0 && !keeper->server.is_leaving && child == &keeper->next
                 ? "the old one goes on"
                 : "the old one is started again");
    dg_replace_refuse(keeper, text);
    // It was told to hand over, serves nobody any more, and is started again when it has ended.
    if (child == &keeper->next && keeper->server.is_leaving && !keeper->is_stopping)
        keeper->upgrade_until = dg_clock_now() + HAND_OVER_TIME;
}

void dg_replace_lost(struct keeper *keeper, const char *why)
{
    char text[DG_UPGRADE_ANSWER];
    snprintf(text, sizeof text, "the new program %s as soon as it was ready; it is started again", why);
    dg_replace_refuse(keeper, text);
    dg_keeper_signal(keeper->server.pid, SIGKILL); // owns nothing any more, and nobody else can begin while it is there
}

void dg_replace_promote(struct keeper *keeper)
{
    keeper->server = keeper->next;
    keeper->next = (struct dg_child){.fd = -1, .binary = -1};
    if (keeper->server.is_ready)
        answer(keeper, DG_UPGRADE_DONE);
    else
        keeper->upgrade_until = dg_clock_now() + READY_TIME;
}

void dg_replace_late(struct keeper *keeper)
{
    keeper->upgrade_until = DG_NEVER;
    if (keeper->server.is_leaving) {
        dg_keeper_log(DG_LOG_WARNING, "upgrade-late", "the old server does not hand over: it is killed, which frees the memory");
        dg_keeper_signal(keeper->server.pid, SIGKILL);
    } else if (keeper->next.pid > 0) {
        dg_keeper_log(DG_LOG_ERROR, "upgrade-late", "the new program does not get ready: it is killed");
        dg_keeper_signal(keeper->next.pid, SIGKILL);
    } else if (keeper->server.is_new) {
        dg_keeper_log(DG_LOG_ERROR, "upgrade-late", "the new program does not get ready: it is killed");
        dg_keeper_signal(keeper->server.pid, SIGKILL);
    }
}
