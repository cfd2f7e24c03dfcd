// SPDX-License-Identifier: GPL-3.0-or-later
// The handshakes that are measured: one list for the table of CPU times and for the count of instructions.
#ifndef DG_BENCH_HANDSHAKE_KINDS_H
#define DG_BENCH_HANDSHAKE_KINDS_H

#include "measure/clients.h"

#define BENCH_HANDSHAKE_KINDS 8
extern const struct bench_kind bench_handshake_kinds[BENCH_HANDSHAKE_KINDS];

#endif
