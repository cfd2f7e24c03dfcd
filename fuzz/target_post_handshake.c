// SPDX-License-Identifier: GPL-3.0-or-later
// Authentic records with bodies of the fuzzer's after the handshake: ACKs, KeyUpdates, other messages, alerts,
// repeated final flights, while the server sends, keys change and time passes.
//
// Input: a byte that chooses the association, then steps: a byte that says which (enum step), its arguments.
#include "fuzz.h"

#include "core/engine_internal.h"
#include "support/fake_peer.h"
#include "support/sim_audit.h"
#include "support/sim_clock.h"

#include <string.h>

enum step { RECORD, MESSAGE, ACK, ACK_LAST, SERVER_SENDS, TIME, NEXT_KEYS, OLD_NUMBER, FINISHED, RESTART, SKIP, STEPS };

static const struct fake_setup SETUPS[] = {
    {.version = 13, .aead = DG_AEAD_AES_128_GCM, .who = 1},
    {.version = 13, .aead = DG_AEAD_AES_128_GCM, .has_flight = true, .who = 1},
    {.version = 13, .aead = DG_AEAD_AES_256_GCM, .has_flight = true, .has_cid = true, .peer_cid_size = 5, .who = 1},
    {.version = 13, .aead = DG_AEAD_AES_128_CCM_8, .has_cid = true, .who = 1},
    {.version = 12, .aead = DG_AEAD_AES_128_GCM, .has_flight = true, .who = 1},
    {.version = 12, .aead = DG_AEAD_CHACHA20_POLY1305, .has_flight = true, .has_cid = true, .who = 1},
};

static struct fake_server server;
static struct fake_peer peer;

static void send_record(uint8_t type, const void *data, size_t size)
{
    uint8_t out[1024];
    fuzz_is_peer_sealing = true;
    size_t sealed = fake_peer_seal(&peer, type, data, size, out, sizeof out);
    fuzz_is_peer_sealing = false;
    (void)fake_peer_give(&peer, out, sealed);
}

static void send_message(struct fuzz_input *input)
{
    static const uint8_t TYPES[] = {24, 24, 20, 9, 10, 4, 1, 0};
    uint8_t what = fuzz_u8(input), message[300];
    size_t size;
    const uint8_t *body = fuzz_bytes(input, fuzz_u8(input), &size);
    uint16_t number = (uint16_t)(peer.message_seq + (what >> 6) - 1);
    size = fake_message(TYPES[what % 8], number, body, size, message);
    if ((what & 0x20) == 0 && number == peer.message_seq)
        peer.message_seq++;
    if ((what & 0x10) != 0)
        message[11] = (uint8_t)(message[11] - 1); // a fragment, with one byte too many behind it
    send_record(DG_CONTENT_HANDSHAKE, message, size);
}

static void send_ack(struct fuzz_input *input)
{
    uint8_t body[2 + 16 * 20 + 3], count = fuzz_u8(input);
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    size_t place = dg_write_open(&writer, 2);
    for (unsigned i = 0; i < count % 20u; i++) {
        dg_write_u64(&writer, fuzz_u8(input) % 8);
        dg_write_u64(&writer, fuzz_u8(input));
    }
    dg_write_close(&writer, place, 2);
    dg_write_zeros(&writer, count >> 6);
    send_record(DG_CONTENT_ACK, body, dg_writer_size(&writer));
}

static void ack_last(void)
{
    struct fake_record record, last = {0};
    size_t offset = 0;
    while (server.sent_count > 0)
        if (fake_peer_take(&peer, &offset, &record))
            last = record;
    uint8_t body[18];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u16(&writer, 16);
    dg_write_u64(&writer, last.epoch);
    dg_write_u64(&writer, last.sequence);
    send_record(DG_CONTENT_ACK, body, sizeof body);
}

