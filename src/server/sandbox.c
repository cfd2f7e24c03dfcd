// SPDX-License-Identifier: GPL-3.0-or-later
// Goes through every option that names a file. What a reload may read are the folders of today's files, since whoever
// replaces a file writes a new one beside it, and the folders that symbolic links lead to.
#include "server/sandbox.h"

#include "base/log.h"
#include "credentials/file_name.h"
#include "host/confine.h"
#include "server/administration.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNIX_PREFIX "unix:"

struct paths {
    struct dg_confine_path *items;
    size_t count, capacity;
    bool is_short; // of memory
};

// Of this process, from before its second thread; none: nothing stands in the way.
static struct paths in_force;

static void clear(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free((char *)(uintptr_t)paths->items[i].path);
    free(paths->items);
    *paths = (struct paths){0};
}

static void add(struct paths *paths, const char *path, enum dg_landlock_access access)
{
    if (paths->count == paths->capacity) {
        size_t more = paths->capacity ? 2 * paths->capacity : 64;
        struct dg_confine_path *grown = realloc(paths->items, more * sizeof *grown);
        if (!grown) {
            paths->is_short = true;
            return;
        }
        paths->items = grown;
        paths->capacity = more;
    }
    char *copy = strdup(path);
    if (!copy)
        paths->is_short = true;
    else
        paths->items[paths->count++] = (struct dg_confine_path){copy, access};
}

static void add_folder_of(struct paths *paths, const char *file, enum dg_landlock_access access)
{
    char copy[PATH_MAX], real[PATH_MAX];
    if (strlen(file) >= sizeof copy)
        return; // no kernel opens that
    memcpy(copy, file, strlen(file) + 1);
    add(paths, dirname(copy), access);
    if (realpath(file, real))
        add(paths, dirname(real), access);
}

// Open already, or the keeper's: no folder of theirs is needed any more.
static bool is_needed(const struct dg_option *option)
{
    static const char *const others[] = {"key-log", "binary", "upgrade-socket"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(option->name, others[i]) == 0)
            return false;
    return true;
}

static void add_value(struct paths *paths, const struct dg_option *option, const char *value)
{
    char path[DG_FILE_NAME_MAX], error[256];
    bool is_socket = strcmp(option->argument, "PATH") == 0;
    if (strncmp(value, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        add_folder_of(paths, value + strlen(UNIX_PREFIX), DG_LANDLOCK_SOCKETS);
    else if (is_socket && dg_option_is_nowhere(value))
        return;
    else if (!dg_option_is_file(option) || !is_needed(option) || !dg_file_name(value, path, error, sizeof error))
        return; // whoever opens the file has said why not
    else if (strcmp(option->name, "sandbox-path") == 0)
        add(paths, path, DG_LANDLOCK_READ);
    else
        add_folder_of(paths, path, is_socket ? DG_LANDLOCK_SOCKETS : DG_LANDLOCK_READ);
}

static void add_options(struct paths *paths, const struct dg_option_table *table, const void *options)
{
    char value[DG_OPTION_TEXT];
    for (size_t row = 0; row < table->count; row++) {
        if (table->rows[row].kind != DG_OPTION_KIND_TEXT && table->rows[row].kind != DG_OPTION_KIND_TEXTS)
            continue;
        for (size_t i = 0; dg_option_value(&table->rows[row], options, i, value); i++)
            add_value(paths, &table->rows[row], value);
    }
}

static void add_configuration(struct paths *paths, const struct dg_config *config)
{
    if (config->path[0])
        add_folder_of(paths, config->path, DG_LANDLOCK_READ);
    char control[DG_OPTION_TEXT];
    if (dg_administration_path(&config->process, control))
        add_folder_of(paths, control, DG_LANDLOCK_SOCKETS);
    add_options(paths, &dg_options_table_process, &config->process);
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct dg_config_listener *listener = &config->listeners[i];
        add_options(paths, &dg_options_table_listener, &listener->options);
        for (size_t j = 0; j < listener->certificate_count; j++)
            add_options(paths, &dg_config_table_certificate, &listener->certificates[j]);
    }
}

static void report(const struct dg_config *config, const struct dg_confined *confined)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_INFO, "sandbox");
    dg_log_text(&line, "user", confined->changed_user ? config->process.user : confined->runs_as_root ? "root" : "unchanged");
    dg_log_u64(&line, "landlock", confined->landlock);
    dg_log_text(&line, "seccomp", confined->seccomp ? "yes" : "no");
    dg_log_end(&line);
    if (!confined->runs_as_root)
        return;
    dg_log_begin(&line, DG_LOG_WARNING, "runs-as-root");
    dg_log_text(&line, "reason", "the server needs nothing of root's once it has its sockets: give --user, or start it as "
                                 "another user (packaging/dtlsgate.service does)");
    dg_log_end(&line);
}

bool dg_server_confine(const struct dg_config *config, char *error, size_t error_size)
{
    struct dg_user user;
    bool changes_user = config->process.user[0] && dg_privilege_is_root();
    if (changes_user && !dg_user_find(config->process.user, &user, error, error_size))
        return false;
    struct paths paths = {0};
    add_configuration(&paths, config);
    const struct dg_confine_config how = {
        .user = changes_user ? &user : NULL,
        .is_required = config->process.sandbox == DG_SANDBOX_REQUIRE,
        .is_off = config->process.sandbox == DG_SANDBOX_NONE,
        .paths = paths.items,
        .path_count = paths.count,
    };
    struct dg_confined confined;
    bool done = !paths.is_short && dg_confine(&how, &confined, error, error_size);
    if (done)
        report(config, &confined);
    else if (paths.is_short)
        snprintf(error, error_size, "memory is short for the sandbox");
    if (done && confined.landlock > 0)
        in_force = paths;
    else
        clear(&paths);
    return done;
}

static bool is_below(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    while (size > 0 && folder[size - 1] == '/')
        size--;
    return strncmp(path, folder, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

static bool is_in_reach(const char *path)
{
    for (size_t i = 0; i < in_force.count; i++)
        if (in_force.items[i].access == DG_LANDLOCK_READ && is_below(path, in_force.items[i].path))
            return true;
    return in_force.count == 0;
}

bool dg_server_leaves_sandbox(const struct dg_config *config, char *folder, size_t folder_size)
{
    struct paths wanted = {0};
    bool is_beyond = false;
    add_configuration(&wanted, config);
    for (size_t i = 0; i < wanted.count && !is_beyond; i++) {
        is_beyond = wanted.items[i].access == DG_LANDLOCK_READ && !is_in_reach(wanted.items[i].path);
        if (is_beyond)
            snprintf(folder, folder_size, "%s", wanted.items[i].path);
    }
    clear(&wanted);
    return is_beyond;
}

static void report_not_given(const struct dg_options *options, const char *path, int error)
{
    char reason[256];
    snprintf(reason, sizeof reason, "%s: it stays root's, and nobody but root is heard there; CapabilityBoundingSet= wants "
             "CAP_CHOWN for it", strerror(error));
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_WARNING, "socket-not-given");
    dg_log_text(&line, "path", path);
    dg_log_text(&line, "user", options->user);
    dg_log_text(&line, "reason", reason);
    dg_log_end(&line);
}

void dg_server_give_to_user(const struct dg_options *options, const char *path)
{
    struct dg_user user;
    char error[256];
    if (options->user[0] && dg_privilege_is_root() && dg_user_find(options->user, &user, error, sizeof error) &&
        lchown(path, user.uid, user.gid) != 0)
        report_not_given(options, path, errno);
}
