// SPDX-License-Identifier: GPL-3.0-or-later
// The order of the steps: rules about folders while root may still enter them; then the user, since what follows forbids
// to change it; Landlock before the filter that forbids its calls.
#include "host/confine.h"

#include "host/seccomp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

// Names of hosts (getaddrinfo(3)) and the libraries that look them up, time zones, chance.
static const char *const usual[] = {
    "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services",
    "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/ld.so.cache", "/run/systemd/resolve", "/run/NetworkManager",
    "/run/resolvconf", "/lib", "/lib64", "/usr/lib",
    "/usr/lib64", "/usr/share/zoneinfo", "/dev/urandom", "/proc/self", "/sys/devices/system/cpu",
};

// False: something could not be made a rule.
static bool collect(const struct dg_confine_config *config, struct dg_landlock *landlock)
{
    dg_landlock_begin(landlock);
    bool done = dg_landlock_allow(landlock, "/dev/null", DG_LANDLOCK_WRITE);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        done = dg_landlock_allow(landlock, usual[i], DG_LANDLOCK_READ) && done;
    for (size_t i = 0; i < config->path_count; i++)
        done = dg_landlock_allow(landlock, config->paths[i].path, config->paths[i].access) && done;
    return done;
}

static bool refuse(char *error, size_t error_size, const char *what)
{
    snprintf(error, error_size, "--sandbox require: %s is not to be had on this kernel, or in this build; --sandbox auto does "
             "without", what);
    return false;
}

static bool give_up(const struct dg_user *user, struct dg_confined *ret, char *error, size_t error_size)
{
    if (!user)
        dg_privilege_forget(); // what binding took (CAP_NET_BIND_SERVICE), and nothing takes again
    else if (!dg_privilege_drop(user, true, error, error_size))
        return false;
    ret->changed_user = user != NULL;
    ret->runs_as_root = dg_privilege_is_root();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        return true;
    snprintf(error, error_size, "no new privileges: %s", strerror(errno));
    return false;
}

bool dg_confine(const struct dg_confine_config *config, struct dg_confined *ret, char *error, size_t error_size)
{
    *ret = (struct dg_confined){0};
    struct dg_landlock landlock = {.fd = -1};
    bool is_complete = !config->is_off && collect(config, &landlock); // folders that only root may enter, too
    bool done = give_up(config->user, ret, error, error_size);
    uint32_t version = landlock.version;
    if (done && is_complete && dg_landlock_shut(&landlock))
        ret->landlock = version;
    dg_landlock_end(&landlock);
    if (!done || config->is_off)
        return done;
    if (ret->landlock == 0 && config->is_required)
        return refuse(error, error_size, "Landlock");
    ret->seccomp = dg_seccomp_shut();
    return ret->seccomp || !config->is_required || refuse(error, error_size, "the filter of system calls");
}
