// SPDX-License-Identifier: GPL-3.0-or-later
//
// A network namespace whose loopback interface is up, or the host's network as it was.

#include "own_network.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool raise_loopback(void)
{
    struct ifreq request = {.ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool done = false;

    memcpy(request.ifr_name, "lo", sizeof "lo");
    if (fd >= 0) {
        done = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
        close(fd);
    }
    return done;
}

bool own_network_enter(void)
{
    const char *wanted = getenv("DG_TEST_NETWORK");
    if (wanted != NULL && strcmp(wanted, "host") == 0)
        return false;
    int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (before < 0)
        return false;
    bool is_own = unshare(CLONE_NEWNET) == 0;
    if (is_own && !raise_loopback()) {
        is_own = false;
        if (setns(before, CLONE_NEWNET) != 0)
            abort(); // a network without loopback: no test could say anything
    }
    close(before);
    return is_own;
}
