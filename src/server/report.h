// SPDX-License-Identifier: GPL-3.0-or-later
// What operators read: a log line for each client that connected, was refused or left, for datagrams at
// debug level, and the counters. Never shows a secret, escapes what clients say about themselves.
#ifndef DG_SERVER_REPORT_H
#define DG_SERVER_REPORT_H

#include "base/bucket.h"
#include "base/wire.h"
#include "core/association_ref.h"
#include "core/backend.h"
#include "core/counters.h"
#include "core/handshake.h"
#include "core/slot.h"
#include "io/socket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void dg_report_connected(struct dg_ref ref, const struct dg_handover *handover);
// Strangers can be refused, and clients can move, as often as they like: above a rate lines are left out, which the
// counters are not, and the next line says how many ("not_logged_before"). Used by one thread.
struct dg_report_limit {
    struct dg_bucket bucket;
    uint64_t unsaid;
    bool is_begun;
};
void dg_report_refused(struct dg_report_limit *limit, dg_time now, const struct dg_path *path,
                       const struct dg_handshake_failure *failure);
// Not yet refused, but nothing good is to be expected: a wrong key of DTLS 1.2 is silent until its time is over.
void dg_report_doubted(struct dg_report_limit *limit, dg_time now, const struct dg_path *path,
                       const struct dg_handshake_failure *failure);
void dg_report_closed(struct dg_ref ref, const struct dg_slot *slot, struct dg_bytes identity, enum dg_counter reason);
// Its rule's rate drops what it says, or it speaks from where no rule allows it.
void dg_report_limited(struct dg_report_limit *limit, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                       struct dg_bytes identity, const char *rule, enum dg_counter reason);
void dg_report_moved(struct dg_report_limit *limit, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                     struct dg_bytes identity, const struct dg_address *from);
// Debug level: a datagram as it came or went, and, where contents are asked for, plaintext.
void dg_report_datagram(const char *event, const struct dg_path *path, size_t size_bytes);
void dg_report_plaintext(const char *event, struct dg_ref ref, struct dg_bytes identity, const uint8_t *data,
                         size_t size_bytes, bool show_contents);
// What the host gives the sockets of a listening address, and advice where it is less than what was wished for.
void dg_report_sockets(const char *address, const struct dg_socket_facts *facts);
// What keeps a backend from its service, or that it is over; backend: as it is configured.
void dg_report_backend(const char *backend, const struct dg_backend_trouble *trouble);
// A line with every counter that is not zero, summed over sets, and one with what became of datagrams: each that was
// received is in one of the others.
void dg_report_counters(const struct dg_counters *const *sets, size_t set_count);

#endif
