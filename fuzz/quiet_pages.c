// SPDX-License-Identifier: GPL-3.0-or-later
// Pages of secrets as they are, but neither locked nor kept from dumps and children: that takes three calls of the kernel
// for each block, a good part of what a short execution costs. Stands in front of two functions of the C library
// (support/sim_clock.h does the same); what else is asked of them is done.
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int madvise(void *pages, size_t size, int advice)
{
    bool is_about_secrets = advice == MADV_DONTDUMP || advice == MADV_DONTFORK;
    return is_about_secrets ? 0 : (int)syscall(SYS_madvise, pages, size, advice);
}

int mlock2(const void *pages, size_t size, unsigned flags)
{
    (void)pages, (void)size, (void)flags;
    return 0;
}
