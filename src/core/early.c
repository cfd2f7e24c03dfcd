// SPDX-License-Identifier: GPL-3.0-or-later
// The pool behind early application data: one allocation, a chain of buffers that were used before, and those that
// never were, whose memory is touched by nobody. Never grows.
#include "core/early.h"

#include <stdlib.h>
#include <string.h>

bool dg_early_init(struct dg_early *early, uint16_t count)
{
    early->buffers = calloc(count > 0 ? count : 1, sizeof *early->buffers);
    if (early->buffers == NULL) {
        return false;
    }
    early->count = count;
    early->unused_first = DG_EARLY_NONE;
    early->fresh = 0;
    return true;
}

void dg_early_clear(struct dg_early *early)
{
    free(early->buffers);
    *early = (struct dg_early){0};
}

uint16_t dg_early_put(struct dg_early *early, const uint8_t *record, size_t size)
{
    bool is_fresh = early->unused_first == DG_EARLY_NONE;
    uint16_t place = is_fresh ? early->fresh : early->unused_first;
    if (place == early->count || size > DG_EARLY_BUFFER_BYTES) {
        return DG_EARLY_NONE;
    }
    struct dg_early_buffer *buffer = &early->buffers[place];
    if (is_fresh) {
        early->fresh++;
    } else {
        early->unused_first = buffer->next;
    }
    buffer->size = (uint16_t)size;
    memcpy(buffer->bytes, record, size);
    return place;
}

struct dg_bytes dg_early_borrow(const struct dg_early *early, uint16_t buffer)
{
    return (struct dg_bytes){.data = early->buffers[buffer].bytes, .size = early->buffers[buffer].size};
}

void dg_early_free(struct dg_early *early, uint16_t buffer)
{
    early->buffers[buffer].next = early->unused_first;
    early->unused_first = buffer;
}
