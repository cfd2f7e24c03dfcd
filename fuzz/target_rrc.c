// SPDX-License-Identifier: GPL-3.0-or-later
// Clients and servers that move: three associations with connection IDs on one engine, with and without RRC, whose
// records come from any of four addresses, whole, damaged, late or again, while time passes. Books of its own judge:
// who may have moved where, and how much went to an address that nothing had proven.
//
// Input: settings (bits 0 strict, 1 basic, 2.. RRC of each association, 5.. we are its client), then steps: a byte
// that says which (enum step) and whose, its arguments.
#include "fuzz.h"

#include "core/engine_internal.h"
#include "core/record12.h"
#include "core/record13.h"
#include "support/fake_peer.h"
#include "support/sim_audit.h"
#include "support/sim_clock.h"

#include <string.h>

#define PEERS 3
#define PLACES 4
#define KEPT 8
#define NOTED 64
#define SERIALS 1024
#define DATAGRAM 1400

enum step { DATA, RRC, ACK, UPDATE, NEW_IDS, REQUEST_IDS, RAW, AGAIN, SERVER_SENDS, TIME, STEPS };

// A number or cookie that the server sent, and where it went.
struct note {
    uint64_t epoch, number;
    unsigned place;
};

struct datagram {
    unsigned who, life, records, data, cookies; // cookies: a bit for each address that those inside were sent to
    struct note acks[NOTED]; // records of the server's that it acknowledges, and where they had gone (PLACES: nowhere)
    unsigned ack_count;
    bool is_spent; // every record of it has opened
    size_t size;
    uint8_t bytes[DATAGRAM];
};

struct actor {
    struct fake_peer peer;
    unsigned life;
    uint64_t received[PLACES], sent[PLACES]; // bytes while the address was not the association's
    unsigned came[PLACES];                   // datagrams that opened from there since the last move
    struct note cookies[NOTED], messages[NOTED];
    unsigned cookie_count, message_count;
    uint8_t ids[4][DG_CID_SIZE_DEFAULT]; // the server's, to be named in our records
    unsigned id_count, next_id;
};

static struct fake_server server;
static struct actor actors[PEERS];
static struct dg_path places[PLACES];
static struct datagram open_one, kept[KEPT]; // under way to be filled; of before
static unsigned kept_next, lives;
static uint32_t serial;
static uint8_t settings, life_of[SERIALS];
static bool was_echoed[SERIALS];
static unsigned moved_when_echoed[SERIALS], moved_before; // before the step

static unsigned place_of(const struct dg_address *address)
{
    unsigned place = 0;
    while (place < PLACES && !dg_address_equal(address, &places[place].peer))
        place++;
    CHECK_MSG(place < PLACES, "an address that nobody ever had");
    return place;
}

// PLACES: it has ended.
static unsigned bound_to(const struct actor *actor)
{
    const struct dg_slot *slot = fake_slot(&server, actor->peer.ref);
    return slot != NULL ? place_of(&slot->peer) : PLACES;
}

static void join(unsigned who)
{
    struct actor *actor = &actors[who];
    const struct fake_setup setup = {.version = who == 1 ? 12 : 13,
                                     .aead = DG_AEAD_AES_128_GCM,
                                     .has_cid = true,
                                     .peer_cid_size = 5,
                                     .has_rrc = settings >> (2 + who) & 1,
                                     .who = who,
                                     .key_seed = ++lives * 16};
    *actor = (struct actor){.life = lives};
    CHECK(fake_peer_join(&actor->peer, &server, &setup));
    struct dg_slot *slot = fake_slot(&server, actor->peer.ref);
    if ((settings >> (5 + who) & 1) != 0)
        slot->flags |= DG_SLOT_IS_CLIENT;
    slot->peer = places[0].peer;
    memcpy(actor->ids[0], actor->peer.cid, DG_CID_SIZE_DEFAULT);
    actor->id_count = 1;
}

// --- what the server sent ------------------------------------------------------------------------------

