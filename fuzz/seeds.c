// SPDX-License-Identifier: GPL-3.0-or-later
// Writes the seed corpora: for each target a few inputs that reach deep, made with the makers of tests/support.
// Run by hand when an input format changes (scripts/fuzz --seeds); what it writes is committed. Replaces only
// files named seed-*.
#include "base/wire.h"
#include "core/hello.h"
#include "core/wire_constants.h"
#include "support/credential_kit.h"
#include "support/fake_handshake.h"
#include "support/fake_peer.h"
#include "support/peer_records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *folder;

static void save(const char *target, const char *name, const void *data, size_t size)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, target);
    (void)mkdir(path, 0777);
    (void)snprintf(path, sizeof path, "%s/%s/seed-%s", folder, target, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void save_text(const char *target, const char *name, const char *text)
{
    save(target, name, text, strlen(text));
}

#define SAVE_BYTES(target, name, ...)                               \
    do {                                                            \
        static const uint8_t BYTES[] = {__VA_ARGS__};               \
        save((target), (name), BYTES, sizeof BYTES);                \
    } while (0)

// --- datagrams: settings, then (peer, length, bytes); the AEAD of that target opens anything -----------------

static size_t put_datagram(uint8_t *out, uint8_t peer, const uint8_t *datagram, size_t size)
{
    out[0] = peer;
    out[1] = (uint8_t)(size >> 8);
    out[2] = (uint8_t)size;
    memcpy(out + 3, datagram, size);
    return size + 3;
}

static void datagram_seeds(void)
{
    static const struct {
        const char *name;
        uint8_t peer, version;
        enum dg_aead_id aead;
        bool has_cid;
        uint8_t cid_choice; // of the target's CID_SIZES
        uint8_t cid_size;
    } PEERS[] = {
        {"12", 0, 12, DG_AEAD_AES_128_GCM, false, 0, 0},         {"12-cid", 1, 12, DG_AEAD_AES_128_GCM, true, 0, 0},
        {"12-chacha", 2, 12, DG_AEAD_CHACHA20_POLY1305, true, 0, 0}, {"12-ccm8", 3, 12, DG_AEAD_AES_128_CCM_8, false, 0, 0},
        {"13", 4, 13, DG_AEAD_AES_128_GCM, false, 0, 0},         {"13-cid", 5, 13, DG_AEAD_AES_256_GCM, true, 0, 0},
        {"13-ccm8", 6, 13, DG_AEAD_AES_128_CCM_8, true, 0, 0},   {"13-chacha", 7, 13, DG_AEAD_CHACHA20_POLY1305, false, 0, 0},
        {"12-cid-4", 1, 12, DG_AEAD_AES_128_GCM, true, 1, 4},   {"12-cid-16", 1, 12, DG_AEAD_AES_128_GCM, true, 3, 16},
        {"13-cid-4", 5, 13, DG_AEAD_AES_256_GCM, true, 1, 4},   {"13-cid-16", 5, 13, DG_AEAD_AES_256_GCM, true, 3, 16},
    };
    static const uint8_t TYPES[] = {23, 21, 22, 26, 27};
    for (size_t i = 0; i < sizeof PEERS / sizeof PEERS[0]; i++) {
        uint8_t input[2048] = {(uint8_t)(1 | PEERS[i].cid_choice << 3)}, datagram[1024], message[64];
        uint8_t cid[DG_CID_SIZE_MAX];
        size_t cid_size = PEERS[i].cid_size > 0 ? PEERS[i].cid_size : DG_CID_SIZE_DEFAULT;
        size_t used = 1;
        const struct peer_keys keys = peer_keys_any(&dg_null_aead, PEERS[i].aead, DG_HASH_SHA256,
                                                    PEERS[i].version == 13, 1);
        for (size_t k = 0; k < sizeof cid; k++)
            cid[k] = (uint8_t)(PEERS[i].peer + 17 * k); // as fake_peer_join makes it
        for (size_t t = 0; t < sizeof TYPES; t++) {
            struct peer_record record = {.epoch = PEERS[i].version == 13 ? 3 : 1,
                                         .sequence = 1 + t,
                                         .type = TYPES[t],
                                         .cid = cid,
                                         .cid_size = PEERS[i].has_cid ? cid_size : 0,
                                         .data = message,
                                         .size = TYPES[t] == 21 ? 2 : 16};
            memset(message, 0, sizeof message);
            message[0] = 1;
            if (TYPES[t] == 22)
                record.size = fake_message(DG_HS_KEY_UPDATE, 3, "\1", 1, message);
            size_t size = PEERS[i].version == 13 ? peer_seal13(&keys, &record, datagram, sizeof datagram)
                                                 : peer_seal12(&keys, &record, datagram, sizeof datagram);
            if (PEERS[i].version == 13) { // this target masks no record number
                size_t at = 1 + record.cid_size;
                datagram[at] = 0;
                datagram[at + 1] = (uint8_t)record.sequence;
            }
            used += put_datagram(input + used, PEERS[i].peer, datagram, size);
        }
        input[used++] = 8; // time passes
        input[used++] = 4;
        save("datagram", PEERS[i].name, input, used);
    }
}

// --- hellos -------------------------------------------------------------------------------------------------

static size_t rich_hello(unsigned identities, uint8_t *out, size_t capacity)
{
    struct dg_writer w = dg_writer_of(out, capacity);
    dg_write_u16(&w, 0xfefd);
    dg_write_zeros(&w, 32);
    dg_write_u16(&w, 0);
    dg_write_u16(&w, 4);
    dg_write_u32(&w, 0x1301c02b);
    dg_write_u16(&w, 0x0100);
    size_t all = dg_write_open(&w, 2);
    dg_write_u32(&w, 43u << 16 | 5);
    dg_write_u8(&w, 4);
    dg_write_u32(&w, 0xfefcfefd);
    dg_write_u32(&w, 44u << 16 | 6);
    dg_write_u16(&w, 4);
    dg_write_u32(&w, 0x12345678);
    dg_write_u32(&w, 54u << 16 | 3);
    dg_write_u24(&w, 0x02abcd);
    dg_write_u32(&w, 61u << 16);
    dg_write_u32(&w, 23u << 16);
    dg_write_u32(&w, 20u << 16 | 3);
    dg_write_u24(&w, 0x020200);
    dg_write_u32(&w, 45u << 16 | 2);
    dg_write_u16(&w, 0x0101);
    dg_write_u32(&w, 51u << 16 | 9);
    dg_write_u32(&w, 7u << 16 | 23);
    dg_write_u16(&w, 3);
    dg_write_u24(&w, 0x040506);
    dg_write_u16(&w, 41);
    size_t psk = dg_write_open(&w, 2), list = dg_write_open(&w, 2);
    for (unsigned i = 0; i < identities; i++) {
        dg_write_u16(&w, 3);
        dg_write_bytes(&w, "abc", 3);
        dg_write_u32(&w, 0);
    }
    dg_write_close(&w, list, 2);
    list = dg_write_open(&w, 2);
    for (unsigned i = 0; i < identities; i++) {
        dg_write_u8(&w, 32);
        dg_write_zeros(&w, 32);
    }
    dg_write_close(&w, list, 2);
    dg_write_close(&w, psk, 2);
    dg_write_close(&w, all, 2);
    return w.failed ? 0 : dg_writer_size(&w);
}

static void hello_seeds(void)
{
    const size_t heads = DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER;
    uint8_t out[4096], input[4096];
    save("hello", "13-rich", out, rich_hello(1, out, sizeof out));
    save("hello", "13-eight-identities", out, rich_hello(8, out, sizeof out));
    save("hello", "13-nine-identities", out, rich_hello(9, out, sizeof out));
    for (unsigned i = 0; i < 4; i++) {
        char name[32];
        struct toy_client client = toy_client_new("192.0.2.1:4000", "192.0.2.9:5684", i % 2 == 1, i);
        client.offers_cid = i > 1;
        client.cid_size = i;
        client.cookie_size = 4 * i;
        size_t size = toy_hello(&client, out, sizeof out);
        (void)snprintf(name, sizeof name, "toy-%u", i);
        save("hello", name, out + heads, size - heads);
        save("hello", "message", out + DG_RECORD12_HEADER, size - DG_RECORD12_HEADER);
        // the same as a raw datagram before the front: settings, step RAW of client 0, length
        input[0] = 7;
        input[1] = 0;
        input[2] = (uint8_t)(size >> 8);
        input[3] = (uint8_t)size;
        memcpy(input + 4, out, size);
        (void)snprintf(name, sizeof name, "raw-%u", i);
        save("front", name, input, size + 4);
    }
}

// --- inputs that are steps: see the enum at the head of each target -------------------------------------------

static void step_seeds(void)
{
    // TURN is 1, PART 3, TIME 4, DATA 7, DAMAGED 2, ANEW 5; + 10 for each client
    SAVE_BYTES("front", "handshakes", 0x2f, 1, 1, 1, 7, 11, 11, 11, 17, 21, 21, 21, 31, 31, 31, 41, 41, 41, 4, 40);
    SAVE_BYTES("front", "parts", 0x07, 3, 0, 30, 3, 1, 30, 3, 2, 30, 1, 1, 13, 1, 20, 13, 0, 20, 13, 3, 20, 13, 2, 20,
               4, 255);
    SAVE_BYTES("front", "damaged", 0x07, 2, 1, 0, 60, 1, 0, 1, 2, 2, 0, 13, 4, 0, 40, 9, 0, 1, 1, 2, 0, 4, 200);
    SAVE_BYTES("front", "no-room", 0x27, 8, 0, 1, 1, 1, 7, 7, 4, 8, 8, 0, 4, 8, 8, 3, 11, 11, 11, 4, 100);
    SAVE_BYTES("front", "anew", 0x04, 1, 1, 5, 1, 1, 1, 9, 9, 4, 16, 9, 7, 7, 4, 90);

    // RECORD 0, MESSAGE 1, ACK 2, ACK_LAST 3, SERVER_SENDS 4, TIME 5, NEXT_KEYS 6, OLD_NUMBER 7, FINISHED 8
    SAVE_BYTES("post_handshake", "key-update-of-client", 0, 1, 64, 1, 1, 3, 6, 0, 23, 4, 1, 2, 3, 4, 4, 8, 5, 200);
    SAVE_BYTES("post_handshake", "key-update-again", 0, 1, 64, 1, 1, 1, 0, 1, 1, 6, 1, 64, 1, 0, 6, 0, 23, 1, 9, 5, 80);
    SAVE_BYTES("post_handshake", "key-update-of-server", 1, 1, 64, 1, 1, 6, 3, 5, 8, 4, 8, 3, 3, 4, 8, 0, 23, 1, 9);
    SAVE_BYTES("post_handshake", "ticket", 1, 5, 8, 2, 1, 3, 1, 5, 20, 3);
    SAVE_BYTES("post_handshake", "finished-13", 1, 8, 2, 5, 4, 8, 2, 8, 0x42, 5, 255);
    SAVE_BYTES("post_handshake", "finished-12", 4, 8, 3, 5, 4, 8, 3, 0, 23, 1, 1, 8, 3, 5, 255);
    SAVE_BYTES("post_handshake", "acks", 2, 2, 0x43, 3, 0, 3, 1, 4, 0, 2, 19, 2, 0xc1, 3, 1, 0, 26, 3, 0, 1, 0);
    SAVE_BYTES("post_handshake", "fragments", 3, 1, 0x50, 2, 0, 1, 1, 0x60, 1, 0, 1, 0x40, 1, 9, 1, 0x42, 3, 1, 2, 3);
    SAVE_BYTES("post_handshake", "cids", 2, 1, 0x43, 1, 1, 1, 0x44, 12, 0, 9, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0);
    SAVE_BYTES("post_handshake", "alerts", 3, 0, 21, 2, 1, 90, 0, 21, 2, 1, 0, 7, 1, 23, 2, 7, 7, 4, 3, 5, 40, 0, 21, 2,
               2, 20);
    SAVE_BYTES("post_handshake", "restart", 1, 1, 64, 1, 1, 9, 3, 6, 0, 23, 1, 1, 9, 10, 200, 0, 23, 1, 1, 9, 5, 9);

    // SEND 0, REPEAT 1, DATA 2, TIME 3, MOVE 4, ANEW 5, AGAIN 6, RAW 7, ALERT 8, UPDATE 9, SERIES 10; + 11 for each
    SAVE_BYTES("sequence", "talk", 0, 0, 0, 3, 6, 0, 3, 6, 0, 3, 6, 2, 40, 10, 11, 3, 6, 11, 3, 6, 11, 3, 6, 13, 40, 21,
               3, 9, 20, 1, 13, 4, 19, 0, 0);
    SAVE_BYTES("sequence", "move", 0, 0, 11, 3, 6, 11, 3, 6, 11, 3, 6, 13, 9, 15, 13, 9, 3, 6, 15, 13, 9, 21, 22, 3, 6,
               22, 3, 6, 22, 3, 6, 26, 24, 8, 24, 9);
    SAVE_BYTES("sequence", "again", 0, 2, 0, 3, 6, 0, 3, 6, 0, 3, 6, 2, 9, 6, 0, 6, 1, 6, 2, 6, 3, 17, 0x83, 17, 0x93, 0,
               3, 1, 2, 9, 6, 0x13, 0, 20, 1);
    SAVE_BYTES("sequence", "anew", 0x15, 1, 0, 3, 6, 0, 3, 6, 0, 3, 6, 2, 9, 5, 0, 3, 6, 0, 3, 6, 0, 3, 6, 2, 9, 3, 13, 5,
               0, 3, 12, 0, 3, 12);
    SAVE_BYTES("sequence", "all", 0, 4, 0, 11, 22, 33, 44, 3, 6, 0, 11, 22, 33, 44, 3, 6, 0, 11, 22, 33, 44, 3, 6, 0, 11,
               22, 33, 44, 3, 6, 2, 1, 13, 1, 24, 1, 35, 1, 46, 1, 10, 21, 32, 43, 54, 3, 13, 8, 0, 0, 19, 1, 1);

    // DATA 0, RRC 1, ACK 2, UPDATE 3, NEW_IDS 4, REQUEST_IDS 5, RAW 6, AGAIN 7, SERVER_SENDS 8, TIME 9; + 10 for each.
    // First what is configured: 0x1c RRC for all, 2 without asking the old address, 1 strict, 0xe0 we are the client
    SAVE_BYTES("rrc", "basic", 0x1e, 0, 0, 10, 0, 1, 40, 8, 10, 1, 1, 1, 8, 50, 10, 2, 60, 11, 2, 1, 18, 40, 0, 3, 9, 9, 15);
    SAVE_BYTES("rrc", "enhanced", 0x1c, 0, 0, 10, 0, 1, 40, 9, 11, 1, 1, 1, 8, 50, 0, 2, 30, 1, 0, 1, 0, 2, 30, 1, 0, 2, 1,
               2, 1, 8, 200);
    SAVE_BYTES("rrc", "old-gone-12", 0x1c, 10, 0, 10, 10, 1, 40, 9, 10, 11, 1, 1, 18, 50, 10, 3, 9, 11, 0, 2, 11, 3, 1, 18, 9);
    SAVE_BYTES("rrc", "probe", 0x00, 0, 1, 40, 8, 90, 8, 90, 2, 1, 0, 8, 90, 0, 1, 9, 0, 2, 80, 9, 10, 2, 2, 0, 0, 2, 3, 8, 70);
    SAVE_BYTES("rrc", "probe-strict", 0x01, 0, 1, 40, 8, 90, 2, 0, 0, 2, 1, 0, 8, 90, 20, 2, 99, 9, 11, 22, 2, 0, 28, 70);
    SAVE_BYTES("rrc", "made-up", 0x1e, 0, 1, 40, 0, 1, 40, 1, 1, 5, 8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 50, 1, 2, 1, 8, 50);
    SAVE_BYTES("rrc", "unasked", 0x00, 0, 1, 40, 0, 1, 40, 0, 2, 9, 0, 2, 9, 8, 9, 2, 2, 0x83, 8, 90);
    SAVE_BYTES("rrc", "late", 0x1e, 0, 1, 40, 1, 0x11, 1, 0, 1, 40, 7, 10, 8, 50, 7, 9, 8, 50, 7, 1, 7, 17, 8, 50);
    SAVE_BYTES("rrc", "foreseen", 0x0a, 2, 4, 11, 2, 4, 4, 2, 1, 5, 18, 40); // ACKs of what it is about to make us send
    SAVE_BYTES("rrc", "newest", 0x00, 10, 1, 40, 18, 10, 18, 90, 10, 1, 40, 18, 90, 10, 6, 9, 10, 2, 9, 10, 2, 9, 18, 90);
    SAVE_BYTES("rrc", "strangers", 0x1e, 0, 16, 9, 0, 1, 60, 7, 0x0a, 7, 1, 7, 2, 7, 5, 0, 3, 0, 9, 10, 30, 20, 0, 0, 9, 60, 1,
               2, 1, 8, 90);
    SAVE_BYTES("rrc", "ids", 0x1e, 4, 0, 3, 5, 0xc0, 0, 32, 9, 0, 33, 40, 1, 1, 1, 8, 9, 0, 34, 40, 1, 2, 1, 4, 2, 6, 8, 9);
    SAVE_BYTES("rrc", "keys", 0x0c, 3, 0x40, 0, 1, 9, 23, 0, 20, 1, 40, 22, 1, 0, 20, 2, 60, 9, 11, 22, 2, 0, 28, 90, 9, 19);
    SAVE_BYTES("rrc", "client", 0xfc, 0, 1, 9, 1, 1, 0, 1, 2, 4, 8, 1, 2, 3, 4, 5, 6, 7, 8, 11, 3, 0, 21, 1, 0, 8, 90, 6, 1,
               27, 2, 0, 0, 6, 1, 21, 2, 2, 40, 0, 0, 9);

    // where | how << 3, place, value: part 2 and 3 slots, 4 wide, 5 and 6 flights, 0 header, 1 shard head
    SAVE_BYTES("attach", "whole", 0);
    SAVE_BYTES("attach", "slot", 7, 0, 4, 1, 0x0f, 0, 6, 4, 0x1a, 1, 200, 3);
    SAVE_BYTES("attach", "sum", 7, 0, 4, 1, 0x18, 0, 0, 0, 2, 2, 0, 9, 0x18, 0, 0, 1);
    SAVE_BYTES("attach", "sides", 4, 0, 0, 9, 5, 0, 4, 2, 6, 0, 8, 7, 0x16, 1, 0, 255, 0x0e, 2, 240, 0);
    SAVE_BYTES("attach", "header", 0, 0, 0, 1);
    SAVE_BYTES("attach", "head", 9, 0, 0, 255, 9, 0, 4, 3, 9, 0, 8, 0);

    // the association, then datagrams: records - 1 | damage << 2, for each record: type | odd 16 | length 32, number
    static const uint8_t TALK[] = {0x00, 0x00, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x02, 0x00, 0, 1, 2, 3, 4, 5, 6, 7, 8,
                                   0x20, 1, 3, 7, 7, 7, 0x00, 129, 1, 2, 3, 4, 5, 6, 7, 8,
                                   0x04, 0x00, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 1, 0x00, 0x00, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t ODD[] = {0x00, 0x10, 0, 0x04, 1, 2, 3, 4, 5, 6, 7, 8, 0x00, 0x10, 5, 0x10, 30, 1, 2, 3, 4, 5, 6,
                                  7, 8, 0x00, 0x10, 127, 0x08, 1, 2, 3, 4, 5, 6, 7, 8, 0x00, 0x00, 190, 1, 2, 3, 4, 5,
                                  6, 7, 8, 0x00, 0x04, 0, 1, 0};
    for (uint8_t kind = 0; kind < 8; kind++) {
        uint8_t input[128] = {kind};
        char name[32];
        memcpy(input + 1, TALK, sizeof TALK);
        (void)snprintf(name, sizeof name, "talk-%u", kind);
        save("differential", name, input, 1 + sizeof TALK);
        memcpy(input + 1, ODD, sizeof ODD);
        (void)snprintf(name, sizeof name, "odd-%u", kind);
        save("differential", name, input, 1 + sizeof ODD);

        // GIVE 0, GIVE_TWICE 1, LOSE 2, DAMAGE 3, REPLACE 4, INSERT 5, RAW 6, TIME 7
        static const uint8_t WHOLE[] = {0, 0, 0, 0, 0, 0, 0, 0}, LOSSY[] = {2, 7, 12, 1, 2, 7, 24, 1, 0, 7, 40, 0, 0},
                             HARSH[] = {4, 0, 0, 4, 1, 2, 3, 4, 7, 12, 3, 1, 0, 13, 255, 0, 40, 1, 5, 21, 0, 3, 2, 2, 40,
                                        5, 22, 0, 7, 13, 20, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7, 40, 0};
        memcpy(input + 1, WHOLE, sizeof WHOLE);
        (void)snprintf(name, sizeof name, "whole-%u", kind);
        save("handshake", name, input, 1 + sizeof WHOLE);
        memcpy(input + 1, LOSSY, sizeof LOSSY);
        (void)snprintf(name, sizeof name, "lossy-%u", kind);
        save("handshake", name, input, 1 + sizeof LOSSY);
        memcpy(input + 1, HARSH, sizeof HARSH);
        (void)snprintf(name, sizeof name, "harsh-%u", kind);
        save("handshake", name, input, 1 + sizeof HARSH);
        input[0] = kind | 8; // with a ticket
        memcpy(input + 1, LOSSY, sizeof LOSSY);
        (void)snprintf(name, sizeof name, "resumed-%u", kind);
        save("handshake", name, input, 1 + sizeof LOSSY);
    }
}

static void dial_seeds(void)
{
    // FORGE 0, BYTES 1, PASS 2, TWICE 3, DAMAGE 4, REPLACE 5, LOSE 6, NEXT_IS_LATE 7; + 8 for a server that speaks at once
    static const uint8_t WHOLE[] = {2}, TWICE[] = {3, 3, 3, 3, 3, 3}, LOSSY[] = {6, 2, 6, 2, 2, 6, 2, 7, 2, 6},
                         LATE[] = {7, 7, 7, 7, 7, 7}, DAMAGED[] = {4, 1, 0, 60, 1, 0, 13, 4, 2, 4, 0, 0, 30, 8, 2, 2},
                         REPLACED[] = {5, 0, 0, 4, 1, 2, 3, 4, 2, 5, 0, 30, 2, 9, 9, 2, 5, 1, 0, 3, 7, 7, 7, 2},
                         // an alert, a HelloVerifyRequest, an empty ServerHelloDone, an acknowledgement, an odd one
                         FORGED[] = {0, 21, 0, 0, 2, 2, 40, 0, 22, 0, 0, 17, 3, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 5,
                                     0xfe, 0xff, 2, 7, 7, 2, 0, 22, 0, 3, 12, 14, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 2,
                                     0, 26, 0, 1, 2, 0, 0, 2, 1, 0, 20, 23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 7, 1, 2, 3,
                                     4, 5, 6, 7, 2};
    static const struct {
        const char *name;
        const uint8_t *steps;
        size_t size;
    } KINDS[] = {{"whole", WHOLE, sizeof WHOLE},       {"twice", TWICE, sizeof TWICE}, {"lossy", LOSSY, sizeof LOSSY},
                 {"late", LATE, sizeof LATE},          {"damaged", DAMAGED, sizeof DAMAGED},
                 {"replaced", REPLACED, sizeof REPLACED}, {"forged", FORGED, sizeof FORGED}};
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        for (uint8_t dialer = 0; dialer < 8; dialer++) {
            uint8_t input[128] = {(uint8_t)(dialer + 8 * (i % 2))};
            char name[32];
            memcpy(input + 1, KINDS[i].steps, KINDS[i].size);
            (void)snprintf(name, sizeof name, "%s-%u", KINDS[i].name, dialer);
            save("dial", name, input, 1 + KINDS[i].size);
        }
    }
}

static void text_seeds(void)
{
    save_text("notice", "ready", "READY=1\nSTATUS=serving 3 listeners");
    save_text("notice", "stores", "FDSTORE=1\nFDPOLL=0\nFDNAME=socket-1");
    save_text("notice", "forgets", "FDSTOREREMOVE=1\nFDNAME=memory\nX_DTLSGATE_PREPARED=1\nSTOPPING=1\n");
    save_text("notice", "watched", "WATCHDOG_USEC=60000000\nWATCHDOG=1");
    save_text("notice", "odd", "FDNAME=a:b\nWATCHDOG_USEC=99999999999999999999\nREADY=2\n\n=\nSTATUS=");

    save_text("options", "whole",
              "--listen\n127.0.0.1:5684\n--listen=[2001:db8::1]:5684\n--backend=echo\n--psk-file\nkeys\n"
              "--workers=4\n--profile\nmodern\n--backend-port-min\n40000");
    save_text("options", "alone", "associations-max\n4294967296");
    save_text("options", "choice", "--client-auth\ninsecure-none\n--connection-id=no\n--steering=forward");
    save_text("options", "wrong", "--lisen=1\n--workers\n-1\n--=\n--listen\n300.0.0.1:1");
    save_text("options", "missing", "--cert\na\n--key");

    save_text("request", "status", "text status");
    save_text("request", "associations", "json associations sensor-*");
    save_text("request", "pattern", "json associations a\\x2a?\\x5c*\\x00");
    save_text("request", "close", "text close 00ff00ff00ff00ff");
    save_text("request", "close-identity", "text close-identity *");
    save_text("request", "reload", "text reload");
    save_text("request", "why", "json why a\\x0ab\\xff \xc3\xa9");
    save_text("request", "address", "text why [2001:db8::1]:5684");
    save_text("request", "other", "text dance");

    // A digit at a time, so that no line of this file looks like a key.
    char text[1024];
    size_t used = 0;
    used += (size_t)snprintf(text + used, sizeof text - used, "# comment\r\n\nmeter-1:%032d\n", 12);
    used += (size_t)snprintf(text + used, sizeof text - used, "with:colon:%064d \t\n#6d32:%0128d\n", 34, 56);
    save("psk_file", "whole", text, used);
    used = (size_t)snprintf(text, sizeof text, "twice:%032d\ntwice:%032d\n", 1, 2);
    save("psk_file", "twice", text, used);
    used = (size_t)snprintf(text, sizeof text, "#00:%032d", 1);
    save("psk_file", "nul", text, used);
    used = (size_t)snprintf(text, sizeof text, "odd:%031d\n", 1);
    save("psk_file", "odd", text, used);
    save_text("psk_file", "short", "a:00\n");
    save_text("psk_file", "no-colon", "hello\n");
}

#define CONFIG_LISTENER "listeners:\n  - listen: 127.0.0.1:5684\n    backend: echo\n    psk-file: /p\n"

static void config_seeds(void)
{
    save_text("config", "small", CONFIG_LISTENER);
    save_text("config", "whole",
              "workers: 3\n"
              "listeners:\n"
              "  - name: sensors\n"
              "    listen: [\"127.0.0.1:5684\", \"[::1]:5684\"]\n"
              "    backend: udp:127.0.0.1:5683\n"
              "    psk-file: credential:p\n"
              "    rules:\n"
              "      - {name: lab, identity: lab-*, proof: [psk, certificate], from: [192.0.2.0/24, \"2001:db8::/32\"],\n"
              "         action: allow, backend: echo, messages-rate: 20, associations-max: 2, when-full: replace}\n"
              "      - action: deny\n"
              "  - listen: 127.0.0.1:5685\n"
              "    backend: echo\n"
              "    client-ca: ca.pem\n"
              "    certificates: [{cert: one, key: two}, {cert: /three, key: env:four}]\n");
    save_text("config", "wrong", "workers: 99\nworker: 1\nlisten: 1.2.3.4:5\n" CONFIG_LISTENER "    backend: echo\n    profile: x\n");
    save_text("config", "rules", CONFIG_LISTENER "    rules: [{action: allow}, {action: deny, from: 10.0.0.1/8}, {identity: a}]\n");
    save_text("config", "anchors", "a: &a [1]\nb: *a\n");
    save_text("config", "documents", CONFIG_LISTENER "---\nworkers: 1\n");
    save_text("config", "quoted", "'workers': \"3\"\n? log-level\n: >-\n  info\n" CONFIG_LISTENER);
    char text[512];
    size_t used = (size_t)snprintf(text, sizeof text, CONFIG_LISTENER "    client-ca: x:%032d\n    psk: \"%032d\"\n", 1, 2);
    save("config", "secret", text, used);
    used = (size_t)snprintf(text, sizeof text, CONFIG_LISTENER "    profile: \"x: %032x \"\n    \"x:  %032x\": 3\n", 10, 11);
    save("config", "secret-blank", text, used);
}

// --- a server's unprotected flights, for the screen: steps as target_screen.c reads them --------------------------

static size_t put_message(uint8_t *out, uint8_t type, uint16_t seq, const uint8_t *body, uint32_t length, uint32_t from,
                          uint32_t size)
{
    struct dg_writer writer = dg_writer_of(out, 512);
    dg_write_u8(&writer, 0); // a record
    dg_write_u16(&writer, (uint16_t)(DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER + size));
    dg_write_u8(&writer, DG_CONTENT_HANDSHAKE);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, 0);
    dg_write_u48(&writer, seq);
    dg_write_u16(&writer, (uint16_t)(DG_HANDSHAKE_HEADER + size));
    dg_write_u8(&writer, type);
    dg_write_u24(&writer, length);
    dg_write_u16(&writer, seq);
    dg_write_u24(&writer, from);
    dg_write_u24(&writer, size);
    dg_write_bytes(&writer, body + from, size);
    return dg_writer_size(&writer);
}

