// SPDX-License-Identifier: GPL-3.0-or-later
// In which order a record is judged, by an AEAD that counts: what costs a decryption and what does not, and that
// the clock shows nobody which numbers were seen.
#include "conversation.h"

static unsigned opens, seals;

static bool counting_seal(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                          const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    seals++;
    return dg_null_aead.seal(aead, key, nonce, aad, aad_size, data, size);
}

static bool counting_open(enum dg_aead_id aead, const uint8_t *key, const uint8_t nonce[DG_AEAD_NONCE],
                          const uint8_t *aad, size_t aad_size, uint8_t *data, size_t size)
{
    opens++;
    return dg_null_aead.open(aead, key, nonce, aad, aad_size, data, size);
}

static bool mask(enum dg_aead_id aead, const uint8_t *key, const uint8_t sample[16], uint8_t ret[16])
{
    return dg_null_aead.number_mask(aead, key, sample, ret);
}

static bool expand(enum dg_hash_id hash, const uint8_t *secret, const char *label, uint8_t *out, size_t size)
{
    return dg_null_aead.expand_label(hash, secret, label, out, size);
}

static const struct dg_aead_ops counting = {counting_seal, counting_open, mask, expand, NULL};

// The fake peer opens and seals with the table of its server too: only what the server does in between counts.
static unsigned opens_while_given(const uint8_t *record, size_t size)
{
    unsigned before = opens;
    (void)fake_peer_give(&peer, record, size);
    return opens - before;
}

// RFC 6347 4.1.2.6: DTLS 1.2 knows the number before it decrypts, and saves the work for a duplicate. RFC 9147
// 4.5.1: DTLS 1.3 decrypts first, or the time that it takes would tell the number that is encrypted.
DG_TEST(duplicates_are_found_before_decryption_in_12_and_after_it_in_13)
{
    for (uint8_t version = 12; version <= 13; version++) {
        for (unsigned has_cid = 0; has_cid < 2; has_cid++) {
            const struct fake_setup setup = {
                .version = version, .aead = DG_AEAD_AES_128_GCM, .has_cid = has_cid != 0, .who = 1};
            uint8_t record[128], old[128];
            fake_server_start(&server, &counting, NULL);
            REQUIRE(fake_peer_join(&peer, &server, &setup));
            size_t old_size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "old", 3, old, sizeof old);
            peer.tx_next += DG_REPLAY_WIDTH + 1;
            size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "new", 3, record, sizeof record);
            CHECK_EQ(opens_while_given(record, size), 1);
            CHECK_EQ(server.delivered, 1);
            CHECK_EQ(opens_while_given(record, size), version == 12 ? 0 : 1); // a duplicate
            CHECK_EQ(opens_while_given(old, old_size), version == 12 ? 0 : 1); // left of the window
            CHECK_EQ(server.delivered, 1);
            CHECK_EQ(fake_count(&server, DG_COUNT_DROP_REPLAY), 2);
            fake_server_stop(&server);
        }
    }
}

// A datagram that names nobody, or an epoch without keys, costs no decryption at all.
DG_TEST(what_names_nobody_costs_no_decryption)
{
    for (uint8_t version = 12; version <= 13; version++) {
        const struct fake_setup setup = {.version = version, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .who = 1};
        uint8_t record[128];
        fake_server_start(&server, &counting, NULL);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "x", 1, record, sizeof record);
        const size_t at = version == 12 ? DG_RECORD12_CID_OFFSET : 1;
        for (size_t byte = 0; byte < DG_CID_SIZE_DEFAULT; byte++) { // a guess that is wrong in one byte
            uint8_t guess[128];
            memcpy(guess, record, size);
            guess[at + byte] ^= 0x40;
            CHECK_EQ(opens_while_given(guess, size), 0);
        }
        record[version == 12 ? 4 : 0] ^= 3; // an epoch without keys: 2 of DTLS 1.2, 0 of 1.3
        CHECK_EQ(opens_while_given(record, size), 0);
        CHECK_EQ(server.sent_total, 0);
        CHECK(data_flows());
        fake_server_stop(&server);
    }
}

// RFC 9147 4.5.1: one record, one decryption, whatever it is and wherever it lies in the window.
DG_TEST(a_record_costs_one_decryption)
{
    for (uint8_t version = 12; version <= 13; version++) {
        const struct fake_setup setup = {.version = version, .aead = DG_AEAD_AES_128_GCM, .who = 1};
        uint8_t record[128];
        fake_server_start(&server, &counting, NULL);
        REQUIRE(fake_peer_join(&peer, &server, &setup));
        for (unsigned i = 0; i < 20; i++) {
            size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "x", 1, record, sizeof record);
            record[size - 1] ^= i % 2; // every other one is forged
            CHECK_EQ(opens_while_given(record, size), 1);
        }
        CHECK_EQ(server.delivered, 10);
        CHECK_EQ(fake_count(&server, DG_COUNT_DROP_FORGED), 10);
        fake_server_stop(&server);
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(duplicates_are_found_before_decryption_in_12_and_after_it_in_13),
    DG_CASE(what_names_nobody_costs_no_decryption),
    DG_CASE(a_record_costs_one_decryption),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
