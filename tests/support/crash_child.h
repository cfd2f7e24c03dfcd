// SPDX-License-Identifier: GPL-3.0-or-later
// A child that dies at a crash point, for tests that are linked with the engine that has them (core/crash_point.h).
// The memory that it leaves behind must be shared (MAP_SHARED). Looks at nothing.
#ifndef DG_TESTS_CRASH_CHILD_H
#define DG_TESTS_CRASH_CHILD_H

#include "check.h"
#include "core/crash_point.h"

#include <sys/wait.h>
#include <unistd.h>

#define CRASH_CHILD_DIED 42

static int crash_child_points_left;

static void crash_child_hook(enum dg_crash_point point)
{
    (void)point;
    if (crash_child_points_left-- == 0)
        _exit(CRASH_CHILD_DIED);
}

// Runs the act in a child that dies at its crash point of this number, from 0. False: the act has fewer points.
static inline bool dies_at(int point, void (*act)(void))
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        crash_child_points_left = point;
        dg_crash_hook = crash_child_hook;
        act();
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == CRASH_CHILD_DIED || WEXITSTATUS(status) == 0));
    return WEXITSTATUS(status) == CRASH_CHILD_DIED;
}

#endif
