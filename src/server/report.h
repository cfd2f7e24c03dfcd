// SPDX-License-Identifier: GPL-3.0-or-later
// What operators read: a log line for each client that connected, was refused or left, for datagrams at
// debug level, and the counters. Never shows a secret, escapes what clients say about themselves.
#ifndef DG_SERVER_REPORT_H
#define DG_SERVER_REPORT_H

#include "base/wire.h"
#include "core/association_ref.h"
#include "core/counters.h"
#include "core/handshake.h"
#include "core/slot.h"

#include <stddef.h>

void dg_report_connected(struct dg_ref ref, const struct dg_handover *handover);
void dg_report_refused(const struct dg_path *path, const struct dg_handshake_failure *failure);
void dg_report_closed(struct dg_ref ref, const struct dg_slot *slot, struct dg_bytes identity, enum dg_counter reason);
// Debug level: a datagram as it came or went, and, where contents are asked for, plaintext.
void dg_report_datagram(const char *event, const struct dg_path *path, size_t size_bytes);
void dg_report_plaintext(const char *event, struct dg_ref ref, struct dg_bytes identity, const uint8_t *data,
                         size_t size_bytes, bool show_contents);
// One line with every counter that is not zero, summed over sets.
void dg_report_counters(const struct dg_counters *const *sets, size_t set_count);

const char *dg_identity_kind_name(enum dg_identity_kind kind);

#endif
