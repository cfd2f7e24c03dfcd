// SPDX-License-Identifier: GPL-3.0-or-later
// The equations that counters keep once nothing is under way: what came in is what came of it, each by its name. Only
// reads; never counts.
#ifndef DG_CORE_BALANCE_H
#define DG_CORE_BALANCE_H

#include "base/attributes.h"
#include "core/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_EQUATION_PARTS 8

// Q(what it says, whole, all: "closed_" for every counter whose name begins so, "drops" for the datagrams' drops, ""
// for none, parts...)
#define DG_EQUATION_LIST(Q)                                                                                       \
    Q("every datagram that was read ends once", DATAGRAMS_RECEIVED, "drops", DG_COUNT_DATAGRAMS_OPENED,            \
      DG_COUNT_DATAGRAMS_HANDSHAKES, DG_COUNT_DATAGRAMS_HELLOS)                                                   \
    Q("every handshake that was begun ends once", HANDSHAKES_STARTED, "", DG_COUNT_HANDSHAKES_COMPLETED,          \
      DG_COUNT_HANDSHAKES_FAILED, DG_COUNT_HANDSHAKES_EXPIRED, DG_COUNT_HANDSHAKES_REPLACED,                      \
      DG_COUNT_HANDSHAKES_STOPPED)                                                                                \
    Q("every proven client gets an association, or a name why not", HANDSHAKES_COMPLETED, "",                     \
      DG_COUNT_ASSOCIATIONS_OPENED, DG_COUNT_TABLE_FULL, DG_COUNT_CID_COLLISION, DG_COUNT_HANDOVERS_GIVEN_UP,     \
      DG_COUNT_FAIL_POLICY, DG_COUNT_FAIL_IDENTITY_LIMIT, DG_COUNT_FAIL_PREFIX_LIMIT)                             \
    Q("every association that has ended has a reason", ASSOCIATIONS_CLOSED, "closed_", DG_COUNT_NONE)

struct dg_equation {
    const char *text;
    enum dg_counter whole;
    const char *all;
    enum dg_counter parts[DG_EQUATION_PARTS]; // DG_COUNT_NONE: no more
};
extern const struct dg_equation dg_equations[];
extern const size_t dg_equation_count;

struct dg_imbalance {
    const char *text; // of the equation
    const char *name; // of its whole
    uint64_t whole, parts;
};
// Do the counters, summed over the threads' sets, keep every equation? False: ret says which one they do not. While
// threads run it may be false for what is on its way.
DG_MUST_USE bool dg_counters_balance(const struct dg_counters *const *sets, size_t set_count,
                                     struct dg_imbalance *ret);

#endif
