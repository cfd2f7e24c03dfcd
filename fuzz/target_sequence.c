// SPDX-License-Identifier: GPL-3.0-or-later
// Whole lives in a simulated server with the null AEAD and the fake handshake: clients that shake hands, talk,
// change their keys, move and begin anew, strangers who repeat and damage what they saw, time that passes. The
// books of support/sim_books.h judge: plaintext comes out once and at its own association, no nonce twice.
//
// Input: settings (2 bytes), then steps: a byte that says which and for whom, its arguments.
#include "fuzz.h"

#include "core/record12.h"
#include "core/record13.h"
#include "support/fake_handshake.h"
#include "support/fake_peer.h"
#include "support/peer_records.h"
#include "support/sim_audit.h"
#include "support/sim_world.h"

#include <stdlib.h>
#include <string.h>

#define ACTORS 5
#define KEPT 16
#define DATAGRAM 1500

enum step { SEND, REPEAT, DATA, TIME, MOVE, ANEW, AGAIN, RAW, ALERT, UPDATE, SERIES, STEPS };

struct actor {
    struct toy_client toy;
    uint32_t host, life;
    uint64_t taken;               // serial of the hand-over with its keys
    bool has_keys;
    struct peer_keys tx, rx;
    uint64_t tx_epoch, tx_next, rx_next;
    struct dg_replay replay;
    uint16_t message_seq;
    struct dg_address address;    // as the server sees it
};

static struct sim_world *world;
static struct fake_gate gate;
static struct actor actors[ACTORS];
static uint32_t lives;
static uint64_t taken;
static struct {
    uint8_t bytes[DATAGRAM];
    size_t size;
    uint32_t actor;
} kept[KEPT];
static unsigned kept_next;

// --- the handshake, each with keys of its own --------------------------------------------------------

static void mix(struct dg_key_material *material, uint64_t serial)
{
    for (unsigned i = 0; i < 8; i++) {
        material->key[i] ^= (uint8_t)(serial >> (8 * i));
        material->secret[i] ^= (uint8_t)(serial >> (8 * i));
    }
}

// The fake handshake's keys come from the client's random alone, those of a real one from the server's too: a
// hello that is repeated whole must not bring the old keys back.
static bool take(struct dg_handshake *handshake, struct dg_handover *ret)
{
    if (!fake_handshake_ops.take(handshake, ret))
        return false;
    taken++;
    for (uint32_t i = 0; i < ACTORS; i++) {
        struct dg_key_material own = {0};
        fake_key_material(actors[i].toy.random, 'c', &own);
        if (memcmp(own.key, ret->rx.key, 16) == 0)
            actors[i].taken = taken;
    }
    mix(&ret->tx, taken);
    mix(&ret->rx, taken);
    // Its last flight is not sealed with these keys, so its nonces are not for the books.
    for (size_t i = 0; i < sizeof world->flown / sizeof *world->flown; i++)
        world->flown[i].size = 0;
    return true;
}

static struct dg_handshake_ops ops;

// --- clients ---------------------------------------------------------------------------------------------

static void get_keys(struct actor *actor)
{
    const struct peer_keys none = {.ops = &dg_null_aead, .aead = DG_AEAD_AES_128_GCM};
    actor->tx = actor->rx = none;
    fake_key_material(actor->toy.random, 'c', &actor->tx.material);
    fake_key_material(actor->toy.random, 's', &actor->rx.material);
    mix(&actor->tx.material, actor->taken);
    mix(&actor->rx.material, actor->taken);
    actor->tx_epoch = actor->toy.is_13 ? 3 : 1;
    actor->tx_next = 100; // above the numbers of the proofs
    actor->rx_next = 0;
    actor->message_seq = 4;
    memset(&actor->replay, 0, sizeof actor->replay);
    actor->has_keys = true;
}

static void open_echo(struct actor *actor, const struct dg_record *record)
{
    struct dg_key_view view = peer_keys_view(&actor->rx, actor->toy.is_13);
    size_t cid_size = actor->toy.has_server_cid ? actor->toy.cid_size : 0;
    uint64_t number = record->sequence, serial;
    uint8_t type;
    struct dg_bytes body;
    if (actor->toy.is_13 != record->is_unified || record->epoch == 0)
        return;
    struct dg_result result =
        actor->toy.is_13 ? dg_record13_open(&dg_null_aead, &view, record, actor->toy.cid, cid_size, actor->rx_next,
                                            &number, &type, &body)
                         : dg_record12_open(&dg_null_aead, &view, record, actor->toy.cid, cid_size, &type, &body);
    if (result.outcome != DG_OK || !dg_replay_is_fresh(&actor->replay, actor->rx_next, number))
        return;
    _Atomic uint64_t next = actor->rx_next;
    dg_replay_accept(&actor->replay, &next, number);
    actor->rx_next = next;
    if (type == DG_CONTENT_APPLICATION_DATA)
        CHECK(sim_plaintext_echoed(world, actor->life, body.data, body.size, &serial));
}

