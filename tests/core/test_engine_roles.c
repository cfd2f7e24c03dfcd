// SPDX-License-Identifier: GPL-3.0-or-later
//
// Two engines, one in each role, over a network that lies: what the roles do the same and what they do not
// (RFC 9147, RFC 8446 4.6.1, RFC 6347 4.2.4, RFC 5246 7.4.1.1).

#include "check.h"
#include "core/engine_internal.h"
#include "core/handshake_fragment.h"
#include "core/record12.h"
#include "crypto/wolf_aead.h"
#include "support/netsim.h"
#include "support/shard_region.h"

#include <string.h>

#define DATAGRAM_MAX 2048

struct side {
    struct shard_region region;
    struct dg_engine *engine;
    struct dg_path path;
    enum netsim_direction out;
    struct dg_ref ref;
    unsigned delivered, closed;
    enum dg_counter reason;
    uint8_t last[DATAGRAM_MAX];
    size_t last_size;
    uint8_t scratch[DATAGRAM_MAX];
};

static struct side client, server;
static struct netsim *net;
static dg_time now;

static uint8_t *reserve(void *context, size_t capacity)
{
    struct side *side = context;
    return capacity <= sizeof side->scratch ? side->scratch : NULL;
}

static void commit(void *context, const struct dg_path *path, size_t size)
{
    struct side *side = context;
    netsim_send(net, now, side->out, &path->local, &path->peer, side->scratch, size);
}

static void on_deliver(void *context, dg_time at, struct dg_ref ref, const struct dg_slot *slot, const uint8_t *data,
                       size_t size)
{
    (void)at;
    (void)ref;
    (void)slot;
    struct side *side = context;
    side->delivered++;
    side->last_size = size < sizeof side->last ? size : sizeof side->last;
    memcpy(side->last, data, side->last_size);
}

static void on_opened(void *context, dg_time at, struct dg_ref ref, const struct dg_slot *slot,
                      const struct dg_handover *handover)
{
    (void)at;
    (void)slot;
    (void)handover;
    ((struct side *)context)->ref = ref;
}

static void on_closed(void *context, dg_time at, struct dg_ref ref, const struct dg_slot *slot, enum dg_counter reason)
{
    (void)at;
    (void)ref;
    (void)slot;
    struct side *side = context;
    side->closed++;
    side->reason = reason;
}

static void side_start(struct side *side, enum netsim_direction out, const struct dg_handover *handover)
{
    static const uint32_t shards[] = {0};
    const struct dg_engine_config config = dg_engine_config_default();
    const struct dg_output output = {.context = side, .reserve = reserve, .commit = commit};
    const struct dg_engine_hooks hooks = {
        .context = side, .deliver = on_deliver, .opened = on_opened, .closed = on_closed};
    memset(side, 0, sizeof *side);
    side->out = out;
    side->path = handover->path;
    REQUIRE(shard_region_make(&side->region, 1, 16, 64));
    side->engine = dg_engine_new(&config, &side->region.memory, shards, 1, &dg_wolf_aead, &output, &hooks,
                                 &side->region.counters);
    REQUIRE(side->engine != NULL);
    REQUIRE(dg_engine_take_over(side->engine, now, handover));
}

static uint64_t count(const struct side *side, enum dg_counter counter)
{
    return dg_counter_read(&side->region.counters, counter);
}

static void material(struct test_random *random, uint8_t version, struct dg_key_material *ret)
{
    memset(ret, 0, sizeof *ret);
    test_random_fill(random, ret->secret, 32);
    test_random_fill(random, ret->key, 16);
    test_random_fill(random, ret->iv, 4);
    if (version == 13)
        REQUIRE(dg_key_material_derive(ret, &dg_wolf_aead, DG_AEAD_AES_128_GCM, DG_HASH_SHA256));
}