static size_t put_whole(uint8_t *out, uint8_t type, uint16_t seq, const uint8_t *body, uint32_t length)
{
    return put_message(out, type, seq, body, length, 0, length);
}

static void screen_seeds(void)
{
    static const uint8_t verify[] = {0xfe, 0xfd, 4, 1, 2, 3, 4}, blob[40] = {7};
    uint8_t hello[38] = {0xfe, 0xfd}, other[38], out[4096];
    hello[35] = 0xc0, hello[36] = 0x2b; // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    memcpy(other, hello, sizeof other);
    other[9] = 1;
    size_t at = put_whole(out, DG_HS_HELLO_VERIFY_REQUEST, 0, verify, sizeof verify);
    out[at++] = 3;
    at += put_whole(out + at, DG_HS_SERVER_HELLO, 1, hello, sizeof hello);
    at += put_message(out + at, DG_HS_CERTIFICATE, 2, blob, sizeof blob, 20, 20);
    at += put_message(out + at, DG_HS_CERTIFICATE, 2, blob, sizeof blob, 0, 20);
    at += put_whole(out + at, DG_HS_SERVER_KEY_EXCHANGE, 3, blob, sizeof blob);
    at += put_whole(out + at, DG_HS_SERVER_HELLO_DONE, 4, blob, 0);
    out[at++] = 3;
    at += put_whole(out + at, DG_HS_SERVER_HELLO, 1, other, sizeof other);
    at += put_whole(out + at, DG_HS_NEW_SESSION_TICKET, 5, blob, sizeof blob);
    out[at++] = 5, out[at++] = 6; // the Finished has number 6
    out[at++] = 6;
    save("screen", "12", out, at);

    at = put_whole(out, DG_HS_SERVER_HELLO, 0, hello, sizeof hello);
    out[at++] = 4, out[at++] = 0; // resumed: tried by itself
    at += put_whole(out + at, DG_HS_NEW_SESSION_TICKET, 1, blob, sizeof blob);
    out[at++] = 5, out[at++] = 2;
    out[at++] = 6;
    save("screen", "12-resumed", out, at);

    static const uint8_t retry[] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                    0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                    0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    hello[35] = other[35] = 0x13, hello[36] = other[36] = 0x01;
    uint8_t question[38];
    memcpy(question, hello, sizeof question);
    memcpy(question + 2, retry, sizeof retry);
    at = put_whole(out, DG_HS_SERVER_HELLO, 0, question, sizeof question);
    out[at++] = 3;
    at += put_whole(out + at, DG_HS_SERVER_HELLO, 1, hello, sizeof hello);
    out[at++] = 4, out[at++] = 1;
    at += put_whole(out + at, DG_HS_SERVER_HELLO, 1, other, sizeof other); // contested
    out[at++] = 7;
    at += put_whole(out + at, DG_HS_SERVER_HELLO, 0, question, sizeof question);
    out[at++] = 3;
    at += put_whole(out + at, DG_HS_SERVER_HELLO, 1, other, sizeof other);
    out[at++] = 4, out[at++] = 1;
    out[at++] = 6;
    save("screen", "13-contested", out, at);
}