static bool open_as(struct actor *actor, const struct fake_datagram *sent, struct fake_record *ret)
{
    struct fake_peer *peer = &actor->peer;
    bool is_13 = peer->setup.version == 13;
    for (unsigned next = 0; next < (is_13 ? 2 : 1); next++) {
        uint8_t copy[FAKE_DATAGRAM_MAX];
        struct dg_record record;
        struct dg_bytes body;
        memcpy(copy, sent->bytes, sent->size);
        if (dg_record_parse(copy, sent->size, peer->setup.peer_cid_size, &record).outcome != DG_OK ||
            record.is_unified != is_13 || record.cid == NULL || record.size != sent->size)
            return false;
        struct dg_key_view view = peer_keys_view(next ? &peer->rx_next : &peer->rx, is_13);
        ret->sequence = record.sequence;
        struct dg_result opened =
            is_13 ? dg_record13_open(&dg_null_aead, &view, &record, record.cid, record.cid_size,
                                     peer->rx_numbers[next], &ret->sequence, &ret->type, &body)
                  : dg_record12_open(&dg_null_aead, &view, &record, record.cid, record.cid_size, &ret->type, &body);
        if (opened.outcome != DG_OK)
            continue;
        ret->epoch = peer->rx_epoch + next;
        ret->size = body.size;
        memcpy(ret->data, body.data, body.size);
        peer->rx_numbers[next] = ret->sequence + 1;
        if (next)
            fake_peer_next_rx(peer);
        return true;
    }
    return false;
}

static void take_ids(struct actor *actor, const struct fake_record *record)
{
    struct dg_reader reader = dg_reader_of(record->data, record->size);
    uint8_t type = dg_read_u8(&reader);
    (void)dg_read_bytes(&reader, 11);
    (void)dg_read_u16(&reader);
    while (type == DG_HS_NEW_CONNECTION_ID && dg_read_u8(&reader) == DG_CID_SIZE_DEFAULT) {
        struct dg_bytes id = dg_read_bytes(&reader, DG_CID_SIZE_DEFAULT);
        if (id.size == DG_CID_SIZE_DEFAULT)
            memcpy(actor->ids[actor->id_count++ % 4], id.data, DG_CID_SIZE_DEFAULT);
    }
}

static void note(struct actor *actor, const struct fake_record *record, unsigned place)
{
    struct note *to = NULL;
    if (record->type == DG_CONTENT_APPLICATION_DATA && record->data[0] == 'e') { // an echo: who was it said to?
        struct dg_reader reader = dg_reader_of(record->data + 1, 4);
        uint32_t number = dg_read_u32(&reader) % SERIALS;
        CHECK_MSG(life_of[number] == (uint8_t)actor->life, "delivered to another association");
        // A second time only where the client has moved since: the address that it had left was asked about.
        CHECK_MSG(!was_echoed[number] || server.moved > moved_when_echoed[number], "delivered twice");
        was_echoed[number] = true;
        moved_when_echoed[number] = moved_before;
    } else if (record->type == DG_CONTENT_RETURN_ROUTABILITY_CHECK && record->data[0] == 0) {
        struct dg_reader reader = dg_reader_of(record->data + 1, 8);
        to = &actor->cookies[actor->cookie_count++ % NOTED];
        *to = (struct note){.number = dg_read_u64(&reader), .place = place};
    } else if (record->type == DG_CONTENT_HANDSHAKE) {
        to = &actor->messages[actor->message_count++ % NOTED];
        *to = (struct note){.epoch = record->epoch, .number = record->sequence, .place = place};
        take_ids(actor, record);
    }
}

// Everything that went out in a step: by whom, to where. `before`: where each was bound before the step.
static void account(const unsigned before[PEERS])
{
    for (size_t i = 0; i < server.sent_count; i++) {
        const struct fake_datagram *sent = &server.sent[i];
        struct fake_record record = {0};
        unsigned place = place_of(&sent->path.peer), who = 0;
        while (who < PEERS && !open_as(&actors[who], sent, &record))
            who++;
        CHECK_MSG(who < PEERS, "sent under nobody's keys");
        struct actor *actor = &actors[who];
        note(actor, &record, place);
        if (place == before[who] || place == bound_to(actor))
            continue;
        actor->sent[place] += sent->size;
        // RFC 9853 5, RFC 9147 11.
        CHECK_MSG(actor->sent[place] <= 3 * actor->received[place], "%u bytes for %u", (unsigned)actor->sent[place],
                  (unsigned)actor->received[place]);
    }
    fake_server_forget(&server);
    moved_before = server.moved;
    CHECK_EQ(dg_engine_live(server.engine), server.opened - server.closed);
    CHECK_EQ(fake_count(&server, DG_COUNT_PLAINTEXT_DELIVERED), server.delivered);
    CHECK_EQ(fake_count(&server, DG_COUNT_SLOTS_QUARANTINED), 0);
}

