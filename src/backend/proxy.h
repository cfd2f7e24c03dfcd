// SPDX-License-Identifier: GPL-3.0-or-later
// The backends `proxy-udp:HOST:PORT` and `proxy-unix:PATH`: all associations of a worker speak to the service over one
// socket, each datagram behind a header that says whose it is (proxy_header.h). Owns that socket and a bounded queue of
// what the service has not taken yet. Never blocks, never keeps anything for an association.
//
// What a service does not take, because it is slow or gone, is dropped and counted when the queue is full (BACKEND_FULL)
// or at once where nobody is there (BACKEND_ABSENT, BACKEND_UNREACHABLE): clients stay, and the next plaintext tries
// again. Answers are for the association that their header names, whatever addresses it says.
#ifndef DG_BACKEND_PROXY_H
#define DG_BACKEND_PROXY_H

#include "core/address.h"
#include "core/backend.h"
#include "core/counters.h"

#include <stdbool.h>
#include <stddef.h>

#define DG_PROXY_PATH_MAX 108 // bytes of a Unix socket's path with its NUL: the kernel's limit

struct dg_backend_proxy_config {
    bool is_unix;
    struct dg_address target;     // of proxy-udp
    char path[DG_PROXY_PATH_MAX]; // of proxy-unix, absolute
};

// The service need not be there yet. self is NULL: memory or descriptors are short. sink and config are copied; counters
// must outlive the backend.
struct dg_backend dg_backend_proxy_new(const struct dg_backend_proxy_config *config, const struct dg_backend_sink *sink,
                                       struct dg_counters *counters, char *error, size_t error_size);

#endif
