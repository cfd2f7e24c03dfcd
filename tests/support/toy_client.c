// SPDX-License-Identifier: GPL-3.0-or-later
// The client of the toy handshake: hellos in the real format of both versions, then proofs. Never trusts
// what it receives beyond what a test needs.
#include "core/record.h"
#include "support/fake_handshake.h"
#include "support/random.h"
#include "support/toy_wire.h"

#include <stdlib.h>
#include <string.h>

struct toy_client toy_client_new(const char *peer, const char *local, bool is_13, uint64_t seed)
{
    struct toy_client client = {.is_13 = is_13};
    if (!dg_address_parse(peer, &client.path.peer) || !dg_address_parse(local, &client.path.local)) {
        abort();
    }
    client.path.listener = 5684;
    struct test_random random = {.state = seed};
    test_random_fill(&random, client.random, sizeof client.random);
    return client;
}

static void write_body(const struct toy_client *client, struct dg_writer *writer, size_t padding)
{
    // Padding goes where it fits: a session ID up to 32 bytes, an extension above that.
    size_t session = padding <= 32 && !client->is_13 ? padding : 0;
    dg_write_u16(writer, DG_VERSION_DTLS12);
    dg_write_bytes(writer, client->random, 32);
    dg_write_u8(writer, (uint8_t)session);
    dg_write_zeros(writer, session);
    size_t cookie = dg_write_open(writer, 1);
    if (!client->is_13) {
        dg_write_bytes(writer, client->cookie, client->cookie_size);
    }
    dg_write_close(writer, cookie, 1);
    dg_write_u16(writer, 2);
    dg_write_u16(writer, client->is_13 ? 0x1301 : FAKE_SUITE);
    dg_write_u16(writer, 0x0100);
    bool has_extensions = client->is_13 || client->offers_cid || padding > 32;
    if (!has_extensions) {
        return;
    }
    size_t extensions = dg_write_open(writer, 2);
    if (client->is_13) {
        dg_write_u16(writer, DG_EXT_SUPPORTED_VERSIONS);
        dg_write_u16(writer, 5);
        dg_write_u8(writer, 4);
        dg_write_u16(writer, DG_VERSION_DTLS13);
        dg_write_u16(writer, DG_VERSION_DTLS12);
    }
    if (client->is_13 && client->cookie_size > 0) {
        dg_write_u16(writer, DG_EXT_COOKIE);
        dg_write_u16(writer, (uint16_t)(client->cookie_size + 2));
        dg_write_u16(writer, (uint16_t)client->cookie_size);
        dg_write_bytes(writer, client->cookie, client->cookie_size);
    }
    if (client->offers_cid) {
        dg_write_u16(writer, DG_EXT_CONNECTION_ID);
        dg_write_u16(writer, (uint16_t)(client->cid_size + 1));
        dg_write_u8(writer, (uint8_t)client->cid_size);
        dg_write_bytes(writer, client->cid, client->cid_size);
    }
    if (padding > session) {
        size_t head = client->is_13 || client->offers_cid ? 4 : 6; // the list's own length was not there before
        dg_write_u16(writer, 21);
        dg_write_u16(writer, (uint16_t)(padding > head ? padding - head : 0));
        dg_write_zeros(writer, padding > head ? padding - head : 0);
    }
    dg_write_close(writer, extensions, 2);
}

static size_t body_of(const struct toy_client *client, uint8_t *body, size_t capacity)
{
    struct dg_writer writer = dg_writer_of(body, capacity);
    write_body(client, &writer, 0);
    size_t natural = dg_writer_size(&writer) + DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER;
    if (client->hello_bytes > natural) {
        writer = dg_writer_of(body, capacity);
        write_body(client, &writer, client->hello_bytes - natural);
    }
    return writer.failed ? 0 : dg_writer_size(&writer);
}

static size_t write_part(struct toy_client *client, const uint8_t *body, size_t size, size_t offset, size_t part,
                         uint8_t *out, size_t capacity)
{
    struct dg_writer writer = dg_writer_of(out, capacity);
    size_t record = toy_open_record(&writer, DG_CONTENT_HANDSHAKE, 0, client->plain_sequence);
    dg_write_u8(&writer, DG_HS_CLIENT_HELLO);
    dg_write_u24(&writer, (uint32_t)size);
    dg_write_u16(&writer, client->message_seq);
    dg_write_u24(&writer, (uint32_t)offset);
    dg_write_u24(&writer, (uint32_t)part);
    dg_write_bytes(&writer, body + offset, part);
    dg_write_close(&writer, record, 2);
    if (writer.failed) {
        return 0;
    }
    client->plain_sequence++;
    return dg_writer_size(&writer);
}

