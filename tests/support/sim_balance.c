// SPDX-License-Identifier: GPL-3.0-or-later
// Counting and looking. Owns nothing, never moves a datagram.
#include "support/sim_balance.h"

#include "core/balance.h"

#include <inttypes.h>
#include <stdlib.h>

void sim_balance_end(struct dg_counters *counters, enum dg_engine_verdict verdict, bool is_rest)
{
    if (verdict == DG_ENGINE_UNKNOWN) {
        dg_count(counters, DG_COUNT_DROP_NO_ASSOCIATION); // it came from the front, which does not know it either
    }
    if (!is_rest && verdict == DG_ENGINE_OPENED) {
        dg_count(counters, DG_COUNT_DATAGRAMS_OPENED);
    } else if (!is_rest) {
        dg_datagram_dropped(counters);
    }
}

void sim_balance_leftover(struct sim_world *world, bool is_handover, bool is_no_end)
{
    if (is_handover) {
        dg_count(&world->front_counters, DG_COUNT_HANDOVERS_GIVEN_UP);
    } else if (!is_no_end) {
        dg_datagrams_dropped(&world->front_counters, DG_COUNT_DROP_STOPPED, 1);
    }
}

void sim_balance_check(const struct sim_world *world)
{
    const struct dg_counters *sets[1 + SIM_WORKERS_MAX] = {&world->front_counters};
    struct dg_imbalance found;
    for (uint32_t i = 0; i < world->config.workers; i++) {
        sets[1 + i] = &world->workers[i].counters;
    }
    if (!dg_counters_balance(sets, 1 + world->config.workers, &found)) {
        fprintf(stderr, "seed=%" PRIu64 ": %s: %s is %" PRIu64 ", its parts %" PRIu64 "\n", world->config.seed, found.text,
                found.name, found.whole, found.parts);
        abort();
    }
}
