// SPDX-License-Identifier: GPL-3.0-or-later
// Unpredictable bytes from the kernel. Never a seedable generator: tests that want repeatable choices
// pass their own numbers.
#ifndef DG_BASE_RANDOM_H
#define DG_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

// Fills data with size_bytes bytes from getrandom(2). Aborts where the kernel has none to give: a
// server without randomness must not run.
void dg_random_bytes(void *data, size_t size_bytes);
uint64_t dg_random_u64(void);

#endif
