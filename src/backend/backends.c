// SPDX-License-Identifier: GPL-3.0-or-later
// A row for each backend, written once before its number is given to anybody. The UDP services of a worker share one pool,
// which that worker makes when it has the first of them.
#include "backend/backends.h"

#include "backend/echo.h"
#include "backend/proxy.h"
#include "backend/udp.h"
#include "io/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 512
#define WORKERS_MAX 64

enum kind { ECHO, CALLBACK, UDP, PROXY_UDP, PROXY_UNIX };

struct row {
    char text[TEXT_MAX];
    enum kind kind;
    struct dg_address target;
    char path[DG_PROXY_PATH_MAX];
};

struct dg_backends {
    struct dg_backends_config config;
    uint16_t count;
    struct row rows[DG_BACKENDS_MAX];
    struct dg_port_set reserved; // as the host had it before the process confined itself
    struct dg_udp_pool *pools[WORKERS_MAX]; // each its worker's
};

struct dg_backends *dg_backends_new(const struct dg_backends_config *config)
{
    DG_BUG_UNLESS(config->worker_count <= WORKERS_MAX);
    struct dg_backends *backends = calloc(1, sizeof *backends);
    if (backends == NULL)
        return NULL;
    backends->config = *config;
    dg_backend_udp_reserved(&backends->reserved);
    return backends;
}

void dg_backends_free(struct dg_backends *backends)
{
    for (size_t i = 0; backends != NULL && i < WORKERS_MAX; i++)
        dg_udp_pool_put(backends->pools[i]);
    free(backends);
}

// --- texts -----------------------------------------------------------------------------------------------

// What stands behind a prefix; NULL: it begins otherwise.
static const char *behind(const char *text, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

static bool is_host_and_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    return colon != NULL && colon != text && colon[1] != '\0';
}

bool dg_backends_is_text(const char *text)
{
    const char *rest = behind(text, "udp:") != NULL ? behind(text, "udp:") : behind(text, "proxy-udp:");
    if (rest != NULL)
        return is_host_and_port(rest);
    rest = behind(text, "proxy-unix:");
    return rest != NULL ? rest[0] == '/' : strcmp(text, "echo") == 0 || strcmp(text, "callback") == 0;
}

static bool resolve(const char *where, struct row *row, char *error, size_t error_size)
{
    char host[DG_HOST_MAX], why[DG_HOST_MAX + 128];
    if (dg_resolve(where, &row->target, host, why, sizeof why))
        return true;
    snprintf(error, error_size, "backend %.80s: %s", row->text, why);
    return false;
}

// A name without a path could be taken by any program of the host while the service is down, and with it the plaintext.
static bool take_path(const char *path, struct row *row, char *error, size_t error_size)
{
    if (path[0] != '/' || strlen(path) >= sizeof row->path) {
        snprintf(error, error_size, "backend %.200s: expected the absolute path of a Unix datagram socket, of at most %zu bytes",
                 row->text, sizeof row->path - 1);
        return false;
    }
    snprintf(row->path, sizeof row->path, "%s", path);
    return true;
}

static bool parse(const struct dg_backends *backends, const char *text, struct row *row, char *error, size_t error_size)
{
    const char *rest;
    snprintf(row->text, sizeof row->text, "%s", text);
    if (strcmp(text, "echo") == 0) {
        row->kind = ECHO;
        return true;
    }
    if (strcmp(text, "callback") == 0 && backends->config.callback != NULL) {
        row->kind = CALLBACK;
        return true;
    }
    if ((rest = behind(text, "udp:")) != NULL) {
        row->kind = UDP;
        return resolve(rest, row, error, error_size);
    }
    if ((rest = behind(text, "proxy-udp:")) != NULL) {
        row->kind = PROXY_UDP;
        return resolve(rest, row, error, error_size);
    }
    if ((rest = behind(text, "proxy-unix:")) != NULL) {
        row->kind = PROXY_UNIX;
        return take_path(rest, row, error, error_size);
    }
    snprintf(error, error_size, "found \"%.80s\", expected " DG_BACKENDS_EXPECTED "%s", text,
             strcmp(text, "callback") == 0 ? " (callback is for programs that give one to dtlsgate_server_new)" : "");
    return false;
}

