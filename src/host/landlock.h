// SPDX-License-Identifier: GPL-3.0-or-later
// Which files this process can still reach: a Landlock rule set (landlock(7)), where the kernel has it. Collects folders and
// files first, then shuts. Never opens what it is told of for reading.
#ifndef DG_HOST_LANDLOCK_H
#define DG_HOST_LANDLOCK_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

enum dg_landlock_access {
    DG_LANDLOCK_READ,    // files and what lies below folders
    DG_LANDLOCK_SOCKETS, // a folder: sockets are made in it and removed, and nothing there is read
    DG_LANDLOCK_WRITE,   // a file is read and written, or what lies below a folder
};

struct dg_landlock {
    int fd;           // -1: the kernel has none
    uint32_t version; // of the kernel's interface, 0: none
};

void dg_landlock_begin(struct dg_landlock *landlock);
// path: what is not there is no rule. False: the kernel refused it.
DG_MUST_USE bool dg_landlock_allow(struct dg_landlock *landlock, const char *path, enum dg_landlock_access access);
// From here on, for this thread and those that it starts. False: not shut. PR_SET_NO_NEW_PRIVS must be set.
DG_MUST_USE bool dg_landlock_shut(const struct dg_landlock *landlock);
void dg_landlock_end(struct dg_landlock *landlock); // closes what it has open

#endif