// What both handshakes would have handed over, each from its end. The flight is the last speaker's Finished.
static void start(uint8_t version, bool has_cid, bool resumed)
{
    struct test_random random = {.state = dg_test_seed()};
    struct dg_handover ours = {.version = version,
                               .aead = DG_AEAD_AES_128_GCM,
                               .hash = DG_HASH_SHA256,
                               .resumed = resumed,
                               .tx_next = 1,
                               .rx_next = 1,
                               .tx_message_seq = 5,
                               .rx_message_seq = 7};
    now = 1000 * DG_SECOND;
    net = netsim_new(dg_test_seed());
    ours.rx_replay = (struct dg_replay){0};
    _Atomic uint64_t next = 0;
    dg_replay_accept(&ours.rx_replay, &next, 0);
    material(&random, version, &ours.tx);
    material(&random, version, &ours.rx);
    REQUIRE(dg_address_parse("198.51.100.1:5684", &ours.path.local));
    REQUIRE(dg_address_parse("192.0.2.1:40000", &ours.path.peer));
    if (has_cid) {
        ours.cid_size = ours.peer_cid_size = DG_CID_SIZE_DEFAULT;
        ours.peer_has_cid = 1;
        test_random_fill(&random, ours.cid, DG_CID_SIZE_DEFAULT);
        test_random_fill(&random, ours.peer_cid, DG_CID_SIZE_DEFAULT);
        ours.cid[0] = ours.peer_cid[0] = 0;
    }
    struct dg_handover theirs = ours;
    theirs.is_client = 1;
    theirs.tx = ours.rx;
    theirs.rx = ours.tx;
    theirs.tx_message_seq = ours.rx_message_seq;
    theirs.rx_message_seq = ours.tx_message_seq;
    theirs.path.local = ours.path.peer;
    theirs.path.peer = ours.path.local;
    memcpy(theirs.cid, ours.peer_cid, DG_CID_SIZE_DEFAULT);
    memcpy(theirs.peer_cid, ours.cid, DG_CID_SIZE_DEFAULT);
    struct dg_handover *speaks_last = resumed ? &theirs : &ours;
    if (version == 12) {
        struct dg_writer writer = dg_writer_of(speaks_last->flight, sizeof speaks_last->flight);
        dg_handshake_head_write(&writer, DG_HS_FINISHED, 12, 4);
        dg_write_bytes(&writer, "twelve bytes", 12);
        speaks_last->finished_size = (uint16_t)dg_writer_size(&writer);
        speaks_last->plain_next = 9;
    }
    side_start(&server, NETSIM_TO_CLIENT, &ours);
    side_start(&client, NETSIM_TO_SERVER, &theirs);
}

static void stop(void)
{
    dg_engine_free(client.engine);
    dg_engine_free(server.engine);
    shard_region_free(&client.region);
    shard_region_free(&server.region);
    netsim_free(net);
}

static bool arrive(void)
{
    uint8_t datagram[DATAGRAM_MAX];
    struct dg_address from, to;
    size_t size;
    if (!netsim_receive(net, now, &from, &to, datagram, sizeof datagram, &size))
        return false;
    struct side *side = dg_address_equal(&to, &server.path.local) ? &server : &client;
    struct dg_path path = side->path;
    path.peer = from;
    bool was_closed = side->closed > 0; // then an answer to its close_notify may come yet
    enum dg_engine_verdict verdict = dg_engine_receive(side->engine, now, &path, datagram, size);
    CHECK(verdict != DG_ENGINE_UNKNOWN || was_closed);
    return true;
}

static void pass(dg_time duration)
{
    dg_time end = now + duration;
    for (;;) {
        if (arrive())
            continue;
        dg_time next = dg_time_min(netsim_next(net), dg_time_min(dg_engine_deadline(client.engine),
                                                                 dg_engine_deadline(server.engine)));
        if (next > end)
            break;
        if (next > now)
            now = next;
        dg_engine_advance(client.engine, now, 0);
        dg_engine_advance(server.engine, now, 0);
    }
    now = end;
}

static bool say(struct side *from, const char *text)
{
    return dg_engine_send(from->engine, now, from->ref, (const uint8_t *)text, strlen(text));
}

static void check_talk(void)
{
    unsigned at_server = server.delivered, at_client = client.delivered;
    CHECK(say(&client, "question"));
    pass(DG_SECOND);
    CHECK_EQ(server.delivered, at_server + 1);
    CHECK_MEM(server.last, "question", 8);
    CHECK(say(&server, "answer"));
    pass(DG_SECOND);
    CHECK_EQ(client.delivered, at_client + 1);
    CHECK_MEM(client.last, "answer", 6);
}

static struct dg_association association_of(const struct side *side)
{
    struct dg_association association;
    DG_BUG_UNLESS(dg_association_find(side->engine, now, side->ref, &association));
    return association;
}

static void send_raw(const struct side *side, uint8_t type, const void *data, size_t size)
{
    struct dg_association association = association_of(side);
    CHECK(dg_association_send(&association, type, data, size, NULL));
    pass(DG_MILLISECOND);
}