static void where(unsigned ret[PEERS])
{
    for (unsigned i = 0; i < PEERS; i++)
        ret[i] = bound_to(&actors[i]);
}

// --- what comes ------------------------------------------------------------------------------------------

static void note_answers(const struct actor *actor, struct datagram *to, uint8_t type, const uint8_t *data, size_t size)
{
    struct dg_reader reader = dg_reader_of(data, size);
    if (type == DG_CONTENT_RETURN_ROUTABILITY_CHECK && dg_read_u8(&reader) == 1) {
        uint64_t cookie = dg_read_u64(&reader);
        for (unsigned i = 0; i < NOTED && i < actor->cookie_count; i++)
            if (actor->cookies[i].number == cookie)
                to->cookies |= 1u << actor->cookies[i].place;
    } else if (type == DG_CONTENT_ACK) {
        (void)dg_read_u16(&reader);
        for (size_t at = 2; at + 16 <= size && to->ack_count < NOTED; at += 16) {
            struct note *ack = &to->acks[to->ack_count++];
            *ack = (struct note){.epoch = dg_read_u64(&reader), .place = PLACES};
            ack->number = dg_read_u64(&reader);
            for (unsigned i = 0; i < NOTED && i < actor->message_count; i++)
                if (actor->messages[i].epoch == ack->epoch && actor->messages[i].number == ack->number)
                    ack->place = actor->messages[i].place;
        }
    }
}

// Only of records that had gone to this address before the acknowledgement was written: a client that foresees the
// number of one to come is not believed (RFC 9147 11).
static bool acknowledges(const struct datagram *datagram, unsigned place)
{
    for (unsigned k = 0; k < datagram->ack_count; k++)
        if (datagram->acks[k].place == place)
            return true;
    return false;
}

static bool may_have_moved(const struct actor *actor, const struct datagram *datagram, unsigned place)
{
    const struct fake_setup *setup = &actor->peer.setup;
    if ((fake_slot(&server, actor->peer.ref)->flags & DG_SLOT_IS_CLIENT) != 0)
        return false; // who dialled stays where it dialled
    if (setup->version == 12 && !setup->has_rrc) // nothing better is to be had: the second datagram from there
        return (settings & 1) == 0 && actor->came[place] > 0;
    return setup->has_rrc ? (datagram->cookies >> place & 1) != 0 : acknowledges(datagram, place);
}

static void give(struct datagram *datagram, unsigned place, const uint8_t *bytes, bool is_damaged)
{
    struct actor *actor = &actors[datagram->who];
    unsigned before[PEERS], delivered = server.delivered, moved = server.moved;
    uint64_t opened = fake_count(&server, DG_COUNT_RECORDS_OPENED);
    if (datagram->size == 0)
        return;
    where(before);
    struct fake_peer from = actor->peer;
    from.path = places[place];
    (void)fake_peer_give(&from, bytes, datagram->size);
    opened = fake_count(&server, DG_COUNT_RECORDS_OPENED) - opened;
    bool is_void = datagram->is_spent || datagram->life != actor->life || (is_damaged && datagram->records == 1);
    CHECK_MSG(!is_void || opened == 0, "a record opened that is not the peer's, or not new");
    CHECK(opened <= datagram->records && server.delivered - delivered <= datagram->data);
    if (opened > 0 && place != before[datagram->who])
        actor->received[place] += datagram->size;
    account(before);
    for (unsigned i = 0; i < PEERS; i++) {
        unsigned now = bound_to(&actors[i]);
        if (now == before[i] || now == PLACES)
            continue;
        CHECK_MSG(i == datagram->who && now == place && opened > 0, "moved by a record that did not open");
        CHECK_MSG(may_have_moved(actor, datagram, place), "moved without a proof");
        CHECK_EQ(server.moved, moved + 1);
        memset(actor->came, 0, sizeof actor->came);
    }
    actor->came[place] += opened > 0;
    datagram->is_spent = datagram->is_spent || (!is_damaged && opened == datagram->records);
}

