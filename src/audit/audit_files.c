// SPDX-License-Identifier: GPL-3.0-or-later
// Who can read and change the files that a configuration names, and itself. Reads nothing but their permissions.
#include "audit/audit_internal.h"

#include "credentials/file_name.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STRANGERS_WRITE (S_IWGRP | S_IWOTH)

bool dg_audit_read(const char *given, size_t size_max, struct dg_file *ret)
{
    char error[256];
    return given[0] && dg_file_read(given, "file", false, size_max, ret, error, sizeof error);
}

static bool is_secret(const char *option)
{
    static const char *const names[] = {"psk-file", "psk-store", "key", "ticket-keys", "key-log"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], option) == 0)
            return true;
    return false;
}

static bool is_ours(const struct stat *status)
{
    return status->st_uid == 0 || status->st_uid == geteuid();
}

static bool look_at_folder(const char *path, struct stat *ret)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    return stat(dirname(copy), ret) == 0;
}

// In a folder like /tmp others can make files, and only with its sticky bit not take ours away. Its owner can in any case.
static void audit_folder(const struct dg_auditing *auditing, const char *path, const struct stat *folder,
                         struct dg_config_place place)
{
    if ((folder->st_mode & STRANGERS_WRITE) && !(folder->st_mode & S_ISVTX))
        DG_FIND(auditing, FILE_WRITABLE, auditing->config->path, place, "%s: others may replace what is in its folder (mode %04o)",
                path, (unsigned)(folder->st_mode & 07777));
    if (!is_ours(folder))
        DG_FIND(auditing, FILE_OWNER, auditing->config->path, place, "%s: its folder belongs to user %u, who may replace it",
                path, (unsigned)folder->st_uid);
}

// The folder of its name, and where a symbolic link leads to another, that of the file itself.
static void audit_folders(const struct dg_auditing *auditing, const char *path, struct dg_config_place place)
{
    struct stat named, real_one;
    char *real = realpath(path, NULL);
    bool has_named = look_at_folder(path, &named);
    if (has_named)
        audit_folder(auditing, path, &named, place);
    if (real && look_at_folder(real, &real_one) &&
        !(has_named && real_one.st_dev == named.st_dev && real_one.st_ino == named.st_ino))
        audit_folder(auditing, real, &real_one, place);
    free(real);
}

static void audit_file(const struct dg_auditing *auditing, const char *option, const char *path,
                       struct dg_config_place place)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return; // a server that needs it refuses, and says why
    unsigned mode = (unsigned)(status.st_mode & 07777);
    bool may_group_read = dg_file_name_is_handed_over(path); // systemd's own way
    if (is_secret(option) && (mode & (may_group_read ? S_IRWXO | S_IWGRP : S_IRWXG | S_IRWXO)))
        DG_FIND(auditing, SECRET_READABLE, auditing->config->path, place, "%s: %s has mode %04o", option, path, mode);
    else if (mode & STRANGERS_WRITE)
        DG_FIND(auditing, FILE_WRITABLE, auditing->config->path, place, "%s: %s has mode %04o", option, path, mode);
    if (!is_ours(&status))
        DG_FIND(auditing, FILE_OWNER, auditing->config->path, place, "%s: %s belongs to user %u", option, path,
                (unsigned)status.st_uid);
    audit_folders(auditing, path, place);
}

static bool strangers_write(const char *folder, unsigned *ret_mode)
{
    struct stat status;
    if (stat(folder, &status) != 0)
        return false;
    *ret_mode = (unsigned)(status.st_mode & 07777);
    return status.st_mode & STRANGERS_WRITE;
}

static void audit_socket(const struct dg_auditing *auditing, const char *option, const char *path,
                         struct dg_config_place place)
{
    char copy[PATH_MAX];
    struct stat status;
    unsigned mode;
    if (dg_option_is_nowhere(path))
        return;
    snprintf(copy, sizeof copy, "%s", path);
    const char *folder = dirname(copy);
    if (stat(path, &status) == 0 && S_ISSOCK(status.st_mode) && (status.st_mode & (S_IRWXG | S_IRWXO)))
        DG_FIND(auditing, SOCKET_OPEN, auditing->config->path, place, "%s: %s has mode %04o", option, path,
                (unsigned)(status.st_mode & 07777));
    if (strangers_write(folder, &mode))
        DG_FIND(auditing, SOCKET_OPEN, auditing->config->path, place, "%s: others may write to %s (mode %04o)", option,
                folder, mode);
}

// What a service receives is plaintext, and what it says is believed.
static void audit_service(const struct dg_auditing *auditing, const char *backend, struct dg_config_place place)
{
    static const char prefix[] = "proxy-unix:";
    char copy[PATH_MAX];
    unsigned mode;
    if (strncmp(backend, prefix, sizeof prefix - 1) != 0)
        return;
    snprintf(copy, sizeof copy, "%s", backend + sizeof prefix - 1);
    const char *folder = dirname(copy);
    if (strangers_write(folder, &mode))
        DG_FIND(auditing, SERVICE_OPEN, auditing->config->path, place, "backend: %s: others may write to %s (mode %04o)",
                backend, folder, mode);
}

// places by row; where there is none, place.
static void audit_table(const struct dg_auditing *auditing, const struct dg_option_table *table, const void *options,
                        const struct dg_config_place *places, struct dg_config_place place)
{
    char value[DG_OPTION_TEXT], path[DG_FILE_NAME_MAX], error[256];
    for (size_t row = 0; row < table->count; row++) {
        const struct dg_option *option = &table->rows[row];
        struct dg_config_place here = places && places[row].line > 0 ? places[row] : place;
        if (!dg_option_is_file(option))
            continue;
        for (size_t i = 0; dg_option_value(option, options, i, value); i++) {
            if (!dg_file_name(value, path, error, sizeof error))
                continue;
            if (strcmp(option->argument, "PATH") == 0)
                audit_socket(auditing, option->name, path, here);
            else
                audit_file(auditing, option->name, path, here);
        }
    }
}

void dg_audit_files(const struct dg_auditing *auditing)
{
    const struct dg_config *config = auditing->config;
    const struct dg_config_place top = {config->path[0] ? 1 : 0, config->path[0] ? 1 : 0};
    if (config->path[0])
        audit_file(auditing, "the configuration", config->path, top);
    audit_table(auditing, &dg_options_table_process, &config->process, config->places, top);
    if (strncmp(config->process.metrics, "unix:", 5) == 0)
        audit_socket(auditing, "metrics", config->process.metrics + 5, dg_config_place_of(config, NULL, "metrics"));
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct dg_config_listener *listener = &config->listeners[i];
        audit_table(auditing, &dg_options_table_listener, &listener->options, listener->places, listener->place);
        audit_service(auditing, listener->options.backend, dg_config_place_of(config, listener, "backend"));
        for (size_t k = 0; k < listener->rule_count; k++)
            audit_service(auditing, listener->rules[k].backend, listener->rules[k].place);
        // The first pair stands among the listener's options.
        for (size_t k = 1; k < listener->certificate_count; k++)
            audit_table(auditing, &dg_config_table_certificate, &listener->certificates[k], NULL,
                        listener->certificates[k].place);
    }
}
