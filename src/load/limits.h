// SPDX-License-Identifier: GPL-3.0-or-later
// Whether the figures are the server's or our own: what of this side may have been the limit, in words. Judges facts
// that others gathered.
#ifndef DG_LOAD_LIMITS_H
#define DG_LOAD_LIMITS_H

#include "load/load.h"

#define DG_LOAD_LIMITS_MAX 8
#define DG_LOAD_LIMIT_TEXT 240

struct dg_load_limit {
    const char *name; // static, for machines: "processor", "processor_shared", "schedule", ...
    char text[DG_LOAD_LIMIT_TEXT];
};

// Returns how many there are; 0: nothing on this side was.
size_t dg_load_limits_judge(const struct dg_load_config *config, const struct dg_load_result *result,
                            struct dg_load_limit ret[DG_LOAD_LIMITS_MAX]);

#endif
