// SPDX-License-Identifier: GPL-3.0-or-later
// What the calling thread has had of the processors: asked of the kernel. Never judges it.
#ifndef DG_LOAD_USAGE_H
#define DG_LOAD_USAGE_H

#include "load/load.h"

// wall is left alone.
void dg_load_usage_read(struct dg_load_usage *ret);
dg_time dg_load_usage_of_process(void); // user and system time of all threads

#endif
