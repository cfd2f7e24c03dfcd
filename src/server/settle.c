// SPDX-License-Identifier: GPL-3.0-or-later
// The last look at a server's counters, when its threads have ended. What they do not explain is a mistake in this
// program: it is logged as one, and a test in which that happens fails.
#include "base/log.h"
#include "core/balance.h"
#include "io/leftovers.h"
#include "server/server_state.h"

void dg_server_settle(struct dg_server *server)
{
    struct dg_imbalance found;
    dg_leftovers_count(server->mesh, server->thread_count, server->counters[dg_mesh_control(server->worker_count)]);
    if (dg_counters_balance((const struct dg_counters *const *)server->counters, server->thread_count, &found))
        return;
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_ERROR, "counters-do-not-add-up");
    dg_log_text(&line, "expected", found.text);
    dg_log_text(&line, "counter", found.name);
    dg_log_u64(&line, "value", found.whole);
    dg_log_u64(&line, "parts", found.parts);
    dg_log_end(&line);
}