static void on_receive(void *context, const uint8_t *data, size_t size)
{
    struct actor *actor = context;
    uint8_t copy[4096];
    CHECK(size <= sizeof copy);
    if (actor->toy.state != TOY_DONE) {
        if (toy_receive(&actor->toy, data, size) && actor->toy.state == TOY_DONE)
            get_keys(actor);
        return;
    }
    memcpy(copy, data, size);
    for (size_t at = 0; at < size;) {
        struct dg_record record;
        size_t cid_size = actor->toy.has_server_cid ? actor->toy.cid_size : 0;
        if (dg_record_parse(copy + at, size - at, cid_size, &record).outcome != DG_OK)
            return;
        at += record.size;
        open_echo(actor, &record);
    }
}

static void on_timer(void *context) { (void)context; }

static void begin(struct actor *actor, unsigned number)
{
    uint32_t host = actor->host;
    struct dg_address address = actor->address;
    *actor = (struct actor){.host = host, .address = address, .life = ++lives};
    actor->toy = toy_client_new("10.0.0.1:40000", "192.0.2.1:5684", number % 2 == 1, actor->life);
    actor->toy.offers_cid = number < 3;
    actor->toy.cid_size = number * 2;
    test_random_fill(&world->random, actor->toy.cid, actor->toy.cid_size);
    actor->toy.wrong_key = actor->life % 8 == 7;
}

static void send(struct actor *actor, const uint8_t *data, size_t size)
{
    if (size == 0 || size > DATAGRAM)
        return;
    unsigned at = kept_next++ % KEPT;
    memcpy(kept[at].bytes, data, size);
    kept[at].size = size;
    kept[at].actor = (uint32_t)(actor - actors);
    sim_host_send(world, actor->host, data, size);
}

static size_t seal(struct actor *actor, uint8_t type, const void *data, size_t size, uint8_t *out, size_t capacity)
{
    const struct peer_record record = {.epoch = actor->tx_epoch,
                                       .sequence = actor->tx_next++,
                                       .type = type,
                                       .cid = actor->toy.server_cid,
                                       .cid_size = actor->toy.server_cid_size,
                                       .data = data,
                                       .size = size};
    return actor->toy.is_13 ? peer_seal13(&actor->tx, &record, out, capacity)
                            : peer_seal12(&actor->tx, &record, out, capacity);
}

static void send_data(struct actor *actor, unsigned records, size_t size)
{
    uint8_t out[DATAGRAM], plaintext[SIM_PLAINTEXT + 256];
    size_t used = 0;
    for (unsigned i = 0; i < records && actor->has_keys; i++) {
        (void)sim_plaintext_make(world, actor->life, plaintext, SIM_PLAINTEXT + size);
        used += seal(actor, DG_CONTENT_APPLICATION_DATA, plaintext, SIM_PLAINTEXT + size, out + used, sizeof out - used);
    }
    send(actor, out, used);
}

static void send_update(struct actor *actor, uint8_t request)
{
    uint8_t out[128], message[16];
    if (!actor->has_keys || !actor->toy.is_13)
        return;
    size_t size = fake_message(DG_HS_KEY_UPDATE, actor->message_seq++, &request, 1, message);
    send(actor, out, seal(actor, DG_CONTENT_HANDSHAKE, message, size, out, sizeof out));
    actor->tx = peer_keys_next(&actor->tx);
    actor->tx_epoch++;
    actor->tx_next = 0;
}

// --- strangers -------------------------------------------------------------------------------------------

static void send_again(struct actor *actor, struct fuzz_input *input)
{
    uint8_t what = fuzz_u8(input), datagram[DATAGRAM];
    size_t size = kept[what % KEPT].size;
    memcpy(datagram, kept[what % KEPT].bytes, size);
    for (unsigned changes = what >> 4 & 3; changes > 0 && size > 0; changes--) {
        size_t at = fuzz_u16(input) % size;
        datagram[at] ^= fuzz_u8(input);
    }
    // From the address of whoever the step names: a copy from elsewhere, or of one's own.
    if ((what & 0x80) != 0)
        sim_world_inject(world, &actor->address, datagram, size);
    else
        sim_host_send(world, actor->host, datagram, size);
}