// A fragment [offset, offset + part) of a message of this size.
static void send_fragment(const struct side *side, uint8_t type, uint16_t message_seq, uint32_t size, uint32_t offset,
                          uint32_t part)
{
    uint8_t bytes[512] = {0};
    struct dg_writer writer = dg_writer_of(bytes, sizeof bytes);
    dg_write_u8(&writer, type);
    dg_write_u24(&writer, size);
    dg_write_u16(&writer, message_seq);
    dg_write_u24(&writer, offset);
    dg_write_u24(&writer, part);
    REQUIRE(dg_writer_size(&writer) + part <= sizeof bytes);
    send_raw(side, DG_CONTENT_HANDSHAKE, bytes, dg_writer_size(&writer) + part);
}

DG_TEST(roles_talk_and_close)
{
    for (uint8_t version = 12; version <= 13; version++)
        for (int cid = 0; cid < 2; cid++)
            for (int by_client = 0; by_client < 2; by_client++) {
                start(version, cid, false);
                check_talk();
                struct side *from = by_client ? &client : &server, *to = by_client ? &server : &client;
                dg_engine_close(from->engine, now, from->ref, DG_COUNT_CLOSED_SHUTDOWN);
                pass(10 * DG_SECOND);
                CHECK_EQ(from->closed, 1);
                CHECK_EQ(to->closed, 1);
                CHECK_EQ(to->reason, DG_COUNT_CLOSED_BY_PEER);
                stop();
            }
}

// RFC 9147 8, with a tenth of all datagrams lost, doubled and out of order.
DG_TEST(roles_update_keys_on_a_bad_network)
{
    const struct netsim_faults bad = {.loss = 100,
                                      .duplicate = 100,
                                      .reorder = 100,
                                      .delay_min = DG_MILLISECOND,
                                      .delay_max = 30 * DG_MILLISECOND};
    start(13, true, false);
    netsim_set_faults(net, NETSIM_TO_CLIENT, &bad);
    netsim_set_faults(net, NETSIM_TO_SERVER, &bad);
    for (int round = 0; round < 60; round++) {
        struct dg_association association = association_of(round % 2 ? &client : &server);
        (void)dg_key_update_start(&association, round % 3 == 0 ? DG_UPDATE_REQUESTED : DG_UPDATE_NOT_REQUESTED);
        CHECK(say(&client, "question"));
        CHECK(say(&server, "answer"));
        pass(DG_SECOND);
    }
    CHECK_MSG(server.delivered >= 40 && client.delivered >= 40, "%u and %u of 60 arrived", server.delivered,
              client.delivered);
    CHECK(count(&client, DG_COUNT_KEY_UPDATES_RECEIVED) >= 15);
    CHECK(count(&server, DG_COUNT_KEY_UPDATES_RECEIVED) >= 15);
    CHECK_EQ(count(&client, DG_COUNT_DROP_FORGED) + count(&server, DG_COUNT_DROP_FORGED), 0);
    const struct netsim_faults good = {0};
    netsim_set_faults(net, NETSIM_TO_CLIENT, &good);
    netsim_set_faults(net, NETSIM_TO_SERVER, &good);
    pass(120 * DG_SECOND);
    check_talk();
    stop();
}

// RFC 8446 4.6.1, RFC 9147 5.8.4: a ticket is of a server's; it is acknowledged, and KeyUpdates go on after it.
DG_TEST(client_acknowledges_tickets_and_leaves_them)
{
    start(13, true, false);
    uint64_t sealed = count(&client, DG_COUNT_RECORDS_SEALED);
    send_fragment(&server, DG_HS_NEW_SESSION_TICKET, 5, 100, 0, 100);
    CHECK_EQ(count(&client, DG_COUNT_RECORDS_SEALED), sealed + 1); // the acknowledgement
    send_fragment(&server, DG_HS_NEW_SESSION_TICKET, 5, 100, 0, 100); // RFC 9147 7: again for the repetition
    CHECK_EQ(count(&client, DG_COUNT_RECORDS_SEALED), sealed + 2);
    CHECK_EQ(count(&client, DG_COUNT_DROP_HANDSHAKE_REPEATED), 1);
    // In parts, and out of their order: the whole is never kept.
    send_fragment(&server, DG_HS_NEW_SESSION_TICKET, 6, 300, 100, 200);
    send_fragment(&server, DG_HS_NEW_SESSION_TICKET, 6, 300, 0, 100);
    CHECK_EQ(count(&client, DG_COUNT_RECORDS_SEALED), sealed + 4);
    struct dg_association association = association_of(&client);
    CHECK_EQ(association.slot->rx_message_seq, 7);
    send_fragment(&server, DG_HS_NEW_SESSION_TICKET, 9, 100, 0, 100); // ahead of its turn: not acknowledged
    CHECK_EQ(count(&client, DG_COUNT_RECORDS_SEALED), sealed + 4);
    CHECK_EQ(client.closed, 0);
    check_talk();
    stop();
}

