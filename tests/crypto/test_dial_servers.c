// SPDX-License-Identifier: GPL-3.0-or-later
//
// Our dial against wolfSSL's own server, where that does what our gate never does: it has one group only, or shows
// what it was not asked for.

#include "check.h"
#include "core/record12.h"
#include "core/record13.h"
#include "core/wire_constants.h"
#include "crypto/wolf_aead.h"
#include "support/dial_credentials.h"
#include "support/sim_clock.h"
#include "support/wolf_server.h"

static struct dial_rig rig; // its dialer and its queues
static struct wolf_server *server;

static void server_send(void *context, const uint8_t *bytes, size_t size)
{
    (void)rig_queue_put(&((struct dial_rig *)context)->gate.to_client, bytes, size);
}

static size_t server_receive(void *context, uint8_t *buffer, size_t capacity)
{
    return rig_queue_get(&((struct dial_rig *)context)->gate.to_server, buffer, capacity);
}

static uint8_t *reserve(void *context, size_t capacity)
{
    struct dial_rig *of = context;
    return capacity <= sizeof of->scratch ? of->scratch : NULL;
}

static void commit(void *context, const struct dg_path *path, size_t size)
{
    (void)path;
    struct dial_rig *of = context;
    (void)rig_queue_put(&of->gate.to_server, of->scratch, size);
}

// Both ends to their end.
static enum dg_dial_step run(const struct wolf_server_config *config)
{
    static const uint8_t id[DG_CID_SIZE_DEFAULT] = {0xc1};
    const struct dg_bytes cid = {.data = id, .size = sizeof id};
    const struct dg_output output = {.context = &rig, .reserve = reserve, .commit = commit};
    struct wolf_server_config whole = *config;
    whole.wire = (struct wolf_client_wire){.context = &rig, .send = server_send, .receive = server_receive};
    memset(&rig.gate.to_client, 0, sizeof rig.gate.to_client);
    memset(&rig.gate.to_server, 0, sizeof rig.gate.to_server);
    server = wolf_server_new(&whole);
    if (server == NULL || !dg_address_parse("198.51.100.1:5684", &rig.path.peer) ||
        !dg_address_parse("192.0.2.1:40000", &rig.path.local))
        return DG_DIAL_FAILED;
    rig.step = DG_DIAL_GOES_ON;
    rig.dial = dg_wolf_dial.start(rig.dialer, rig.gate.now, &rig.path, cid, &output);
    for (int i = 0; i < 100 && rig.dial != NULL && rig.step == DG_DIAL_GOES_ON; i++) {
        uint8_t datagram[RIG_DATAGRAM_MAX];
        (void)wolf_server_accept(server);
        size_t size = rig_queue_get(&rig.gate.to_client, datagram, sizeof datagram);
        if (size > 0) {
            dial_rig_give(&rig, datagram, size);
        } else if (rig.gate.to_server.count == 0) {
            rig.gate.now = dg_wolf_dial.deadline(rig.dial);
            sim_clock_set(rig.gate.now);
            rig.step = dg_wolf_dial.advance(rig.dial, rig.gate.now, &output);
        }
    }
    (void)wolf_server_accept(server);
    return rig.step;
}

static void hang_up(void)
{
    dg_wolf_dial.free(rig.dial);
    rig.dial = NULL;
    wolf_server_free(server);
    server = NULL;
}

// A record under the hand-over's keys is one that the server opens.
static bool server_hears(const struct dg_handover *own, const char *text)
{
    uint8_t record[256], heard[64];
    const struct dg_key_view view = {.aead = (enum dg_aead_id)own->aead,
                                     .hash = (enum dg_hash_id)own->hash,
                                     .key = own->tx.key,
                                     .number_key = own->version == 13 ? own->tx.number_key : NULL,
                                     .iv = own->tx.iv,
                                     .secret = own->version == 13 ? own->tx.secret : NULL};
    size_t size = own->version == 13
                      ? dg_record13_seal(&dg_wolf_aead, &view, DG_EPOCH13_APPLICATION, own->tx_next,
                                         DG_CONTENT_APPLICATION_DATA, own->peer_cid, own->peer_cid_size, text,
                                         strlen(text), record, sizeof record)
                      : dg_record12_seal(&dg_wolf_aead, &view, DG_EPOCH12_PROTECTED, own->tx_next,
                                         DG_CONTENT_APPLICATION_DATA, own->peer_cid, own->peer_cid_size, text,
                                         strlen(text), record, sizeof record);
    (void)rig_queue_put(&rig.gate.to_server, record, size);
    return wolf_server_read(server, heard, sizeof heard) == (int)strlen(text) && memcmp(heard, text, strlen(text)) == 0;
}

