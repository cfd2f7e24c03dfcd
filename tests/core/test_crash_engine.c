// SPDX-License-Identifier: GPL-3.0-or-later
// A process that dies between any two stores of sealing, opening or a change of keys leaves an association
// with which the next process goes on: no key and nonce are used twice, nothing is delivered twice, and
// both sides find to the same keys. The death is a real one, in a child that shares the memory.
#include "conversation.h"
#include "support/crash_child.h"

#include <sys/mman.h>

#define SEALS_MAX 64
// Seen by all processes of the test.
static struct shared {
    struct {
        uint8_t key[32];
        uint8_t nonce[DG_AEAD_NONCE];
    } seals[SEALS_MAX];
    uint32_t seal_count;
    bool is_nonce_reused;
    uint32_t delivered_total;
} *shared;

// --- an AEAD that remembers what it sealed with ---------------------------------------------------

static bool is_watching; // the server's seals only

static bool seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE], const uint8_t *aad,
                 size_t aad_size, uint8_t *data, size_t size)
{
    size_t key_size = dg_aead_table[aead].key_size;
    for (uint32_t i = 0; is_watching && i < shared->seal_count; i++)
        if (memcmp(shared->seals[i].key, key, key_size) == 0 &&
            memcmp(shared->seals[i].nonce, nonce, DG_AEAD_NONCE) == 0)
            shared->is_nonce_reused = true;
    if (is_watching && shared->seal_count < SEALS_MAX) {
        memcpy(shared->seals[shared->seal_count].key, key, key_size);
        memcpy(shared->seals[shared->seal_count++].nonce, nonce, DG_AEAD_NONCE);
    }
    return dg_null_aead.seal(aead, key, nonce, aad, aad_size, data, size);
}

static struct dg_aead_ops watched;

// --- dying ----------------------------------------------------------------------------------------

static bool dies_watched_at(int point, void (*act)(void))
{
    bool before = is_watching;
    is_watching = true; // in the child, whose seals count; this process does nothing meanwhile
    bool dies = dies_at(point, act);
    is_watching = before;
    return dies;
}

static void start_version(uint8_t version, enum dg_aead_id aead)
{
    const struct fake_setup setup = {.version = version, .aead = aead, .has_cid = true, .who = 1};
    watched = dg_null_aead;
    watched.seal = seal;
    memset(shared, 0, sizeof *shared);
    fake_server_start(&server, &watched, NULL);
    CHECK(fake_peer_join(&peer, &server, &setup));
}

static void restart(void)
{
    fake_server_restart(&server);
    fake_server_forget(&server);
    CHECK_EQ(dg_engine_live(server.engine), 1);
    CHECK_EQ(fake_count(&server, DG_COUNT_SLOTS_QUARANTINED), 0);
    is_watching = true;
}

static void finish(void)
{
    is_watching = false;
    CHECK(!shared->is_nonce_reused);
    fake_server_stop(&server);
}

static const enum dg_aead_id AEADS[] = {DG_AEAD_AES_128_GCM, DG_AEAD_AES_256_GCM};

// --- the acts -------------------------------------------------------------------------------------

static void act_send(void) { (void)dg_engine_send(server.engine, server.now, peer.ref, (const uint8_t *)"x", 1); }

DG_TEST(crash_while_sealing_repeats_no_nonce)
{
    for (unsigned number = 0; number < 4; number++) {
        for (int point = 0;; point++) {
            start_version(number % 2 ? 13 : 12, AEADS[number / 2]);
            bool died = dies_watched_at(point, act_send);
            restart();
            for (unsigned i = 0; i < 3; i++)
                act_send();
            CHECK(shared->seal_count >= 3);
            finish();
            if (!died) {
                CHECK_EQ(point, 2);
                break;
            }
        }
    }
}

// A batch as a worker makes it: answers sealed one after the other, for whoever is next, before any of them is sent.
static struct fake_peer others[4];

static void act_batch(void)
{
    for (unsigned i = 0; i < 12; i++)
        (void)dg_engine_send(server.engine, server.now, i % 5 == 4 ? peer.ref : others[i % 5].ref, (const uint8_t *)"x", 1);
}

DG_TEST(crash_within_a_batch_repeats_no_nonce)
{
    for (int point = 0;; point++) {
        start_version(13, DG_AEAD_AES_128_GCM);
        for (uint32_t i = 0; i < 4; i++) {
            const struct fake_setup setup = {
                .version = i % 2 ? 13 : 12, .aead = AEADS[i / 2], .has_cid = i % 2 == 0, .who = i + 2, .key_seed = i + 1};
            CHECK(fake_peer_join(&others[i], &server, &setup));
        }
        bool died = dies_watched_at(point, act_batch);
        fake_server_restart(&server);
        is_watching = true;
        act_batch();
        CHECK(shared->seal_count >= 12);
        finish();
        if (!died) {
            CHECK_EQ(point, 24);
            break;
        }
    }
}

static uint8_t record_bytes[128];
static size_t record_size;

static void act_receive(void)
{
    (void)fake_peer_give(&peer, record_bytes, record_size);
    shared->delivered_total += server.delivered; // not reached by who dies: then nothing was delivered
}

DG_TEST(crash_while_opening_delivers_at_most_once)
{
    for (unsigned number = 0; number < 4; number++) {
        for (int point = 0;; point++) {
            start_version(number % 2 ? 13 : 12, AEADS[number / 2]);
            (void)fake_peer_send(&peer, 23, "a", 1);
            server.delivered = 0;
            peer.tx_next += 3; // the window has to clear bits on its way
            record_size = fake_peer_seal(&peer, 23, "b", 1, record_bytes, sizeof record_bytes);
            bool died = dies_watched_at(point, act_receive);
            restart();
            uint32_t before = shared->delivered_total;
            CHECK_EQ(before, died ? 0 : 1);
            act_receive();
            CHECK(shared->delivered_total <= 1);
            CHECK(data_flows());
            finish();
            if (!died)
                break;
        }
    }
}

