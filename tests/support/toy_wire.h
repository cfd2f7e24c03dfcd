// SPDX-License-Identifier: GPL-3.0-or-later
// What both ends of the toy handshake write alike: record and message heads, the ServerHello, proofs.
// Never used outside of tests.
#ifndef DG_TESTS_TOY_WIRE_H
#define DG_TESTS_TOY_WIRE_H

#include "base/wire.h"

#define TOY_PROOF 16 // bytes

extern const uint8_t toy_retry_random[32]; // marks a ServerHello as a HelloRetryRequest

// A plaintext or DTLS 1.2 record header; returns the place of its length, to be closed with width 2.
size_t toy_open_record(struct dg_writer *writer, uint8_t type, uint16_t epoch, uint64_t sequence);

struct toy_message {
    size_t length, fragment; // places of the two lengths
};
// A whole handshake message: head now, both lengths at the close.
struct toy_message toy_open_message(struct dg_writer *writer, uint8_t type, uint16_t message_seq);
void toy_close_message(struct dg_writer *writer, struct toy_message message);

// What follows the version: random, session, suite, compression, cookie and connection_id where not NULL.
void toy_write_server_hello(struct dg_writer *writer, const uint8_t random[32], const uint8_t *cookie,
                            size_t cookie_size, const uint8_t *cid, size_t cid_size);

void toy_proof(const uint8_t random[32], unsigned number, bool wrong, uint8_t proof[TOY_PROOF]);

#endif
