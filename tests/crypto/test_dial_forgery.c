// SPDX-License-Identifier: GPL-3.0-or-later
//
// Forged and repeated records in clear, of every kind, at every step of our dial, before each datagram of the server:
// the handshake comes to its end all the same, what cannot be proven is dropped under its name (RFC 9147 4.5.2, 5.8,
// RFC 6347 4.1.2.7). The forger sees all that passes and is always first; he holds nothing back.

#include "check.h"
#include "core/record.h"
#include "core/wire_constants.h"
#include "support/dial_credentials.h"
#include "support/sim_clock.h"

static struct dial_rig rig;

#define PASSED_MAX 32
static struct passed {
    size_t size;
    uint8_t bytes[RIG_DATAGRAM_MAX];
} earlier[PASSED_MAX], passed[PASSED_MAX]; // of an earlier handshake, of this one
static size_t earlier_count, passed_count;
static unsigned forge_at; // number of the server's datagram before which it is done

// --- what is forged ----------------------------------------------------------------

static void give(const uint8_t *record, size_t size) { dial_rig_give(&rig, record, size); }

static void give_plain(uint8_t type, uint64_t number, const void *body, size_t size)
{
    uint8_t record[RIG_DATAGRAM_MAX];
    struct dg_writer writer = dg_writer_of(record, sizeof record);
    dg_write_u8(&writer, type);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, 0);
    dg_write_u48(&writer, number);
    dg_write_u16(&writer, (uint16_t)size);
    dg_write_bytes(&writer, body, size);
    give(record, dg_writer_size(&writer));
}

static void give_part(uint8_t type, uint32_t length, uint16_t seq, uint32_t offset, uint32_t size, uint32_t claimed)
{
    uint8_t part[256];
    struct dg_writer writer = dg_writer_of(part, sizeof part);
    dg_write_u8(&writer, type);
    dg_write_u24(&writer, length);
    dg_write_u16(&writer, seq);
    dg_write_u24(&writer, offset);
    dg_write_u24(&writer, claimed);
    for (uint32_t i = 0; i < size; i++)
        dg_write_u8(&writer, (uint8_t)(0x5a + i));
    give_plain(DG_CONTENT_HANDSHAKE, seq, part, dg_writer_size(&writer));
}

static void forge_alerts(const uint8_t *datagram, size_t size)
{
    (void)datagram;
    (void)size;
    for (uint8_t description = 0; description < 121; description += 10) {
        const uint8_t fatal[] = {2, description}, warning[] = {1, description}, odd[] = {9, description, 0};
        give_plain(DG_CONTENT_ALERT, description, fatal, 2);
        give_plain(DG_CONTENT_ALERT, description, warning, 2);
        give_plain(DG_CONTENT_ALERT, description, odd, 3);
        give_plain(DG_CONTENT_ALERT, description, odd, 1);
    }
}

static void forge_acks(const uint8_t *datagram, size_t size)
{
    (void)datagram;
    (void)size;
    uint8_t list[2 + 4 * 16] = {0, 64};
    for (uint8_t i = 0; i < 4; i++) {
        list[2 + 16 * i + 7] = i;      // epoch
        list[2 + 16 * i + 15] = i / 2; // number
    }
    give_plain(DG_CONTENT_ACK, 3, list, sizeof list);
    give_plain(DG_CONTENT_ACK, 4, list, 2);  // a list that is cut off
    give_plain(DG_CONTENT_ACK, 5, list, 40);
    const uint8_t empty[] = {0, 0};
    give_plain(DG_CONTENT_ACK, 6, empty, 2);
}

static void forge_changes_of_keys(const uint8_t *datagram, size_t size)
{
    (void)datagram;
    (void)size;
    const uint8_t one[] = {1, 1};
    give_plain(DG_CONTENT_CHANGE_CIPHER_SPEC, 7, one, 1);
    give_plain(DG_CONTENT_CHANGE_CIPHER_SPEC, 8, one, 2);
    give_plain(DG_CONTENT_CHANGE_CIPHER_SPEC, 9, one, 1);
}

static void forge_data(const uint8_t *datagram, size_t size)
{
    (void)datagram;
    (void)size;
    give_plain(DG_CONTENT_APPLICATION_DATA, 1, "in clear", 8);
    give_plain(DG_CONTENT_RETURN_ROUTABILITY_CHECK, 1, "\0abcdefgh", 9);
    give_plain(DG_CONTENT_HANDSHAKE, 1, "", 0);
}

