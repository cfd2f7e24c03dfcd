// SPDX-License-Identifier: GPL-3.0-or-later
// The handler does nothing but loads and stores into the mapping: anything else may be what has just broken.
#include "io/crash_note.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#define STACK_BYTES 16384 // above MINSIGSTKSZ of any processor that we know
#define NO_WORKER UINT32_MAX

static _Atomic(struct dg_memory_shard_head *) heads;
static _Atomic uint32_t shard_count, worker_count;
static _Thread_local uint32_t own_worker = NO_WORKER;
#ifndef DTLSGATE_SANITIZED
static _Thread_local uint8_t own_stack[STACK_BYTES];
#endif

// A crash of a worker's thread concerns its own shards, one of any other thread (the front's, in the midst of a handshake)
// nobody. A signal that comes from outside, because nothing moves any more, reaches any thread: then every slot that is
// being served is suspected.
static void note(bool is_from_outside)
{
    struct dg_memory_shard_head *head = atomic_load_explicit(&heads, memory_order_relaxed);
    uint32_t shards = atomic_load_explicit(&shard_count, memory_order_relaxed);
    uint32_t workers = atomic_load_explicit(&worker_count, memory_order_relaxed);
    for (uint32_t shard = 0; head != NULL && shard < shards; shard++) {
        uint32_t serving = atomic_load_explicit(&head[shard].serving, memory_order_relaxed);
        if (serving != 0 && (is_from_outside || dg_steer_worker(shard, workers) == own_worker)) {
            atomic_store_explicit(&head[shard].crashed, serving, memory_order_relaxed);
        }
    }
}

// SA_RESETHAND: the signal that is raised here, or the instruction that is tried again, ends the process as it would have.
static void on_crash(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    note(info->si_code == SI_USER || info->si_code == SI_QUEUE);
    (void)raise(signal_number);
}

void dg_crash_note_install(void)
{
    static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_ONSTACK)};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof SIGNALS / sizeof SIGNALS[0]; i++) {
        DG_BUG_UNLESS(sigaction(SIGNALS[i], &action, NULL) == 0);
    }
}

void dg_crash_note_memory(const struct dg_memory *memory, uint32_t workers)
{
    atomic_store_explicit(&heads, NULL, memory_order_relaxed);
    if (memory == NULL) {
        return;
    }
    atomic_store_explicit(&shard_count, memory->shape.shard_count, memory_order_relaxed);
    atomic_store_explicit(&worker_count, workers, memory_order_relaxed);
    atomic_store_explicit(&heads, dg_memory_shard_head(memory, 0), memory_order_release);
}

void dg_crash_note_worker(uint32_t worker)
{
    own_worker = worker;
#ifndef DTLSGATE_SANITIZED // AddressSanitizer has given the thread one, and takes away what it finds at the thread's end
    const stack_t stack = {.ss_sp = own_stack, .ss_size = sizeof own_stack};
    (void)sigaltstack(&stack, NULL); // without it, a stack that is used up ends the process without a note
#endif
}
