// SPDX-License-Identifier: GPL-3.0-or-later
// Answers of the control socket: lines that begin with '+' for what was asked for, text for people or one JSON document
// each, and a last line, ".done" or "!why not" (docs/control.md). Whatever a client says about itself is escaped.
#ifndef DG_ADMIN_ANSWER_H
#define DG_ADMIN_ANSWER_H

#include "admin/admin.h"
#include "admin/request.h"
#include "base/attributes.h"
#include "base/json.h"

#include <stdio.h>

struct dg_answer {
    FILE *out;
    bool is_json;
};

void dg_answer_line(const struct dg_answer *answer, const char *format, ...) DG_PRINTF(2, 3);
struct dg_json dg_answer_json(const struct dg_answer *answer); // a document begins here
void dg_answer_done(const struct dg_answer *answer, const char *format, ...) DG_PRINTF(2, 3);
void dg_answer_refused(const struct dg_answer *answer, const char *format, ...) DG_PRINTF(2, 3);

// "2026-01-02T03:04:05Z", "3 min", "2 d 4 h"; text holds DG_ANSWER_TIME bytes.
#define DG_ANSWER_TIME 32
const char *dg_answer_time(uint64_t wall_s, char text[DG_ANSWER_TIME]);
const char *dg_answer_duration(dg_time duration, char text[DG_ANSWER_TIME]);

// status.c: what changes in a second, from samples some seconds apart.
#define DG_RATE_SAMPLES 6
#define DG_RATE_PERIOD (2 * DG_SECOND)
struct dg_rates {
    struct {
        dg_time at;
        uint64_t counters[DG_COUNTER_COUNT];
    } samples[DG_RATE_SAMPLES];
    size_t next, count;
};
void dg_rates_sample(struct dg_rates *rates, dg_time now, const uint64_t counters[DG_COUNTER_COUNT]);
void dg_answer_status(const struct dg_answer *answer, const struct dg_admin_status *status, const struct dg_rates *rates,
                      dg_time now);

// associations.c
void dg_answer_association_head(const struct dg_answer *answer); // of a list for people
void dg_answer_association(const struct dg_answer *answer, const struct dg_scan_row *row, const struct dg_admin_names *names);

// why.c: what the book knows of whom was asked for, and what to do. connected: how many associations were listed before.
void dg_answer_why(const struct dg_answer *answer, const struct dg_request *request, struct dg_failures *failures,
                   const struct dg_admin_status *status, uint64_t connected);
void dg_answer_connected(const struct dg_answer *answer, const struct dg_scan_row *row, const struct dg_admin_names *names);

#endif
