// SPDX-License-Identifier: GPL-3.0-or-later
// Which system calls a serving process can still make (seccomp(2)): those of a server that runs, none that start programs
// or look into other processes. Owns the list; never decides whether it is used.
#ifndef DG_HOST_SECCOMP_H
#define DG_HOST_SECCOMP_H

#include "base/attributes.h"

#include <stdbool.h>

// Built with sanitizers: they make system calls of their own, so there is no filter then.
bool dg_seccomp_is_possible(void);
// From here on, for this thread and those that it starts: other calls fail with EPERM. PR_SET_NO_NEW_PRIVS must be set.
// False: not in force.
DG_MUST_USE bool dg_seccomp_shut(void);

#endif
