// SPDX-License-Identifier: GPL-3.0-or-later
// The tunnel's inside, for tunnel.c and tunnel_senders.c alone.
#ifndef DG_CLIENT_TUNNEL_STATE_H
#define DG_CLIENT_TUNNEL_STATE_H

#include "base/timer_heap.h"
#include "client/backoff.h"
#include "client/holding.h"
#include "client/report.h"
#include "client/sender_table.h"
#include "client/tunnel.h"
#include "io/receive_batch.h"
#include "io/send_batch.h"

struct dg_sender {
    struct dg_path path;      // where its answers go
    uint32_t link;            // its association, or DG_NO_LINK
    uint32_t next_link;       // the handshake under way, or DG_NO_LINK
    struct dg_holding holding;
    struct dg_backoff backoff;
    dg_time retry_at;         // no handshake before
    dg_time opened_at;
    bool is_ending;           // the association has been counted as ended, though it may still speak
    uint32_t silences;        // dialled again for silence so often since something came back
};

struct dg_tunnel {
    struct dg_tunnel_config config;
    struct dg_socket socket;
    struct dg_counters *local_counters; // of the local socket's batches
    struct dg_receive_batch *receive;
    struct dg_send_batch *send;
    struct dg_output answers;
    struct dg_client *client;
    struct dg_sender_table table;
    struct dg_sender *senders;
    struct dg_timer_heap retries;
    struct dg_tunnel_counts counts;
    dg_time next_rebind;
    bool is_stopping;
};

// tunnel_senders.c
struct dg_client_hooks dg_tunnel_hooks(struct dg_tunnel *tunnel);
void dg_tunnel_received(struct dg_tunnel *tunnel, dg_time now, const struct dg_path *path, const uint8_t *data,
                        size_t size);
void dg_tunnel_retry(struct dg_tunnel *tunnel, dg_time now); // handshakes that are due again
void dg_tunnel_end_idle(struct dg_tunnel *tunnel, dg_time now);
void dg_tunnel_end_all(struct dg_tunnel *tunnel, dg_time now);

#endif
