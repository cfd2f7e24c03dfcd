// SPDX-License-Identifier: GPL-3.0-or-later
// A whole ClientHello record as the front gives it to a gate. Judges nothing by itself.
#ifndef DG_TESTS_READ_HELLO_H
#define DG_TESTS_READ_HELLO_H

#include "core/hello.h"
#include "core/wire_constants.h"

// False: the front would not give this to anybody.
static inline bool read_hello_record(const uint8_t *record, size_t size, struct dg_hello *ret)
{
    struct dg_reader reader = dg_reader_of(record, size);
    uint8_t type = dg_read_u8(&reader);
    (void)dg_read_u16(&reader);
    uint16_t epoch = dg_read_u16(&reader);
    uint64_t sequence = dg_read_u48(&reader);
    struct dg_bytes body = dg_read_block16(&reader);
    struct dg_handshake_fragment fragment;
    if (!dg_reader_done(&reader) || type != DG_CONTENT_HANDSHAKE || epoch != 0 ||
        dg_handshake_fragment_parse(body, &fragment).outcome != DG_OK || fragment.bytes.size != fragment.length ||
        dg_hello_parse(fragment.bytes, ret).outcome != DG_OK)
        return false;
    ret->record = (struct dg_bytes){record, size};
    ret->message_seq = fragment.message_seq;
    ret->record_sequence = sequence;
    return true;
}

#endif
