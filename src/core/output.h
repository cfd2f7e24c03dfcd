// SPDX-License-Identifier: GPL-3.0-or-later
// Where the engine and the front put outgoing datagrams: a batch owned by somebody else.
#ifndef DG_CORE_OUTPUT_H
#define DG_CORE_OUTPUT_H

#include "core/address.h"

#include <stddef.h>
#include <stdint.h>

struct dg_output {
    void *context;
    // Room for one datagram of up to capacity bytes, valid until commit; NULL: the batch is full and could
    // not be flushed, the caller counts DROP_SEND_FULL.
    uint8_t *(*reserve)(void *context, size_t capacity);
    // Queues the first size bytes of the room last reserved towards path->peer from path->local.
    void (*commit)(void *context, const struct dg_path *path, size_t size);
};

#endif
