// SPDX-License-Identifier: GPL-3.0-or-later
// The client's side of whole conversations with an engine (fake_peer.h).
#include "support/fake_peer.h"

#include "core/engine_internal.h"
#include "core/record12.h"
#include "core/record13.h"

#include <stdlib.h>
#include <string.h>

#define CLIENT_MESSAGES 3 // message_seq after the client's Finished

static void demand(bool holds)
{
    if (!holds)
        abort();
}

// --- the server -------------------------------------------------------------------------

static uint8_t *reserve(void *context, size_t capacity)
{
    static uint8_t spare[FAKE_DATAGRAM_MAX];
    struct fake_server *server = context;
    demand(capacity <= FAKE_DATAGRAM_MAX);
    if (server->is_full)
        return NULL;
    return server->sent_count < FAKE_QUEUE ? server->sent[server->sent_count].bytes : spare;
}

static void commit(void *context, const struct dg_path *path, size_t size)
{
    struct fake_server *server = context;
    server->sent_total++;
    if (server->sent_count == FAKE_QUEUE)
        return;
    server->sent[server->sent_count].path = *path;
    server->sent[server->sent_count++].size = size;
}

static void deliver(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, const uint8_t *data,
                    size_t size)
{
    struct fake_server *server = context;
    (void)slot;
    server->delivered++;
    server->data_size = size < sizeof server->data ? size : sizeof server->data;
    memcpy(server->data, data, server->data_size);
    if (server->echoes)
        (void)dg_engine_send(server->engine, now, ref, data, size);
    if (server->closes)
        dg_engine_close(server->engine, now, ref, DG_COUNT_CLOSED_SHUTDOWN);
}

static void opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                   const struct dg_handover *handover)
{
    struct fake_server *server = context;
    (void)now, (void)slot, (void)handover;
    server->opened++;
    server->ref = ref;
}

static void closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, enum dg_counter reason)
{
    struct fake_server *server = context;
    demand(slot->id == ref.id && slot->id != 0); // told before the wiping
    server->closed++;
    server->reason = reason;
    // An owner that comes back from inside its own callback ends nothing twice and sends nothing more.
    dg_engine_close(server->engine, now, ref, DG_COUNT_CLOSED_SHUTDOWN);
    demand(!dg_engine_send(server->engine, now, ref, (const uint8_t *)"x", 1));
}

static void moved(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                  const struct dg_address *from)
{
    struct fake_server *server = context;
    demand(slot->id == ref.id);
    server->moved++;
    server->moved_from = *from;
    if (server->closes)
        dg_engine_close(server->engine, now, ref, DG_COUNT_CLOSED_SHUTDOWN);
}

static struct dg_policy_verdict authorise(void *context, const struct dg_slot *slot, struct dg_bytes identity)
{
    struct fake_server *server = context;
    demand(identity.size > 0);
    server->asked++;
    if (server->policy != NULL) {
        const struct dg_policy_subject subject = {.listener = slot->listener,
                                                  .identity = identity,
                                                  .identity_kind = slot->identity_kind,
                                                  .peer = &slot->peer};
        return dg_policy_judge(server->policy, &subject);
    }
    return (struct dg_policy_verdict){.is_allowed = !server->refuses, .rule = server->rule};
}

static enum dg_counter join(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                            struct dg_bytes identity, bool is_new)
{
    struct fake_server *server = context;
    (void)now, (void)identity;
    demand(slot->id == ref.id && ref.id != 0);
    server->joined++;
    server->newcomers += is_new;
    return server->join_reason;
}

static void refused(void *context, dg_time now, const struct dg_handover *handover, enum dg_counter reason,
                    uint16_t rule)
{
    struct fake_server *server = context;
    (void)now, (void)handover, (void)rule;
    server->refused++;
    server->refusal = reason;
}

static void limited(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, enum dg_counter reason)
{
    struct fake_server *server = context;
    (void)now;
    demand(slot->id == ref.id);
    server->limited++;
    server->refusal = reason;
}

void fake_server_obey(struct fake_server *server, const struct dg_policy *policy)
{
    static uint32_t generation = 1000;
    server->policy = policy;
    demand(dg_engine_set_rules(server->engine, policy));
    dg_engine_set_policy_generation(server->engine, ++generation);
}

static void make_engine(struct fake_server *server)
{
    const struct dg_output output = {.context = server, .reserve = reserve, .commit = commit};
    const struct dg_engine_hooks hooks = {
        .context = server, .deliver = deliver, .opened = opened, .closed = closed, .moved = moved,
        .authorise = authorise, .join = join, .refused = refused, .limited = limited};
    const uint32_t numbers[] = {0, 1, 2, 3};
    server->engine = dg_engine_new(&server->config, &server->region.memory, numbers, 4, server->ops, &output, &hooks,
                                   &server->region.counters);
    demand(server->engine != NULL);
}