// How: bits 0-1 the address, 2 another record follows in this datagram, 3 damaged, 4 held back for AGAIN, 5 the next
// of the IDs that the server gave.
static void put(unsigned who, uint8_t how, uint8_t type, const void *data, size_t size)
{
    struct actor *actor = &actors[who];
    struct datagram *to = &open_one;
    if (to->who != who || to->life != actor->life || to->size + size + 64 > DATAGRAM)
        *to = (struct datagram){.who = who, .life = actor->life};
    unsigned ids = actor->id_count < 4 ? actor->id_count : 4;
    if ((how & 32) != 0)
        memcpy(actor->peer.cid, actor->ids[actor->next_id++ % ids], DG_CID_SIZE_DEFAULT);
    fuzz_is_peer_sealing = true;
    to->size += fake_peer_seal(&actor->peer, type, data, size, to->bytes + to->size, DATAGRAM - to->size);
    fuzz_is_peer_sealing = false;
    to->records++;
    to->data += type == DG_CONTENT_APPLICATION_DATA;
    note_answers(actor, to, type, data, size);
    if ((how & 4) != 0)
        return;
    struct datagram *keep = &kept[kept_next++ % KEPT];
    *keep = *to;
    *to = (struct datagram){0};
    if ((how & 16) != 0)
        return;
    uint8_t bytes[DATAGRAM];
    memcpy(bytes, keep->bytes, keep->size);
    if ((how & 8) != 0)
        bytes[(how >> 4) * keep->size / 16] ^= 0x41;
    give(keep, how & 3, bytes, (how & 8) != 0);
}

static void put_rrc(unsigned who, struct fuzz_input *input)
{
    uint8_t how = fuzz_u8(input), what = fuzz_u8(input), body[24] = {what & 3};
    const struct actor *actor = &actors[who];
    size_t size, wanted = 8;
    if ((what & 4) != 0) { // of the fuzzer's, in any length
        const uint8_t *bytes = fuzz_bytes(input, fuzz_u8(input) % 16, &wanted);
        memcpy(body + 1, bytes, wanted);
    } else if (actor->cookie_count > 0) { // back: 0 the last one
        unsigned back = what >> 3 & 7;
        struct dg_writer writer = dg_writer_of(body + 1, 8);
        dg_write_u64(&writer, actor->cookies[(actor->cookie_count - 1 - back % actor->cookie_count) % NOTED].number);
    }
    size = 1 + wanted;
    put(who, how, DG_CONTENT_RETURN_ROUTABILITY_CHECK, body, size);
}

static void put_ack(unsigned who, struct fuzz_input *input)
{
    uint8_t how = fuzz_u8(input), what = fuzz_u8(input), body[18];
    const struct actor *actor = &actors[who];
    struct note of = {.epoch = what & 7, .number = what >> 3};
    if ((what & 0x80) == 0 && actor->message_count > 0)
        of = actor->messages[(actor->message_count - 1 - what % actor->message_count) % NOTED];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u16(&writer, 16);
    dg_write_u64(&writer, of.epoch);
    dg_write_u64(&writer, of.number);
    put(who, how, DG_CONTENT_ACK, body, sizeof body);
}

static void put_message(unsigned who, uint8_t how, uint8_t type, const void *body, size_t size)
{
    uint8_t message[128];
    size = fake_message(type, actors[who].peer.message_seq++, body, size, message);
    put(who, how, DG_CONTENT_HANDSHAKE, message, size);
}

static void put_ids(unsigned who, struct fuzz_input *input)
{
    uint8_t how = fuzz_u8(input), what = fuzz_u8(input), body[32];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    size_t list = dg_write_open(&writer, 2);
    for (unsigned i = 0; i < 1u + (what & 3); i++) {
        dg_write_u8(&writer, 5);
        dg_write_u8(&writer, (uint8_t)(what + i));
        dg_write_u32(&writer, serial + i);
    }
    dg_write_close(&writer, list, 2);
    dg_write_u8(&writer, what >> 2 & 1);
    put_message(who, how, DG_HS_NEW_CONNECTION_ID, body, dg_writer_size(&writer));
}

static void put_data(unsigned who, struct fuzz_input *input)
{
    uint8_t how = fuzz_u8(input), body[5 + 255] = {'e'};
    struct dg_writer writer = dg_writer_of(body + 1, 4);
    uint32_t number = serial++ % SERIALS;
    dg_write_u32(&writer, number);
    life_of[number] = (uint8_t)actors[who].life;
    put(who, how, DG_CONTENT_APPLICATION_DATA, body, 5u + fuzz_u8(input));
}

static void give_again(struct fuzz_input *input)
{
    uint8_t how = fuzz_u8(input), bytes[DATAGRAM];
    struct datagram *again = &kept[(how >> 3) % KEPT];
    memcpy(bytes, again->bytes, again->size);
    if ((how & 4) != 0 && again->size > 0)
        bytes[fuzz_u16(input) % again->size] ^= 0x20;
    give(again, how & 3, bytes, (how & 4) != 0);
}

