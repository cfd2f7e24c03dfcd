// SPDX-License-Identifier: GPL-3.0-or-later
// The record layer over wolfCrypt against records that another implementation made from the RFCs
// (make_record_vectors.py): bytes out are equal, bytes in open to what went in, and so does what the tests'
// own client makes.
#include "check.h"
#include "core/record12.h"
#include "core/record13.h"
#include "crypto/wolf_aead.h"
#include "record_vectors.h"
#include "support/peer_records.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static uint8_t buffer[PEER_RECORD_MAX];

static struct dg_key_view view12(const struct vector12 *v)
{
    return (struct dg_key_view){.aead = v->aead, .key = v->key.data, .iv = v->iv.data};
}

// RFC 6347 4.1, RFC 9146 5.3, RFC 9325 7.2.1
DG_TEST(record_vectors_12_seal_is_byte_exact)
{
    for (size_t i = 0; i < COUNT(VECTORS12); i++) {
        const struct vector12 *v = &VECTORS12[i];
        struct dg_key_view keys = view12(v);
        size_t size;

        if (v->padding > 0)
            continue; // we never pad in 1.2
        size = dg_record12_seal(&dg_wolf_aead, &keys, v->epoch, v->sequence, v->type, v->cid.data, v->cid.size,
                                v->content.data, v->content.size, buffer, sizeof buffer);
        CHECK_MSG(size == v->record.size, "vector %zu", i);
        if (size == v->record.size)
            CHECK_MEM(buffer, v->record.data, size);
        CHECK_EQ(size, v->content.size + dg_record12_expansion(v->aead, v->cid.size));
    }
}

DG_TEST(record_vectors_12_open)
{
    for (size_t i = 0; i < COUNT(VECTORS12); i++) {
        const struct vector12 *v = &VECTORS12[i];
        struct dg_key_view keys = view12(v);
        struct dg_record record;
        struct dg_bytes plaintext = {0};
        uint8_t type = 0;

        memcpy(buffer, v->record.data, v->record.size);
        REQUIRE(dg_record_parse(buffer, v->record.size, v->cid.size, &record).outcome == DG_OK);
        CHECK_EQ(record.size, v->record.size);
        CHECK_EQ(record.epoch, v->epoch);
        CHECK_EQ(record.sequence, v->sequence);
        REQUIRE(dg_record12_open(&dg_wolf_aead, &keys, &record, v->cid.data, v->cid.size, &type, &plaintext)
                    .outcome == DG_OK);
        CHECK_EQ(type, v->type);
        REQUIRE(plaintext.size == v->content.size);
        CHECK_MEM(plaintext.data, v->content.data, plaintext.size);
    }
}

DG_TEST(record_vectors_12_client_maker_is_byte_exact)
{
    for (size_t i = 0; i < COUNT(VECTORS12); i++) {
        const struct vector12 *v = &VECTORS12[i];
        struct peer_keys keys = peer_keys_12(&dg_wolf_aead, v->aead, v->key.data, v->iv.data);
        struct peer_record record = {
            .epoch = v->epoch, .sequence = v->sequence, .type = v->type, .cid = v->cid.data, .cid_size = v->cid.size,
            .data = v->content.data, .size = v->content.size, .padding = v->padding,
        };

        REQUIRE(peer_seal12(&keys, &record, buffer, sizeof buffer) == v->record.size);
        CHECK_MEM(buffer, v->record.data, v->record.size);
    }
}

// RFC 9147 4.2.3 and 5.9, RFC 8446 7.1 to 7.3: labels "dtls13key", "dtls13sn", "dtls13iv", "dtls13traffic upd"
DG_TEST(record_vectors_13_key_schedule)
{
    for (size_t i = 0; i < COUNT(VECTORS13); i++) {
        const struct vector13 *v = &VECTORS13[i];
        _Alignas(8) uint8_t room[DG_KEYSET_WIDE];
        struct dg_keyset *keyset = (struct dg_keyset *)room;
        struct dg_key_material material = {0}, next;
        struct dg_key_view view;

        memcpy(material.secret, v->secret.data, v->secret.size);
        REQUIRE(dg_key_material_derive(&material, &dg_wolf_aead, v->aead, v->hash));
        CHECK_MEM(material.key, v->key.data, v->key.size);
        CHECK_MEM(material.number_key, v->number_key.data, v->number_key.size);
        CHECK_MEM(material.iv, v->iv.data, v->iv.size);
        dg_keyset_fill(keyset, v->aead, v->hash, 3, &material);
        view = dg_keyset_view(keyset, v->aead, v->hash, true);
        REQUIRE(dg_key_material_next(&next, &view, &dg_wolf_aead));
        CHECK_MEM(next.secret, v->next_secret.data, v->next_secret.size);
        CHECK_MEM(next.key, v->next_key.data, v->next_key.size);
    }
}

