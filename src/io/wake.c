// SPDX-License-Identifier: GPL-3.0-or-later
// The two halves of not missing a wake-up: each side stores first and then looks at what the other stored,
// with a full fence between, so that at least one of them sees the other.
#include "io/wake.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool dg_wake_init(struct dg_wake *wake)
{
    atomic_init(&wake->may_sleep, false);
    wake->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return wake->fd >= 0;
}

void dg_wake_clear(struct dg_wake *wake)
{
    if (wake->fd >= 0) {
        close(wake->fd);
    }
    wake->fd = -1;
}

void dg_wake_surely(struct dg_wake *wake)
{
    uint64_t one = 1;
    ssize_t ignored = write(wake->fd, &one, sizeof one); // it is full after 2^64 of them
    (void)ignored;
}

void dg_wake_up(struct dg_wake *wake)
{
    atomic_thread_fence(memory_order_seq_cst);
    // The exchange lets one of several writers make the system call.
    if (atomic_load_explicit(&wake->may_sleep, memory_order_relaxed) &&
        atomic_exchange_explicit(&wake->may_sleep, false, memory_order_relaxed)) {
        dg_wake_surely(wake);
    }
}

void dg_wake_will_sleep(struct dg_wake *wake)
{
    atomic_store_explicit(&wake->may_sleep, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

void dg_wake_is_awake(struct dg_wake *wake)
{
    atomic_store_explicit(&wake->may_sleep, false, memory_order_relaxed);
}
