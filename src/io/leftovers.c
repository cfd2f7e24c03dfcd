// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the rings to their end. Hand-overs carry keys: the buffer is shielded, and wiped when it is freed.
#include "io/leftovers.h"

#include "base/secret.h"

#include <string.h>

static void count(struct dg_counters *counters, uint32_t kind, const uint8_t *message, size_t size)
{
    struct dg_message_datagram head;
    if (kind == DG_MESSAGE_HANDOVER) {
        dg_count(counters, DG_COUNT_HANDOVERS_GIVEN_UP);
        return;
    }
    if (kind != DG_MESSAGE_DATAGRAM || size < sizeof head) {
        return;
    }
    memcpy(&head, message, sizeof head);
    dg_count(counters, DG_COUNT_DROP_STOPPED);
    if (head.is_rest == 0) {
        dg_datagrams_dropped(counters, DG_COUNT_DROP_STOPPED, 1);
    }
}

void dg_leftovers_count(struct dg_mesh *mesh, uint32_t thread_count, struct dg_counters *counters)
{
    uint8_t *message = dg_secret_new(DG_MESSAGE_BYTES_MAX);
    if (message == NULL) {
        return; // what is left is then in no sum
    }
    for (uint32_t to = 0; to < thread_count; to++) {
        uint32_t kind;
        size_t size;
        while (dg_mesh_get(mesh, to, &kind, message, &size)) {
            count(counters, kind, message, size);
        }
    }
    dg_secret_free(message, DG_MESSAGE_BYTES_MAX);
}