DG_TEST(dial_negotiates_each_group)
{
    static const struct {
        int group;
        int version_min; // the hybrid is of DTLS 1.3 only
    } groups[] = {{WOLF_GROUP_P256, 12}, {WOLF_GROUP_P384, 12}, {WOLF_GROUP_X25519, 12}, {WOLF_GROUP_X25519_MLKEM768, 13}};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        for (int version = groups[i].version_min; version <= 13; version++) {
            struct dial_options options = options_of(CERTIFICATE, version);
            const struct wolf_server_config config = {.version = version,
                                                      .certificate = rig_pki()->server.certificate,
                                                      .key = rig_pki()->server.key,
                                                      .groups = {groups[i].group}};
            REQUIRE(dial_rig_dialer(&rig, &options));
            struct dg_handover handover = {0};
            bool done = run(&config) == DG_DIAL_DONE;
            CHECK_MSG(done, "group %d, DTLS 1.%d: %s", groups[i].group, version - 10,
                      rig.dial != NULL ? dg_wolf_dial.why(rig.dial, NULL) : "no dial");
            if (done && dg_wolf_dial.take(rig.dial, &handover)) {
                CHECK_EQ(handover.group, groups[i].group);
                CHECK_MSG(server_hears(&handover, "from the client"), "group %d, DTLS 1.%d: data", groups[i].group,
                          version - 10);
            }
            hang_up();
        }
    dial_rig_free(&rig);
}

DG_TEST(dial13_says_that_no_group_is_common)
{
    struct dial_options options = options_of(CERTIFICATE, 13);
    const struct wolf_server_config config = {.version = 13,
                                              .certificate = rig_pki()->server.certificate,
                                              .key = rig_pki()->server.key,
                                              .groups = {WOLF_GROUP_P521}};
    REQUIRE(dial_rig_dialer(&rig, &options));
    CHECK_EQ(run(&config), DG_DIAL_FAILED);
    CHECK_MSG(rig.dial != NULL && strstr(dg_wolf_dial.why(rig.dial, NULL), "in common") != NULL, "%s",
              dg_wolf_dial.why(rig.dial, NULL));
    hang_up();
    dial_rig_free(&rig);
}

// RFC 7250 4: under a CA a raw key was not asked for, and nobody vouches for it; by a pin it is judged by its digest.
DG_TEST(dial_refuses_a_raw_key_that_no_ca_vouches_for)
{
    for (int version = 12; version <= 13; version++)
        for (int how = 0; how < 4; how++) {
            struct dial_options options = options_of(CERTIFICATE, version);
            bool with_ca = how < 2, is_pinned = how % 2 == 1, is_good = !with_ca && is_pinned;
            const struct dg_pki_pem *shown = &rig_pki()->server;
            options.ca = with_ca ? options.ca : NULL;
            options.name = with_ca ? options.name : NULL;
            options.pin = is_pinned ? rig_pin(shown) : with_ca ? NULL : rig_pin(&rig_pki()->client);
            const struct wolf_server_config config = {.version = version, .public_key = shown->public_key, .key = shown->key};
            REQUIRE(dial_rig_dialer(&rig, &options));
            enum dg_dial_step step = run(&config);
            const char *why = rig.dial != NULL && step != DG_DIAL_DONE ? dg_wolf_dial.why(rig.dial, NULL) : "";
            CHECK_MSG(step == (is_good ? DG_DIAL_DONE : DG_DIAL_FAILED), "DTLS 1.%d, CA %d, pin %d: step %d, %s",
                      version - 10, with_ca, is_pinned, step, why);
            struct dg_handover handover = {0};
            bool taken = rig.dial != NULL && dg_wolf_dial.take(rig.dial, &handover);
            CHECK_MSG(taken == is_good, "DTLS 1.%d, CA %d, pin %d: taken %d", version - 10, with_ca, is_pinned, taken);
            CHECK_EQ(handover.identity_kind, is_good ? DG_IDENTITY_RAW_PUBLIC_KEY : DG_IDENTITY_NONE);
            hang_up();
        }
    dial_rig_free(&rig);
}

