// SPDX-License-Identifier: GPL-3.0-or-later
// What keeps a backend from its service, said once and then at most every ten seconds, with how often it was left out;
// and said when it is over. Never writes the line itself.
#ifndef DG_BACKEND_COMPLAINT_H
#define DG_BACKEND_COMPLAINT_H

#include "core/backend.h"

struct dg_complaint {
    dg_time said_at; // 0: never
    uint64_t unsaid;
    bool is_open;    // said, and not yet over
};

void dg_complain(struct dg_complaint *complaint, const struct dg_backend_sink *sink, dg_time now, const char *event,
                 const char *reason);
// Nothing where there was nothing to complain of.
void dg_complaint_over(struct dg_complaint *complaint, const struct dg_backend_sink *sink, dg_time now,
                       const char *event, const char *reason);

#endif