size_t toy_hello(struct toy_client *client, uint8_t *out, size_t capacity)
{
    uint8_t body[8192];
    size_t size = body_of(client, body, sizeof body);
    return size > 0 ? write_part(client, body, size, 0, size, out, capacity) : 0;
}

size_t toy_hello_part(struct toy_client *client, size_t part, size_t part_bytes, uint8_t *out, size_t capacity)
{
    uint8_t body[8192];
    size_t size = body_of(client, body, sizeof body);
    size_t offset = part * part_bytes;
    if (offset >= size) {
        return 0;
    }
    size_t left = size - offset;
    return write_part(client, body, size, offset, left < part_bytes ? left : part_bytes, out, capacity);
}

static void write_protected(struct toy_client *client, struct dg_writer *writer, bool is_data, const uint8_t *body,
                            size_t size)
{
    uint64_t sequence = is_data ? client->data_sequence++ : client->sequence++;
    if (client->is_13) {
        uint8_t head = DG_UNIFIED_FIXED | DG_UNIFIED_SEQ16 | DG_UNIFIED_LENGTH;
        head |= client->has_server_cid ? DG_UNIFIED_CID : 0;
        dg_write_u8(writer, (uint8_t)(head | (is_data ? 3 : 2)));
        if (client->has_server_cid) {
            dg_write_bytes(writer, client->server_cid, client->server_cid_size);
        }
        dg_write_u16(writer, (uint16_t)sequence);
    } else {
        uint8_t type = is_data ? DG_CONTENT_APPLICATION_DATA : DG_CONTENT_HANDSHAKE;
        dg_write_u8(writer, client->has_server_cid ? DG_CONTENT_TLS12_CID : type);
        dg_write_u16(writer, DG_VERSION_DTLS12);
        dg_write_u16(writer, 1);
        dg_write_u48(writer, is_data ? 100 + sequence : sequence);
        if (client->has_server_cid) {
            dg_write_bytes(writer, client->server_cid, client->server_cid_size);
        }
    }
    size_t length = dg_write_open(writer, 2);
    dg_write_bytes(writer, body, size);
    dg_write_close(writer, length, 2);
}

size_t toy_plain(struct toy_client *client, uint8_t type, const void *body, size_t size, uint8_t *out, size_t capacity)
{
    struct dg_writer writer = dg_writer_of(out, capacity);
    size_t record = toy_open_record(&writer, type, 0, client->plain_sequence++);
    dg_write_bytes(&writer, body, size);
    dg_write_close(&writer, record, 2);
    return writer.failed ? 0 : dg_writer_size(&writer);
}

static size_t send_proof(struct toy_client *client, bool repeat, uint8_t *out, size_t capacity)
{
    struct dg_writer writer = dg_writer_of(out, capacity);
    if (!client->is_13) {
        size_t record = toy_open_record(&writer, DG_CONTENT_HANDSHAKE, 0, client->plain_sequence++);
        struct toy_message message = toy_open_message(&writer, 16, (uint16_t)(2 + client->proofs));
        dg_write_zeros(&writer, 4);
        toy_close_message(&writer, message);
        dg_write_close(&writer, record, 2);
        record = toy_open_record(&writer, DG_CONTENT_CHANGE_CIPHER_SPEC, 0, client->plain_sequence++);
        dg_write_u8(&writer, 1);
        dg_write_close(&writer, record, 2);
    }
    if (!repeat) {
        client->proofs++;
    }
    uint8_t body[49] = {0}; // as long as a Finished of 1.2 with a connection ID under AES-GCM
    toy_proof(client->random, client->proofs > 0 ? client->proofs - 1 : 0, client->wrong_key, body);
    write_protected(client, &writer, false, body, sizeof body);
    return writer.failed ? 0 : dg_writer_size(&writer);
}

size_t toy_send(struct toy_client *client, bool repeat, uint8_t *out, size_t capacity)
{
    switch (client->state) {
    case TOY_HELLO:
    case TOY_HELLO_COOKIE:
        return toy_hello(client, out, capacity);
    case TOY_PROVING:
        return send_proof(client, repeat, out, capacity);
    case TOY_DONE:
    case TOY_REFUSED:
        return 0;
    }
    return 0;
}

