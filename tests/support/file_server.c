// SPDX-License-Identifier: GPL-3.0-or-later
// A server from a configuration file (file_server.h). Owns the folder.
#include "support/file_server.h"

#include "config/config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 160

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    perror(what);
    abort();
}

static void path_of(const struct file_server *gate, const char *name, char path[PATH_SIZE])
{
    demand((size_t)snprintf(path, PATH_SIZE, "%s/%s", gate->folder, name) < PATH_SIZE, name);
}

void file_server_prepare(struct file_server *gate)
{
    memset(gate, 0, sizeof *gate);
    snprintf(gate->folder, sizeof gate->folder, "/tmp/dtlsgate-files-XXXXXX");
    demand(mkdtemp(gate->folder) != NULL, "making a folder");
}

void file_server_write(const struct file_server *gate, const char *name, const char *format, ...)
{
    char path[PATH_SIZE], beside[PATH_SIZE];
    path_of(gate, name, path);
    path_of(gate, ".new", beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    demand(fd >= 0, beside);
    va_list arguments;
    va_start(arguments, format);
    demand(vdprintf(fd, format, arguments) >= 0 && close(fd) == 0 && rename(beside, path) == 0, path);
    va_end(arguments);
}

static struct dg_config *load(struct file_server *gate)
{
    static struct dg_config_errors errors;
    char path[PATH_SIZE];
    path_of(gate, FILE_SERVER_CONFIG, path);
    struct dg_config *config = dg_config_load(path, &errors);
    if (!config)
        snprintf(gate->error, sizeof gate->error, "%s", errors.texts[0]);
    return config;
}

bool file_server_start(struct file_server *gate)
{
    struct dg_config *config = load(gate);
    if (!config)
        return false;
    gate->server = dg_server_new_config(config, NULL, NULL, gate->error, sizeof gate->error);
    dg_config_free(config);
    if (gate->server && dg_server_start(gate->server, gate->error, sizeof gate->error))
        return true;
    file_server_stop(gate);
    return false;
}

bool file_server_reload(struct file_server *gate)
{
    struct dg_config *config = load(gate);
    if (!config)
        return false;
    bool done = dg_server_reload(gate->server, config, gate->error, sizeof gate->error);
    dg_config_free(config);
    return done;
}

uint16_t file_server_port(const struct file_server *gate, size_t address)
{
    return dg_server_port(gate->server, address);
}

bool file_server_counts(const struct file_server *gate, const char *counter, uint64_t number)
{
    for (int wait = 0; wait < 10000 && dg_server_counter(gate->server, counter) < number; wait++)
        usleep(1000);
    return dg_server_counter(gate->server, counter) == number;
}

void file_server_stop(struct file_server *gate)
{
    dg_server_free(gate->server);
    gate->server = NULL;
}

void file_server_free(struct file_server *gate)
{
    file_server_stop(gate);
    DIR *folder = opendir(gate->folder);
    demand(folder != NULL, gate->folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        (void)unlinkat(dirfd(folder), entry->d_name, 0); // but for "." and ".."
    closedir(folder);
    (void)rmdir(gate->folder);
}
