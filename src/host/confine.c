// SPDX-License-Identifier: GPL-3.0-or-later
// The order of the steps: the user first, since the rest forbids it; Landlock before the filter that forbids its calls.
#include "host/confine.h"

#include "host/seccomp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

// Names of hosts (getaddrinfo(3)) and the libraries that look them up, time zones, chance.
static const char *const usual[] = {
    "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services",
    "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/ld.so.cache", "/run/systemd/resolve", "/lib", "/lib64", "/usr/lib",
    "/usr/lib64", "/usr/share/zoneinfo", "/dev/urandom", "/proc/self", "/sys/devices/system/cpu",
};

static bool shut_files(const struct dg_confine_config *config, struct dg_confined *ret)
{
    struct dg_landlock landlock;
    dg_landlock_begin(&landlock);
    bool done = dg_landlock_allow(&landlock, "/dev/null", DG_LANDLOCK_WRITE);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        done = dg_landlock_allow(&landlock, usual[i], DG_LANDLOCK_READ) && done;
    for (size_t i = 0; i < config->path_count; i++)
        done = dg_landlock_allow(&landlock, config->paths[i].path, config->paths[i].access) && done;
    uint32_t version = landlock.version;
    if (dg_landlock_shut(&landlock) && done)
        ret->landlock = version;
    return ret->landlock != 0;
}

static bool refuse(char *error, size_t error_size, const char *what)
{
    snprintf(error, error_size, "--sandbox require: %s is not to be had on this kernel, or in this build; --sandbox auto does "
             "without", what);
    return false;
}

bool dg_confine(const struct dg_confine_config *config, struct dg_confined *ret, char *error, size_t error_size)
{
    *ret = (struct dg_confined){.runs_as_root = dg_privilege_is_root()};
    if (config->user) {
        if (!dg_privilege_drop(config->user, true, error, error_size))
            return false;
        ret->changed_user = true;
        ret->runs_as_root = false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        snprintf(error, error_size, "no new privileges: %s", strerror(errno));
        return false;
    }
    if (config->is_off)
        return true;
    if (!shut_files(config, ret) && config->is_required)
        return refuse(error, error_size, "Landlock");
    ret->seccomp = dg_seccomp_shut();
    return ret->seccomp || !config->is_required || refuse(error, error_size, "the filter of system calls");
}
