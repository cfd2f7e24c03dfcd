// SPDX-License-Identifier: GPL-3.0-or-later
// Twelve bytes before each part of a handshake message. Believes no length that it has not compared.
#include "core/handshake_fragment.h"

bool dg_handshake_fragment_read(struct dg_reader *reader, struct dg_handshake_fragment *ret)
{
    ret->type = dg_read_u8(reader);
    ret->length = dg_read_u24(reader);
    ret->message_seq = dg_read_u16(reader);
    ret->offset = dg_read_u24(reader);
    ret->bytes = dg_read_block24(reader);
    return !reader->failed && ret->offset <= ret->length && ret->bytes.size <= ret->length - ret->offset;
}

void dg_handshake_head_write(struct dg_writer *writer, uint8_t type, uint32_t length, uint16_t message_seq)
{
    dg_write_u8(writer, type);
    dg_write_u24(writer, length);
    dg_write_u16(writer, message_seq);
    dg_write_u24(writer, 0);
    dg_write_u24(writer, length);
}
