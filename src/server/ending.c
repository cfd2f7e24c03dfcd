// SPDX-License-Identifier: GPL-3.0-or-later
// The ends of a server: goodbye to every client, a hand-over to the next process, and freeing, in reverse order of making.
// Never decides when.
#include "server/server_state.h"

#include "crypto/key_log.h"
#include "io/clock.h"
#include "io/crash_note.h"

#include <stdlib.h>
#include <unistd.h>

void dg_server_stop(struct dg_server *server, unsigned wait_ms)
{
    if (!server->is_started || server->is_stopped)
        return;
    dg_administration_end(server);
    server->is_stopped = true;
    server->is_ending = true;
    // The front first: nobody new comes in while the workers say goodbye.
    dg_front_loop_stop(server->front, DG_STOP_NOW);
    dg_thread_join(&server->threads[0]);
    // One that could not start says goodbye to nobody: the next one goes on with its clients.
    enum dg_stop how = server->is_serving ? DG_STOP_GENTLY : DG_STOP_NOW;
    for (uint32_t i = 0; i < server->worker_count; i++)
        dg_worker_loop_stop(server->workers[i], how);
    dg_time deadline = dg_clock_now() + wait_ms * DG_MILLISECOND;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        if (!dg_thread_join_until(&server->threads[1 + i], deadline)) {
            dg_worker_loop_stop(server->workers[i], DG_STOP_NOW);
            dg_thread_join(&server->threads[1 + i]);
        }
    }
    dg_server_close_metrics(server);
    dg_server_settle(server);
}

// Each stage ends before the next begins, so that nobody passes a datagram on to a thread that is gone.
static void keep_workers(struct dg_server *server)
{
    for (uint32_t i = 0; i < server->worker_count; i++)
        dg_worker_loop_stop(server->workers[i], DG_STOP_HOLD);
    for (uint32_t i = 0; i < server->worker_count; i++)
        while (!dg_worker_loop_is_holding(server->workers[i]))
            usleep(100);
    for (uint32_t i = 0; i < server->worker_count; i++)
        dg_worker_loop_stop(server->workers[i], DG_STOP_KEEP);
    for (uint32_t i = 0; i < server->worker_count; i++)
        dg_thread_join(&server->threads[1 + i]);
}

// The front holds one snapshot, and perhaps another that it was given and never took into use.
static void free_front(struct dg_server *server)
{
    if (server->front) {
        dg_snapshot_put(dg_front_loop_set_gate(server->front, NULL));
        server->front_snapshot = dg_front_loop_gate(server->front);
    }
    dg_front_loop_free(server->front);
    dg_snapshot_put(server->front_snapshot);
    server->front = NULL;
    server->front_snapshot = NULL;
}

static void free_loops(struct dg_server *server)
{
    free_front(server);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        if (!server->workers[i])
            continue;
        dg_snapshot_put(dg_worker_loop_set_policy(server->workers[i], NULL));
        struct dg_snapshot *snapshot = dg_worker_loop_policy(server->workers[i]);
        dg_worker_loop_free(server->workers[i]);
        dg_snapshot_put(snapshot);
        server->workers[i] = NULL;
    }
}

void dg_server_hand_over(struct dg_server *server, unsigned wait_ms)
{
    if (!server->is_started || server->is_stopped)
        return;
    dg_administration_end(server); // whoever goes on binds it anew
    server->is_stopped = true;
    server->is_handed_over = true;
    dg_server_close_metrics(server); // the next one listens there
    dg_front_loop_stop(server->front, DG_STOP_GENTLY);
    if (!dg_thread_join_until(&server->threads[0], dg_clock_now() + wait_ms * DG_MILLISECOND)) {
        dg_front_loop_stop(server->front, DG_STOP_NOW);
        dg_thread_join(&server->threads[0]);
    }
    keep_workers(server);
    dg_server_settle(server);
    free_loops(server); // they point into the memory
    dg_crash_note_memory(NULL, 0);
    dg_memfile_let_go(&server->memfile);
}

void dg_server_free(struct dg_server *server)
{
    if (!server)
        return;
    dg_server_stop(server, 0);
    dg_server_close_metrics(server);
    dg_administration_free(server);
    free_loops(server);
    dg_tally_free(server->tally);
    if (server->mesh)
        dg_mesh_free(server->mesh);
    for (uint32_t i = 0; i < server->thread_count; i++)
        free(server->counters[i]);
    dg_server_free_latencies(server);
    dg_server_close_sockets(server);
    dg_snapshot_put(server->snapshot);
    dg_key_turns_free(server->turns);
    dg_backends_free(server->backends);
    if (!server->is_handed_over)
        dg_crash_note_memory(NULL, 0);
    if (server->memfile.fd >= 0)
        dg_memfile_close(&server->memfile);
    if (server->has_key_log)
        dg_key_log_close();
    if (server->is_crypto_up)
        dg_crypto_cleanup();
    pthread_mutex_destroy(&server->reload_lock);
    dg_config_free(server->config);
    free(server);
}