DG_TEST(server_refuses_tickets)
{
    start(13, true, false);
    send_fragment(&client, DG_HS_NEW_SESSION_TICKET, 7, 100, 0, 100);
    CHECK_EQ(server.closed, 1);
    CHECK_EQ(count(&server, DG_COUNT_FAIL_UNEXPECTED_MESSAGE), 1);
    stop();
}

// RFC 5246 7.4.1.1, RFC 9325 3.5: a HelloRequest is answered with no_renegotiation, once in a while, and nothing
// else happens. A ClientHello of a server's makes no sense.
DG_TEST(client_refuses_renegotiation)
{
    start(12, true, false);
    uint64_t sealed = count(&client, DG_COUNT_RECORDS_SEALED);
    send_fragment(&server, DG_HS_HELLO_REQUEST, 0, 0, 0, 0);
    CHECK_EQ(count(&client, DG_COUNT_RECORDS_SEALED), sealed + 1);
    CHECK_EQ(count(&server, DG_COUNT_DROP_ALERT_IGNORED), 1);
    send_fragment(&server, DG_HS_HELLO_REQUEST, 0, 0, 0, 0);
    CHECK_EQ(count(&client, DG_COUNT_RECORDS_SEALED), sealed + 1);
    pass(DG_SECOND);
    send_fragment(&server, DG_HS_CLIENT_HELLO, 0, 40, 0, 40);
    CHECK_EQ(count(&client, DG_COUNT_RECORDS_SEALED), sealed + 1);
    CHECK_EQ(client.closed + server.closed, 0);
    check_talk();
    stop();
}

// RFC 6347 4.2.4: who spoke last repeats its flight when the other one repeats its Finished; in an abbreviated
// handshake that is the client. Under new numbers, at most twice a second, until data has come.
DG_TEST(last_speaker_repeats_its_flight)
{
    for (int resumed = 0; resumed < 2; resumed++) {
        start(12, true, resumed);
        struct side *last = resumed ? &client : &server, *other = resumed ? &server : &client;
        uint64_t sealed = count(last, DG_COUNT_RECORDS_SEALED);
        for (int i = 0; i < 3; i++)
            send_fragment(other, DG_HS_FINISHED, 3, 12, 0, 12);
        CHECK_EQ(count(last, DG_COUNT_RECORDS_SEALED), sealed + 1);
        CHECK_EQ(count(last, DG_COUNT_DROP_FLIGHT_LIMITED), 2);
        CHECK_EQ(count(other, DG_COUNT_DROP_HANDSHAKE_REPEATED), 1); // the Finished of the flight
        CHECK_EQ(count(other, DG_COUNT_DROP_PLAINTEXT_RECORD), 1);   // its ChangeCipherSpec
        check_talk();
        pass(DG_SECOND);
        sealed = count(last, DG_COUNT_RECORDS_SEALED);
        send_fragment(other, DG_HS_FINISHED, 3, 12, 0, 12);
        CHECK_EQ(count(last, DG_COUNT_RECORDS_SEALED), sealed);
        stop();
    }
}

// The client's Finished of DTLS 1.3 was acknowledged before the take-over: no keys of epoch 2 are kept for it.
DG_TEST(client_keeps_nothing_of_the_handshake13)
{
    start(13, true, false);
    struct dg_association association = association_of(&client);
    CHECK_EQ(association.slot->side, DG_NO_SIDE);
    CHECK((association.slot->flags & DG_SLOT_IS_CLIENT) != 0);
    association = association_of(&server);
    CHECK(association.slot->side != DG_NO_SIDE);
    CHECK((association.slot->flags & DG_SLOT_IS_CLIENT) == 0);
    stop();
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(roles_talk_and_close),
        DG_CASE(roles_update_keys_on_a_bad_network),
        DG_CASE(client_acknowledges_tickets_and_leaves_them),
        DG_CASE(server_refuses_tickets),
        DG_CASE(client_refuses_renegotiation),
        DG_CASE(last_speaker_repeats_its_flight),
        DG_CASE(client_keeps_nothing_of_the_handshake13),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
