// SPDX-License-Identifier: GPL-3.0-or-later
// The head of a handshake message in its record (RFC 6347 4.2.2, RFC 9147 5.2), read and written. Never puts
// fragments together, never says what a message is allowed to be.
#ifndef DG_CORE_HANDSHAKE_FRAGMENT_H
#define DG_CORE_HANDSHAKE_FRAGMENT_H

#include "base/attributes.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct dg_handshake_fragment {
    uint8_t type;          // dg_handshake_type
    uint32_t length;       // of the whole message
    uint16_t message_seq;
    uint32_t offset;
    struct dg_bytes bytes; // this fragment's part; leads into the reader's
};

// The next one of a record. False: it does not fit its record (then the reader has failed too) or itself.
DG_MUST_USE bool dg_handshake_fragment_read(struct dg_reader *reader, struct dg_handshake_fragment *ret);
// The head of a message that goes out whole; length bytes of body are to follow.
void dg_handshake_head_write(struct dg_writer *writer, uint8_t type, uint32_t length, uint16_t message_seq);

#endif
