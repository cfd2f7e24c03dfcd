// SPDX-License-Identifier: GPL-3.0-or-later
// The result of a run, written down: for people, and as JSON for programs. Both say when this side was the limit.
#ifndef DG_LOAD_REPORT_H
#define DG_LOAD_REPORT_H

#include "load/load.h"

#include <stdio.h>

void dg_load_report_text(const struct dg_load_config *config, const struct dg_load_result *result, FILE *out);
// docs/bench.md names every member. False: out could not be written.
DG_MUST_USE bool dg_load_report_json(const struct dg_load_config *config, const struct dg_load_result *result,
                                     FILE *out);

#endif
