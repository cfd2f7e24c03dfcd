// SPDX-License-Identifier: GPL-3.0-or-later
// Log lines about clients. Trusted fields come first: a long identity may cut the end of a line.
#include "server/report.h"

#include "base/log.h"

#include <string.h>

static void log_address(struct dg_log_line *line, const char *key, const struct dg_address *address)
{
    char text[DG_ADDRESS_TEXT];
    dg_address_format(address, text);
    dg_log_text(line, key, text);
}

static void log_association(struct dg_log_line *line, struct dg_ref ref)
{
    dg_log_format(line, "association", "%016llx", (unsigned long long)ref.id);
}

static const char *version_name(uint8_t version)
{
    return version == 13 ? "DTLSv1.3" : "DTLSv1.2";
}

void dg_report_connected(struct dg_ref ref, const struct dg_handover *handover)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "connected");
    log_association(&line, ref);
    log_address(&line, "peer", &handover->path.peer);
    log_address(&line, "local", &handover->path.local);
    dg_log_text(&line, "proof", dg_identity_kind_name(handover->identity_kind));
    dg_log_text(&line, "version", version_name(handover->version));
    dg_log_text(&line, "suite", handover->suite_name);
    dg_log_text(&line, "group", handover->group_name[0] ? handover->group_name : "none");
    dg_log_text(&line, "resumed", handover->resumed ? "yes" : "no");
    if (handover->cid_size)
        dg_log_hex(&line, "cid", handover->cid, handover->cid_size);
    dg_log_bytes(&line, "identity", handover->identity, handover->identity_size);
    dg_log_end(&line);
}

// At a line's usual 250 bytes 430 MB a day, were somebody at it all day.
static const struct dg_bucket_rate LIMITED_LINES = {.rate = 20, .burst = 200};

static bool may_say(struct dg_report_limit *limit, dg_time now)
{
    if (!limit->is_begun) {
        limit->bucket = dg_bucket_full(LIMITED_LINES, now);
        limit->is_begun = true;
    }
    if (dg_bucket_take(&limit->bucket, LIMITED_LINES, 1, now))
        return true;
    limit->unsaid++;
    return false;
}

static void log_unsaid(struct dg_log_line *line, struct dg_report_limit *limit)
{
    if (limit->unsaid > 0)
        dg_log_u64(line, "not_logged_before", limit->unsaid);
    limit->unsaid = 0;
}

static void report_failure(const char *event, struct dg_report_limit *limit, dg_time now, const struct dg_path *path,
                           const struct dg_handshake_failure *failure)
{
    struct dg_log_line line;
    if (!may_say(limit, now))
        return;
    dg_log_begin(&line, DG_LOG_WARNING, event);
    log_address(&line, "peer", &path->peer);
    dg_log_text(&line, "reason", failure->reason ? failure->reason : "the handshake failed");
    dg_log_text(&line, "counter", dg_counter_name(failure->counter));
    if (failure->rule)
        dg_log_text(&line, "rule", failure->rule);
    if (failure->alert_sent != 255)
        dg_log_u64(&line, "alert_sent", failure->alert_sent);
    if (failure->alert_received != 255)
        dg_log_u64(&line, "alert_received", failure->alert_received);
    log_unsaid(&line, limit);
    if (failure->identity_size) {
        dg_log_text(&line, "claimed_by", dg_identity_kind_name(failure->identity_kind));
        dg_log_bytes(&line, "claimed_identity", failure->identity, failure->identity_size);
    }
    dg_log_end(&line);
}

void dg_report_refused(struct dg_report_limit *limit, dg_time now, const struct dg_path *path,
                       const struct dg_handshake_failure *failure)
{
    report_failure("refused", limit, now, path, failure);
}

void dg_report_doubted(struct dg_report_limit *limit, dg_time now, const struct dg_path *path,
                       const struct dg_handshake_failure *failure)
{
    report_failure("doubted", limit, now, path, failure);
}

void dg_report_closed(struct dg_ref ref, const struct dg_slot *slot, struct dg_bytes identity, enum dg_counter reason)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "closed");
    log_association(&line, ref);
    log_address(&line, "peer", &slot->peer);
    dg_log_text(&line, "reason", dg_counter_name(reason));
    dg_log_bytes(&line, "identity", identity.data, identity.size);
    dg_log_end(&line);
}

void dg_report_limited(struct dg_report_limit *limit, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                       struct dg_bytes identity, const char *rule, enum dg_counter reason)
{
    struct dg_log_line line;
    if (!may_say(limit, now))
        return;
    dg_log_begin(&line, DG_LOG_WARNING, "limited");
    log_association(&line, ref);
    log_address(&line, "peer", &slot->peer);
    dg_log_text(&line, "reason",
                reason == DG_COUNT_DROP_POLICY_NETWORK
                    ? "speaks from a network from which no rule allows it: what comes from there is dropped"
                    : "says more than its rule allows a second: what is above that is dropped");
    dg_log_text(&line, "counter", dg_counter_name(reason));
    dg_log_text(&line, "rule", rule);
    log_unsaid(&line, limit);
    dg_log_bytes(&line, "identity", identity.data, identity.size);
    dg_log_end(&line);
}