static void send_old_number(struct fuzz_input *input)
{
    uint8_t out[512], back = fuzz_u8(input);
    size_t size;
    struct peer_record record = {.epoch = peer.tx_epoch,
                                 .sequence = peer.tx_next > back ? peer.tx_next - back : 0,
                                 .type = fuzz_u8(input),
                                 .cid = peer.cid,
                                 .cid_size = fake_peer_cid_size(&peer)};
    record.data = fuzz_bytes(input, fuzz_u8(input), &size);
    record.size = size;
    fuzz_is_peer_sealing = true;
    size_t sealed = fake_peer_seal_as(&peer, &peer.tx, &record, out, sizeof out);
    fuzz_is_peer_sealing = false;
    (void)fake_peer_give(&peer, out, sealed);
}

// The client's last flight again (RFC 6347 4.2.4, RFC 9147 5.8.1).
static void send_finished(struct fuzz_input *input)
{
    uint8_t what = fuzz_u8(input), message[64], out[256];
    size_t size = fake_message(20, (uint16_t)(what % 4), "verify", 6, message);
    struct peer_record record = {.epoch = peer.setup.version == 13 ? 2 : 1,
                                 .sequence = peer.setup.version == 13 ? peer.handshake_next++ : peer.tx_next++,
                                 .type = DG_CONTENT_HANDSHAKE,
                                 .cid = peer.cid,
                                 .cid_size = fake_peer_cid_size(&peer),
                                 .data = message,
                                 .size = size - (what >> 5)};
    fuzz_is_peer_sealing = true;
    size = fake_peer_seal_as(&peer, peer.setup.version == 13 ? &peer.handshake : &peer.tx, &record, out, sizeof out);
    fuzz_is_peer_sealing = false;
    (void)fake_peer_give(&peer, out, size);
}

static void take_step(struct fuzz_input *input)
{
    size_t size;
    uint8_t type;
    const uint8_t *body;
    switch ((enum step)(fuzz_u8(input) % STEPS)) {
    case RECORD:
        type = fuzz_u8(input);
        body = fuzz_bytes(input, fuzz_u8(input), &size);
        send_record(type, body, size);
        break;
    case MESSAGE:
        send_message(input);
        break;
    case ACK:
        send_ack(input);
        break;
    case ACK_LAST:
        ack_last();
        break;
    case SERVER_SENDS:
        (void)dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"0123456789abcdef",
                             fuzz_u8(input) % 16);
        break;
    case TIME:
        fake_server_run(&server, fuzz_u8(input) * DG_SECOND / 4);
        break;
    case NEXT_KEYS:
        if (peer.setup.version == 13)
            fake_peer_next_tx(&peer);
        break;
    case OLD_NUMBER:
        send_old_number(input);
        break;
    case FINISHED:
        send_finished(input);
        break;
    case RESTART:
        fake_server_restart(&server);
        break;
    case SKIP:
        peer.tx_next += fuzz_u8(input);
        break;
    case STEPS:
        break;
    }
}

static void holds(void)
{
    CHECK_EQ(dg_engine_live(server.engine), server.opened - server.closed);
    CHECK_EQ(fake_count(&server, DG_COUNT_PLAINTEXT_DELIVERED), server.delivered);
    CHECK_EQ(fake_count(&server, DG_COUNT_SLOTS_QUARANTINED), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    sim_clock_start(1);
    sim_audit_start();
    fake_server_start(&server, &fuzz_null_aead, NULL);
    server.sweep_late = DG_SWEEP_PERIOD;
    CHECK(fake_peer_join(&peer, &server, &SETUPS[fuzz_u8(&input) % (sizeof SETUPS / sizeof SETUPS[0])]));
    while (fuzz_more(&input)) {
        take_step(&input);
        holds();
    }
    dg_engine_drain(server.engine, server.now);
    fake_server_run(&server, 10 * DG_SECOND);
    CHECK_EQ(dg_engine_live(server.engine), 0);
    fake_server_stop(&server);
    sim_audit_stop();
    sim_clock_stop();
    return 0;
}
