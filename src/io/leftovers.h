// SPDX-License-Identifier: GPL-3.0-or-later
// What lies in the rings when every thread has ended: nobody will take it, so it is counted. Never sends.
#ifndef DG_IO_LEFTOVERS_H
#define DG_IO_LEFTOVERS_H

#include "core/counters.h"
#include "io/mesh.h"

#include <stdint.h>

// Empties the rings of a mesh of so many threads, none of which runs any more.
void dg_leftovers_count(struct dg_mesh *mesh, uint32_t thread_count, struct dg_counters *counters);

#endif