static void let_pass(dg_time time)
{
    unsigned before[PEERS], now[PEERS];
    where(before);
    fake_server_run(&server, time);
    where(now);
    for (unsigned i = 0; i < PEERS; i++)
        CHECK_MSG(now[i] == before[i] || now[i] == PLACES, "moved by time alone");
    account(before);
}

static void take_step(struct fuzz_input *input)
{
    static const uint8_t ZEROS[1200];
    uint8_t what = fuzz_u8(input), how, type;
    unsigned who = what / STEPS % PEERS, before[PEERS];
    size_t size;
    const uint8_t *bytes;
    if (bound_to(&actors[who]) == PLACES)
        join(who);
    switch ((enum step)(what % STEPS)) {
    case DATA:
        put_data(who, input);
        break;
    case RRC:
        put_rrc(who, input);
        break;
    case ACK:
        put_ack(who, input);
        break;
    case UPDATE:
        how = fuzz_u8(input);
        type = how >> 6 & 1; // update_requested
        put_message(who, how, DG_HS_KEY_UPDATE, &type, 1);
        if (actors[who].peer.setup.version == 13 && (how & 0x80) == 0)
            fake_peer_next_tx(&actors[who].peer);
        break;
    case NEW_IDS:
        put_ids(who, input);
        break;
    case REQUEST_IDS:
        how = fuzz_u8(input);
        type = 1 + (how >> 6);
        put_message(who, how, DG_HS_REQUEST_CONNECTION_ID, &type, 1);
        break;
    case RAW:
        how = fuzz_u8(input);
        type = fuzz_u8(input);
        bytes = fuzz_bytes(input, fuzz_u8(input) % 64, &size);
        // Behind zeros the body's last byte would be the type (RFC 9147 4): not with one that we do not look at.
        if (type != DG_CONTENT_APPLICATION_DATA && type != DG_CONTENT_HANDSHAKE && (type != 0 || size == 0))
            put(who, how, type, bytes, size);
        break;
    case AGAIN:
        give_again(input);
        break;
    case SERVER_SENDS:
        where(before);
        (void)dg_engine_send(server.engine, server.now, actors[who].peer.ref, ZEROS, fuzz_u8(input) * 4u);
        account(before);
        break;
    case TIME:
        let_pass(DG_MILLISECOND << (fuzz_u8(input) % 20));
        break;
    case STEPS:
        break;
    }
}

static void finish(void)
{
    dg_engine_drain(server.engine, server.now);
    let_pass(10 * DG_SECOND);
    CHECK_EQ(dg_engine_live(server.engine), 0);
    for (uint32_t number = 0; number < 4; number++) {
        struct dg_shard shard;
        REQUIRE(dg_shard_init(&shard, &server.region.memory, number, &server.region.counters));
        CHECK_EQ(shard_account(&shard), 0);
        dg_shard_clear(&shard);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    struct dg_engine_config config = dg_engine_config_default();
    settings = fuzz_u8(&input);
    config.address_strict = settings & 1;
    config.path_basic = settings >> 1 & 1;
    sim_clock_start(1);
    sim_audit_start();
    fake_server_start(&server, &fuzz_null_aead, &config);
    server.echoes = true;
    server.sweep_late = DG_SWEEP_PERIOD;
    memset(kept, 0, sizeof kept);
    memset(&open_one, 0, sizeof open_one);
    memset(was_echoed, 0, sizeof was_echoed);
    serial = lives = kept_next = moved_before = 0;
    for (unsigned i = 0; i < PLACES; i++) {
        CHECK(dg_address_parse("192.0.2.1:1000", &places[i].peer) &&
              dg_address_parse("198.51.100.9:5684", &places[i].local));
        places[i].listener = 77;
        places[i].peer.ip[15] = (uint8_t)(1 + i / 2); // two of them differ in the port alone
        places[i].peer.port = (uint16_t)(1000 + i % 2);
    }
    for (unsigned i = 0; i < PEERS; i++)
        join(i);
    for (unsigned steps = 0; fuzz_more(&input) && steps < 400; steps++)
        take_step(&input);
    finish();
    fake_server_stop(&server);
    sim_audit_stop();
    sim_clock_stop();
    return 0;
}
