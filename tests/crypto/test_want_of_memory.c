// SPDX-License-Identifier: GPL-3.0-or-later
//
// A gate whose library gets no memory: what it cannot serve it says is its own failure, and it serves again as soon as
// there is memory.

#include "check.h"
#include "crypto/inner.h"
#include "support/gate_rig.h"
#include "support/read_hello.h"

#include <wolfssl/wolfcrypt/memory.h>

#include <stdlib.h>
#include <string.h>

static struct rig rig;

static const struct rig_options everything = {.with_psk = true, .with_certificate = true, .with_client_ca = true};

static bool is_counted;
static unsigned blocks_left; // while counted: then there is none

static void *short_malloc(size_t size)
{
    if (is_counted && blocks_left == 0)
        return NULL;
    blocks_left -= is_counted ? 1 : 0;
    return malloc(size);
}

static void *short_realloc(void *data, size_t size)
{
    if (is_counted && blocks_left == 0)
        return NULL;
    blocks_left -= is_counted ? 1 : 0;
    return realloc(data, size);
}

static struct wolf_client_config client_of(int version, bool has_psk)
{
    if (has_psk)
        return (struct wolf_client_config){.version = version,
                                           .psk_identity = RIG_IDENTITY,
                                           .psk_key = rig_psk,
                                           .psk_key_size = sizeof rig_psk,
                                           .groups = {WOLF_GROUP_X25519}};
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .certificate = rig_pki()->client.certificate,
                                       .key = rig_pki()->client.key,
                                       .groups = {WOLF_GROUP_X25519}};
}

// The client's hello with a cookie of now.
static size_t make_hello(int version, bool has_psk, uint8_t record[RIG_DATAGRAM_MAX])
{
    struct wolf_client_config config = client_of(version, has_psk);
    if (!rig_client(&rig, &config))
        return 0;
    (void)wolf_client_connect(rig.client);
    rig_give_all(&rig);
    (void)wolf_client_connect(rig.client);
    size_t size = rig_queue_get(&rig.to_server, record, RIG_DATAGRAM_MAX);
    rig_hang_up(&rig);
    return size;
}

static enum dg_hello_verdict give(const uint8_t *record, size_t size)
{
    uint8_t copy[RIG_DATAGRAM_MAX];
    struct dg_hello hello;
    memcpy(copy, record, size);
    if (!read_hello_record(copy, size, &hello))
        return DG_HELLO_IGNORED;
    struct dg_output output = rig_output(&rig);
    return dg_wolf_handshake.hello(rig.gate, rig.now, &rig.path, &hello, rig_cid(&rig), &output, &rig.handshake);
}

// The object for strangers is in use or broken, and another is not to be had.
DG_TEST(memory_short_for_a_listener_is_not_the_clients_failure)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        uint8_t record[RIG_DATAGRAM_MAX];
        size_t size = make_hello(version, false, record);
        REQUIRE(size > 0);
        dg_handshake_free(rig.gate->sides[0].listener);
        rig.gate->sides[0].listener = NULL;
        is_counted = true;
        blocks_left = 0;
        CHECK_EQ(give(record, size), DG_HELLO_NO_MEMORY);
        CHECK(rig.handshake == NULL);
        is_counted = false;
        CHECK_EQ(give(record, size), DG_HELLO_STARTED);
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// Memory that ends anywhere on the way of a hello with a good cookie, then is there again.
DG_TEST(memory_that_ends_at_any_moment_breaks_nothing)
{
    REQUIRE(rig_new(&rig, &everything));
    for (unsigned kind = 0; kind < 4; kind++) {
        uint8_t record[RIG_DATAGRAM_MAX];
        size_t size = make_hello(12 + (int)kind % 2, kind < 2, record);
        unsigned refused = 0, told = 0, started = 0;
        REQUIRE(size > 0);
        for (unsigned blocks = 0; blocks < 400 && started == 0; blocks++) {
            is_counted = true;
            blocks_left = blocks;
            enum dg_hello_verdict verdict = give(record, size);
            is_counted = false;
            struct dg_handshake_failure failure = {0};
            if (verdict == DG_HELLO_STARTED)
                dg_wolf_handshake.why(rig.handshake, &failure);
            started += verdict == DG_HELLO_STARTED && !rig.handshake->failed;
            refused += verdict == DG_HELLO_NO_MEMORY;
            told += failure.counter == DG_COUNT_FAIL_MEMORY;
            rig_hang_up(&rig);
        }
        CHECK(refused > 0 && told > 0);
        CHECK_EQ(started, 1);
        CHECK_EQ(give(record, size), DG_HELLO_STARTED);
        CHECK(rig.handshake != NULL && !rig.handshake->failed);
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(memory_short_for_a_listener_is_not_the_clients_failure),
        DG_CASE(memory_that_ends_at_any_moment_breaks_nothing),
    };
    if (wolfSSL_SetAllocators(short_malloc, free, short_realloc) != 0)
        abort();
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
