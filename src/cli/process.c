// SPDX-License-Identifier: GPL-3.0-or-later
// Standard streams, limits and dumps of this process. Owns nothing.
#include "cli/process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

bool dg_process_open_standard_streams(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR); // the lowest that is free
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

void dg_process_raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); // fewer talking associations, else nothing
}

// Secrets stay out of core dumps: there are none. Whoever takes one by force, as root can, gets one without
// our memory unless he overrides the filter as well (docs/threat-model.md). Best effort, each of the three.
void dg_process_forbid_core_dumps(void)
{
    int filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    if (filter >= 0) {
        (void)!write(filter, "0", 1);
        close(filter);
    }
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
}
