// SPDX-License-Identifier: GPL-3.0-or-later
// Asks each loop for its turns.
#include "server/alive.h"

#include "server/server_state.h"

_Static_assert(DG_ALIVE_THREADS_MAX >= 1 + DG_WORKERS_MAX, "turns of every thread");

bool dg_server_is_alive(struct dg_server *server, struct dg_alive *alive)
{
    bool is_alive = dg_front_loop_has_turned(server->front, &alive->turns[0]);
    for (uint32_t i = 0; i < server->worker_count; i++)
        is_alive = dg_worker_loop_has_turned(server->workers[i], &alive->turns[1 + i]) && is_alive;
    return is_alive;
}
