// SPDX-License-Identifier: GPL-3.0-or-later
// The only way to packet bytes: a cursor with a sticky error for reading and one for writing, big
// endian. One check at the end replaces a check a field. Never allocates, never knows a protocol. What every record
// passes through is defined here: as calls these were a tenth of a message's own instructions.
#ifndef DG_BASE_WIRE_H
#define DG_BASE_WIRE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// A block of bytes that somebody else owns.
struct dg_bytes {
    const uint8_t *data;
    size_t size;
};

static inline uint16_t dg_load_u16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t dg_load_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}
static inline void dg_store_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}
static inline void dg_store_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

// Reading past the end makes `failed` true; from then on nothing is left and every read returns 0 or an
// empty block, so that a loop over dg_reader_left always ends. An empty block's data is never NULL unless
// the reader was made of NULL.
struct dg_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct dg_reader dg_reader_of(const void *data, size_t size_bytes)
{
    const uint8_t *bytes = data;
    // NULL with size 0 is an empty reader; adding even 0 to NULL is not defined in C.
    return (struct dg_reader){.at = bytes, .end = size_bytes > 0 ? bytes + size_bytes : bytes, .failed = false};
}
static inline size_t dg_reader_left(const struct dg_reader *reader) { return (size_t)(reader->end - reader->at); }

// The next size_bytes bytes, or NULL when there are not that many or an earlier read failed.
static inline const uint8_t *dg_reader_take(struct dg_reader *reader, size_t size_bytes)
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

static inline uint8_t dg_read_u8(struct dg_reader *reader)
{
    const uint8_t *at = dg_reader_take(reader, 1);
    return at != NULL ? at[0] : 0;
}
static inline uint16_t dg_read_u16(struct dg_reader *reader)
{
    const uint8_t *at = dg_reader_take(reader, 2);
    return at != NULL ? dg_load_u16(at) : 0;
}
static inline uint32_t dg_read_u24(struct dg_reader *reader)
{
    const uint8_t *at = dg_reader_take(reader, 3);
    return at != NULL ? (uint32_t)at[0] << 16 | dg_load_u16(at + 1) : 0;
}
static inline uint32_t dg_read_u32(struct dg_reader *reader)
{
    const uint8_t *at = dg_reader_take(reader, 4);
    return at != NULL ? dg_load_u32(at) : 0;
}
static inline uint64_t dg_read_u48(struct dg_reader *reader)
{
    const uint8_t *at = dg_reader_take(reader, 6);
    return at != NULL ? (uint64_t)dg_load_u16(at) << 32 | dg_load_u32(at + 2) : 0;
}
static inline uint64_t dg_read_u64(struct dg_reader *reader)
{
    const uint8_t *at = dg_reader_take(reader, 8);
    return at != NULL ? (uint64_t)dg_load_u32(at) << 32 | dg_load_u32(at + 4) : 0;
}
static inline struct dg_bytes dg_read_bytes(struct dg_reader *reader, size_t size_bytes)
{
    const uint8_t *at = dg_reader_take(reader, size_bytes);
    if (at == NULL) {
        // Points somewhere valid, so that a caller may make a reader of it without a thought.
        return (struct dg_bytes){.data = reader->end, .size = 0};
    }
    return (struct dg_bytes){.data = at, .size = size_bytes};
}
// A block behind its own length field of 1, 2 or 3 bytes; the sub-reader form parses inside it. A length that could
// not be read is 0, and the read behind it fails because the reader has.
static inline struct dg_bytes dg_read_block8(struct dg_reader *reader)
{
    size_t size = dg_read_u8(reader);
    return dg_read_bytes(reader, size);
}
static inline struct dg_bytes dg_read_block16(struct dg_reader *reader)
{
    size_t size = dg_read_u16(reader);
    return dg_read_bytes(reader, size);
}
static inline struct dg_bytes dg_read_block24(struct dg_reader *reader)
{
    size_t size = dg_read_u24(reader);
    return dg_read_bytes(reader, size);
}
static inline struct dg_reader dg_reader_in(struct dg_bytes block) { return dg_reader_of(block.data, block.size); }
// True when nothing failed and nothing is left.
DG_MUST_USE static inline bool dg_reader_done(const struct dg_reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

// Writing past the end makes `failed` true and writes nothing more, not even a part of the field that
// did not fit. So does a value that does not fit its field (u24, u48).
struct dg_writer {
    uint8_t *begin;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static inline struct dg_writer dg_writer_of(void *data, size_t capacity_bytes)
{
    uint8_t *bytes = data;
    uint8_t *end = capacity_bytes > 0 ? bytes + capacity_bytes : bytes;
    return (struct dg_writer){.begin = bytes, .at = bytes, .end = end, .failed = false};
}
static inline size_t dg_writer_size(const struct dg_writer *writer) { return (size_t)(writer->at - writer->begin); }

// Room for size_bytes bytes, the cursor moved behind it, or NULL when there is none.
static inline uint8_t *dg_writer_take(struct dg_writer *writer, size_t size_bytes)
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

static inline void dg_write_u8(struct dg_writer *writer, uint8_t value)
{
    uint8_t *at = dg_writer_take(writer, 1);
    if (at != NULL) {
        at[0] = value;
    }
}
static inline void dg_write_u16(struct dg_writer *writer, uint16_t value)
{
    uint8_t *at = dg_writer_take(writer, 2);
    if (at != NULL) {
        dg_store_u16(at, value);
    }
}
static inline void dg_write_u24(struct dg_writer *writer, uint32_t value)
{
    writer->failed |= value >> 24 != 0;
    uint8_t *at = dg_writer_take(writer, 3);
    if (at != NULL) {
        at[0] = (uint8_t)(value >> 16);
        dg_store_u16(at + 1, (uint16_t)value);
    }
}
static inline void dg_write_u32(struct dg_writer *writer, uint32_t value)
{
    uint8_t *at = dg_writer_take(writer, 4);
    if (at != NULL) {
        dg_store_u32(at, value);
    }
}
static inline void dg_write_u48(struct dg_writer *writer, uint64_t value)
{
    writer->failed |= value >> 48 != 0;
    uint8_t *at = dg_writer_take(writer, 6);
    if (at != NULL) {
        dg_store_u16(at, (uint16_t)(value >> 32));
        dg_store_u32(at + 2, (uint32_t)value);
    }
}
static inline void dg_write_u64(struct dg_writer *writer, uint64_t value)
{
    uint8_t *at = dg_writer_take(writer, 8);
    if (at != NULL) {
        dg_store_u32(at, (uint32_t)(value >> 32));
        dg_store_u32(at + 4, (uint32_t)value);
    }
}
static inline void dg_write_bytes(struct dg_writer *writer, const void *data, size_t size_bytes)
{
    uint8_t *at = dg_writer_take(writer, size_bytes);
    if (at != NULL && size_bytes > 0) {
        // move, not copy: records are also built within the buffer that the plaintext came in.
        memmove(at, data, size_bytes);
    }
}
void dg_write_zeros(struct dg_writer *writer, size_t size_bytes);
// Leaves room for a length field of width_bytes (1, 2 or 3) and returns its place; dg_write_close
// stores there how much was written behind it. A length that does not fit its field is a failure.
// Closing after a failure does nothing; a width or place that no open gave is a bug.
size_t dg_write_open(struct dg_writer *writer, unsigned width_bytes);
void dg_write_close(struct dg_writer *writer, size_t place, unsigned width_bytes);

#endif
