// SPDX-License-Identifier: GPL-3.0-or-later
// setresuid and the capability system calls. Capabilities are each thread's own; user and group are the process'.
#include "host/privilege.h"

#include "base/looks_secret.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME_SHOWN 80
// Stored before there is a second thread.
static bool has_kept_reading;

#define READING (UINT32_C(1) << CAP_DAC_READ_SEARCH)

// Of the 64 capabilities the kernel takes two words; all that we know are in the first.
static bool set_capabilities(uint32_t permitted, uint32_t effective)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct sets[2] = {{.permitted = permitted, .effective = effective}};
    return syscall(SYS_capset, &head, sets) == 0;
}

static uint32_t permitted(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}};
    return syscall(SYS_capget, &head, sets) == 0 ? sets[0].permitted : 0;
}

bool dg_privilege_is_root(void) { return geteuid() == 0; }

static bool find_number(const char *name, struct dg_user *ret)
{
    char *end = NULL;
    errno = 0;
    unsigned long number = strtoul(name, &end, 10);
    if (name[0] < '0' || name[0] > '9' || *end != '\0' || errno != 0 || number >= UINT32_MAX)
        return false;
    const struct passwd *entry = getpwuid((uid_t)number);
    *ret = (struct dg_user){(uid_t)number, entry ? entry->pw_gid : (gid_t)number};
    return true;
}

bool dg_user_find(const char *name, struct dg_user *ret, char *error, size_t error_size)
{
    if (dg_hides_secret(name)) {
        snprintf(error, error_size, "--user: found what looks like a key itself, which is not repeated here; expected the name of a "
                 "user");
        return false;
    }
    const struct passwd *entry = getpwnam(name);
    if (entry)
        *ret = (struct dg_user){entry->pw_uid, entry->pw_gid};
    else if (!find_number(name, ret)) {
        snprintf(error, error_size, "--user: found \"%.*s\", which is no user of this host; expected one, as systemd-sysusers "
                 "makes \"dtlsgate\" from packaging/dtlsgate.sysusers", NAME_SHOWN, name);
        return false;
    }
    if (ret->uid != 0 && ret->gid != 0)
        return true;
    snprintf(error, error_size, "--user: found \"%.*s\", which is root or has root's group; expected another user", NAME_SHOWN,
             name);
    return false;
}

static bool become(const struct dg_user *user)
{
    return setgroups(0, NULL) == 0 && setresgid(user->gid, user->gid, user->gid) == 0 &&
           setresuid(user->uid, user->uid, user->uid) == 0;
}

// Nobody comes back to root from here, not even by a program with set-user-ID.
static bool is_final(void)
{
    return setuid(0) != 0 && getuid() != 0 && geteuid() != 0;
}

bool dg_privilege_drop(const struct dg_user *user, bool keep_reading, char *error, size_t error_size)
{
    const char *step = "keeping the permission to read";
    bool done = !keep_reading || prctl(PR_SET_KEEPCAPS, 1) == 0;
    if (done) {
        step = "changing to the user";
        done = become(user);
    }
    if (done) {
        step = "giving up capabilities";
        done = set_capabilities(keep_reading ? READING : 0, 0) && prctl(PR_SET_KEEPCAPS, 0) == 0;
    }
    if (done) {
        step = "looking whether there is a way back to root";
        errno = EPERM;
        done = is_final();
    }
    // A change of user lets the process be dumped again as the host has set it (proc(5), suid_dumpable).
    has_kept_reading = done && keep_reading;
    if (done)
        (void)prctl(PR_SET_DUMPABLE, 0);
    else
        snprintf(error, error_size, "--user: %s did not work: %s; start as root, or without --user as the user itself", step,
                 strerror(errno));
    return done;
}

void dg_privilege_forget(void)
{
    if (!dg_privilege_is_root() && permitted() != 0)
        (void)set_capabilities(0, 0);
}

void dg_privilege_begin_serving(void)
{
    if (has_kept_reading)
        dg_privilege_forget();
}

// Capabilities that somebody else has given this process are not ours to change: those of a program that embeds the library.
static bool may_wake_reading(void) { return has_kept_reading && (permitted() & READING) != 0; }

void dg_privilege_wake_reading(void)
{
    if (may_wake_reading())
        (void)set_capabilities(READING, READING);
}

void dg_privilege_end_reading(void)
{
    if (may_wake_reading())
        (void)set_capabilities(READING, 0);
}
