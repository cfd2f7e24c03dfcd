// SPDX-License-Identifier: GPL-3.0-or-later
// What becomes of datagrams in a simulated world, counted as src/io counts it in a real one, and the look at the end
// whether all of it adds up. Never moves a datagram.
#ifndef DG_TESTS_SIM_BALANCE_H
#define DG_TESTS_SIM_BALANCE_H

#include "support/sim_world.h"

#include <stdbool.h>

// A worker has done with a datagram, as in io/worker_loop.c.
void sim_balance_end(struct dg_counters *counters, enum dg_engine_verdict verdict, bool is_rest);
// A message that nobody takes any more, as in io/leftovers.c; is_no_end: it is no datagram that has still to end.
void sim_balance_leftover(struct sim_world *world, bool is_handover, bool is_no_end);
// Aborts, with the seed, where the counters do not add up. After the front has given up and no message is left.
void sim_balance_check(const struct sim_world *world);

#endif
