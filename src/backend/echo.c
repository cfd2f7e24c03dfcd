// SPDX-License-Identifier: GPL-3.0-or-later
// Answers each delivery at once, from inside it. Never needs a descriptor or the clock.
#include "backend/echo.h"

#include <stdlib.h>

struct echo {
    struct dg_backend_sink sink;
};

static void echo_deliver(void *backend, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct echo *echo = backend;
    (void)echo->sink.answer(echo->sink.context, now, ref, data, size);
}

static void echo_closed(void *backend, dg_time now, struct dg_ref ref)
{
    (void)backend;
    (void)now;
    (void)ref;
}

static int echo_descriptor(void *backend)
{
    (void)backend;
    return -1;
}

static void echo_ready(void *backend, dg_time now)
{
    (void)backend;
    (void)now;
}

static dg_time echo_deadline(void *backend)
{
    (void)backend;
    return DG_NEVER;
}

static void echo_advance(void *backend, dg_time now)
{
    (void)backend;
    (void)now;
}

static void echo_free(void *backend) { free(backend); }

static const struct dg_backend_ops echo_ops = {
    .deliver = echo_deliver,
    .closed = echo_closed,
    .descriptor = echo_descriptor,
    .ready = echo_ready,
    .deadline = echo_deadline,
    .advance = echo_advance,
    .free = echo_free,
};

struct dg_backend dg_backend_echo_new(const struct dg_backend_sink *sink)
{
    struct echo *echo = calloc(1, sizeof *echo);
    if (echo != NULL) {
        echo->sink = *sink;
    }
    return (struct dg_backend){.ops = &echo_ops, .self = echo};
}