static void take_step(struct fuzz_input *input)
{
    uint8_t what = fuzz_u8(input), out[4096];
    struct actor *actor = &actors[what / STEPS % ACTORS];
    size_t size;
    const uint8_t *bytes;
    switch ((enum step)(what % STEPS)) {
    case SEND:
    case REPEAT:
        send(actor, out, toy_send(&actor->toy, what % STEPS == REPEAT, out, sizeof out));
        break;
    case DATA:
        send_data(actor, 1, fuzz_u8(input));
        break;
    case SERIES:
        send_data(actor, 3, 8);
        break;
    case TIME:
        sim_world_run(world, DG_MILLISECOND << (fuzz_u8(input) % 14));
        break;
    case MOVE: {
        struct dg_address own = sim_host_address(world, actor->host);
        actor->address = netsim_rebind(world->net, &own);
        break;
    }
    case ANEW:
        begin(actor, (unsigned)(actor - actors));
        break;
    case AGAIN:
        send_again(actor, input);
        break;
    case RAW:
        bytes = fuzz_bytes(input, fuzz_u8(input), &size);
        sim_world_inject(world, &actor->address, bytes, size);
        break;
    case ALERT:
        if (actor->has_keys) {
            const uint8_t alert[2] = {1 + (fuzz_u8(input) & 1), (uint8_t)(fuzz_u8(input) % 4 * 30)};
            send(actor, out, seal(actor, DG_CONTENT_ALERT, alert, sizeof alert, out, sizeof out));
        }
        break;
    case UPDATE:
        send_update(actor, fuzz_u8(input) & 1);
        break;
    case STEPS:
        break;
    }
}

static void open_world(uint8_t faults, uint8_t settings)
{
    struct sim_config config = sim_config_default(1);
    static const uint8_t CID_SIZES[] = {8, 4, 16, 5};
    config.shape = (struct dg_memory_shape){.shard_count = 4,
                                            .slots_per_shard = 4,
                                            .flights_per_shard = 8,
                                            .cid_size = CID_SIZES[settings >> 3 & 3]};
    config.hosts_max = ACTORS;
    config.aead = &sim_audit_null;
    config.front.handshakes_max = 4;
    config.front.reassembly_max = 4;
    config.front.finished_max = 32;
    config.front.admission.prefixes_max = 64;
    config.ring_full = (settings & 1) != 0 ? 300 : 0;
    config.ring_delay = (settings & 2) != 0 ? 20 * DG_MILLISECOND : config.ring_delay;
    world = sim_world_new(&config);
    struct netsim_faults what = {.loss = faults & 3 ? 60u * (faults & 3) : 0,
                                 .duplicate = 60u * (faults >> 2 & 3),
                                 .reorder = 60u * (faults >> 4 & 3),
                                 .flip = 30u * (faults >> 6 & 3)};
    netsim_set_faults(world->net, NETSIM_TO_SERVER, &what);
    what.flip = 0;
    netsim_set_faults(world->net, NETSIM_TO_CLIENT, &what);
    ops = fake_handshake_ops;
    ops.take = take;
    gate = fake_gate_default();
    gate.negotiates_cid = true;
    gate.flights = 1 + (settings >> 2 & 1);
    sim_world_open(world, &ops, &gate);
    lives = kept_next = 0;
    taken = 0;
    memset(kept, 0, sizeof kept);
    memset(actors, 0, sizeof actors);
    for (unsigned i = 0; i < ACTORS; i++) {
        const struct sim_endpoint endpoint = {.context = &actors[i], .receive = on_receive, .timer = on_timer};
        actors[i].host = sim_host_add(world, &endpoint);
        actors[i].address = sim_host_address(world, actors[i].host);
        begin(&actors[i], i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    uint8_t faults = fuzz_u8(&input);
    open_world(faults, fuzz_u8(&input));
    // Each step costs a simulated server some of its time: a long input is no better than two.
    for (unsigned steps = 0; fuzz_more(&input) && steps < 300; steps++) {
        take_step(&input);
        sim_world_run(world, DG_MILLISECOND);
        sim_world_check(world, false);
        CHECK_EQ(gate.violations, 0);
    }
    sim_world_run(world, DG_SECOND);
    sim_world_check(world, true);
    for (uint32_t i = 0; i < world->config.workers; i++)
        dg_engine_drain(world->workers[i].engine, world->now);
    dg_front_stop(world->front);
    sim_world_run(world, 70 * DG_SECOND);
    sim_world_check(world, true);
    CHECK_EQ(dg_front_busy(world->front), 0);
    CHECK_EQ(sim_live(world), 0);
    sim_world_free(world);
    CHECK_EQ(gate.live, 0);
    return 0;
}
