// SPDX-License-Identifier: GPL-3.0-or-later
// Calls the program with each datagram and takes its answers from inside the call. Owns what a
// dtlsgate_peer is: a view that lives as long as the call.
#include "server/callback_backend.h"

#include <stdlib.h>

struct callback_backend {
    struct dg_backend_sink sink;
    dtlsgate_datagram_callback callback;
    void *context;
};

struct dtlsgate_peer {
    const struct callback_backend *backend;
    struct dg_ref ref;
    dg_time now;
};

static void callback_deliver(void *self, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct callback_backend *backend = self;
    struct dtlsgate_peer peer = {.backend = backend, .ref = ref, .now = now};
    backend->callback(backend->context, &peer, data, size);
}

static void callback_closed(void *self, dg_time now, struct dg_ref ref)
{
    (void)self;
    (void)now;
    (void)ref;
}

static int callback_descriptor(void *self)
{
    (void)self;
    return -1;
}

static void callback_nothing(void *self, dg_time now)
{
    (void)self;
    (void)now;
}

static dg_time callback_deadline(void *self)
{
    (void)self;
    return DG_NEVER;
}

static const struct dg_backend_ops callback_ops = {
    .deliver = callback_deliver,
    .closed = callback_closed,
    .descriptor = callback_descriptor,
    .ready = callback_nothing,
    .deadline = callback_deadline,
    .advance = callback_nothing,
    .free = free,
};

struct dg_backend dg_backend_callback_new(const struct dg_backend_sink *sink, dtlsgate_datagram_callback callback,
                                          void *context)
{
    struct callback_backend *backend = calloc(1, sizeof *backend);
    if (backend)
        *backend = (struct callback_backend){.sink = *sink, .callback = callback, .context = context};
    return (struct dg_backend){.ops = &callback_ops, .self = backend};
}

bool dtlsgate_answer(const dtlsgate_peer *peer, const uint8_t *data, size_t size)
{
    const struct dg_backend_sink *sink = &peer->backend->sink;
    return sink->answer(sink->context, peer->now, peer->ref, data, size);
}

const uint8_t *dtlsgate_peer_identity(const dtlsgate_peer *peer, size_t *ret_size)
{
    const struct dg_backend_sink *sink = &peer->backend->sink;
    struct dg_bytes identity = sink->identity(sink->context, peer->ref);
    *ret_size = identity.size;
    return identity.data;
}

uint64_t dtlsgate_peer_association(const dtlsgate_peer *peer)
{
    return peer->ref.id;
}
