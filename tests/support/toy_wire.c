// SPDX-License-Identifier: GPL-3.0-or-later
// The toy handshake's bytes. Owns nothing.
#include "support/toy_wire.h"

#include "base/hash.h"
#include "core/wire_constants.h"
#include "support/fake_handshake.h"

#include <string.h>

const uint8_t toy_retry_random[32] = {0xcf, 0x21, 0xad, 0x74};

size_t toy_open_record(struct dg_writer *writer, uint8_t type, uint16_t epoch, uint64_t sequence)
{
    dg_write_u8(writer, type);
    dg_write_u16(writer, DG_VERSION_DTLS12);
    dg_write_u16(writer, epoch);
    dg_write_u48(writer, sequence);
    return dg_write_open(writer, 2);
}

struct toy_message toy_open_message(struct dg_writer *writer, uint8_t type, uint16_t message_seq)
{
    dg_write_u8(writer, type);
    size_t length = dg_write_open(writer, 3);
    dg_write_u16(writer, message_seq);
    dg_write_u24(writer, 0);
    return (struct toy_message){.length = length, .fragment = dg_write_open(writer, 3)};
}

void toy_close_message(struct dg_writer *writer, struct toy_message message)
{
    if (writer->failed) {
        return;
    }
    dg_write_close(writer, message.fragment, 3);
    memcpy(writer->begin + message.length, writer->begin + message.fragment, 3);
}

void toy_write_server_hello(struct dg_writer *writer, const uint8_t random[32], const uint8_t *cookie,
                            size_t cookie_size, const uint8_t *cid, size_t cid_size)
{
    dg_write_bytes(writer, random, 32);
    dg_write_u8(writer, 0);
    dg_write_u16(writer, FAKE_SUITE);
    dg_write_u8(writer, 0);
    size_t extensions = dg_write_open(writer, 2);
    if (cookie != NULL) {
        dg_write_u16(writer, DG_EXT_COOKIE);
        dg_write_u16(writer, (uint16_t)(cookie_size + 2));
        dg_write_u16(writer, (uint16_t)cookie_size);
        dg_write_bytes(writer, cookie, cookie_size);
    }
    if (cid != NULL) {
        dg_write_u16(writer, DG_EXT_CONNECTION_ID);
        dg_write_u16(writer, (uint16_t)(cid_size + 1));
        dg_write_u8(writer, (uint8_t)cid_size);
        dg_write_bytes(writer, cid, cid_size);
    }
    dg_write_close(writer, extensions, 2);
}

void toy_proof(const uint8_t random[32], unsigned number, bool wrong, uint8_t proof[TOY_PROOF])
{
    for (uint64_t half = 0; half < 2; half++) {
        struct dg_hash_key key = {.k0 = 1000 + number, .k1 = half + (wrong ? 2 : 0)};
        uint64_t word = dg_hash(&key, random, 32);
        memcpy(proof + 8 * half, &word, 8);
    }
}
