// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate why`: what went wrong for one client, in words that say what was proven and what was only claimed, and what
// an operator can do about it.
#include "admin/advice.h"
#include "admin/answer.h"

#include "base/log.h"

#include <string.h>

#define WHO_TEXT (4 * DG_IDENTITY_MAX + 1)
#define ADVICE_TEXT 1400

// What strangers sent before their cookie is counted and never remembered: anybody can send it in anybody's name.
static const enum dg_counter BEFORE_COOKIE[] = {
    DG_COUNT_DROP_KERNEL,          DG_COUNT_DROP_UNKNOWN_TYPE,      DG_COUNT_DROP_RECORD_MALFORMED,
    DG_COUNT_DROP_HELLO_MALFORMED, DG_COUNT_DROP_HELLO_VERSION,     DG_COUNT_DROP_HELLO_CID_LENGTH,
    DG_COUNT_DROP_COOKIE_INVALID,  DG_COUNT_DROP_ANSWER_LIMITED,    DG_COUNT_DROP_AMPLIFICATION,
    DG_COUNT_DROP_NOT_HELLO,       DG_COUNT_DROP_FRAGMENT_EXPIRED,  DG_COUNT_DROP_NO_ASSOCIATION,
    DG_COUNT_DROP_FORGED,          DG_COUNT_DROP_ANSWER_NETWORK,    DG_COUNT_DROP_ANSWER_GLOBAL,
};
#define BEFORE_COOKIE_COUNT (sizeof BEFORE_COOKIE / sizeof BEFORE_COOKIE[0])

// The advice with the client's name in the places for it.
static void fill_in(const char *advice, const char *who, char text[ADVICE_TEXT])
{
    static const char PLACE[] = "{who}";
    size_t at = 0;
    while (*advice && at + 1 < ADVICE_TEXT) {
        if (strncmp(advice, PLACE, sizeof PLACE - 1) == 0) {
            int written = snprintf(text + at, ADVICE_TEXT - at, "%s", who);
            at += (size_t)written < ADVICE_TEXT - at ? (size_t)written : ADVICE_TEXT - at - 1;
            advice += sizeof PLACE - 1;
        } else {
            text[at++] = *advice++;
        }
    }
    text[at] = '\0';
}

static void name_of(const struct dg_failure_run *run, char who[WHO_TEXT])
{
    if (run->claim_size == 0)
        snprintf(who, WHO_TEXT, "this client");
    else
        dg_escape(who, WHO_TEXT, run->claim, run->claim_size);
}

// "3 handshakes", "17 hellos", "1 association".
static const char *noun_of(const struct dg_failure_run *run)
{
    bool is_drop = strncmp(dg_counter_name((enum dg_counter)run->counter), "drop_", 5) == 0;
    if (run->association != 0 && is_drop)
        return run->count == 1 ? "message" : "messages";
    if (run->association != 0)
        return run->count == 1 ? "association" : "associations";
    if (is_drop)
        return run->count == 1 ? "hello" : "hellos";
    return run->count == 1 ? "handshake" : "handshakes";
}

static const char *ended_words(const struct dg_failure_run *run)
{
    bool is_drop = strncmp(dg_counter_name((enum dg_counter)run->counter), "drop_", 5) == 0;
    if (is_drop)
        return run->count == 1 ? "refused" : "each refused";
    return run->count == 1 ? "ended" : "each ended";
}

