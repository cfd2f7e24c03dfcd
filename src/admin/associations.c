// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate associations`: one line for each, what a client says of itself last.
#include "admin/answer.h"

#include "base/log.h"
#include "core/slot.h"
#include "crypto/suites.h"

#define IDENTITY_TEXT (4 * DG_IDENTITY_MAX + 1)

static const char *suite_name(uint16_t number)
{
    const struct dg_suite *suite = dg_suite_find(number);
    return suite ? suite->name : "unknown";
}

static void write_hex(const uint8_t *bytes, size_t size, char *text)
{
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    if (size == 0)
        text[0] = '\0';
}

void dg_answer_association_head(const struct dg_answer *answer)
{
    if (!answer->is_json)
        dg_answer_line(answer, "%-16s %-4s %-14s %-22s %-12s %-12s %-12s %-12s %-3s %-7s %-32s %s", "id", "DTLS", "proof",
                       "peer", "listener", "rule", "age", "idle", "cid", "resumed", "suite", "identity");
}

static void write_row(const struct dg_answer *answer, const struct dg_scan_row *row, const struct dg_admin_names *names)
{
    char text[DG_ADDRESS_TEXT], hex[2 * DG_CID_SIZE_MAX + 1];
    struct dg_json json = dg_answer_json(answer);
    dg_json_open_object(&json, NULL);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)row->ref.id);
    dg_json_text(&json, "association", text);
    dg_json_bytes(&json, "identity", row->identity, row->identity_size);
    dg_json_text(&json, "proof", dg_identity_kind_name(row->identity_kind));
    dg_address_format(&row->peer, text);
    dg_json_text(&json, "peer", text);
    dg_address_format(&row->local, text);
    dg_json_text(&json, "local", text);
    dg_json_text(&json, "listener", names->listener);
    dg_json_text(&json, "rule", names->rule[0] ? names->rule : NULL);
    dg_json_text(&json, "version", row->version == 13 ? "DTLSv1.3" : "DTLSv1.2");
    dg_json_text(&json, "suite", suite_name(row->suite));
    dg_json_decimal(&json, "age_seconds", (double)row->age / (double)DG_SECOND);
    dg_json_decimal(&json, "idle_seconds", (double)row->idle / (double)DG_SECOND);
    dg_json_bool(&json, "resumed", (row->flags & DG_SLOT_RESUMED) != 0);
    write_hex(row->cid, row->cid_size, hex);
    dg_json_text(&json, "cid", row->cid_size > 0 ? hex : NULL);
    dg_json_number(&json, "expires", row->expires_s);
    dg_json_close_object(&json);
}

void dg_answer_association(const struct dg_answer *answer, const struct dg_scan_row *row, const struct dg_admin_names *names)
{
    char peer[DG_ADDRESS_TEXT], identity[IDENTITY_TEXT], age[DG_ANSWER_TIME], idle[DG_ANSWER_TIME];
    if (answer->is_json) {
        write_row(answer, row, names);
        return;
    }
    dg_address_format(&row->peer, peer);
    dg_escape(identity, sizeof identity, row->identity, row->identity_size);
    dg_answer_line(answer, "%016llx %-4s %-14s %-22s %-12s %-12s %-12s %-12s %-3s %-7s %-32s %s",
                   (unsigned long long)row->ref.id, row->version == 13 ? "1.3" : "1.2", dg_identity_kind_name(row->identity_kind),
                   peer, names->listener, names->rule[0] ? names->rule : "-", dg_answer_duration(row->age, age),
                   dg_answer_duration(row->idle, idle), row->cid_size > 0 ? "yes" : "no",
                   (row->flags & DG_SLOT_RESUMED) != 0 ? "yes" : "no", suite_name(row->suite), identity);
}
