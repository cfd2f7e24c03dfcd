// SPDX-License-Identifier: GPL-3.0-or-later
// The two ends of `dtlsgate upgrade`: a local socket at which to connect is to ask, and the program that is then started.
// Nothing that a caller says is read: which program it is comes from the configuration alone.
#ifndef DG_KEEPER_UPGRADE_H
#define DG_KEEPER_UPGRADE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

#define DG_UPGRADE_ANSWER 512
#define DG_UPGRADE_DONE "done"

// Listens at path, which only this user and root can reach. -1: error says why.
int dg_upgrade_listen(const char *path, char *error, size_t error_size);
// The next caller, close-on-exec. -1: none, or not this user nor root.
int dg_upgrade_accept(int listener);
// Answers and closes; fd -1 is fine.
void dg_upgrade_answer(int fd, const char *answer);
// Opens the program to start, for execveat alone. Refuses what somebody else could have put there: it must be a file that
// root or this user owns and that nobody else may write. -1: error says why.
int dg_upgrade_open_binary(const char *path, char *error, size_t error_size);

// The caller's side: asks at path and waits for the answer. False: nobody answered, and answer says why.
DG_MUST_USE bool dg_upgrade_ask(const char *path, char answer[DG_UPGRADE_ANSWER]);

#endif
