// SPDX-License-Identifier: GPL-3.0-or-later
// pthread_create with all signals blocked and a stack of known size; sched_setattr(2), which asks for no privilege as
// long as it asks for less. Never detaches a thread.
#include "io/threads.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES (2 * 1024 * 1024) // touched only as far as it is used
// The shortest that the kernel takes (Linux 6.12; before that it is ignored): who asks for less at a time is let in
// before the turn of another is over, which for wolfSSL's computations would be milliseconds.
#define SHORT_TURN (100 * DG_MICROSECOND)
#define GIVES_WAY_BY 5 // of nice(2): a third of a usual thread's weight
#define NICE_MAX 19

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

// The kernel's, of its first version: the C library has a name for it from 2.41 on.
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

// Where an operator has chosen another class than the usual one, or the host forbids it, all stays as it is.
static void ask_for(uint64_t turn, int32_t nicer_by)
{
    struct attributes attributes = {.size = 0};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) {
        return;
    }
    int32_t nice = attributes.nice + nicer_by;
    attributes = (struct attributes){
        .size = sizeof attributes, .policy = SCHED_OTHER, .nice = nice < NICE_MAX ? nice : NICE_MAX, .runtime = turn};
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void dg_thread_go_first(void) { ask_for(SHORT_TURN, 0); }

void dg_thread_give_way(void) { ask_for(0, GIVES_WAY_BY); }

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
