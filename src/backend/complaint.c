// SPDX-License-Identifier: GPL-3.0-or-later
// The counters tell how often; a line tells that, and why.
#include "backend/complaint.h"

#define COMPLAINT_EVERY (10 * DG_SECOND)

static void say(struct dg_complaint *complaint, const struct dg_backend_sink *sink, dg_time now, const char *event,
                const char *reason, bool is_over)
{
    const struct dg_backend_trouble trouble = {
        .event = event, .reason = reason, .unsaid = complaint->unsaid, .is_over = is_over};
    if (sink->trouble != NULL) {
        sink->trouble(sink->context, now, &trouble);
    }
}

void dg_complain(struct dg_complaint *complaint, const struct dg_backend_sink *sink, dg_time now, const char *event,
                 const char *reason)
{
    if (complaint->said_at != 0 && dg_time_since(now, complaint->said_at) < COMPLAINT_EVERY) {
        complaint->unsaid++;
        return;
    }
    say(complaint, sink, now, event, reason, false);
    *complaint = (struct dg_complaint){.said_at = now, .is_open = true};
}

void dg_complaint_over(struct dg_complaint *complaint, const struct dg_backend_sink *sink, dg_time now,
                       const char *event, const char *reason)
{
    if (!complaint->is_open) {
        return;
    }
    say(complaint, sink, now, event, reason, true);
    *complaint = (struct dg_complaint){.said_at = complaint->said_at}; // what comes and goes is limited like what stays
}
