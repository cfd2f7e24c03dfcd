// SPDX-License-Identifier: GPL-3.0-or-later
// The hook that tests of the crash points set. Never anything in a build without crash points.
#include "core/crash_point.h"

#ifdef DG_CRASH_POINTS
void (*dg_crash_hook)(enum dg_crash_point point);
#endif
