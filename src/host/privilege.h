// SPDX-License-Identifier: GPL-3.0-or-later
// Which user this process runs as, and what it may do beyond other users. A server that was started by root becomes
// somebody else once its sockets are bound and its files are read. What is left to the threads that reload is to read
// files that only root may: asleep, but for the moment of reading. Never decides when.
#ifndef DG_HOST_PRIVILEGE_H
#define DG_HOST_PRIVILEGE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct dg_user {
    uid_t uid;
    gid_t gid; // its own group; supplementary ones are given up
};

// name: of a user, or its number. False: error says that there is none, or that it is root; what looks like a key is none.
DG_MUST_USE bool dg_user_find(const char *name, struct dg_user *ret, char *error, size_t error_size);
bool dg_privilege_is_root(void);

// Becomes this user for good, without a way back, while the process has one thread. keep_reading: the thread that calls
// keeps CAP_DAC_READ_SEARCH, asleep, and threads that it starts inherit it until they forget it. False: error says what
// did not work; the process is then in between and must end.
DG_MUST_USE bool dg_privilege_drop(const struct dg_user *user, bool keep_reading, char *error, size_t error_size);
// The thread that calls gives up for good what it may do beyond other users. Nothing for root, which has not changed its user.
void dg_privilege_forget(void);
// The same, at the beginning of a thread that never reads a file, where dg_privilege_drop has left it something.
void dg_privilege_begin_serving(void);
// Between the two the thread that calls may read every file, if it has kept that; else nothing changes. They nest not.
void dg_privilege_wake_reading(void);
void dg_privilege_end_reading(void);

#endif