size_t toy_data(struct toy_client *client, uint8_t *out, size_t capacity)
{
    struct dg_writer writer = dg_writer_of(out, capacity);
    uint8_t body[40];
    memset(body, 0xda, sizeof body);
    write_protected(client, &writer, true, body, sizeof body);
    return writer.failed ? 0 : dg_writer_size(&writer);
}

static void keep_cookie(struct toy_client *client, struct dg_bytes cookie)
{
    client->cookie_size = cookie.size;
    memcpy(client->cookie, cookie.data, cookie.size);
    client->message_seq = 1;
    client->state = TOY_HELLO_COOKIE;
}

static bool read_server_hello(struct toy_client *client, struct dg_reader reader)
{
    (void)dg_read_u16(&reader);
    struct dg_bytes random = dg_read_bytes(&reader, 32);
    (void)dg_read_block8(&reader);
    (void)dg_read_u24(&reader);
    struct dg_reader extensions = dg_reader_in(dg_read_block16(&reader));
    bool is_retry = !reader.failed && memcmp(random.data, toy_retry_random, 32) == 0;
    if (reader.failed || (!is_retry && memcmp(random.data, client->random, 32) != 0)) {
        return false;
    }
    while (dg_reader_left(&extensions) > 0) {
        uint16_t type = dg_read_u16(&extensions);
        struct dg_reader body = dg_reader_in(dg_read_block16(&extensions));
        if (type == DG_EXT_COOKIE && is_retry && client->state == TOY_HELLO) {
            keep_cookie(client, dg_read_block16(&body));
            return true;
        }
        if (type == DG_EXT_CONNECTION_ID) {
            struct dg_bytes cid = dg_read_block8(&body);
            if (dg_cid_size_is_sane(cid.size)) {
                memcpy(client->server_cid, cid.data, cid.size);
                client->server_cid_size = cid.size;
                client->has_server_cid = true;
            }
        }
    }
    return !is_retry && (client->state == TOY_HELLO_COOKIE || client->state == TOY_PROVING);
}

static bool read_message(struct toy_client *client, const uint8_t *data, size_t size)
{
    struct dg_reader reader = dg_reader_of(data, size);
    uint8_t type = dg_read_u8(&reader);
    (void)dg_read_u24(&reader);
    uint16_t message_seq = dg_read_u16(&reader);
    (void)dg_read_u24(&reader);
    struct dg_reader body = dg_reader_in(dg_read_block24(&reader));
    if (type == DG_HS_HELLO_VERIFY_REQUEST && client->state == TOY_HELLO && !client->is_13) {
        (void)dg_read_u16(&body);
        struct dg_bytes cookie = dg_read_block8(&body);
        if (!body.failed) {
            keep_cookie(client, cookie);
        }
        return !body.failed;
    }
    if (type != DG_HS_SERVER_HELLO || !read_server_hello(client, body)) {
        return false;
    }
    if (client->state == TOY_HELLO_COOKIE && client->cookie_size > 0 && message_seq == 1 && client->proofs == 0) {
        bool was_retry = memcmp(data + DG_HANDSHAKE_HEADER + 2, toy_retry_random, 32) == 0;
        client->state = was_retry ? TOY_HELLO_COOKIE : TOY_PROVING;
        return true;
    }
    // A server flight under the number of proofs that it has seen: news only when that is all of ours.
    return client->state == TOY_HELLO_COOKIE || message_seq == 1 + client->proofs;
}

bool toy_receive(struct toy_client *client, const uint8_t *data, size_t size)
{
    uint8_t copy[4096];
    if (size > sizeof copy || client->state == TOY_DONE || client->state == TOY_REFUSED) {
        return false;
    }
    memcpy(copy, data, size);
    bool moved = false;
    for (size_t at = 0; at < size;) {
        struct dg_record record;
        if (dg_record_parse(copy + at, size - at, DG_CID_SIZE_DEFAULT, &record).outcome != DG_OK) {
            return moved;
        }
        at += record.size;
        if (record.type == DG_CONTENT_ALERT && record.epoch == 0 && !record.is_unified) {
            client->state = TOY_REFUSED;
            return true;
        }
        if ((record.is_unified || record.epoch != 0) && client->state == TOY_PROVING) {
            client->state = TOY_DONE;
            return true;
        }
        if (record.type == DG_CONTENT_HANDSHAKE && record.epoch == 0 && !record.is_unified) {
            moved |= read_message(client, record.start + record.header_size, record.size - record.header_size);
        }
    }
    return moved;
}