// Parts of messages that are there, of such that are not, longer than they say, without end, of no kind.
static void forge_parts(const uint8_t *datagram, size_t size)
{
    (void)datagram;
    (void)size;
    static const uint8_t types[] = {0, 1, 2, 3, 4, 8, 11, 12, 13, 14, 15, 16, 20, 22, 24, 99};
    for (uint16_t seq = 0; seq < 9; seq++)
        for (size_t i = 0; i < sizeof types; i++) {
            give_part(types[i], 100, seq, 10, 20, 20);
            give_part(types[i], 90, seq, 0, 20, 20);
            give_part(types[i], 100, seq, 10, 0, 0);
            give_part(types[i], 100, seq, 90, 20, 20); // passes its end
            give_part(types[i], 100, seq, 0, 20, 60);  // passes its record
            give_part(types[i], 0xffffff, seq, 0xfffff0, 4, 4);
            give_part(types[i], 8, (uint16_t)(seq + 1000), 0, 8, 8);
        }
}

// Whole messages without meaning.
static void forge_messages(const uint8_t *datagram, size_t size)
{
    (void)datagram;
    (void)size;
    for (uint16_t seq = 0; seq < 9; seq++)
        for (uint8_t type = 0; type < 26; type++)
            give_part(type, 40, seq, 0, 40, 40);
}

static void forge_protected(const uint8_t *datagram, size_t size)
{
    (void)datagram;
    (void)size;
    for (uint8_t epoch = 0; epoch < 4; epoch++) {
        uint8_t unified[60] = {(uint8_t)(0x2c | epoch), 0, 1, 0, 55}, with_id[60];
        give(unified, sizeof unified);
        memcpy(with_id, unified, sizeof with_id);
        with_id[0] |= DG_UNIFIED_CID;
        for (size_t i = 0; i < DG_CID_SIZE_DEFAULT; i++)
            with_id[1 + i] = (uint8_t)(0xa1 + i);
        with_id[9] = 0, with_id[10] = 1, with_id[11] = 0, with_id[12] = 47;
        give(with_id, sizeof with_id);
        uint8_t old[60] = {22, 0xfe, 0xfd, 0, (uint8_t)(1 + epoch), 0, 0, 0, 0, 0, 1, 0, 47};
        give(old, sizeof old);
        old[0] = DG_CONTENT_APPLICATION_DATA;
        give(old, sizeof old);
    }
}

static void forge_repetitions(const uint8_t *datagram, size_t size)
{
    for (size_t i = 0; i < passed_count; i++)
        give(passed[i].bytes, passed[i].size);
    give(datagram, size); // and it comes once more
}

static void forge_earlier(const uint8_t *datagram, size_t size)
{
    (void)datagram;
    (void)size;
    for (size_t i = 0; i < earlier_count; i++)
        give(earlier[i].bytes, earlier[i].size);
}

// Every record in clear of a datagram, with this done to it.
static void each_plain(const uint8_t *datagram, size_t size, void (*change)(struct dg_record *))
{
    uint8_t copy[RIG_DATAGRAM_MAX];
    memcpy(copy, datagram, size);
    for (size_t at = 0; at < size;) {
        struct dg_record record;
        if (dg_record_parse(copy + at, size - at, DG_CID_SIZE_DEFAULT, &record).outcome != DG_OK)
            return;
        at += record.size;
        if (record.is_unified || record.epoch != 0)
            continue;
        change(&record);
        give(record.start, record.size);
    }
}

static void change_end(struct dg_record *record) { record->start[record->size - 1] ^= 1; }
static void change_middle(struct dg_record *record) { record->start[record->header_size + record->size / 2 % 64] ^= 0x40; }
static void change_number(struct dg_record *record) { record->start[5] = 0x7f; }

// As the server's own would be, but for a byte; and before it.
static void forge_copy_with_another_end(const uint8_t *datagram, size_t size) { each_plain(datagram, size, change_end); }
static void forge_copy_with_another_middle(const uint8_t *datagram, size_t size)
{
    each_plain(datagram, size, change_middle);
}

// After it.
static void forge_late_copies(const uint8_t *datagram, size_t size)
{
    (void)datagram;
    (void)size;
    for (size_t i = 0; i < passed_count; i++) {
        each_plain(passed[i].bytes, passed[i].size, change_end);
        each_plain(passed[i].bytes, passed[i].size, change_middle);
    }
}

// RFC 6347 4.1.2.6: would move the window past all that the server sends.
static void forge_copy_with_a_far_number(const uint8_t *datagram, size_t size)
{
    each_plain(datagram, size, change_number);
}

