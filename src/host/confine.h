// SPDX-License-Identifier: GPL-3.0-or-later
// Puts a serving process into its sandbox, once everything is bound and opened and before its threads start: another
// user, no new privileges, the files that it needs, the system calls that it needs. Says what is in force.
#ifndef DG_HOST_CONFINE_H
#define DG_HOST_CONFINE_H

#include "host/landlock.h"
#include "host/privilege.h"

#include <stdbool.h>
#include <stddef.h>

struct dg_confine_path {
    const char *path;
    enum dg_landlock_access access;
};

struct dg_confine_config {
    const struct dg_user *user;           // NULL: as we are
    bool is_required;                     // without Landlock or seccomp there is no start
    bool is_off;                          // neither of them; the user is changed all the same
    const struct dg_confine_path *paths;  // beyond what every program needs
    size_t path_count;
};

struct dg_confined {
    bool changed_user;
    bool runs_as_root;
    uint32_t landlock; // version of the kernel's interface; 0: not in force
    bool seccomp;
};

// False: error says what did not work, and the process must end.
DG_MUST_USE bool dg_confine(const struct dg_confine_config *config, struct dg_confined *ret, char *error,
                            size_t error_size);

#endif
