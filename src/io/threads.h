// SPDX-License-Identifier: GPL-3.0-or-later
// Starts and joins the threads of the loops, and says which of them goes first where they share a processor. A thread
// of ours takes no signal: whoever started it does.
#ifndef DG_IO_THREADS_H
#define DG_IO_THREADS_H

#include "base/attributes.h"
#include "base/time_value.h"

#include <pthread.h>
#include <stdbool.h>

struct dg_thread {
    pthread_t thread;
    void (*body)(void *context);
    void *context;
    bool is_started;
    char name[16];
};

// name: at most 15 characters, for ps and debuggers. thread stays the caller's and must not move until
// joined. False: the host allows no further thread.
DG_MUST_USE bool dg_thread_start(struct dg_thread *thread, const char *name, void (*body)(void *context),
                                 void *context);
void dg_thread_join(struct dg_thread *thread); // nothing where it was not started
// The calling thread is to answer soon: a short turn of the processor that begins at once, rather than a long one later.
void dg_thread_go_first(void);
// The calling thread gives way to those above wherever the processor does not suffice for all: a quarter of it is left.
void dg_thread_give_way(void);
// Waits until deadline (of dg_clock_now). False: it still runs.
DG_MUST_USE bool dg_thread_join_until(struct dg_thread *thread, dg_time deadline);

#endif
