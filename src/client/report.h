// SPDX-License-Identifier: GPL-3.0-or-later
// A tunnel's log lines, in the words of the server's: connected, refused, moved, closed. Never shows a secret or
// what passes.
#ifndef DG_CLIENT_REPORT_H
#define DG_CLIENT_REPORT_H

#include "base/time_value.h"
#include "core/counters.h"
#include "core/dial.h"

#include <stdint.h>

struct dg_tunnel_counts {
    uint64_t senders_opened, senders_idle, senders_evicted;
    uint64_t held_lost;         // datagrams pushed out while an association was made
    uint64_t answers_lost;      // answers that the local socket did not take
    uint64_t replaced;          // associations that another was dialled beside for
    uint64_t moved;
};

void dg_client_report_listening(const struct dg_address *local, const struct dg_address *server);
void dg_client_report_connected(const struct dg_address *sender, const struct dg_handover *handover);
void dg_client_report_refused(const struct dg_address *sender, const char *why, int alert, dg_time retry_in);
void dg_client_report_moved(const struct dg_address *sender, const struct dg_address *local);
void dg_client_report_closed(const struct dg_address *sender, const char *reason);
void dg_client_report_told(const struct dg_address *sender, const struct dg_dial_event *event);
void dg_client_report_counts(const struct dg_tunnel_counts *counts, const struct dg_counters *counters);

#endif