static bool may_go_there(const struct row *row, bool allow_beyond_loopback, char *error, size_t error_size)
{
    if (allow_beyond_loopback || (row->kind != UDP && row->kind != PROXY_UDP) || dg_address_is_loopback(&row->target))
        return true;
    snprintf(error, error_size,
             "backend %.80s is not on this host: the way to it is neither encrypted nor authenticated; say backend-network any "
             "if that network is trusted",
             row->text);
    return false;
}

bool dg_backends_number(struct dg_backends *backends, const char *text, bool allow_beyond_loopback,
                        uint16_t *ret_number, char *error, size_t error_size)
{
    uint16_t number = 0;
    while (number < backends->count && strcmp(backends->rows[number].text, text) != 0)
        number++;
    if (number == DG_BACKENDS_MAX) {
        snprintf(error, error_size, "backend %.80s: %d different backends are known already, and stay known until the next start",
                 text, DG_BACKENDS_MAX);
        return false;
    }
    if (number == backends->count) {
        struct row row = {.kind = ECHO};
        if (strlen(text) >= sizeof row.text) {
            snprintf(error, error_size, "backend %.80s...: longer than %zu bytes", text, sizeof row.text - 1);
            return false;
        }
        if (!parse(backends, text, &row, error, error_size) ||
            !may_go_there(&row, allow_beyond_loopback, error, error_size))
            return false;
        backends->rows[number] = row;
        backends->count++;
    }
    *ret_number = number;
    return may_go_there(&backends->rows[number], allow_beyond_loopback, error, error_size);
}

const char *dg_backends_text(const struct dg_backends *backends, uint16_t number)
{
    return number < DG_BACKENDS_MAX ? backends->rows[number].text : "";
}

// --- objects ---------------------------------------------------------------------------------------------

static struct dg_udp_pool *pool_of(struct dg_backends *backends, uint32_t worker, struct dg_counters *counters,
                                   char *error, size_t error_size)
{
    if (backends->pools[worker] != NULL)
        return backends->pools[worker];
    struct dg_backend_udp_config config = dg_backend_udp_config_default();
    config.allow_beyond_loopback = true; // asked when the number was given
    config.worker = worker;
    config.worker_count = backends->config.worker_count;
    config.ports = backends->config.ports;
    config.quarantine = backends->config.rest;
    config.hold = backends->config.hold;
    config.book = backends->config.book;
    config.reserved = &backends->reserved;
    backends->pools[worker] = dg_udp_pool_new(&config, counters, error, error_size);
    return backends->pools[worker];
}

static struct dg_backend make_udp(struct dg_backends *backends, uint16_t number, const struct dg_backend_sink *sink,
                                  uint32_t worker, struct dg_counters *counters, char *error, size_t error_size)
{
    struct dg_udp_pool *pool = pool_of(backends, worker, counters, error, error_size);
    if (pool == NULL)
        return (struct dg_backend){0};
    return dg_udp_pool_target(pool, number, &backends->rows[number].target, sink, error, error_size);
}

static struct dg_backend make_proxy(const struct row *row, const struct dg_backend_sink *sink,
                                    struct dg_counters *counters, char *error, size_t error_size)
{
    struct dg_backend_proxy_config config = {.is_unix = row->kind == PROXY_UNIX, .target = row->target};
    memcpy(config.path, row->path, sizeof config.path);
    return dg_backend_proxy_new(&config, sink, counters, error, error_size);
}

struct dg_backend dg_backends_make(void *context, uint16_t number, const struct dg_backend_sink *sink, uint32_t worker,
                                   uint32_t worker_count, struct dg_counters *counters, char *error, size_t error_size)
{
    struct dg_backends *backends = context;
    const struct row *row = &backends->rows[number];
    struct dg_backend backend = {0};
    DG_BUG_UNLESS(worker < WORKERS_MAX && worker_count == backends->config.worker_count);
    snprintf(error, error_size, "memory is short for the backend");
    switch (row->kind) {
    case ECHO:
        return dg_backend_echo_new(sink);
    case CALLBACK:
        return backends->config.callback(backends->config.callback_context, sink);
    case UDP:
        return make_udp(backends, number, sink, worker, counters, error, error_size);
    case PROXY_UDP:
    case PROXY_UNIX:
        return make_proxy(row, sink, counters, error, error_size);
    }
    return backend;
}
