// SPDX-License-Identifier: GPL-3.0-or-later
// Notes in the memory file which slot a crash happened with, so that the next process can tell a slot that ends it
// twice. A process that is killed notes nothing: that is no slot's fault. Owns the handlers of SIGSEGV, SIGBUS, SIGILL,
// SIGFPE and SIGABRT; each notes and then lets the signal do what it does.
#ifndef DG_IO_CRASH_NOTE_H
#define DG_IO_CRASH_NOTE_H

#include "core/memory.h"

#include <stdint.h>

// For the process, once; a library in somebody else's program leaves signals alone and does not call it.
void dg_crash_note_install(void);
// While memory is mapped; NULL before it is unmapped. Any thread, before the workers run or after they have ended.
void dg_crash_note_memory(const struct dg_memory *memory, uint32_t worker_count);
// In a worker's own thread: what it is serving is what it crashes with. Gives the handler a stack of its own, since the
// crash may be that of a stack that is used up. For as long as the thread lives.
void dg_crash_note_worker(uint32_t worker);

#endif
