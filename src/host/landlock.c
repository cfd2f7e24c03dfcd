// SPDX-License-Identifier: GPL-3.0-or-later
// The three system calls of Landlock; the C library has no functions for them.
#include "host/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14) // Linux 6.2
#endif
#define KNOWS_TRUNCATE 3 // from this version on

#define READ_FILE LANDLOCK_ACCESS_FS_READ_FILE
#define READ_FOLDER (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define SOCKETS (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define WRITE (READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
// Everything that the first version knows: what a rule does not allow is refused.
#define HANDLED                                                                                                   \
    (READ_FOLDER | WRITE | SOCKETS | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_EXECUTE |                      \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                    \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

void dg_landlock_begin(struct dg_landlock *landlock)
{
    *landlock = (struct dg_landlock){.fd = -1};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return;
    // Opening for reading alone may empty a file all the same, where that is no right of its own.
    const struct landlock_ruleset_attr handled = {
        .handled_access_fs = HANDLED | (version >= KNOWS_TRUNCATE ? LANDLOCK_ACCESS_FS_TRUNCATE : 0),
    };
    // The first version's size: files are all that we ask for. A file is moved to another folder by nobody, asked or not.
    landlock->fd = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled.handled_access_fs, 0);
    landlock->version = landlock->fd >= 0 ? (uint32_t)version : 0;
}

static uint64_t rights(enum dg_landlock_access access, bool is_folder)
{
    switch (access) {
    case DG_LANDLOCK_READ:
        return is_folder ? READ_FOLDER : READ_FILE;
    case DG_LANDLOCK_SOCKETS:
        return is_folder ? SOCKETS : 0;
    case DG_LANDLOCK_WRITE:
        return WRITE;
    }
    DG_BUG("a kind of access that is none");
}

bool dg_landlock_allow(struct dg_landlock *landlock, const char *path, enum dg_landlock_access access)
{
    if (landlock->fd < 0)
        return true;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return true;
    struct stat facts;
    bool done = fstat(fd, &facts) == 0;
    if (done && rights(access, S_ISDIR(facts.st_mode)) != 0) {
        const struct landlock_path_beneath_attr rule = {.allowed_access = rights(access, S_ISDIR(facts.st_mode)),
                                                        .parent_fd = fd};
        done = syscall(SYS_landlock_add_rule, landlock->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    }
    close(fd);
    return done;
}

bool dg_landlock_shut(const struct dg_landlock *landlock)
{
    return landlock->fd >= 0 && syscall(SYS_landlock_restrict_self, landlock->fd, 0) == 0;
}

void dg_landlock_end(struct dg_landlock *landlock)
{
    if (landlock->fd >= 0)
        close(landlock->fd);
    landlock->fd = -1;
}
