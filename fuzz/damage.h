// SPDX-License-Identifier: GPL-3.0-or-later
// What somebody on the way does to the datagrams of a handshake, as the fuzzer's input says: for the targets that stand
// at either end of one. Decides nothing by itself.
#ifndef DG_FUZZ_DAMAGE_H
#define DG_FUZZ_DAMAGE_H

#include "core/cid.h"
#include "core/record.h"
#include "core/wire_constants.h"
#include "fuzz.h"

#include <string.h>

// One to four bytes become others.
static inline void fuzz_damage(struct fuzz_input *input, uint8_t *datagram, size_t size)
{
    for (unsigned changes = 1 + fuzz_u8(input) % 4u; changes > 0 && size > 0; changes--) {
        size_t at = fuzz_u16(input) % size;
        datagram[at] ^= fuzz_u8(input);
    }
}

// What follows the message header of a plaintext record is of the fuzzer's; lengths stay.
static inline void fuzz_replace_body(struct fuzz_input *input, uint8_t *datagram, size_t size)
{
    const size_t heads = DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER;
    struct dg_record record;
    size_t at = 0;
    for (unsigned skip = fuzz_u8(input) % 4; at < size; at += record.size) {
        if (dg_record_parse(datagram + at, size - at, DG_CID_SIZE_DEFAULT, &record).outcome != DG_OK)
            return;
        if (skip-- == 0 || at + record.size == size)
            break;
    }
    if (at >= size || record.size <= heads)
        return;
    size_t from = fuzz_u8(input) % (record.size - heads), taken;
    const uint8_t *bytes = fuzz_bytes(input, fuzz_u8(input), &taken);
    taken = taken < record.size - heads - from ? taken : record.size - heads - from;
    memcpy(datagram + at + heads + from, bytes, taken);
}

// A plaintext record of any type with numbers of the fuzzer's, of at most 268 bytes. Returns its size.
static inline size_t fuzz_plain_record(struct fuzz_input *input, uint8_t *out, size_t capacity)
{
    struct dg_writer writer = dg_writer_of(out, capacity);
    dg_write_u8(&writer, fuzz_u8(input));
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    uint8_t epoch = fuzz_u8(input);
    dg_write_u16(&writer, epoch % 3);
    dg_write_u48(&writer, fuzz_u8(input));
    size_t place = dg_write_open(&writer, 2), size;
    const uint8_t *bytes = fuzz_bytes(input, fuzz_u8(input), &size);
    dg_write_bytes(&writer, bytes, size);
    dg_write_close(&writer, place, 2);
    return dg_writer_size(&writer);
}

#endif
