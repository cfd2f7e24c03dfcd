// SPDX-License-Identifier: GPL-3.0-or-later
// getrusage(2), and /proc/thread-self/schedstat for the time that was spent waiting for a processor: "run wait slices",
// in nanoseconds. Where the kernel does not keep that, the wait is 0.
#include "load/usage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static dg_time time_of(const struct rusage *usage)
{
    return ((dg_time)usage->ru_utime.tv_sec + (dg_time)usage->ru_stime.tv_sec) * DG_SECOND +
           ((dg_time)usage->ru_utime.tv_usec + (dg_time)usage->ru_stime.tv_usec) * DG_MICROSECOND;
}

static dg_time waited(void)
{
    char text[128];
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    char *second;
    (void)strtoull(text, &second, 10);
    return strtoull(second, NULL, 10);
}

void dg_load_usage_read(struct dg_load_usage *ret)
{
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) == 0)
        ret->cpu = time_of(&usage);
    ret->waited = waited();
}

dg_time dg_load_usage_of_process(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? time_of(&usage) : 0;
}