// A HelloRetryRequest of this size, for an extension that nobody asked for, in parts. Returns what became of the last.
static enum dg_counter give_large(struct dg_dial *dial, size_t length, const struct dg_output *output)
{
    static const uint8_t retry[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                      0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                      0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    static uint8_t body[20000];
    const size_t part_max = 1000;
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_bytes(&writer, retry, sizeof retry);
    dg_write_u8(&writer, 0);       // session ID
    dg_write_u16(&writer, 0x1301); // suite
    dg_write_u8(&writer, 0);       // compression
    dg_write_u16(&writer, (uint16_t)(length - 40));
    dg_write_u16(&writer, 0xfafa);
    dg_write_u16(&writer, (uint16_t)(length - 44));
    for (size_t offset = 0; offset < length; offset += part_max) {
        size_t size = length - offset < part_max ? length - offset : part_max;
        uint8_t record[DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER + 1000];
        writer = dg_writer_of(record, sizeof record);
        dg_write_u8(&writer, DG_CONTENT_HANDSHAKE);
        dg_write_u16(&writer, DG_VERSION_DTLS12);
        dg_write_u16(&writer, 0);
        dg_write_u48(&writer, offset / part_max);
        dg_write_u16(&writer, (uint16_t)(DG_HANDSHAKE_HEADER + size));
        dg_write_u8(&writer, DG_HS_SERVER_HELLO);
        dg_write_u24(&writer, (uint32_t)length);
        dg_write_u16(&writer, 0);
        dg_write_u24(&writer, (uint32_t)offset);
        dg_write_u24(&writer, (uint32_t)size);
        dg_write_bytes(&writer, body + offset, size);
        CHECK_EQ(dg_wolf_dial.receive(dial, rig.gate.now, record, dg_writer_size(&writer), output), DG_DIAL_GOES_ON);
    }
    return dg_wolf_dial.dropped(dial);
}

// As large as the library reads one, as one record with both headers; beyond that it is refused under its name and not
// taken for given.
DG_TEST(dial_gives_the_library_the_largest_message_that_it_takes)
{
    static const uint8_t id[DG_CID_SIZE_DEFAULT] = {7};
    const struct dg_bytes cid = {.data = id, .size = sizeof id};
    const struct dg_output output = {.context = &rig, .reserve = reserve, .commit = commit};
    const size_t room = 16384 - DG_RECORD12_HEADER - DG_HANDSHAKE_HEADER;
    const size_t lengths[] = {1000, room - 1, room, room + 1, 16384, 16385};
    struct dial_options options = options_of(CERTIFICATE, 13);
    REQUIRE(dial_rig_dialer(&rig, &options));
    REQUIRE(dg_address_parse("198.51.100.1:5684", &rig.path.peer) && dg_address_parse("192.0.2.1:40000", &rig.path.local));
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        bool fits = lengths[i] <= room;
        struct dg_dial *dial = dg_wolf_dial.start(rig.dialer, rig.gate.now, &rig.path, cid, &output);
        REQUIRE(dial != NULL);
        enum dg_counter dropped = give_large(dial, lengths[i], &output);
        const char *why = dg_wolf_dial.why(dial, NULL);
        CHECK_MSG(dropped == (fits ? DG_COUNT_NONE : DG_COUNT_DROP_MESSAGE_UNEXPECTED), "%zu bytes: dropped as %s",
                  lengths[i], dg_counter_name(dropped));
        CHECK_MSG(strstr(why, fits ? "none of the DTLS versions" : "larger than we take") != NULL, "%zu bytes: %s",
                  lengths[i], why);
        dg_wolf_dial.free(dial);
    }
    dial_rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(dial_negotiates_each_group),
        DG_CASE(dial13_says_that_no_group_is_common),
        DG_CASE(dial_refuses_a_raw_key_that_no_ca_vouches_for),
        DG_CASE(dial_gives_the_library_the_largest_message_that_it_takes),
    };
    sim_clock_start(1); // the library's timers go by the wall clock
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
