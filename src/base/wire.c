// SPDX-License-Identifier: GPL-3.0-or-later
// Length fields that are known only when what follows them is written. Never allocates, never writes outside of the
// block that the writer was made of, never knows a protocol.
#include "base/wire.h"

void dg_write_zeros(struct dg_writer *writer, size_t size_bytes)
{
    uint8_t *room = dg_writer_take(writer, size_bytes);
    if (room != NULL && size_bytes > 0) {
        memset(room, 0, size_bytes);
    }
}

size_t dg_write_open(struct dg_writer *writer, unsigned width_bytes)
{
    DG_BUG_UNLESS(width_bytes >= 1 && width_bytes <= 3);
    size_t place = dg_writer_size(writer);
    dg_write_zeros(writer, width_bytes);
    return place;
}

void dg_write_close(struct dg_writer *writer, size_t place, unsigned width_bytes)
{
    if (writer->failed) {
        return;
    }
    DG_BUG_UNLESS(width_bytes >= 1 && width_bytes <= 3);
    size_t size = dg_writer_size(writer);
    DG_BUG_UNLESS(place <= size && width_bytes <= size - place);
    uint64_t length = size - place - width_bytes;
    if (length >> (8 * width_bytes) != 0) {
        writer->failed = true;
        return;
    }
    struct dg_writer field = dg_writer_of(writer->begin + place, width_bytes);
    for (unsigned i = width_bytes; i > 0; i--) {
        dg_write_u8(&field, (uint8_t)(length >> (8 * (i - 1))));
    }
}
