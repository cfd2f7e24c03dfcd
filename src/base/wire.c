// SPDX-License-Identifier: GPL-3.0-or-later
// The reader's and the writer's cursor over bytes that somebody else owns. Never allocates, never reads or
// writes outside of the block it was made of, never knows a protocol.
#include "base/wire.h"

#include <string.h>

// The next size_bytes bytes, or NULL when there are not that many or an earlier read failed.
static const uint8_t *reader_take(struct dg_reader *reader, size_t size_bytes)
{
    if (reader->failed || size_bytes > dg_reader_left(reader)) {
        reader->failed = true;
        reader->at = reader->end;
        return NULL;
    }
    const uint8_t *taken = reader->at;
    if (size_bytes > 0) {
        reader->at += size_bytes;
    }
    return taken;
}

static uint64_t read_number(struct dg_reader *reader, size_t width_bytes)
{
    const uint8_t *bytes = reader_take(reader, width_bytes);
    if (bytes == NULL) {
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < width_bytes; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

uint8_t dg_read_u8(struct dg_reader *reader)
{
    return (uint8_t)read_number(reader, 1);
}

uint16_t dg_read_u16(struct dg_reader *reader)
{
    return (uint16_t)read_number(reader, 2);
}

uint32_t dg_read_u24(struct dg_reader *reader)
{
    return (uint32_t)read_number(reader, 3);
}

uint32_t dg_read_u32(struct dg_reader *reader)
{
    return (uint32_t)read_number(reader, 4);
}

uint64_t dg_read_u48(struct dg_reader *reader)
{
    return read_number(reader, 6);
}

uint64_t dg_read_u64(struct dg_reader *reader)
{
    return read_number(reader, 8);
}

struct dg_bytes dg_read_bytes(struct dg_reader *reader, size_t size_bytes)
{
    const uint8_t *bytes = reader_take(reader, size_bytes);
    if (bytes == NULL) {
        // Points somewhere valid, so that a caller may make a reader of it without a thought.
        return (struct dg_bytes){.data = reader->end, .size = 0};
    }
    return (struct dg_bytes){.data = bytes, .size = size_bytes};
}

// A length that could not be read is 0, and the read behind it fails because the reader has.
static struct dg_bytes read_block(struct dg_reader *reader, size_t width_bytes)
{
    size_t size_bytes = (size_t)read_number(reader, width_bytes);
    return dg_read_bytes(reader, size_bytes);
}

struct dg_bytes dg_read_block8(struct dg_reader *reader)
{
    return read_block(reader, 1);
}

struct dg_bytes dg_read_block16(struct dg_reader *reader)
{
    return read_block(reader, 2);
}

struct dg_bytes dg_read_block24(struct dg_reader *reader)
{
    return read_block(reader, 3);
}

bool dg_reader_done(const struct dg_reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

// Room for size_bytes bytes, the cursor moved behind it, or NULL when there is none.
static uint8_t *writer_take(struct dg_writer *writer, size_t size_bytes)
{
    if (writer->failed || size_bytes > (size_t)(writer->end - writer->at)) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *room = writer->at;
    if (size_bytes > 0) {
        writer->at += size_bytes;
    }
    return room;
}

static void store_number(uint8_t *bytes, uint64_t value, size_t width_bytes)
{
    for (size_t i = width_bytes; i > 0; i--) {
        bytes[i - 1] = (uint8_t)(value & 0xff);
        value >>= 8;
    }
}

static void write_number(struct dg_writer *writer, uint64_t value, size_t width_bytes)
{
    if (width_bytes < 8 && value >> (8 * width_bytes) != 0) {
        writer->failed = true;
    }
    uint8_t *room = writer_take(writer, width_bytes);
    if (room != NULL) {
        store_number(room, value, width_bytes);
    }
}

void dg_write_u8(struct dg_writer *writer, uint8_t value)
{
    write_number(writer, value, 1);
}

void dg_write_u16(struct dg_writer *writer, uint16_t value)
{
    write_number(writer, value, 2);
}

void dg_write_u24(struct dg_writer *writer, uint32_t value)
{
    write_number(writer, value, 3);
}

void dg_write_u32(struct dg_writer *writer, uint32_t value)
{
    write_number(writer, value, 4);
}

void dg_write_u48(struct dg_writer *writer, uint64_t value)
{
    write_number(writer, value, 6);
}

void dg_write_u64(struct dg_writer *writer, uint64_t value)
{
    write_number(writer, value, 8);
}

void dg_write_bytes(struct dg_writer *writer, const void *data, size_t size_bytes)
{
    uint8_t *room = writer_take(writer, size_bytes);
    if (room != NULL && size_bytes > 0) {
        // move, not copy: records are also built within the buffer that the plaintext came in.
        memmove(room, data, size_bytes);
    }
}

void dg_write_zeros(struct dg_writer *writer, size_t size_bytes)
{
    uint8_t *room = writer_take(writer, size_bytes);
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
    store_number(writer->begin + place, length, width_bytes);
}
