// SPDX-License-Identifier: GPL-3.0-or-later
// pthread_create with all signals blocked and a stack of known size. Never detaches a thread.
#include "io/threads.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#define STACK_BYTES (2 * 1024 * 1024) // touched only as far as it is used

static void *start(void *argument)
{
    struct dg_thread *thread = argument;
    // By itself: the name of another thread is written through /proc, which a confined process has not (src/host).
    (void)pthread_setname_np(pthread_self(), thread->name);
    thread->body(thread->context);
    return NULL;
}

bool dg_thread_start(struct dg_thread *thread, const char *name, void (*body)(void *context), void *context)
{
    *thread = (struct dg_thread){.body = body, .context = context};
    snprintf(thread->name, sizeof thread->name, "%s", name);
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    sigset_t all, before;
    sigfillset(&all);
    // A fault of the thread itself: blocked, it would end the process without a word (io/crash_note.h).
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    bool is_ready = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
                    pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    if (is_ready) {
        thread->is_started = pthread_create(&thread->thread, &attributes, start, thread) == 0;
        DG_BUG_UNLESS(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    }
    pthread_attr_destroy(&attributes);
    return thread->is_started;
}

void dg_thread_join(struct dg_thread *thread)
{
    if (thread->is_started) {
        DG_BUG_UNLESS(pthread_join(thread->thread, NULL) == 0);
        thread->is_started = false;
    }
}

bool dg_thread_join_until(struct dg_thread *thread, dg_time deadline)
{
    if (!thread->is_started) {
        return true;
    }
    const struct timespec until = {.tv_sec = (time_t)(deadline / DG_SECOND), .tv_nsec = (long)(deadline % DG_SECOND)};
    int result = pthread_clockjoin_np(thread->thread, NULL, CLOCK_MONOTONIC, &until);
    DG_BUG_UNLESS(result == 0 || result == ETIMEDOUT || result == EBUSY);
    thread->is_started = result != 0;
    return result == 0;
}