// --- what services send: datagrams behind a header ------------------------------------------------------------

static void proxy_seeds(void)
{
    static const uint8_t HEAD[] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n', 0x21};
    static const uint8_t ID[] = {5, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0, 0, 0, 2};
    static const uint8_t OTHER[] = {0xe0, 0, 3, 5, 0, 16};
    static const struct {
        const char *name;
        uint8_t family, addresses;
        unsigned ids;
    } KINDS[] = {{"least", 0, 0, 1}, {"ipv4", 0x12, 12, 1}, {"ipv6", 0x22, 36, 1}, {"unix", 0x32, 216, 1},
                 {"twice", 0x12, 12, 2}, {"none", 0x12, 12, 0}};
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        uint8_t out[512];
        struct dg_writer writer = dg_writer_of(out, sizeof out);
        dg_write_bytes(&writer, HEAD, sizeof HEAD);
        dg_write_u8(&writer, KINDS[i].family);
        size_t place = dg_write_open(&writer, 2);
        dg_write_zeros(&writer, KINDS[i].addresses);
        dg_write_bytes(&writer, OTHER, sizeof OTHER);
        for (unsigned id = 0; id < KINDS[i].ids; id++)
            dg_write_bytes(&writer, ID, sizeof ID);
        dg_write_close(&writer, place, 2);
        dg_write_bytes(&writer, "hello", 5);
        save("proxy", KINDS[i].name, out, dg_writer_size(&writer));
    }
}