static void act_key_update(void)
{
    static const uint8_t REQUESTED = 1;
    (void)fake_peer_send_message(&peer, DG_HS_KEY_UPDATE, peer.message_seq, &REQUESTED, 1);
}

// What a peer does with what comes: acknowledges a KeyUpdate (and knows the next keys), notes acknowledgements.
static void listen(bool *ret_is_acked, bool *ret_has_update)
{
    while (server.sent_count > 0) {
        struct fake_record record;
        size_t offset = 0;
        if (!fake_peer_take(&peer, &offset, &record))
            continue; // sealed by the process that died, or not for these keys
        if (record.type == DG_CONTENT_ACK)
            *ret_is_acked = true;
        if (record.type == DG_CONTENT_HANDSHAKE && record.data[0] == DG_HS_KEY_UPDATE) {
            *ret_has_update = true;
            is_watching = false;
            fake_peer_ack(&peer, record.epoch, record.sequence);
            is_watching = true;
        }
    }
}

// The peer's KeyUpdate with a request of its own: it repeats the message until it is acknowledged.
DG_TEST(crash_while_changing_receiving_keys_goes_on)
{
    for (unsigned number = 0; number < 2; number++) {
        for (int point = 0;; point++) {
            start_version(13, AEADS[number]);
            bool died = dies_watched_at(point, act_key_update);
            peer.tx_next++; // the number was used
            restart();
            bool is_acked = false, has_update = false;
            for (unsigned i = 0; i < 3 && !is_acked; i++) {
                act_key_update();
                listen(&is_acked, &has_update);
                fake_server_run(&server, 2 * DG_SECOND); // what we lost of ours goes out again
                listen(&is_acked, &has_update);
            }
            CHECK_MSG(is_acked && has_update, "point %d", point);
            fake_peer_next_tx(&peer);
            fake_peer_next_rx(&peer);
            peer.message_seq++;
            CHECK_MSG(data_flows(), "point %d", point);
            CHECK_EQ(fake_slot(&server, peer.ref)->rx_old_place, DG_PLACE_NONE);
            // And once more, so that no number of either side is off by one.
            act_key_update();
            peer.message_seq++;
            is_acked = has_update = false;
            listen(&is_acked, &has_update);
            CHECK(is_acked && has_update);
            fake_peer_next_tx(&peer);
            fake_peer_next_rx(&peer);
            CHECK_MSG(data_flows(), "second, point %d", point);
            finish();
            if (!died) {
                CHECK(point >= 12);
                break;
            }
        }
    }
}

// The first record of the new epoch, with which the old keys go.
DG_TEST(crash_while_dropping_old_keys_goes_on)
{
    for (unsigned number = 0; number < 2; number++) {
        for (int point = 0;; point++) {
            start_version(13, AEADS[number]);
            key_update(0);
            fake_peer_next_tx(&peer);
            record_size = fake_peer_seal(&peer, 23, "b", 1, record_bytes, sizeof record_bytes);
            bool died = dies_watched_at(point, act_receive);
            restart();
            CHECK(data_flows());
            CHECK_EQ(fake_slot(&server, peer.ref)->rx_old_place, DG_PLACE_NONE);
            key_update(0);
            fake_peer_next_tx(&peer);
            CHECK(data_flows());
            finish();
            if (!died) {
                CHECK(point >= 5);
                break;
            }
        }
    }
}

static struct fake_record our_update;

static void act_acknowledge(void)
{
    fake_peer_ack(&peer, our_update.epoch, our_update.sequence);
}

// The acknowledgement of our KeyUpdate: the peer holds both keys, and repeats what is asked for again.
DG_TEST(crash_while_changing_sending_keys_goes_on)
{
    for (unsigned number = 0; number < 4; number++) {
        for (int point = 0;; point++) {
            start_version(13, AEADS[number / 2]);
            is_watching = true;
            act_key_update();
            is_watching = false;
            peer.message_seq++;
            our_update = take();
            is_key_update(&our_update, 8, 0);
            fake_peer_next_tx(&peer);
            bool died = dies_watched_at(point, act_acknowledge);
            peer.tx_next++;
            restart();
            bool is_acked = false, has_update = false;
            if (number % 2 == 0) // it may have been on its way twice
                act_acknowledge();
            fake_server_run(&server, 10 * DG_SECOND);
            listen(&is_acked, &has_update);
            fake_server_run(&server, 10 * DG_SECOND);
            fake_peer_next_rx(&peer);
            CHECK_MSG(data_flows(), "point %d", point);
            CHECK(message_of() == NULL);
            CHECK_EQ(tx_keyset()->epoch, 4); // one step, however often it was acknowledged
            // And once more.
            fake_server_forget(&server);
            act_key_update();
            is_acked = has_update = false;
            listen(&is_acked, &has_update);
            CHECK(is_acked && has_update);
            fake_peer_next_tx(&peer);
            fake_peer_next_rx(&peer);
            CHECK_MSG(data_flows(), "second, point %d", point);
            finish();
            if (!died) {
                CHECK(point >= 6);
                break;
            }
        }
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(crash_while_sealing_repeats_no_nonce),
    DG_CASE(crash_within_a_batch_repeats_no_nonce),
    DG_CASE(crash_while_opening_delivers_at_most_once),
    DG_CASE(crash_while_changing_receiving_keys_goes_on),
    DG_CASE(crash_while_dropping_old_keys_goes_on),
    DG_CASE(crash_while_changing_sending_keys_goes_on),
};

int main(int argc, char **argv)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
