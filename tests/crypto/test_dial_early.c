// SPDX-License-Identifier: GPL-3.0-or-later
//
// What comes to our dial before its time: application data that overtakes the end of the handshake, tickets that
// overtake each other or come in parts. None of it is lost that need not be, and none of it counts before its turn
// (RFC 9147 5.2, 5.8.1).

#include "check.h"
#include "core/engine_internal.h"
#include "core/wire_constants.h"
#include "support/dial_credentials.h"
#include "support/sim_clock.h"

static struct dial_rig rig;

// --- data ------------------------------------------------------------------------------

// One handshake in which this datagram of the server comes behind what follows it. False: there was none.
static bool overtaken(int version, enum credential credential, bool resume, unsigned number)
{
    rig.late_from_server = number;
    enum dg_dial_step step = dial_rig_run(&rig, 60 * DG_SECOND);
    CHECK_MSG(step == DG_DIAL_DONE, "DTLS 1.%d %s, datagram %u late: %s\n%s", version - 10, credential_names[credential],
              number, dg_wolf_dial.why(rig.dial, NULL), rig.told);
    bool was_there = rig.server_datagrams >= number;
    if (step == DG_DIAL_DONE) {
        CHECK(dial_rig_take_over(&rig));
        dial_rig_pass(&rig, DG_SECOND);
        CHECK_MSG(rig.client.delivered == 1 && rig.client.data_size == 7, "DTLS 1.%d %s%s, datagram %u late: delivered %u",
                  version - 10, credential_names[credential], resume ? " resumed" : "", number, rig.client.delivered);
        CHECK_EQ(rig.client.closed + rig.server.closed, 0);
        CHECK(dial_rig_exchange(&rig));
    }
    return was_there;
}

static void each_datagram_late(int version, enum credential credential, bool resume)
{
    unsigned kept = 0;
    struct dial_options options = options_of(credential, version);
    options.offer_cid = credential == CERTIFICATE;
    options.resume = resume;
    REQUIRE(dial_rig_dialer(&rig, &options));
    if (resume) {
        CHECK(dial_and_talk(&rig, "first", DG_SECOND));
        dial_rig_hang_up(&rig);
    }
    rig.server_says = "welcome";
    bool was_there = true;
    for (unsigned number = 1; was_there && number < 30; number++) {
        was_there = overtaken(version, credential, resume, number);
        kept += rig.kept;
        dial_rig_hang_up(&rig);
    }
    // The client has the last word of an abbreviated handshake of DTLS 1.2 (RFC 5246 7.3).
    CHECK_EQ(kept > 0, version == 13 || !resume);
    rig.server_says = NULL;
    rig.late_from_server = 0;
}

DG_TEST(dial_keeps_data_that_overtakes_the_end)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++)
        for (int resume = 0; resume < 2; resume++) {
            each_datagram_late(version, PSK, resume);
            each_datagram_late(version, CERTIFICATE, resume);
        }
    dial_rig_free(&rig);
}

DG_TEST(dial_keeps_no_more_than_a_few_records)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        struct dial_options options = options_of(PSK, version);
        REQUIRE(dial_rig_dialer(&rig, &options));
        CHECK(dial_and_talk(&rig, "to count", DG_SECOND));
        unsigned last = rig.server_datagrams;
        dial_rig_hang_up(&rig);
        rig.server_says = "welcome";
        rig.server_says_more = 19;
        rig.late_from_server = last;
        CHECK_EQ(dial_rig_run(&rig, DG_SECOND), DG_DIAL_DONE);
        CHECK(dial_rig_take_over(&rig));
        CHECK_MSG(rig.kept > 1 && rig.kept < 20 && rig.client.delivered == rig.kept, "kept %u, delivered %u", rig.kept,
                  rig.client.delivered);
        CHECK_EQ(rig.kept + rig.dropped[DG_COUNT_DROP_EARLY_FULL], 20);
        CHECK(dial_rig_exchange(&rig));
        dial_rig_hang_up(&rig);
        rig.server_says = NULL;
        rig.server_says_more = rig.late_from_server = 0;
    }
    dial_rig_free(&rig);
}

// --- tickets ---------------------------------------------------------------------------

static void (*before_ticket)(uint16_t message_seq);