void dg_report_moved(struct dg_report_limit *limit, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                     struct dg_bytes identity, const struct dg_address *from)
{
    struct dg_log_line line;
    if (!may_say(limit, now))
        return;
    dg_log_begin(&line, DG_LOG_INFO, "moved");
    log_association(&line, ref);
    log_address(&line, "peer", &slot->peer);
    log_address(&line, "from", from);
    log_unsaid(&line, limit);
    dg_log_bytes(&line, "identity", identity.data, identity.size);
    dg_log_end(&line);
}

void dg_report_datagram(const char *event, const struct dg_path *path, size_t size_bytes)
{
    struct dg_log_line line;
    if (!dg_log_enabled(DG_LOG_DEBUG))
        return;
    dg_log_begin(&line, DG_LOG_DEBUG, event);
    log_address(&line, "peer", &path->peer);
    log_address(&line, "local", &path->local);
    dg_log_u64(&line, "size", size_bytes);
    dg_log_end(&line);
}

void dg_report_plaintext(const char *event, struct dg_ref ref, struct dg_bytes identity, const uint8_t *data,
                         size_t size_bytes, bool show_contents)
{
    struct dg_log_line line;
    if (!dg_log_enabled(DG_LOG_DEBUG))
        return;
    dg_log_begin(&line, DG_LOG_DEBUG, event);
    log_association(&line, ref);
    dg_log_u64(&line, "size", size_bytes);
    dg_log_bytes(&line, "identity", identity.data, identity.size);
    if (show_contents)
        dg_log_bytes(&line, "contents", data, size_bytes);
    dg_log_end(&line);
}

// Room that the longest pair takes in a line.
#define PAIR_MAX 96

static void advise_buffer(const char *address, const char *which, const char *advice, size_t bytes, size_t wished)
{
    struct dg_log_line line;
    if (bytes >= wished)
        return;
    dg_log_begin(&line, DG_LOG_WARNING, "socket_buffer");
    dg_log_text(&line, "address", address);
    dg_log_text(&line, "buffer", which);
    dg_log_u64(&line, "bytes", bytes);
    dg_log_u64(&line, "wished_for", wished);
    dg_log_text(&line, "advice", advice);
    dg_log_end(&line);
}

void dg_report_sockets(const char *address, const struct dg_socket_facts *facts)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "sockets");
    dg_log_text(&line, "address", address);
    dg_log_u64(&line, "receive_bytes", facts->receive_bytes);
    dg_log_u64(&line, "send_bytes", facts->send_bytes);
    dg_log_text(&line, "joined_datagrams", facts->can_join ? "yes" : "no");
    dg_log_text(&line, "split_datagrams", facts->can_segment ? "yes" : "no");
    dg_log_end(&line);
    advise_buffer(address, "receive",
                  "bursts lose datagrams (drop_kernel): raise the sysctl net.core.rmem_max to 4194304, or give CAP_NET_ADMIN",
                  facts->receive_bytes, DG_SOCKET_RECEIVE_BYTES);
    advise_buffer(address, "send", "raise the sysctl net.core.wmem_max to 1048576, or give CAP_NET_ADMIN", facts->send_bytes,
                  DG_SOCKET_SEND_BYTES);
}

void dg_report_backend(const char *backend, const struct dg_backend_trouble *trouble)
{
    struct dg_log_line line;
    dg_log_begin(&line, trouble->is_over ? DG_LOG_INFO : DG_LOG_WARNING, trouble->event);
    dg_log_text(&line, "backend", backend);
    dg_log_text(&line, "reason", trouble->reason);
    dg_log_u64(&line, "not_logged_before", trouble->unsaid);
    dg_log_end(&line);
}

static void report_datagrams(const struct dg_counters *const *sets, size_t set_count)
{
    static const struct {
        const char *key;
        enum dg_counter counter;
    } ends[] = {{"received", DG_COUNT_DATAGRAMS_RECEIVED},
                {"opened", DG_COUNT_DATAGRAMS_OPENED},
                {"handshakes", DG_COUNT_DATAGRAMS_HANDSHAKES},
                {"hellos", DG_COUNT_DATAGRAMS_HELLOS}};
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "datagrams");
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        dg_log_u64(&line, ends[i].key, dg_counters_sum(sets, set_count, ends[i].counter));
    for (int reason = 0; reason < DG_COUNTER_COUNT; reason++) {
        uint64_t sum = dg_datagram_drops_sum(sets, set_count, (enum dg_counter)reason);
        if (sum > 0)
            dg_log_u64(&line, dg_counter_name((enum dg_counter)reason), sum);
    }
    dg_log_end(&line);
}

void dg_report_counters(const struct dg_counters *const *sets, size_t set_count)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "counters");
    for (int counter = DG_COUNT_NONE + 1; counter < DG_COUNTER_COUNT; counter++) {
        uint64_t sum = dg_counters_sum(sets, set_count, (enum dg_counter)counter);
        if (sum == 0)
            continue;
        if (line.size > sizeof line.text - PAIR_MAX) {
            dg_log_end(&line);
            dg_log_begin(&line, DG_LOG_INFO, "counters");
        }
        dg_log_u64(&line, dg_counter_name((enum dg_counter)counter), sum);
    }
    dg_log_end(&line);
    report_datagrams(sets, set_count);
}
