// SPDX-License-Identifier: GPL-3.0-or-later
// Every field has its length in front or a fixed place, so no byte of an identity can be taken for anything else.
#include "backend/proxy_header.h"

#include "core/slot.h"

#include <string.h>

static const uint8_t SIGNATURE[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

#define VERSION_2 0x20
#define COMMAND_LOCAL 0x0
#define COMMAND_PROXY 0x1
#define INET_DGRAM 0x12
#define INET6_DGRAM 0x22
#define CLIENT_SSL 0x01
#define CLIENT_CERT_CONN 0x02 // a certificate was presented in this very handshake
#define CLIENT_CERT_SESS 0x04 // or in the one that was resumed
#define UNIQUE_ID_SIZE 16

// --- what we send ----------------------------------------------------------------------------------------

static void write_tlv(struct dg_writer *writer, uint8_t type, const void *value, size_t size)
{
    DG_BUG_UNLESS(size <= UINT16_MAX);
    dg_write_u8(writer, type);
    dg_write_u16(writer, (uint16_t)size);
    dg_write_bytes(writer, value, size);
}

static void write_text(struct dg_writer *writer, uint8_t type, const char *text)
{
    write_tlv(writer, type, text, strlen(text));
}

// The specification wants one family for both addresses: where they differ, IPv4 goes in its mapped form.
static void write_addresses(struct dg_writer *writer, const struct dg_backend_subject *subject, bool is_v4)
{
    size_t skip = is_v4 ? 12 : 0;
    dg_write_bytes(writer, subject->peer.ip + skip, 16 - skip);
    dg_write_bytes(writer, subject->local.ip + skip, 16 - skip);
    dg_write_u16(writer, subject->peer.port);
    dg_write_u16(writer, subject->local.port);
}

// PP2_SUBTYPE_SSL_CN is text; an identity can be any bytes, and is in DG_PROXY_IDENTITY in any case.
static bool is_plain_text(struct dg_bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] < 0x20 || bytes.data[i] > 0x7e)
            return false;
    return bytes.size > 0;
}

static void write_ssl(struct dg_writer *writer, const struct dg_backend_subject *subject)
{
    bool has_certificate = subject->identity_kind == DG_IDENTITY_CERTIFICATE;
    uint8_t client = CLIENT_SSL;
    if (has_certificate)
        client |= CLIENT_CERT_SESS | (subject->is_resumed ? 0 : CLIENT_CERT_CONN);
    dg_write_u8(writer, DG_PROXY_SSL);
    size_t place = dg_write_open(writer, 2);
    dg_write_u8(writer, client);
    dg_write_u32(writer, has_certificate ? 0 : 1); // 0: a certificate was presented and verified
    write_text(writer, DG_PROXY_SSL_VERSION, subject->version == 13 ? "DTLSv1.3" : "DTLSv1.2");
    if (subject->suite_name[0] != '\0')
        write_text(writer, DG_PROXY_SSL_CIPHER, subject->suite_name);
    if (has_certificate && is_plain_text(subject->identity))
        write_tlv(writer, DG_PROXY_SSL_CN, subject->identity.data, subject->identity.size);
    dg_write_close(writer, place, 2);
}

static void write_own(struct dg_writer *writer, const struct dg_backend_subject *subject)
{
    write_tlv(writer, DG_PROXY_IDENTITY, subject->identity.data, subject->identity.size);
    write_tlv(writer, DG_PROXY_PROOF, &subject->identity_kind, 1);
    dg_write_u8(writer, DG_PROXY_DTLS_VERSION);
    dg_write_u16(writer, 2);
    dg_write_u16(writer, subject->version == 13 ? 0xfefc : 0xfefd); // as in records (RFC 9147 4, RFC 6347 4.1)
    dg_write_u8(writer, DG_PROXY_DTLS_SUITE);
    dg_write_u16(writer, 2);
    dg_write_u16(writer, subject->suite);
    write_text(writer, DG_PROXY_LISTENER, subject->listener);
}

void dg_proxy_write(struct dg_writer *writer, struct dg_ref ref, const struct dg_backend_subject *subject)
{
    bool is_v4 = dg_address_is_ipv4(&subject->peer) && dg_address_is_ipv4(&subject->local);
    dg_write_bytes(writer, SIGNATURE, sizeof SIGNATURE);
    dg_write_u8(writer, VERSION_2 | COMMAND_PROXY);
    dg_write_u8(writer, is_v4 ? INET_DGRAM : INET6_DGRAM);
    size_t place = dg_write_open(writer, 2);
    write_addresses(writer, subject, is_v4);
    dg_write_u8(writer, DG_PROXY_UNIQUE_ID);
    dg_write_u16(writer, UNIQUE_ID_SIZE);
    dg_write_u64(writer, ref.id);
    dg_write_u32(writer, ref.shard);
    dg_write_u32(writer, ref.slot);
    write_own(writer, subject);
    write_ssl(writer, subject);
    dg_write_close(writer, place, 2);
}

// --- what comes back -------------------------------------------------------------------------------------

// Bytes of addresses by the high half of the family byte; false: no family of the specification.
static bool address_size(uint8_t family, size_t *ret)
{
    static const size_t sizes[] = {0, 12, 36, 216};
    if (family >> 4 >= sizeof sizes / sizeof sizes[0] || (family & 0xf) > 2)
        return false;
    *ret = sizes[family >> 4];
    return true;
}

// Exactly one: two would leave it to chance for whom the answer is.
static bool read_unique_id(struct dg_reader reader, struct dg_ref *ret)
{
    unsigned found = 0;
    while (dg_reader_left(&reader) > 0) {
        uint8_t type = dg_read_u8(&reader);
        struct dg_bytes value = dg_read_block16(&reader);
        if (type != DG_PROXY_UNIQUE_ID || reader.failed)
            continue;
        struct dg_reader id = dg_reader_in(value);
        ret->id = dg_read_u64(&id);
        ret->shard = dg_read_u32(&id);
        ret->slot = dg_read_u32(&id);
        found += dg_reader_done(&id) ? 1 : 2;
    }
    return !reader.failed && found == 1;
}

bool dg_proxy_read(struct dg_bytes datagram, struct dg_ref *ret_ref, struct dg_bytes *ret_payload)
{
    struct dg_reader reader = dg_reader_in(datagram);
    struct dg_bytes signature = dg_read_bytes(&reader, sizeof SIGNATURE);
    uint8_t version_command = dg_read_u8(&reader);
    uint8_t family = dg_read_u8(&reader);
    struct dg_reader rest = dg_reader_in(dg_read_block16(&reader));
    size_t addresses;
    if (reader.failed || memcmp(signature.data, SIGNATURE, sizeof SIGNATURE) != 0 ||
        (version_command != (VERSION_2 | COMMAND_PROXY) && version_command != (VERSION_2 | COMMAND_LOCAL)) ||
        !address_size(family, &addresses))
        return false;
    (void)dg_read_bytes(&rest, addresses);
    struct dg_ref ref;
    if (rest.failed || !read_unique_id(rest, &ref) || ref.id == 0)
        return false;
    *ret_ref = ref;
    *ret_payload = dg_read_bytes(&reader, dg_reader_left(&reader));
    return true;
}
