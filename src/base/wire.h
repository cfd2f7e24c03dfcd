// SPDX-License-Identifier: GPL-3.0-or-later
// The only way to packet bytes: a cursor with a sticky error for reading and one for writing, big
// endian. One check at the end replaces a check a field. Never allocates, never knows a protocol.
#ifndef DG_BASE_WIRE_H
#define DG_BASE_WIRE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A block of bytes that somebody else owns.
struct dg_bytes {
    const uint8_t *data;
    size_t size;
};

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

uint8_t dg_read_u8(struct dg_reader *reader);
uint16_t dg_read_u16(struct dg_reader *reader);
uint32_t dg_read_u24(struct dg_reader *reader);
uint32_t dg_read_u32(struct dg_reader *reader);
uint64_t dg_read_u48(struct dg_reader *reader);
uint64_t dg_read_u64(struct dg_reader *reader);
struct dg_bytes dg_read_bytes(struct dg_reader *reader, size_t size_bytes);
// A block behind its own length field of 1, 2 or 3 bytes; the sub-reader form parses inside it.
struct dg_bytes dg_read_block8(struct dg_reader *reader);
struct dg_bytes dg_read_block16(struct dg_reader *reader);
struct dg_bytes dg_read_block24(struct dg_reader *reader);
static inline struct dg_reader dg_reader_in(struct dg_bytes block) { return dg_reader_of(block.data, block.size); }
// True when nothing failed and nothing is left.
DG_MUST_USE bool dg_reader_done(const struct dg_reader *reader);

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

void dg_write_u8(struct dg_writer *writer, uint8_t value);
void dg_write_u16(struct dg_writer *writer, uint16_t value);
void dg_write_u24(struct dg_writer *writer, uint32_t value);
void dg_write_u32(struct dg_writer *writer, uint32_t value);
void dg_write_u48(struct dg_writer *writer, uint64_t value);
void dg_write_u64(struct dg_writer *writer, uint64_t value);
void dg_write_bytes(struct dg_writer *writer, const void *data, size_t size_bytes);
void dg_write_zeros(struct dg_writer *writer, size_t size_bytes);
// Leaves room for a length field of width_bytes (1, 2 or 3) and returns its place; dg_write_close
// stores there how much was written behind it. A length that does not fit its field is a failure.
// Closing after a failure does nothing; a width or place that no open gave is a bug.
size_t dg_write_open(struct dg_writer *writer, unsigned width_bytes);
void dg_write_close(struct dg_writer *writer, size_t place, unsigned width_bytes);

#endif
