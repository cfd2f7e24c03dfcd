// SPDX-License-Identifier: GPL-3.0-or-later
// What an operator can do about a counter that says that something was dropped, failed or ended: one sentence each, for
// `dtlsgate why`, the warnings of `dtlsgate status` and docs/operations.md. Words only, never knows a client.
#ifndef DG_ADMIN_ADVICE_H
#define DG_ADMIN_ADVICE_H

#include "core/counters.h"

#include <stdbool.h>

// NULL: the counter tells of nothing that went wrong.
const char *dg_advice(enum dg_counter counter);
// Does its name say that a client lost something by it? Then it has an advice, which a test asserts.
bool dg_advice_is_due(enum dg_counter counter);

#endif
