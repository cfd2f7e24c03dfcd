// SPDX-License-Identifier: GPL-3.0-or-later
// Puts the whole process, the TLS library included, on a virtual clock and a seeded source of randomness, so
// that a simulated run repeats byte for byte. Defines time, gettimeofday and getrandom; they are the
// system's until sim_clock_start. Never for anything that is not a test.
#ifndef DG_TESTS_SIM_CLOCK_H
#define DG_TESTS_SIM_CLOCK_H

#include "base/time_value.h"

#include <stdint.h>

#define SIM_WALL_START INT64_C(1830000000) // CLOCK_REALTIME seconds at virtual time 0: the end of 2027

void sim_clock_start(uint64_t seed);
void sim_clock_set(dg_time now);
void sim_clock_stop(void); // the system's clock and randomness again
uint32_t sim_clock_wall_seconds(void);

#endif
