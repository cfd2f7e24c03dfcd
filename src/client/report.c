// SPDX-License-Identifier: GPL-3.0-or-later
// Log lines about local senders and their associations. What the server says about itself comes last.
#include "client/report.h"

#include "base/log.h"

static void log_address(struct dg_log_line *line, const char *key, const struct dg_address *address)
{
    char text[DG_ADDRESS_TEXT];
    dg_address_format(address, text);
    dg_log_text(line, key, text);
}

static void begin(struct dg_log_line *line, enum dg_log_level level, const char *event, const struct dg_address *sender)
{
    dg_log_begin(line, level, event);
    log_address(line, "sender", sender);
}

void dg_client_report_listening(const struct dg_address *local, const struct dg_address *server)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "listening");
    log_address(&line, "address", local);
    log_address(&line, "server", server);
    dg_log_end(&line);
}

void dg_client_report_connected(const struct dg_address *sender, const struct dg_handover *handover)
{
    struct dg_log_line line;
    begin(&line, DG_LOG_INFO, "connected", sender);
    log_address(&line, "server", &handover->path.peer);
    log_address(&line, "local", &handover->path.local);
    dg_log_text(&line, "version", handover->version == 13 ? "DTLSv1.3" : "DTLSv1.2");
    dg_log_text(&line, "suite", handover->suite_name);
    dg_log_text(&line, "group", handover->group_name[0] ? handover->group_name : "none");
    dg_log_text(&line, "resumed", handover->resumed ? "yes" : "no");
    if (handover->peer_cid_size)
        dg_log_hex(&line, "cid", handover->peer_cid, handover->peer_cid_size);
    dg_log_end(&line);
}

void dg_client_report_refused(const struct dg_address *sender, const char *why, int alert, dg_time retry_in)
{
    struct dg_log_line line;
    begin(&line, DG_LOG_WARNING, "refused", sender);
    dg_log_text(&line, "reason", why);
    if (alert >= 0)
        dg_log_u64(&line, "alert_received", (uint64_t)alert);
    dg_log_u64(&line, "retry_in_ms", retry_in / DG_MILLISECOND);
    dg_log_end(&line);
}

void dg_client_report_moved(const struct dg_address *sender, const struct dg_address *local)
{
    struct dg_log_line line;
    begin(&line, DG_LOG_INFO, "moved", sender);
    log_address(&line, "local", local);
    dg_log_end(&line);
}

void dg_client_report_closed(const struct dg_address *sender, const char *reason)
{
    struct dg_log_line line;
    begin(&line, DG_LOG_INFO, "closed", sender);
    dg_log_text(&line, "reason", reason);
    dg_log_end(&line);
}

void dg_client_report_told(const struct dg_address *sender, const struct dg_dial_event *event)
{
    struct dg_log_line line;
    begin(&line, DG_LOG_INFO, "handshake", sender);
    dg_log_text(&line, "what", event->what);
    dg_log_text(&line, "detail", event->detail);
    dg_log_end(&line);
}

static void log_count(struct dg_log_line *line, const char *name, uint64_t count)
{
    if (count > 0)
        dg_log_u64(line, name, count);
}

void dg_client_report_counts(const struct dg_tunnel_counts *counts, const struct dg_counters *counters)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "counters");
    log_count(&line, "senders_opened", counts->senders_opened);
    log_count(&line, "senders_idle", counts->senders_idle);
    log_count(&line, "senders_evicted", counts->senders_evicted);
    log_count(&line, "held_lost", counts->held_lost);
    log_count(&line, "answers_lost", counts->answers_lost);
    log_count(&line, "replaced", counts->replaced);
    log_count(&line, "moved", counts->moved);
    for (int counter = DG_COUNT_NONE + 1; counter < DG_COUNTER_COUNT; counter++)
        log_count(&line, dg_counter_name((enum dg_counter)counter), dg_counter_read(counters, (enum dg_counter)counter));
    dg_log_end(&line);
}
