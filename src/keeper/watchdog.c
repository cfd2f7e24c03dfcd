// SPDX-License-Identifier: GPL-3.0-or-later
// A server whose threads hang is as good as dead, and its clients are not: it is killed, and the next one goes on with
// them. Judges by the server's word alone; never looks into it.
#include "keeper/keeper_state.h"

#include <signal.h>

void dg_watchdog_heard(struct dg_child *child, dg_time now)
{
    child->alive_at = now;
    child->is_late = false;
}

// A server goes by the file as it is now; what the keeper was started with is older.
static dg_time limit_of(const struct keeper *keeper)
{
    return keeper->server.has_watchdog ? keeper->server.watchdog : keeper->config->watchdog;
}

// While a server hands over or starts, the steps of the upgrade have time limits of their own.
static bool is_watched(const struct keeper *keeper)
{
    const struct dg_child *server = &keeper->server;
    return server->pid > 0 && server->alive_at > 0 && !server->is_leaving && !keeper->is_stopping &&
           limit_of(keeper) > 0;
}

// Half of the time again for one that is late: after a pause of the whole machine the keeper may simply be the first to
// run again.
static dg_time server_deadline(const struct keeper *keeper)
{
    dg_time limit = limit_of(keeper);
    return is_watched(keeper) ? keeper->server.alive_at + limit + (keeper->server.is_late ? limit / 2 : 0) : DG_NEVER;
}

static dg_time above_deadline(const struct keeper *keeper)
{
    return keeper->told_above_at == DG_NEVER ? DG_NEVER : keeper->told_above_at + keeper->above.watchdog / 2;
}

dg_time dg_watchdog_deadline(const struct keeper *keeper)
{
    return dg_time_min(server_deadline(keeper), above_deadline(keeper));
}

void dg_watchdog_check(struct keeper *keeper, dg_time now)
{
    if (above_deadline(keeper) <= now) {
        keeper->told_above_at = now;
        (void)dg_notify_say(&keeper->above, "WATCHDOG=1");
    }
    if (server_deadline(keeper) > now)
        return;
    if (!keeper->server.is_late) {
        keeper->server.is_late = true;
        return;
    }
    dg_keeper_log(DG_LOG_ERROR, "server-hangs",
                  "a thread of the server has not turned for longer than --watchdog: it is killed, and the next one goes on "
                  "with its associations");
    dg_keeper_signal(keeper->server.pid, SIGKILL);
    keeper->server.alive_at = 0; // once is enough
}