// The first byte says which parser.
static void save_credential(const char *name, uint8_t parser, const void *data, size_t size)
{
    static uint8_t whole[1 << 13];
    if (size == 0 || size >= sizeof whole) {
        (void)fprintf(stderr, "seed %s was not made\n", name);
        exit(1);
    }
    whole[0] = parser;
    memcpy(whole + 1, data, size);
    save("credentials", name, whole, size + 1);
}

// Fresh certificates each time.
static void credential_seeds(void)
{
    static const char FINGERPRINTS[] =
        "# two\nsha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f  a\n"
        "sha256 Fingerprint=00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:2F\n";
    static const char KEYS[] =
        "000102030405060708090a0b0c0d0e0f" ":" "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f\n"
        "b00102030405060708090a0b0c0d0e0f" ":" "b01112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f\n";
    static struct dg_pki_pem ca, leaf;
    const struct kit_request authority = {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "CA"};
    const struct kit_request client = {.kind = DG_KEY_ED25519, .use = DG_PKI_CLIENT, .common_name = "client", .unit = "unit",
                                       .dns = {"a.example", "b.example"}, .uri = "urn:x", .email = "a@b.example", .issuer = &ca};
    uint8_t der[4096];
    if (kit_make(&authority, &ca) != NULL || kit_make(&client, &leaf) != NULL)
        exit(1);
    save_credential("certificate", 1, der, kit_der(&leaf, der, sizeof der));
    const struct kit_crl lists[] = {{.issuer = &ca, .revoked = {&leaf}, .count = 2},
                                    {.issuer = &ca, .is_delta = true},
                                    {.issuer = &ca, .next_s = (int64_t)40 * 365 * 86400}};
    static const char *const NAMES[] = {"crl", "crl-delta", "crl-late"};
    for (size_t i = 0; i < 3; i++)
        save_credential(NAMES[i], 0, der, kit_make_crl_der(&lists[i], der, sizeof der));
    save_credential("fingerprints", 2, FINGERPRINTS, sizeof FINGERPRINTS - 1);
    save_credential("ticket-keys", 3, KEYS, sizeof KEYS - 1);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    folder = argv[1];
    (void)mkdir(folder, 0777);
    datagram_seeds();
    hello_seeds();
    step_seeds();
    dial_seeds();
    text_seeds();
    config_seeds();
    screen_seeds();
    proxy_seeds();
    credential_seeds();
    return 0;
}
