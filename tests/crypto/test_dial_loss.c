// SPDX-License-Identifier: GPL-3.0-or-later
//
// Our dial against our gate when datagrams are lost, each once in its turn: the handshake comes to its end, data
// follows, and no record of the client, wolfSSL's or ours, has a number or a nonce twice (docs/wolfssl.md).

#include "check.h"
#include "core/record.h"
#include "core/record13.h"
#include "core/wire_constants.h"
#include "crypto/wolf_aead.h"
#include "support/dial_credentials.h"
#include "support/sim_clock.h"

static struct dial_rig rig;

#define SEEN_MAX 256
static struct {
    size_t size;
    uint8_t bytes[RIG_DATAGRAM_MAX];
} seen[SEEN_MAX];
static size_t seen_count;

static void on_seen(void *context, const uint8_t *datagram, size_t size)
{
    (void)context;
    if (seen_count == SEEN_MAX)
        return;
    seen[seen_count].size = size;
    memcpy(seen[seen_count++].bytes, datagram, size);
}

#define NUMBERS_MAX 1024
struct numbers {
    uint64_t values[NUMBERS_MAX];
    size_t count;
};

static bool is_new(struct numbers *numbers, uint64_t value)
{
    for (size_t i = 0; i < numbers->count; i++)
        if (numbers->values[i] == value)
            return false;
    if (numbers->count < NUMBERS_MAX)
        numbers->values[numbers->count++] = value;
    return true;
}

// The record's number in the application epoch; false: of another epoch.
static bool number_of(const struct dg_handover *own, struct dg_record *record, uint64_t next, uint64_t *ret)
{
    *ret = record->sequence;
    if (own->version == 12)
        return record->epoch == DG_EPOCH12_PROTECTED;
    if (!record->is_unified || record->epoch != DG_EPOCH13_APPLICATION)
        return false;
    const struct dg_key_view view = {.aead = (enum dg_aead_id)own->aead,
                                     .hash = (enum dg_hash_id)own->hash,
                                     .key = own->tx.key,
                                     .number_key = own->tx.number_key,
                                     .iv = own->tx.iv,
                                     .secret = own->tx.secret};
    uint8_t type;
    struct dg_bytes plaintext;
    bool opened = dg_record13_open(&dg_wolf_aead, &view, record, own->peer_cid, own->peer_cid_size, next, ret, &type,
                                   &plaintext)
                      .outcome == DG_OK;
    CHECK_MSG(opened, "a record of the client does not open with its own keys");
    return opened;
}

// All that the client sent in its application epoch, in order. Returns how many there were.
static size_t audit(const char *what)
{
    static struct numbers numbers, nonces;
    numbers.count = nonces.count = 0;
    const struct dg_handover *own = &rig.client_handover;
    bool has_explicit_nonce = own->version == 12 && dg_aead_table[own->aead].explicit_size == 8;
    uint64_t next = 0;
    for (size_t i = 0; i < seen_count; i++) {
        for (size_t at = 0; at < seen[i].size;) {
            struct dg_record record;
            if (dg_record_parse(seen[i].bytes + at, seen[i].size - at, own->peer_cid_size, &record).outcome != DG_OK) {
                CHECK_MSG(false, "%s: the client sent what is no record", what);
                break;
            }
            at += record.size;
            uint64_t number, nonce = 0;
            for (size_t k = 0; has_explicit_nonce && k < 8; k++)
                nonce = nonce << 8 | record.start[record.header_size + k];
            if (!number_of(own, &record, next, &number))
                continue;
            next = number >= next ? number + 1 : next;
            CHECK_MSG(is_new(&numbers, number), "%s: number %llu twice", what, (unsigned long long)number);
            CHECK_MSG(!has_explicit_nonce || is_new(&nonces, nonce), "%s: nonce %llx twice", what,
                      (unsigned long long)nonce);
        }
    }
    return numbers.count;
}

// One handshake in which this datagram of this side is lost. False: there was none of that number.
static bool with_loss(const char *what, bool from_client, unsigned number)
{
    seen_count = 0;
    rig.seen = on_seen;
    rig.lose_from_client = from_client ? number : 0;
    rig.lose_from_server = from_client ? 0 : number;
    char name[128];
    snprintf(name, sizeof name, "%s, datagram %u of the %s lost", what, number, from_client ? "client" : "server");
    bool done = dial_and_talk(&rig, name, 120 * DG_SECOND);
    bool was_lost = (from_client ? rig.client_datagrams : rig.server_datagrams) >= number;
    if (done) {
        dial_rig_pass(&rig, 20 * DG_SECOND); // repetitions of the last flights included
        CHECK_MSG(dial_rig_exchange(&rig), "%s: data later", name);
        CHECK_MSG(audit(name) >= 4, "%s: the audit saw too little", name);
        CHECK_EQ(rig.client.closed + rig.server.closed, 0);
    }
    dial_rig_hang_up(&rig);
    return was_lost && done;
}

static void every_datagram_once(enum credential credential, int version, bool resumed, bool cid)
{
    struct dial_options options = options_of(credential, version);
    options.resume = resumed;
    options.offer_cid = cid;
    if (!dial_rig_dialer(&rig, &options)) {
        CHECK_MSG(false, "%s", rig.error);
        return;
    }
    char what[96];
    snprintf(what, sizeof what, "DTLS 1.%d %s%s%s", version - 10, credential_names[credential],
             resumed ? " resumed" : "", cid ? " with IDs" : "");
    if (resumed) {
        rig.lose_from_client = rig.lose_from_server = 0;
        (void)dial_and_talk(&rig, what, DG_SECOND);
        dial_rig_hang_up(&rig);
    }
    unsigned losses = 0;
    for (unsigned number = 1; number < 40 && with_loss(what, true, number); number++)
        losses++;
    for (unsigned number = 1; number < 40 && with_loss(what, false, number); number++)
        losses++;
    CHECK_MSG(losses >= 4, "%s: only %u datagrams", what, losses);
}

