// SPDX-License-Identifier: GPL-3.0-or-later
// Several of our messages on their way at once: each with a timer, numbers and an end of its own (RFC 9147 5.8.4).
#include "conversation.h"

enum { TICKET, UPDATE, CONNECTION_ID, KINDS };
static const uint8_t TYPES[KINDS] = {DG_HS_NEW_SESSION_TICKET, DG_HS_KEY_UPDATE, DG_HS_NEW_CONNECTION_ID};

// What went out, by kind: how often, and under which number last.
static struct {
    unsigned count;
    struct dg_record_number last;
} sent[KINDS];

static void look(void)
{
    struct fake_record record;
    size_t offset = 0;
    while (server.sent_count > 0 && fake_peer_take(&peer, &offset, &record))
        for (unsigned kind = 0; kind < KINDS; kind++)
            if (record.type == DG_CONTENT_HANDSHAKE && record.data[0] == TYPES[kind]) {
                sent[kind].count++;
                sent[kind].last = (struct dg_record_number){record.epoch, record.sequence};
            }
}

// Lets time pass in small steps and looks at what goes out.
static void wait(dg_time duration)
{
    for (dg_time passed = 0; passed < duration; passed += 100 * DG_MILLISECOND) {
        fake_server_run(&server, 100 * DG_MILLISECOND);
        look();
    }
}

// Two of them on their way, the second 300 ms after the first, and each repeated once after its own second. A
// KeyUpdate of ours waits until what was sent before it has been acknowledged, so it is first or alone.
static void begin(unsigned first)
{
    static const uint8_t one = 1;
    memset(sent, 0, sizeof sent);
    start(first == TICKET, true); // a ticket went out at time 0
    if (first == UPDATE)
        key_update(1);
    look();
    CHECK_EQ(sent[first].count, first == UPDATE);
    wait(300 * DG_MILLISECOND);
    (void)fake_peer_send_message(&peer, DG_HS_REQUEST_CONNECTION_ID, peer.message_seq++, &one, 1);
    look();
    CHECK_EQ(sent[CONNECTION_ID].count, 1);
    wait(700 * DG_MILLISECOND);
    CHECK_EQ(sent[first].count, first == UPDATE ? 2 : 1);
    CHECK_EQ(sent[CONNECTION_ID].count, 1);
    wait(300 * DG_MILLISECOND);
    CHECK_EQ(sent[CONNECTION_ID].count, 2);
}

DG_TEST(own_messages_have_timers_and_ends_of_their_own)
{
    for (unsigned run = 0; run < 4; run++) {
        const unsigned first = run & 1 ? UPDATE : TICKET, acknowledged = run & 2 ? first : CONNECTION_ID,
                       other = run & 2 ? CONNECTION_ID : first;
        begin(first);
        fake_peer_ack(&peer, sent[acknowledged].last.epoch, sent[acknowledged].last.sequence);
        if (acknowledged == UPDATE)
            fake_peer_next_rx(&peer);
        unsigned before = sent[acknowledged].count, others = sent[other].count;
        wait(10 * DG_SECOND); // the next ones of both would be due
        CHECK_EQ(sent[acknowledged].count, before);
        CHECK_MSG(sent[other].count > others, "run %u", run);
        fake_peer_ack(&peer, sent[other].last.epoch, sent[other].last.sequence);
        if (other == UPDATE)
            fake_peer_next_rx(&peer);
        uint64_t total = server.sent_total;
        wait(100 * DG_SECOND);
        CHECK_EQ(server.sent_total, total);
        CHECK_EQ(server.closed, 0);
        if (first == UPDATE)
            fake_peer_next_tx(&peer);
        CHECK(data_flows());
        fake_server_stop(&server);
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(own_messages_have_timers_and_ends_of_their_own),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