// IANA's names of the alerts that end handshakes (RFC 8446 6, RFC 5246 7.2).
static const char *alert_name(uint8_t alert)
{
    static const struct {
        uint8_t number;
        const char *name;
    } NAMES[] = {
        {0, "close_notify"}, {10, "unexpected_message"}, {20, "bad_record_mac"}, {22, "record_overflow"},
        {40, "handshake_failure"}, {42, "bad_certificate"}, {43, "unsupported_certificate"}, {44, "certificate_revoked"},
        {45, "certificate_expired"}, {46, "certificate_unknown"}, {47, "illegal_parameter"}, {48, "unknown_ca"},
        {49, "access_denied"}, {50, "decode_error"}, {51, "decrypt_error"}, {70, "protocol_version"},
        {71, "insufficient_security"}, {80, "internal_error"}, {90, "user_canceled"}, {109, "missing_extension"},
        {110, "unsupported_extension"}, {112, "unrecognized_name"}, {113, "bad_certificate_status_response"},
        {115, "unknown_psk_identity"}, {116, "certificate_required"}, {120, "no_application_protocol"},
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (NAMES[i].number == alert)
            return NAMES[i].name;
    return "of another kind";
}

#define ALERT_TEXT 128
static const char *alert_words(uint8_t sent, uint8_t received, char text[ALERT_TEXT])
{
    text[0] = '\0';
    if (sent != 255)
        snprintf(text, ALERT_TEXT, "; alert %u, %s, sent", sent, alert_name(sent));
    size_t size = strlen(text);
    if (received != 255)
        snprintf(text + size, ALERT_TEXT - size, "; alert %u, %s, received", received, alert_name(received));
    return text;
}

static void say_run(const struct dg_answer *answer, const struct dg_failure_run *run)
{
    char first[DG_ANSWER_TIME], last[DG_ANSWER_TIME], peer[DG_ADDRESS_TEXT], who[WHO_TEXT], alerts[ALERT_TEXT], advice[ADVICE_TEXT];
    dg_address_format(&run->peer, peer);
    name_of(run, who);
    dg_answer_line(answer, "%llu %s since %s, the last %s from %s, %s: %s (%s%s)%s%s%s", (unsigned long long)run->count,
                   noun_of(run), dg_answer_time(run->first_s, first), dg_answer_time(run->last_s, last), peer,
                   ended_words(run), run->reason, dg_counter_name((enum dg_counter)run->counter),
                   alert_words(run->alert_sent, run->alert_received, alerts), run->detail[0] ? ", rule " : "",
                   run->detail, run->is_proven ? "" : run->claim_size > 0 ? "; the identity was claimed, not proven" : "");
    if (run->claim_size > 0)
        dg_answer_line(answer, "    who: %s %s by %s", who, run->is_proven ? "proven" : "claimed",
                       dg_identity_kind_name(run->identity_kind));
    const char *words = dg_advice((enum dg_counter)run->counter);
    if (words) {
        fill_in(words, who, advice);
        dg_answer_line(answer, "    what to do: %s", advice);
    }
}

static void write_run(const struct dg_answer *answer, const struct dg_failure_run *run)
{
    char text[DG_ADDRESS_TEXT], who[WHO_TEXT], advice[ADVICE_TEXT], when[DG_ANSWER_TIME];
    const char *words = dg_advice((enum dg_counter)run->counter);
    struct dg_json json = dg_answer_json(answer);
    dg_json_open_object(&json, NULL);
    dg_json_text(&json, "counter", dg_counter_name((enum dg_counter)run->counter));
    dg_json_number(&json, "count", run->count);
    dg_json_text(&json, "first", dg_answer_time(run->first_s, when));
    dg_json_text(&json, "last", dg_answer_time(run->last_s, when));
    dg_json_text(&json, "reason", run->reason);
    dg_json_text(&json, "rule", run->detail[0] ? run->detail : NULL);
    dg_address_format(&run->peer, text);
    dg_json_text(&json, "peer", text);
    dg_json_bool(&json, "is_proven", run->is_proven);
    dg_json_bytes(&json, run->is_proven ? "identity" : "claimed_identity", run->claim, run->claim_size);
    if (run->association != 0) {
        snprintf(text, sizeof text, "%016llx", (unsigned long long)run->association);
        dg_json_text(&json, "association", text);
    }
    if (run->alert_sent != 255)
        dg_json_number(&json, "alert_sent", run->alert_sent);
    if (run->alert_received != 255)
        dg_json_number(&json, "alert_received", run->alert_received);
    name_of(run, who);
    fill_in(words ? words : "", who, advice);
    dg_json_text(&json, "advice", advice);
    dg_json_close_object(&json);
}

static void tell_page(const struct dg_answer *answer, const struct dg_failure_page *page)
{
    uint64_t shown = 0;
    for (size_t i = 0; i < page->run_count; i++) {
        shown += page->runs[i].count;
        if (answer->is_json)
            write_run(answer, &page->runs[i]);
        else
            say_run(answer, &page->runs[i]);
    }
    if (!answer->is_json && page->total > shown)
        dg_answer_line(answer, "and %llu failures before these that are no longer remembered one by one",
                       (unsigned long long)(page->total - shown));
}

static void say_nothing_known(const struct dg_answer *answer, const struct dg_admin_status *status, const char *who)
{
    char since[DG_ANSWER_TIME];
    dg_answer_line(answer, "Nothing is known of %s: since %s no client that showed that it receives at its address has failed "
                   "under this name or from there.", who, dg_answer_time(status->started_wall_s, since));
    dg_answer_line(answer, "Does it reach this server at all? %llu datagrams came so far; on the client's side try: dtlsgate connect",
                   (unsigned long long)status->counters[DG_COUNT_DATAGRAMS_RECEIVED]);
    for (size_t i = 0; i < BEFORE_COOKIE_COUNT; i++)
        if (status->counters[BEFORE_COOKIE[i]] > 0)
            dg_answer_line(answer, "From somebody, %s %llu: %s; %s", dg_counter_name(BEFORE_COOKIE[i]),
                           (unsigned long long)status->counters[BEFORE_COOKIE[i]], dg_counter_text(BEFORE_COOKIE[i]),
                           dg_advice(BEFORE_COOKIE[i]));
}

void dg_answer_connected(const struct dg_answer *answer, const struct dg_scan_row *row, const struct dg_admin_names *names)
{
    char peer[DG_ADDRESS_TEXT], age[DG_ANSWER_TIME], idle[DG_ANSWER_TIME], who[WHO_TEXT];
    if (answer->is_json) {
        dg_answer_association(answer, row, names);
        return;
    }
    dg_address_format(&row->peer, peer);
    dg_escape(who, sizeof who, row->identity, row->identity_size);
    dg_answer_line(answer, "connected now: association %016llx from %s at listener %s, for %s, last heard of %s ago: %s",
                   (unsigned long long)row->ref.id, peer, names->listener, dg_answer_duration(row->age, age),
                   dg_answer_duration(row->idle, idle), who);
}

void dg_answer_why(const struct dg_answer *answer, const struct dg_request *request, struct dg_failures *failures,
                   const struct dg_admin_status *status, uint64_t connected)
{
    struct dg_failure_page page;
    char who[WHO_TEXT];
    bool is_known = false;
    dg_escape(who, sizeof who, request->identity, request->identity_size);
    if (dg_failures_of_identity(failures, (struct dg_bytes){request->identity, request->identity_size}, &page)) {
        tell_page(answer, &page);
        is_known = true;
    }
    if (request->has_address && dg_failures_of_address(failures, &request->address, &page)) {
        tell_page(answer, &page);
        is_known = true;
    }
    if (!is_known && connected == 0 && !answer->is_json)
        say_nothing_known(answer, status, who);
}