static void every_credential(int version, bool resumed)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    every_datagram_once(PSK, version, resumed, false);
    every_datagram_once(PSK_OF_IOT, version, resumed, true);
    every_datagram_once(CERTIFICATE, version, resumed, true);
    every_datagram_once(RAW, version, resumed, false);
    dial_rig_free(&rig);
}

// A server that speaks at once, and whose ticket is lost: its data ends the wait for the ticket, and reaches the
// engine. What the library did take in is not taken in again.
DG_TEST(dial13_gives_early_data_to_the_engine)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    unsigned without_ticket = 0;
    rig.seen = NULL;
    for (unsigned number = 0; number < 12; number++) {
        struct dial_options options = options_of(CERTIFICATE, 13);
        options.resume = options.offer_cid = true;
        REQUIRE(dial_rig_dialer(&rig, &options));
        rig.lose_from_client = 0;
        rig.lose_from_server = number;
        rig.server_says = "welcome";
        CHECK_EQ(dial_rig_run(&rig, 60 * DG_SECOND), DG_DIAL_DONE);
        CHECK(dial_rig_take_over(&rig));
        bool was_lost = rig.server_datagrams >= number && number > 0;
        dial_rig_pass(&rig, 5 * DG_SECOND);
        unsigned delivered = rig.client.delivered;
        uint64_t again = dg_counter_read(&rig.client.region.counters, DG_COUNT_DROP_REPLAY);
        CHECK_EQ(dg_counter_read(&rig.client.region.counters, DG_COUNT_DROP_FORGED), 0);
        CHECK_EQ(rig.client.closed + rig.server.closed, 0);
        CHECK(dial_rig_exchange(&rig));
        dial_rig_hang_up(&rig);
        rig.lose_from_server = 0;
        rig.server_says = NULL;
        CHECK(dial_and_talk(&rig, "the next", DG_SECOND));
        if (rig.client_handover.resumed == 0) {
            without_ticket++;
            CHECK_MSG(delivered == 1, "datagram %u of the server lost: its data too", number);
        } else if (!was_lost) {
            CHECK_MSG(delivered == 1 && again == 1, "delivered %u, replays %llu", delivered,
                      (unsigned long long)again); // the ticket's record, which ended the handshake
        }
        dial_rig_hang_up(&rig);
    }
    CHECK_EQ(without_ticket, 1);
    dial_rig_free(&rig);
}

static bool is_ticket_lost;

// The first NewSessionTicket in clear becomes what counts for nothing; what came with it stays.
static void lose_ticket(struct dial_rig *of, unsigned number, uint8_t *datagram, size_t size)
{
    (void)of, (void)number;
    for (size_t at = 0; at + DG_RECORD12_HEADER < size && !is_ticket_lost;) {
        struct dg_record record;
        if (dg_record_parse(datagram + at, size - at, DG_CID_SIZE_DEFAULT, &record).outcome != DG_OK)
            return;
        is_ticket_lost = record.type == DG_CONTENT_HANDSHAKE && record.epoch == 0 &&
                         datagram[at + DG_RECORD12_HEADER] == DG_HS_NEW_SESSION_TICKET;
        if (is_ticket_lost)
            datagram[at] = DG_CONTENT_APPLICATION_DATA;
        at += record.size;
    }
}

// The server's Finished opens, and the message before it is missing: it is not given before the server repeats both.
DG_TEST(dial12_waits_for_a_ticket_that_was_lost_before_the_finished)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    struct dial_options options = options_of(CERTIFICATE, 12);
    options.resume = true;
    REQUIRE(dial_rig_dialer(&rig, &options));
    rig.lose_from_client = rig.lose_from_server = 0;
    is_ticket_lost = false;
    rig.dropped[DG_COUNT_DROP_HANDSHAKE_GAP] = 0;
    rig.arrives = lose_ticket;
    CHECK(dial_and_talk(&rig, "without the ticket", 120 * DG_SECOND));
    rig.arrives = NULL;
    CHECK(is_ticket_lost);
    CHECK_EQ(rig.dropped[DG_COUNT_DROP_HANDSHAKE_GAP], 1);
    dial_rig_hang_up(&rig);
    CHECK(dial_and_talk(&rig, "the next", DG_SECOND));
    CHECK(rig.client_handover.resumed); // the ticket came the second time
    dial_rig_hang_up(&rig);
    dial_rig_free(&rig);
}

DG_TEST(dial12_with_each_datagram_lost_once) { every_credential(12, false); }
DG_TEST(dial13_with_each_datagram_lost_once) { every_credential(13, false); }
DG_TEST(dial12_resumed_with_each_datagram_lost_once) { every_credential(12, true); }
DG_TEST(dial13_resumed_with_each_datagram_lost_once) { every_credential(13, true); }

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(dial13_gives_early_data_to_the_engine),
        DG_CASE(dial12_waits_for_a_ticket_that_was_lost_before_the_finished),
        DG_CASE(dial12_with_each_datagram_lost_once),
        DG_CASE(dial13_with_each_datagram_lost_once),
        DG_CASE(dial12_resumed_with_each_datagram_lost_once),
        DG_CASE(dial13_resumed_with_each_datagram_lost_once),
    };
    sim_clock_start(1); // the library's timers go by the wall clock
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
