// SPDX-License-Identifier: GPL-3.0-or-later
//
// A network of a test program's own. It knows nothing of cases; check.c asks for one before the first.

#ifndef DG_TESTS_OWN_NETWORK_H
#define DG_TESTS_OWN_NETWORK_H

#include <stdbool.h>

// Where the host allows it (root, or CAP_SYS_ADMIN), leaves the host's network for one with a loopback interface only:
// the kernel gives a port that one program has let go to the next that asks, and what is still on its way to the former
// comes to the latter; tests that run at the same time must not meet like that. Returns whether it did. Threads that
// already run stay where they are. DG_TEST_NETWORK=host in the environment: the host's network.
bool own_network_enter(void);

#endif