// A part of a ticket from the server's engine.
static void give_ticket(uint16_t message_seq, uint32_t offset, uint32_t size)
{
    uint8_t message[128], body[64] = {0, 0, 14, 16, 1, 2, 3, 4, 1, 7, 0, 40}, record[RIG_DATAGRAM_MAX];
    struct dg_writer writer = dg_writer_of(message, sizeof message);
    body[12 + 40] = 0, body[12 + 41] = 0; // no extensions
    const uint32_t length = 12 + 40 + 2;
    dg_write_u8(&writer, DG_HS_NEW_SESSION_TICKET);
    dg_write_u24(&writer, length);
    dg_write_u16(&writer, message_seq);
    dg_write_u24(&writer, offset);
    dg_write_u24(&writer, size);
    dg_write_bytes(&writer, body + offset, size);
    struct dg_association association;
    REQUIRE(dg_association_find(rig.server.engine, rig.gate.now, rig.server.ref, &association));
    REQUIRE(dg_association_send(&association, DG_CONTENT_HANDSHAKE, message, dg_writer_size(&writer), NULL));
    struct rig_queue *queue = &rig.gate.to_client; // the newest datagram goes before the others
    for (size_t i = queue->count; i > 0; i--) {
        size_t got = rig_queue_get(queue, record, sizeof record);
        if (i > 1)
            (void)rig_queue_put(queue, record, got);
        else
            dial_rig_give(&rig, record, got);
    }
}

static void arrives(struct dial_rig *watched, unsigned number, uint8_t *datagram, size_t size)
{
    (void)number;
    (void)datagram;
    (void)size;
    if (watched->server.engine == NULL || before_ticket == NULL)
        return;
    void (*act)(uint16_t) = before_ticket;
    before_ticket = NULL;
    act((uint16_t)(watched->server_handover.tx_message_seq - 1));
}

static void give_one_ahead(uint16_t message_seq) { give_ticket((uint16_t)(message_seq + 5), 0, 54); }
static void give_first_part(uint16_t message_seq) { give_ticket(message_seq, 0, 20); }
static void give_last_part(uint16_t message_seq) { give_ticket(message_seq, 20, 34); }
static void give_parts(uint16_t message_seq)
{
    give_ticket(message_seq, 0, 20);
    give_ticket(message_seq, 20, 14);
    give_ticket(message_seq, 34, 20);
}
static void give_parts_in_disorder(uint16_t message_seq)
{
    give_ticket(message_seq, 34, 20);
    give_ticket(message_seq, 0, 20);
    give_ticket(message_seq, 34, 20);
    give_ticket(message_seq, 20, 14);
}

// Runs the handshake with this before the real ticket. Then the server changes its keys: the message that says so has
// the number after the ticket's, and a client that is beyond it or waits for another one is deaf from then on.
static void with_tickets(const char *what, void (*act)(uint16_t))
{
    before_ticket = act;
    rig.arrives = arrives;
    rig.lose_from_server = 0;
    CHECK_MSG(dial_and_talk(&rig, what, 10 * DG_SECOND), "%s", what);
    CHECK_MSG(before_ticket == NULL, "%s: was not done", what);
    dial_rig_pass(&rig, 10 * DG_SECOND);
    CHECK_MSG(rig.client_handover.rx_message_seq <= rig.server_handover.tx_message_seq, "%s: next %u, the server's next %u",
              what, rig.client_handover.rx_message_seq, rig.server_handover.tx_message_seq);
    CHECK(dial_rig_update_keys(&rig, false, true));
    dial_rig_pass(&rig, 10 * DG_SECOND);
    CHECK_MSG(dg_counter_read(&rig.client.region.counters, DG_COUNT_KEY_UPDATES_RECEIVED) == 1, "%s: deaf to messages", what);
    CHECK_MSG(dial_rig_exchange(&rig), "%s: data", what);
    CHECK_EQ(rig.client.closed + rig.server.closed, 0);
    rig.arrives = NULL;
    dial_rig_hang_up(&rig);
}

DG_TEST(dial13_tickets_count_in_their_turn_and_whole)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    struct dial_options options = options_of(CERTIFICATE, 13);
    options.resume = true;
    REQUIRE(dial_rig_dialer(&rig, &options));
    with_tickets("one ahead of its turn", give_one_ahead);
    with_tickets("the first part of one", give_first_part);
    with_tickets("the last part of one", give_last_part);
    with_tickets("three parts of one", give_parts);
    with_tickets("three parts in disorder", give_parts_in_disorder);
    dial_rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(dial_keeps_data_that_overtakes_the_end),
        DG_CASE(dial_keeps_no_more_than_a_few_records),
        DG_CASE(dial13_tickets_count_in_their_turn_and_whole),
    };
    sim_clock_start(1); // the library's timers go by the wall clock
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