static struct dg_key_view view13(const struct vector13 *v)
{
    return (struct dg_key_view){.aead = v->aead, .hash = v->hash, .key = v->key.data,
                                .number_key = v->number_key.data, .iv = v->iv.data, .secret = v->secret.data};
}

// RFC 9147 4: AAD, nonce, number encryption
DG_TEST(record_vectors_13_seal_is_byte_exact)
{
    unsigned sealed = 0;

    for (size_t i = 0; i < COUNT(VECTORS13); i++) {
        const struct vector13 *v = &VECTORS13[i];
        struct dg_key_view keys = view13(v);
        size_t tag = dg_aead_table[v->aead].tag_size;
        size_t minimum = v->content.size + 1 + tag < 16 ? 16 - tag - v->content.size - 1 : 0;
        size_t size;

        if (!v->seq16 || !v->length || v->padding != minimum)
            continue; // forms that we never send
        size = dg_record13_seal(&dg_wolf_aead, &keys, v->epoch, v->sequence, v->type, v->cid.data, v->cid.size,
                                v->content.data, v->content.size, buffer, sizeof buffer);
        CHECK_MSG(size == v->record.size, "vector %zu", i);
        if (size == v->record.size)
            CHECK_MEM(buffer, v->record.data, size);
        sealed++;
    }
    CHECK_EQ(sealed, 10); // with and without connection ID, for each of five AEADs
}

// RFC 9147 4 and 4.2.3: all eight header forms, mixed freely
DG_TEST(record_vectors_13_open_all_header_forms)
{
    for (size_t i = 0; i < COUNT(VECTORS13); i++) {
        const struct vector13 *v = &VECTORS13[i];
        struct dg_key_view keys = view13(v);
        struct dg_record record;
        struct dg_bytes plaintext = {0};
        uint64_t sequence = 0;
        uint8_t type = 0;

        memcpy(buffer, v->record.data, v->record.size);
        REQUIRE(dg_record_parse(buffer, v->record.size, 8, &record).outcome == DG_OK);
        CHECK_EQ(record.size, v->record.size);
        CHECK(record.is_unified);
        CHECK_EQ(record.epoch, v->epoch & 3);
        REQUIRE(dg_record13_open(&dg_wolf_aead, &keys, &record, v->cid.data, v->cid.size, v->sequence, &sequence,
                                 &type, &plaintext)
                    .outcome == DG_OK);
        CHECK_EQ(sequence, v->sequence);
        CHECK_EQ(type, v->type);
        REQUIRE(plaintext.size == v->content.size);
        CHECK_MEM(plaintext.data, v->content.data, plaintext.size);
    }
}

DG_TEST(record_vectors_13_client_maker_is_byte_exact)
{
    for (size_t i = 0; i < COUNT(VECTORS13); i++) {
        const struct vector13 *v = &VECTORS13[i];
        struct peer_keys keys = peer_keys_13(&dg_wolf_aead, v->aead, v->hash, v->secret.data);
        struct peer_record record = {
            .epoch = v->epoch, .sequence = v->sequence, .type = v->type, .cid = v->cid.data, .cid_size = v->cid.size,
            .data = v->content.data, .size = v->content.size, .padding = v->padding,
            .short_number = !v->seq16, .no_length = !v->length,
        };

        REQUIRE(peer_seal13(&keys, &record, buffer, sizeof buffer) == v->record.size);
        CHECK_MEM(buffer, v->record.data, v->record.size);
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(record_vectors_12_seal_is_byte_exact),
    DG_CASE(record_vectors_12_open),
    DG_CASE(record_vectors_12_client_maker_is_byte_exact),
    DG_CASE(record_vectors_13_key_schedule),
    DG_CASE(record_vectors_13_seal_is_byte_exact),
    DG_CASE(record_vectors_13_open_all_header_forms),
    DG_CASE(record_vectors_13_client_maker_is_byte_exact),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
