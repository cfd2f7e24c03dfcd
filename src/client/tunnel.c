// SPDX-License-Identifier: GPL-3.0-or-later
// The tunnel's loop: one thread, three descriptors, the next deadline. Never decides about a sender
// (tunnel_senders.c does).
#include "client/tunnel_state.h"

#include "io/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static bool make_parts(struct dg_tunnel *tunnel, char *error, size_t error_size)
{
    const uint32_t senders = tunnel->config.senders_max;
    const size_t size = (sizeof *tunnel->local_counters + DG_CACHE_LINE - 1) / DG_CACHE_LINE * DG_CACHE_LINE;
    snprintf(error, error_size, "memory is short for %u local senders", senders);
    tunnel->local_counters = aligned_alloc(DG_CACHE_LINE, size);
    tunnel->senders = calloc(senders, sizeof *tunnel->senders);
    if (!tunnel->local_counters || !tunnel->senders || !dg_sender_table_init(&tunnel->table, senders) ||
        !dg_timer_heap_init(&tunnel->retries, senders))
        return false;
    memset(tunnel->local_counters, 0, size);
    if (!dg_socket_group_open(&tunnel->config.listen, &tunnel->socket, 1, error, error_size))
        return false;
    tunnel->receive = dg_receive_batch_new(&tunnel->socket, 1, tunnel->local_counters);
    tunnel->send = dg_send_batch_new(&tunnel->socket, 1, tunnel->local_counters);
    if (!tunnel->receive || !tunnel->send)
        return false;
    tunnel->answers = dg_send_batch_output(tunnel->send);
    tunnel->config.client.links_max = 2 * senders; // a handshake beside each association
    const struct dg_client_hooks hooks = dg_tunnel_hooks(tunnel);
    tunnel->client = dg_client_new(&tunnel->config.client, &hooks, error, error_size);
    return tunnel->client != NULL;
}

struct dg_tunnel *dg_tunnel_new(const struct dg_tunnel_config *config, char *error, size_t error_size)
{
    struct dg_tunnel *tunnel = calloc(1, sizeof *tunnel);
    if (!tunnel) {
        snprintf(error, error_size, "memory is short for a tunnel");
        return NULL;
    }
    tunnel->config = *config;
    tunnel->socket.fd = -1;
    if (!make_parts(tunnel, error, error_size)) {
        dg_tunnel_free(tunnel);
        return NULL;
    }
    return tunnel;
}

void dg_tunnel_free(struct dg_tunnel *tunnel)
{
    if (!tunnel)
        return;
    for (uint32_t i = 0; tunnel->senders && i < tunnel->config.senders_max; i++)
        dg_holding_clear(&tunnel->senders[i].holding);
    dg_client_free(tunnel->client);
    if (tunnel->send)
        dg_send_batch_free(tunnel->send);
    if (tunnel->receive)
        dg_receive_batch_free(tunnel->receive);
    dg_socket_group_close(&tunnel->socket, 1);
    dg_timer_heap_clear(&tunnel->retries);
    dg_sender_table_clear(&tunnel->table);
    free(tunnel->senders);
    free(tunnel->local_counters);
    free(tunnel);
}

// --- the loop -----------------------------------------------------------------------------------------------

static dg_time deadline_of(const struct dg_tunnel *tunnel)
{
    dg_time deadline = dg_time_min(dg_client_deadline(tunnel->client), dg_timer_heap_next(&tunnel->retries));
    uint32_t oldest = dg_sender_table_oldest(&tunnel->table);
    if (oldest != DG_NO_SENDER)
        deadline = dg_time_min(deadline, tunnel->table.entries[oldest].active_at + tunnel->config.idle_timeout);
    return dg_time_min(deadline, tunnel->next_rebind);
}

static int wait_ms(dg_time now, dg_time deadline)
{
    if (deadline == DG_NEVER)
        return -1;
    dg_time left = dg_time_since(deadline, now);
    return left > DG_HOUR ? (int)(DG_HOUR / DG_MILLISECOND) : (int)((left + DG_MILLISECOND - 1) / DG_MILLISECOND);
}

static void read_local(struct dg_tunnel *tunnel, dg_time now)
{
    struct dg_received *received;
    size_t count;
    (void)dg_receive_batch_read(tunnel->receive, 0);
    while ((count = dg_receive_batch_take(tunnel->receive, &received)) > 0)
        for (size_t i = 0; i < count; i++)
            dg_tunnel_received(tunnel, now, &received[i].path, received[i].data, received[i].size);
}

// False: told to end.
static bool handle_signal(struct dg_tunnel *tunnel, dg_time now, int signal_fd)
{
    struct signalfd_siginfo info;
    if (read(signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return true;
    if (info.ssi_signo == SIGUSR1)
        dg_client_report_counts(&tunnel->counts, dg_client_counters(tunnel->client));
    else if (info.ssi_signo == SIGUSR2)
        dg_client_rebind_all(tunnel->client, now);
    else
        return false;
    return true;
}

static void advance(struct dg_tunnel *tunnel, dg_time now)
{
    dg_client_advance(tunnel->client, now, dg_clock_wall_seconds());
    dg_tunnel_retry(tunnel, now);
    dg_tunnel_end_idle(tunnel, now);
    if (now >= tunnel->next_rebind) {
        dg_client_rebind_all(tunnel->client, now);
        tunnel->next_rebind = now + tunnel->config.rebind;
    }
}

static void serve(struct dg_tunnel *tunnel, int signal_fd)
{
    for (;;) {
        dg_send_batch_flush(tunnel->send);
        bool is_blocked = dg_send_batch_is_blocked(tunnel->send, 0);
        struct pollfd fds[] = {
            {.fd = tunnel->socket.fd, .events = (short)(POLLIN | (is_blocked ? POLLOUT : 0))},
            {.fd = dg_client_fd(tunnel->client), .events = POLLIN},
            {.fd = signal_fd, .events = POLLIN},
        };
        if (poll(fds, 3, wait_ms(dg_clock_now(), deadline_of(tunnel))) < 0)
            continue; // interrupted
        dg_time now = dg_clock_now();
        if (fds[2].revents && !handle_signal(tunnel, now, signal_fd))
            return;
        if (fds[0].revents & POLLOUT)
            dg_send_batch_writable(tunnel->send, 0);
        if (fds[1].revents)
            dg_client_read(tunnel->client, now);
        if (fds[0].revents & (POLLIN | POLLERR))
            read_local(tunnel, now);
        advance(tunnel, now);
    }
}

void dg_tunnel_run(struct dg_tunnel *tunnel, int signal_fd)
{
    bool rebinds = tunnel->config.rebind != DG_NEVER;
    tunnel->next_rebind = rebinds ? dg_clock_now() + tunnel->config.rebind : DG_NEVER;
    dg_client_report_listening(&tunnel->socket.address, &tunnel->config.client.servers[0]);
    serve(tunnel, signal_fd);
    dg_tunnel_end_all(tunnel, dg_clock_now());
    dg_client_report_counts(&tunnel->counts, dg_client_counters(tunnel->client));
}