struct forgery {
    const char *what;
    void (*forge)(const uint8_t *datagram, size_t size);
    enum dg_counter reason; // under which something is dropped in each such handshake
};
static const struct forgery forgeries[] = {
    {"alerts", forge_alerts, DG_COUNT_DROP_ALERT_UNPROVEN},
    {"acknowledgements", forge_acks, DG_COUNT_DROP_PLAINTEXT_RECORD},
    {"changes of keys", forge_changes_of_keys, DG_COUNT_DROP_PLAINTEXT_RECORD},
    {"data in clear", forge_data, DG_COUNT_DROP_PLAINTEXT_RECORD},
    {"parts of messages", forge_parts, DG_COUNT_DROP_RECORD_MALFORMED},
    {"messages without meaning", forge_messages, DG_COUNT_DROP_MESSAGE_UNEXPECTED},
    {"protected junk", forge_protected, DG_COUNT_DROP_FORGED},
    {"repetitions", forge_repetitions, DG_COUNT_NONE},
    {"an earlier handshake", forge_earlier, DG_COUNT_NONE},
    {"copies with another end", forge_copy_with_another_end, DG_COUNT_NONE},
    {"copies with another middle", forge_copy_with_another_middle, DG_COUNT_NONE},
    {"late copies", forge_late_copies, DG_COUNT_NONE},
    {"copies with a number far ahead", forge_copy_with_a_far_number, DG_COUNT_NONE},
};

// --- the handshakes ----------------------------------------------------------------

static const struct forgery *forgery;

static void remember(struct passed *list, size_t *count, const uint8_t *datagram, size_t size)
{
    if (*count == PASSED_MAX)
        return;
    list[*count].size = size;
    memcpy(list[(*count)++].bytes, datagram, size);
}

static void watch(struct dial_rig *watched, unsigned number, uint8_t *datagram, size_t size)
{
    (void)watched;
    (void)number;
    remember(earlier, &earlier_count, datagram, size);
}

static void forge(struct dial_rig *watched, unsigned number, uint8_t *datagram, size_t size)
{
    (void)watched;
    if (number == forge_at || forge_at == 0)
        forgery->forge(datagram, size);
    remember(passed, &passed_count, datagram, size);
}

static void one_handshake(const char *what, unsigned at)
{
    char name[160];
    snprintf(name, sizeof name, "%s, %s before datagram %u", what, forgery->what, at);
    passed_count = 0;
    forge_at = at;
    bool done = dial_and_talk(&rig, name, 60 * DG_SECOND);
    // A dial that only waits for its ticket looks into nothing that is in clear.
    unsigned dropped = rig.dropped[forgery->reason] + rig.dropped[DG_COUNT_DROP_PLAINTEXT_RECORD];
    CHECK_MSG(!done || forgery->reason == DG_COUNT_NONE || dropped > 0, "%s: nothing was dropped as %s", name,
              dg_counter_name(forgery->reason));
    if (done)
        CHECK_EQ(rig.client.closed + rig.server.closed, 0);
    dial_rig_hang_up(&rig);
}

static void every_step(const char *what, unsigned datagrams)
{
    rig.arrives = forge;
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        forgery = &forgeries[i];
        for (unsigned at = 1; at <= datagrams; at++)
            one_handshake(what, at);
    }
    rig.arrives = NULL;
}

static void every_credential(int version_min, int version_max, bool resumed)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (enum credential credential = PSK; credential <= RAW; credential++) {
        struct dial_options options = options_of(credential, version_max);
        options.version_min = version_min;
        options.resume = resumed;
        options.offer_cid = credential == CERTIFICATE;
        REQUIRE(dial_rig_dialer(&rig, &options));
        char what[96];
        snprintf(what, sizeof what, "DTLS 1.%d to 1.%d %s%s", version_min - 10, version_max - 10,
                 credential_names[credential], resumed ? " resumed" : "");
        if (resumed) {
            (void)dial_and_talk(&rig, what, DG_SECOND);
            dial_rig_hang_up(&rig);
        }
        earlier_count = 0;
        rig.arrives = watch;
        REQUIRE(dial_and_talk(&rig, what, DG_SECOND));
        unsigned datagrams = rig.server_datagrams;
        CHECK_MSG(datagrams >= 3, "%s: only %u datagrams", what, datagrams);
        dial_rig_hang_up(&rig);
        every_step(what, datagrams);
    }
    dial_rig_free(&rig);
}

DG_TEST(dial12_with_every_forgery_at_every_step) { every_credential(12, 12, false); }
DG_TEST(dial13_with_every_forgery_at_every_step) { every_credential(13, 13, false); }
DG_TEST(dial_of_both_versions_with_every_forgery_at_every_step) { every_credential(12, 13, false); }
DG_TEST(dial12_resumed_with_every_forgery_at_every_step) { every_credential(12, 12, true); }
DG_TEST(dial13_resumed_with_every_forgery_at_every_step) { every_credential(13, 13, true); }

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(dial12_with_every_forgery_at_every_step),
        DG_CASE(dial13_with_every_forgery_at_every_step),
        DG_CASE(dial_of_both_versions_with_every_forgery_at_every_step),
        DG_CASE(dial12_resumed_with_every_forgery_at_every_step),
        DG_CASE(dial13_resumed_with_every_forgery_at_every_step),
    };
    sim_clock_start(1); // the library's timers go by the wall clock
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
