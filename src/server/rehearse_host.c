// SPDX-License-Identifier: GPL-3.0-or-later
// What a start asks of the host, asked before there is no way back: an old server that has handed over is gone, and the next one
// reads the same configuration. Leaves nothing behind.
#include "host/landlock.h"
#include "host/privilege.h"
#include "host/seccomp.h"
#include "io/local_address.h"
#include "io/sockaddr.h"
#include "io/socket.h"
#include "server/administration.h"
#include "server/rehearse.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET "socket-"

static bool has_user(const struct dg_options *options, char *error, size_t error_size)
{
    struct dg_user user;
    return !options->user[0] || !dg_privilege_is_root() || dg_user_find(options->user, &user, error, error_size);
}

static bool has_sandbox(const struct dg_options *options, char *error, size_t error_size)
{
    struct dg_landlock landlock;
    if (options->sandbox != DG_SANDBOX_REQUIRE)
        return true;
    dg_landlock_begin(&landlock);
    bool is_there = landlock.version > 0 && dg_seccomp_is_possible();
    dg_landlock_end(&landlock);
    if (!is_there)
        snprintf(error, error_size, "--sandbox require: this kernel, or this build, lacks Landlock or the filter of system "
                 "calls; --sandbox auto does without");
    return is_there;
}

static bool is_handed_down(const struct dg_inheritance *inherited, const struct dg_address *wanted)
{
    for (size_t i = 0; i < inherited->count; i++) {
        union dg_sockaddr name;
        socklen_t size = sizeof name;
        struct dg_address bound;
        if (strncmp(inherited->items[i].name, SOCKET, strlen(SOCKET)) == 0 &&
            getsockname(inherited->items[i].fd, &name.any, &size) == 0 && dg_sockaddr_to(&name, size, &bound) &&
            dg_address_equal(&bound, wanted))
            return true;
    }
    return false;
}

static bool can_listen(const struct dg_config *config, const struct dg_inheritance *inherited, char *error,
                       size_t error_size)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct dg_address_list *list = &config->listeners[i].options.listen;
        for (uint32_t k = 0; k < list->count; k++) {
            struct dg_socket probe;
            if (list->items[k].port == 0 || is_handed_down(inherited, &list->items[k]))
                continue;
            if (!dg_socket_group_open(&list->items[k], &probe, 1, error, error_size))
                return false;
            dg_socket_group_close(&probe, 1);
        }
    }
    return true;
}

static bool can_bind_in(const char *option, const char *path, char *error, size_t error_size)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    const char *folder = dirname(copy);
    if (access(folder, W_OK | X_OK) == 0)
        return true;
    snprintf(error, error_size, "--%s %.200s: its folder: %s; expected one that exists and that the user who starts the server "
             "may write to", option, path, strerror(errno));
    return false;
}

static bool can_be_asked(const struct dg_options *options, char *error, size_t error_size)
{
    char control[DG_OPTION_TEXT], ignored[256];
    struct dg_local_address metrics = {0};
    if (dg_administration_path(options, control) && !can_bind_in("control-socket", control, error, error_size))
        return false;
    if (!options->metrics[0] || !dg_local_address_read("metrics", options->metrics, &metrics, ignored, sizeof ignored) ||
        !metrics.path)
        return true;
    return can_bind_in("metrics", metrics.path, error, error_size);
}

bool dg_server_rehearse_host(const struct dg_config *config, const struct dg_inheritance *inherited, char *error,
                             size_t error_size)
{
    const struct dg_options *options = &config->process;
    return has_user(options, error, error_size) && has_sandbox(options, error, error_size) &&
           can_listen(config, inherited, error, error_size) && can_be_asked(options, error, error_size);
}
