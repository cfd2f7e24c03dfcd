// SPDX-License-Identifier: GPL-3.0-or-later
// The outcome of judging a datagram: fine, drop it (with a counted reason), or fail the association
// (with an alert). The third outcome, a bug, is DG_BUG. Must be used.
#ifndef DG_CORE_RESULT_H
#define DG_CORE_RESULT_H

#include "base/attributes.h"
#include "core/counters.h"
#include "core/wire_constants.h"

#include <stdint.h>

enum dg_outcome { DG_OK, DG_DROP, DG_FAIL };

struct dg_result {
    enum dg_outcome outcome;
    enum dg_counter reason; // of a drop or a failure
    uint8_t alert;          // of a failure
};

DG_MUST_USE static inline struct dg_result dg_ok(void) { return (struct dg_result){.outcome = DG_OK}; }
DG_MUST_USE static inline struct dg_result dg_drop(enum dg_counter reason)
{
    return (struct dg_result){.outcome = DG_DROP, .reason = reason};
}
DG_MUST_USE static inline struct dg_result dg_fail(enum dg_counter reason, uint8_t alert)
{
    return (struct dg_result){.outcome = DG_FAIL, .reason = reason, .alert = alert};
}

#endif
