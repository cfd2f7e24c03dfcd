// SPDX-License-Identifier: GPL-3.0-or-later
//
// A client of DTLS 1.2 says in clear who it is, so that anybody who knows its port may say it for it: that must not make
// the one who is named so wait (docs/psk.md, wrong keys).

#include "check.h"
#include "core/front.h"
#include "core/record.h"
#include "core/wire_constants.h"
#include "crypto/gate.h"
#include "support/gate_rig.h"

#include <string.h>

#define KEY "0102030405060708090a0b0c0d0e0f1011000000000000000000000000000000" // rig_psk
#define NEXT "ff02030405060708090a0b0c0d0e0f1011000000000000000000000000000000"
#define LINES RIG_IDENTITY ":" KEY "\n" RIG_OTHER_IDENTITY ":" KEY "\n" RIG_OTHER_IDENTITY ":" NEXT "\n"
#define FORGED 11 // an odd number: where they turned the keys of the identity, its client would meet the wrong one

static struct rig rig;
static struct dg_front *front;
static struct dg_counters counters;

static bool hand_over(void *context, dg_time now, const struct dg_handover *handover, const struct dg_bytes *early,
                      size_t early_count)
{
    (void)context, (void)now, (void)handover, (void)early, (void)early_count;
    return true;
}

static void forward(void *context, dg_time now, const struct dg_path *path, const uint8_t *data, size_t size, bool is_of_us)
{
    (void)context, (void)now, (void)path, (void)data, (void)size, (void)is_of_us;
}

static void failed(void *context, dg_time now, const struct dg_path *path, const struct dg_handshake_failure *failure)
{
    (void)context, (void)now, (void)path, (void)failure;
}

static bool begin(void)
{
    static const struct rig_options options = {.with_psk = true, .psk_lines = LINES};
    static const struct dg_front_hooks hooks = {.hand_over = hand_over, .forward = forward, .failed = failed};
    if (!rig_new(&rig, &options))
        return false;
    struct dg_front_config config = dg_front_config_default();
    config.cid_size = DG_CID_SIZE_DEFAULT;
    const struct dg_output output = rig_output(&rig);
    memset(&counters, 0, sizeof counters);
    front = dg_front_new(&config, &dg_wolf_handshake, rig.gate, &output, &hooks, &counters);
    return front != NULL;
}

static void end(void)
{
    dg_front_free(front);
    rig_free(&rig);
}

static void give(const uint8_t *datagram, size_t size)
{
    uint8_t copy[RIG_DATAGRAM_MAX];
    memcpy(copy, datagram, size);
    dg_front_receive(front, rig.now, &rig.path, copy, size, false);
}

static bool is_exchange(const struct dg_record *record)
{
    return !record->is_unified && record->epoch == 0 && record->type == DG_CONTENT_HANDSHAKE &&
           record->start[record->header_size] == DG_HS_CLIENT_KEY_EXCHANGE;
}

// Before the client's ClientKeyExchange comes one that names another of the same length (RFC 5489 2: the identity is first).
static void forge(const uint8_t *datagram, size_t size, const char *name)
{
    uint8_t copy[RIG_DATAGRAM_MAX];
    memcpy(copy, datagram, size);
    for (size_t at = 0; at < size;) {
        struct dg_record record;
        REQUIRE(dg_record_parse(copy + at, size - at, DG_CID_SIZE_DEFAULT, &record).outcome == DG_OK);
        if (is_exchange(&record)) {
            memcpy(record.start + record.header_size + DG_HANDSHAKE_HEADER + 2, name, strlen(name));
            give(record.start, record.size);
        }
        at += record.size;
    }
}

// One handshake from a port of its own, and the time of one that comes to nothing.
static void shake_hands(const char *identity, const uint8_t *key, const char *forged, bool comes_twice)
{
    uint8_t datagram[RIG_DATAGRAM_MAX];
    size_t size;
    struct wolf_client_config config = {
        .version = 12, .psk_identity = identity, .psk_key = key, .psk_key_size = 32, .groups = {WOLF_GROUP_X25519}};
    rig.path.peer.port++;
    REQUIRE(rig_client(&rig, &config));
    for (int i = 0; i < 5; i++) {
        (void)wolf_client_connect(rig.client);
        while ((size = rig_queue_get(&rig.to_server, datagram, sizeof datagram)) > 0) {
            if (forged != NULL)
                forge(datagram, size, forged);
            give(datagram, size);
            if (comes_twice)
                give(datagram, size);
        }
    }
    rig_hang_up(&rig);
    while (rig_queue_get(&rig.to_client, datagram, sizeof datagram) > 0)
        ;
    rig.now += 31 * DG_SECOND;
    dg_front_advance(front, rig.now);
}

#define COUNT(name) dg_counter_read(&counters, DG_COUNT_##name)

DG_TEST(claims_in_anothers_name_make_nobody_wait)
{
    REQUIRE(begin());
    for (int i = 0; i < FORGED; i++)
        shake_hands(RIG_IDENTITY, rig_psk, RIG_OTHER_IDENTITY, false);
    CHECK_EQ(COUNT(HANDSHAKES_COMPLETED), 0);
    CHECK_EQ(COUNT(HANDSHAKES_EXPIRED), FORGED); // which the prefix pays for
    CHECK_EQ(COUNT(FAIL_WRONG_KEY), FORGED);
    CHECK_EQ(COUNT(FAIL_BACKOFF), 0);
    shake_hands(RIG_OTHER_IDENTITY, rig_psk, NULL, false);
    CHECK_EQ(COUNT(HANDSHAKES_COMPLETED), 1);
    shake_hands(RIG_IDENTITY, rig_psk, NULL, false);
    CHECK_EQ(COUNT(HANDSHAKES_COMPLETED), 2);
    end();
}

// What comes again as it was contradicts nothing.
DG_TEST(wrong_keys_wait_where_the_claim_comes_twice)
{
    REQUIRE(begin());
    for (int i = 0; i < 12; i++)
        shake_hands(RIG_IDENTITY, rig_wrong_psk, NULL, true);
    CHECK(COUNT(FAIL_BACKOFF) > 0);
    end();
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(claims_in_anothers_name_make_nobody_wait),
        DG_CASE(wrong_keys_wait_where_the_claim_comes_twice),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
