// SPDX-License-Identifier: GPL-3.0-or-later
//
// wolfSSL 5.9.2 as published writes past a heap block for a DTLS 1.3 client that offers a connection ID of 114
// bytes or more. The patched library must refuse what our parser would never let through: here the library is
// called directly, past every check of ours. Worth its name under AddressSanitizer.

#include "check.h"
#include "core/wire_constants.h"
#include "crypto/cookie.h"
#include "crypto/inner.h"
#include "support/gate_rig.h"

#include <string.h>

static struct rig rig;

// Inserts a connection_id extension (RFC 9146 3) with an ID of `size` bytes at the front of the extensions, so
// that pre_shared_key would stay the last, and corrects the lengths around it.
static size_t add_cid(const uint8_t *record, size_t record_size, size_t size, uint8_t *out, size_t capacity)
{
    struct dg_reader reader = dg_reader_of(record, record_size);
    struct dg_bytes head = dg_read_bytes(&reader, DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER);
    struct dg_bytes fixed = dg_read_bytes(&reader, 2 + 32);
    struct dg_bytes session = dg_read_block8(&reader);
    struct dg_bytes cookie = dg_read_block8(&reader);
    struct dg_bytes suites = dg_read_block16(&reader);
    struct dg_bytes compression = dg_read_block8(&reader);
    struct dg_bytes extensions = dg_read_block16(&reader);
    if (!dg_reader_done(&reader))
        return 0;
    struct dg_writer writer = dg_writer_of(out, capacity);
    dg_write_bytes(&writer, head.data, head.size);
    dg_write_bytes(&writer, fixed.data, fixed.size);
    dg_write_u8(&writer, (uint8_t)session.size);
    dg_write_bytes(&writer, session.data, session.size);
    dg_write_u8(&writer, (uint8_t)cookie.size);
    dg_write_bytes(&writer, cookie.data, cookie.size);
    dg_write_u16(&writer, (uint16_t)suites.size);
    dg_write_bytes(&writer, suites.data, suites.size);
    dg_write_u8(&writer, (uint8_t)compression.size);
    dg_write_bytes(&writer, compression.data, compression.size);
    size_t place = dg_write_open(&writer, 2);
    dg_write_u16(&writer, 54);
    dg_write_u16(&writer, (uint16_t)(size + 1));
    dg_write_u8(&writer, (uint8_t)size);
    for (size_t i = 0; i < size; i++)
        dg_write_u8(&writer, (uint8_t)i);
    dg_write_bytes(&writer, extensions.data, extensions.size);
    dg_write_close(&writer, place, 2);
    size_t whole = dg_writer_size(&writer);
    if (writer.failed)
        return 0;
    struct dg_writer lengths = dg_writer_of(out + 11, 2);
    dg_write_u16(&lengths, (uint16_t)(whole - DG_RECORD12_HEADER));
    lengths = dg_writer_of(out + 14, 3);
    dg_write_u24(&lengths, (uint32_t)(whole - DG_RECORD12_HEADER - DG_HANDSHAKE_HEADER));
    lengths = dg_writer_of(out + 22, 3);
    dg_write_u24(&lengths, (uint32_t)(whole - DG_RECORD12_HEADER - DG_HANDSHAKE_HEADER));
    return whole;
}

// An object for hellos that knows what the client's cookie was made with, and wants connection IDs. The caller frees it.
static struct dg_handshake *fresh_listener(void)
{
    struct dg_handshake *handshake = dg_listener_new(rig.gate);
    union dg_canonical_address address;
    socklen_t size = dg_cookie_address(&rig.path.peer, &address);
    CHECK(handshake != NULL && wolfSSL_dtls_set_peer(handshake->ssl, &address, (unsigned)size) == WOLFSSL_SUCCESS &&
          wolfSSL_DTLS_SetCookieSecret(handshake->ssl, rig.gate->cookie_keys[0][0], 32) == 0 &&
          wolfSSL_send_hrr_cookie(handshake->ssl, rig.gate->cookie_keys[0][1], 32) == WOLFSSL_SUCCESS);
    handshake->cid_size = 8; // to offer: without one the client's is no matter
    return handshake;
}

// Gives a second hello, whose cookie is good, straight to the library; true where it goes on with a flight.
static bool library_takes(int version, const char *suite, size_t cid_size)
{
    struct wolf_client_config config = {.version = version,
                                        .suites = suite,
                                        .ca = rig_pki()->ca.certificate,
                                        .certificate = rig_pki()->client.certificate,
                                        .key = rig_pki()->client.key,
                                        .groups = {WOLF_GROUP_X25519}};
    uint8_t hello[2048], changed[2560];
    bool ready = rig_client(&rig, &config);
    (void)wolf_client_connect(rig.client);
    rig_give_all(&rig); // the question for a cookie
    (void)wolf_client_connect(rig.client);
    size_t size = rig_queue_get(&rig.to_server, hello, sizeof hello);
    size = add_cid(hello, size, cid_size, changed, sizeof changed);
    CHECK(ready && size > 0);
    struct dg_output output = rig_output(&rig);
    struct dg_handshake *handshake = fresh_listener();
    handshake->peek.has_cid = true;
    dg_library_io_open(&handshake->io, changed, size, &output);
    handshake->io.sent = 0;
    bool taken = wolfDTLS_accept_stateless(handshake->ssl) == WOLFSSL_SUCCESS;
    dg_library_io_open(&handshake->io, NULL, 0, &output);
    taken = taken && wolfSSL_accept(handshake->ssl) != WOLFSSL_SUCCESS &&
            wolfSSL_get_error(handshake->ssl, -1) == WOLFSSL_ERROR_WANT_READ && handshake->io.sent > 0;
    dg_library_io_close(&handshake->io);
    dg_handshake_free(handshake);
    rig_hang_up(&rig);
    return taken;
}

DG_TEST(cid_too_long_is_refused_by_the_patched_library)
{
    static const size_t sizes[] = {65, 96, 113, 114, 120, 130, 160, 254, 255};
    static const char *suites[] = {"TLS13-AES256-GCM-SHA384", "TLS13-AES128-GCM-SHA256"};
    struct rig_options options = {.with_certificate = true, .with_client_ca = true};
    REQUIRE(rig_new(&rig, &options));
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            CHECK_MSG(!library_takes(13, suites[s], sizes[i]), "%zu bytes", sizes[i]);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        CHECK(!library_takes(12, "ECDHE-ECDSA-AES128-GCM-SHA256", sizes[i]));
    rig_free(&rig);
}

// The way of making such a hello is right: one of 64 bytes gets the server's flight.
DG_TEST(cid_of_the_longest_size_is_taken)
{
    struct rig_options options = {.with_certificate = true, .with_client_ca = true};
    REQUIRE(rig_new(&rig, &options));
    CHECK(library_takes(12, "ECDHE-ECDSA-AES128-GCM-SHA256", 64));
    CHECK(library_takes(13, "TLS13-AES256-GCM-SHA384", 64));
    CHECK(library_takes(13, "TLS13-AES128-GCM-SHA256", 64));
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(cid_too_long_is_refused_by_the_patched_library),
        DG_CASE(cid_of_the_longest_size_is_taken),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
