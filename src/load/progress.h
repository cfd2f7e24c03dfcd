// SPDX-License-Identifier: GPL-3.0-or-later
// A line on the standard error for each interval while load runs, and the same as samples for the report. Reads what
// the threads count, and never changes it.
#ifndef DG_LOAD_PROGRESS_H
#define DG_LOAD_PROGRESS_H

#include "load/load.h"

struct dg_load_progress;
struct dg_load_shared;
struct dg_load_thread;

// NULL: memory is short. All arguments must outlive it; result gains samples.
struct dg_load_progress *dg_load_progress_new(const struct dg_load_config *config, const struct dg_load_shared *shared,
                                              struct dg_load_thread *const *threads, struct dg_load_result *result);
void dg_load_progress_free(struct dg_load_progress *progress);
void dg_load_progress_tell(struct dg_load_progress *progress, dg_time now);

#endif