void fake_server_start(struct fake_server *server, const struct dg_aead_ops *ops,
                       const struct dg_engine_config *config)
{
    fake_server_start_with(server, ops, config, DG_CID_SIZE_DEFAULT);
}

void fake_server_start_with(struct fake_server *server, const struct dg_aead_ops *ops,
                            const struct dg_engine_config *config, uint32_t cid_size)
{
    memset(server, 0, sizeof *server);
    server->ops = ops;
    server->config = config != NULL ? *config : dg_engine_config_default();
    server->now = 1000 * DG_SECOND;
    server->wall_s = 1700000000;
    const struct dg_memory_shape shape = {
        .shard_count = 4, .slots_per_shard = 64, .flights_per_shard = 64, .cid_size = cid_size};
    demand(shard_region_make_as(&server->region, &shape));
    make_engine(server);
}

void fake_server_stop(struct fake_server *server)
{
    dg_engine_free(server->engine);
    shard_region_free(&server->region);
}

void fake_server_restart(struct fake_server *server)
{
    char error[256];
    dg_engine_free(server->engine);
    demand(dg_memory_attach(&server->region.memory, server->region.base, server->region.size_bytes, error,
                            sizeof error));
    make_engine(server);
}

uint64_t fake_count(const struct fake_server *server, enum dg_counter counter)
{
    return dg_counter_read(&server->region.counters, counter);
}

static dg_time next_turn(const struct fake_server *server)
{
    struct dg_engine *engine = server->engine;
    dg_time next = dg_engine_deadline(engine), sweep_next = engine->sweep_next;
    if (server->sweep_late == 0 || next != sweep_next)
        return next;
    engine->sweep_next += server->sweep_late;
    next = dg_engine_deadline(engine);
    engine->sweep_next = sweep_next;
    return next;
}

void fake_server_run(struct fake_server *server, dg_time duration)
{
    dg_time end = server->now + duration;
    unsigned turns = 0;
    for (;;) {
        dg_time next = next_turn(server);
        if (next > end)
            break;
        if (next > server->now) {
            server->wall_s += (uint32_t)((next - server->now) / DG_SECOND);
            server->now = next;
        }
        dg_engine_advance(server->engine, server->now, server->wall_s);
        // A deadline that stays in the past would make the owner's loop spin. 0: what another process left is being
        // judged, bit by bit.
        dg_time after = dg_engine_deadline(server->engine);
        turns = after == 0 ? turns + 1 : 0;
        demand(after > server->now || (after == 0 && turns < 1000));
    }
    server->now = end;
}

struct dg_slot *fake_slot(const struct fake_server *server, struct dg_ref ref)
{
    struct dg_slot *slot = dg_memory_slot(&server->region.memory, ref.shard, ref.slot);
    return slot->state == DG_SLOT_LIVE && slot->id == ref.id ? slot : NULL;
}

void fake_server_forget(struct fake_server *server) { server->sent_count = 0; }

// --- the peer -----------------------------------------------------------------------------

static enum dg_hash_id hash_of(enum dg_aead_id aead)
{
    return aead == DG_AEAD_AES_256_GCM ? DG_HASH_SHA384 : DG_HASH_SHA256;
}

size_t fake_peer_cid_size(const struct fake_peer *peer)
{
    return peer->setup.has_cid ? peer->server->region.memory.shape.cid_size : 0;
}

