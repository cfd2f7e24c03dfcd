// SPDX-License-Identifier: GPL-3.0-or-later
// Metrics and status over HTTP, at a Unix socket or on loopback: GET /metrics, /status.json and /healthz, nothing else.
// What listens on TCP has no way to ask who asks, so only what metrics.h shows is there. A thread of its own, few
// connections with short time-outs. The one file that knows the HTTP library is http.c.
#ifndef DG_ADMIN_HTTP_H
#define DG_ADMIN_HTTP_H

#include "admin/metrics.h"
#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

struct dg_http;

struct dg_http_config {
    const char *address; // unix:PATH or ADDR:PORT, of loopback
    void *context;
    void (*view)(void *context, struct dg_metrics *ret); // from the HTTP thread, until dg_http_free has returned
    bool (*is_healthy)(void *context);                   // the same
    void (*begin)(void);                                 // in that thread, before it serves anybody; may be NULL
};

// Listens from then on; who asks waits. NULL: error says why not.
struct dg_http *dg_http_new(const struct dg_http_config *config, char *error, size_t error_size);
// Starts the thread that answers. False: error says why not.
DG_MUST_USE bool dg_http_start(struct dg_http *http, char *error, size_t error_size);
void dg_http_free(struct dg_http *http); // NULL is fine; removes its Unix socket, and nobody else's
// The path of its Unix socket; NULL: it is no such.
const char *dg_http_path(const struct dg_http *http);
// Where it listens; of a Unix socket, 0.
uint16_t dg_http_port(const struct dg_http *http);

#endif
