// SPDX-License-Identifier: GPL-3.0-or-later
// The strict reading of ClientHellos beside the plain second parser of the tests, what is looked at in them
// before the TLS library is, and the heads of handshake messages.
//
// Input: the body of a ClientHello, which is also read as the body of a handshake record.
#include "fuzz.h"

#include "core/hello.h"
#include "credentials/credentials.h"
#include "crypto/peek.h"
#include "support/naive_hello.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct dg_credentials *credentials;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    char path[64], error[512] = "";
    int fd = memfd_create("psk", MFD_CLOEXEC);
    CHECK(fd >= 0 && fchmod(fd, 0600) == 0);
    CHECK(dprintf(fd, "abc:%032d\nmeter:%064d\n", 7, 8) > 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    credentials = dg_credentials_new(&(struct dg_credential_files){.psk_file = path}, error, sizeof error);
    CHECK_MSG(credentials != NULL, "%s", error);
    (void)close(fd);
    return 0;
}

static bool is_inside(struct dg_bytes part, const uint8_t *data, size_t size)
{
    return part.size == 0 || (part.data >= data && part.data + part.size <= data + size);
}

static void read_hello(const uint8_t *data, size_t size)
{
    struct dg_hello hello = {0};
    bool is_taken = dg_hello_parse((struct dg_bytes){data, size}, &hello).outcome == DG_OK;
    CHECK_EQ(is_taken, naive_hello_accepts(data, size));
    if (!is_taken) {
        CHECK(hello.random.data == NULL);
        return;
    }
    CHECK(hello.offers_12 || hello.offers_13);
    CHECK(hello.random.size == 32 && is_inside(hello.random, data, size));
    CHECK(is_inside(hello.session_id, data, size) && hello.session_id.size <= 32);
    CHECK(is_inside(hello.cookie, data, size) && is_inside(hello.cookie_extension, data, size));
    CHECK(is_inside(hello.suites, data, size) && is_inside(hello.compression, data, size));
    CHECK(is_inside(hello.extensions, data, size));
    CHECK(is_inside(hello.cid, data, size) && hello.cid.size <= DG_CID_PEER_MAX);
    struct dg_peek peek;
    dg_peek_hello(&hello, credentials, &peek);
    CHECK(!peek.psk_is_known || strcmp(peek.psk_identity, "abc") == 0 || strcmp(peek.psk_identity, "meter") == 0);
    CHECK(strlen(peek.psk_identity) == peek.psk_size);
}

static void read_record(const uint8_t *data, size_t size)
{
    struct dg_handshake_fragment part;
    struct dg_bytes body = {data, size};
    bool fits = dg_handshake_record_fits(body);
    if (dg_handshake_fragment_parse(body, &part).outcome == DG_OK) {
        CHECK(is_inside(part.bytes, data, size) && part.bytes.size > 0);
        CHECK(part.offset <= part.length && part.bytes.size <= part.length - part.offset);
        CHECK(fits);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_hello(data, size);
    read_record(data, size);
    return 0;
}