void fake_peer_handover(const struct fake_peer *peer, struct dg_handover *ret)
{
    static const uint8_t VERIFY[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const uint8_t TICKET[40] = {9, 9, 9};
    const struct fake_setup *setup = &peer->setup;
    memset(ret, 0, sizeof *ret);
    ret->path = peer->path;
    ret->version = setup->version;
    ret->aead = (uint8_t)setup->aead;
    ret->hash = (uint8_t)hash_of(setup->aead);
    ret->cid_size = (uint8_t)fake_peer_cid_size(peer);
    memcpy(ret->cid, peer->cid, sizeof ret->cid);
    ret->has_rrc = setup->has_rrc;
    ret->peer_has_cid = setup->peer_cid_size > 0;
    ret->peer_cid_size = setup->peer_cid_size;
    memcpy(ret->peer_cid, peer->peer_cid, sizeof ret->peer_cid);
    ret->rx = peer->tx.material;
    ret->tx = peer->rx.material;
    ret->tx_next = 1; // the Finished, or the acknowledgement
    ret->tx_message_seq = 8;
    ret->rx_message_seq = peer->message_seq;
    ret->identity_kind = DG_IDENTITY_PSK;
    ret->identity_size = 2;
    memcpy(ret->identity, "me", 2);
    if (setup->version == 12) {
        ret->rx_next = peer->tx_next;
        ret->rx_replay.seen[0] = 1; // the client's Finished
        ret->plain_next = 5;
        if (setup->has_flight) {
            ret->ticket_size = (uint16_t)fake_message(DG_HS_NEW_SESSION_TICKET, 6, TICKET, sizeof TICKET, ret->flight);
            ret->finished_size = (uint16_t)fake_message(DG_HS_FINISHED, 7, VERIFY, sizeof VERIFY,
                                                        ret->flight + ret->ticket_size);
        }
        return;
    }
    ret->handshake_rx = peer->handshake.material;
    ret->handshake_rx_next = peer->handshake_next;
    ret->handshake_rx_replay.seen[0] = (UINT64_C(1) << peer->handshake_next) - 1;
    if (setup->has_flight) {
        ret->ticket_size = (uint16_t)fake_message(DG_HS_NEW_SESSION_TICKET, 8, TICKET, sizeof TICKET, ret->flight);
        ret->ticket_epoch = 3;
        ret->ticket_sequence = 1;
        ret->tx_next = 2;
        ret->tx_message_seq = 9;
    }
}

static struct peer_keys make_keys(const struct fake_server *server, const struct fake_setup *setup, unsigned which)
{
    bool is_13 = setup->version == 13;
    if (setup->key_seed == 0)
        return peer_keys_any(server->ops, setup->aead, hash_of(setup->aead), is_13, 3 * setup->who + which);
    struct test_random random = {.state = setup->key_seed + which};
    uint8_t bytes[DG_SECRET_MAX];
    test_random_fill(&random, bytes, sizeof bytes);
    return is_13 ? peer_keys_13(server->ops, setup->aead, hash_of(setup->aead), bytes)
                 : peer_keys_12(server->ops, setup->aead, bytes, bytes + DG_AEAD_KEY_MAX);
}

bool fake_peer_join(struct fake_peer *peer, struct fake_server *server, const struct fake_setup *setup)
{
    memset(peer, 0, sizeof *peer);
    bool is_13 = setup->version == 13;
    peer->server = server;
    peer->setup = *setup;
    peer->tx = make_keys(server, setup, 1);
    peer->rx = make_keys(server, setup, 2);
    peer->handshake = make_keys(server, setup, 3);
    if (is_13)
        peer->rx_next = peer_keys_next(&peer->rx);
    peer->tx_epoch = peer->rx_epoch = is_13 ? 3 : 1;
    peer->tx_next = is_13 ? 0 : 1;
    peer->handshake_next = 3; // Certificate, CertificateVerify, Finished
    peer->message_seq = CLIENT_MESSAGES;
    for (size_t i = 0; i < server->region.memory.shape.cid_size; i++)
        peer->cid[i] = (uint8_t)(setup->who + 17 * i);
    for (size_t i = 0; i < sizeof peer->peer_cid; i++)
        peer->peer_cid[i] = (uint8_t)(0xc0 + i);
    demand(dg_address_parse("192.0.2.1:1000", &peer->path.peer) &&
           dg_address_parse("198.51.100.9:5684", &peer->path.local));
    peer->path.peer.port = (uint16_t)(peer->path.peer.port + setup->who);
    peer->path.listener = 77;
    struct dg_handover handover;
    fake_peer_handover(peer, &handover);
    if (!dg_engine_take_over(server->engine, server->now, &handover))
        return false;
    peer->ref = server->ref;
    return true;
}

size_t fake_peer_seal_as(const struct fake_peer *peer, const struct peer_keys *keys, const struct peer_record *record,
                         uint8_t *out, size_t capacity)
{
    return peer->setup.version == 13 ? peer_seal13(keys, record, out, capacity)
                                     : peer_seal12(keys, record, out, capacity);
}

size_t fake_peer_seal(struct fake_peer *peer, uint8_t type, const void *data, size_t size, uint8_t *out,
                      size_t capacity)
{
    const struct peer_record record = {.epoch = peer->tx_epoch,
                                       .sequence = peer->tx_next++,
                                       .type = type,
                                       .cid = peer->cid,
                                       .cid_size = fake_peer_cid_size(peer),
                                       .data = data,
                                       .size = size};
    return fake_peer_seal_as(peer, &peer->tx, &record, out, capacity);
}

enum dg_engine_verdict fake_peer_give(const struct fake_peer *peer, const uint8_t *data, size_t size)
{
    // In a block of just its size, so that reading past the datagram is seen.
    uint8_t *copy = malloc(size > 0 ? size : 1);
    demand(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    enum dg_engine_verdict verdict = dg_engine_receive(peer->server->engine, peer->server->now, &peer->path, copy,
                                                       size);
    free(copy);
    return verdict;
}

enum dg_engine_verdict fake_peer_send(struct fake_peer *peer, uint8_t type, const void *data, size_t size)
{
    static uint8_t out[PEER_RECORD_MAX];
    size_t sealed = fake_peer_seal(peer, type, data, size, out, sizeof out);
    return fake_peer_give(peer, out, sealed);
}

size_t fake_message(uint8_t type, uint16_t message_seq, const void *body, size_t size, uint8_t *out)
{
    struct dg_writer writer = dg_writer_of(out, 12 + size);
    dg_write_u8(&writer, type);
    dg_write_u24(&writer, (uint32_t)size);
    dg_write_u16(&writer, message_seq);
    dg_write_u24(&writer, 0);
    dg_write_u24(&writer, (uint32_t)size);
    dg_write_bytes(&writer, body, size);
    demand(!writer.failed);
    return dg_writer_size(&writer);
}

enum dg_engine_verdict fake_peer_send_message(struct fake_peer *peer, uint8_t type, uint16_t message_seq,
                                              const void *body, size_t size)
{
    uint8_t message[512];
    demand(size <= sizeof message - 12);
    return fake_peer_send(peer, DG_CONTENT_HANDSHAKE, message, fake_message(type, message_seq, body, size, message));
}

void fake_peer_ack(struct fake_peer *peer, uint64_t epoch, uint64_t sequence)
{
    uint8_t body[18];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u16(&writer, 16);
    dg_write_u64(&writer, epoch);
    dg_write_u64(&writer, sequence);
    (void)fake_peer_send(peer, DG_CONTENT_ACK, body, sizeof body);
}

void fake_peer_next_tx(struct fake_peer *peer)
{
    peer->tx = peer_keys_next(&peer->tx);
    peer->tx_epoch++;
    peer->tx_next = 0;
}

void fake_peer_next_rx(struct fake_peer *peer)
{
    peer->rx = peer->rx_next;
    peer->rx_next = peer_keys_next(&peer->rx);
    peer->rx_epoch++;
    peer->rx_numbers[0] = peer->rx_numbers[1];
    peer->rx_numbers[1] = 0;
}

static bool open_record(struct fake_peer *peer, const struct dg_record *record, struct fake_record *ret)
{
    struct dg_bytes body = {0};
    if (!record->is_unified && record->epoch == 0) {
        ret->is_plain = true;
        ret->type = record->type;
        ret->epoch = 0;
        ret->sequence = record->sequence;
        body = (struct dg_bytes){.data = record->start + record->header_size,
                                 .size = record->size - record->header_size};
    } else if (peer->setup.version == 12) {
        struct dg_key_view view = peer_keys_view(&peer->rx, false);
        if (dg_record12_open(peer->server->ops, &view, record, peer->peer_cid, peer->setup.peer_cid_size, &ret->type,
                             &body)
                .outcome != DG_OK)
            return false;
        ret->epoch = record->epoch;
        ret->sequence = record->sequence;
    } else {
        unsigned next = (peer->rx_epoch & 3) != record->epoch; // the epoch after the server's KeyUpdate
        struct dg_key_view view = peer_keys_view(next ? &peer->rx_next : &peer->rx, true);
        if (dg_record13_open(peer->server->ops, &view, record, peer->peer_cid, peer->setup.peer_cid_size,
                             peer->rx_numbers[next], &ret->sequence, &ret->type, &body)
                .outcome != DG_OK)
            return false;
        ret->epoch = peer->rx_epoch + next;
        if (ret->sequence >= peer->rx_numbers[next])
            peer->rx_numbers[next] = ret->sequence + 1;
    }
    demand(body.size <= sizeof ret->data);
    ret->size = body.size;
    memcpy(ret->data, body.data, body.size);
    return true;
}

bool fake_peer_take(struct fake_peer *peer, size_t *offset, struct fake_record *ret)
{
    struct fake_server *server = peer->server;
    memset(ret, 0, sizeof *ret);
    if (server->sent_count == 0)
        return false;
    struct fake_datagram *datagram = &server->sent[0];
    struct dg_record record;
    bool is_open = dg_record_parse(datagram->bytes + *offset, datagram->size - *offset, peer->setup.peer_cid_size,
                                   &record)
                           .outcome == DG_OK &&
                   open_record(peer, &record, ret);
    if (!is_open || *offset + record.size >= datagram->size) {
        memmove(&server->sent[0], &server->sent[1], (--server->sent_count) * sizeof server->sent[0]);
        *offset = 0;
    } else {
        *offset += record.size;
    }
    return is_open;
}
