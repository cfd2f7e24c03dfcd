// SPDX-License-Identifier: GPL-3.0-or-later
// The way out: the nonce rule, the limits of a key, records into datagrams. The only file of the engine
// that takes record numbers for sending. Never fragments, never queues what it could not send.
#include "base/random.h"
#include "core/crash_point.h"
#include "core/engine_internal.h"
#include "core/path.h"
#include "core/record12.h"
#include "core/record13.h"

static bool is_13(const struct dg_slot *slot) { return slot->version == 13; }

// How many records one sending key may protect: the AEAD's limit (RFC 9147 4.5.3, RFC 9325 4.4), and numbers
// that never wrap: 48 bits in DTLS 1.2 (RFC 6347 4.1), 64 in DTLS 1.3 (RFC 9147 4.2.1).
static uint64_t seal_limit(const struct dg_slot *slot)
{
    uint64_t limit = dg_aead_table[slot->aead].seal_limit;
    uint64_t numbers = is_13(slot) ? UINT64_MAX : DG_SEQUENCE48_MAX + 1;
    return limit < numbers ? limit : numbers;
}

// The nonce rule: the number is stored as used before anything is sealed with it, so that whoever maps the
// memory after a crash never takes it again.
static bool take_number(struct dg_keyset *keyset, uint64_t limit, uint64_t *ret_sequence)
{
    uint64_t sequence = atomic_load_explicit(&keyset->next, memory_order_relaxed);
    if (sequence >= limit)
        return false;
    atomic_store_explicit(&keyset->next, sequence + 1, memory_order_relaxed);
    DG_CRASH_POINT(SEAL_NUMBER_STORED);
    *ret_sequence = sequence;
    return true;
}

// RFC 9147 11: for a record whose acknowledgement is to prove that it was received, a number that cannot be
// foreseen. The rest of its range is never used: the numbers before and after it tell nothing about it.
static bool has_hidden_range(const struct dg_keyset *keyset)
{
    return atomic_load_explicit(&keyset->next, memory_order_relaxed) <= DG_HIDDEN_END - DG_HIDDEN_RANGE;
}
_Static_assert(DG_HIDDEN_END <= DG_LIMIT_SEAL_CCM, "hidden numbers lie below the limit of every AEAD");

static uint64_t take_hidden_number(struct dg_keyset *keyset)
{
    uint64_t next = atomic_load_explicit(&keyset->next, memory_order_relaxed);
    uint64_t first = (next + DG_HIDDEN_RANGE - 1) / DG_HIDDEN_RANGE * DG_HIDDEN_RANGE;
    DG_BUG_UNLESS(first + DG_HIDDEN_RANGE <= DG_HIDDEN_END);
    atomic_store_explicit(&keyset->next, first + DG_HIDDEN_RANGE, memory_order_relaxed);
    DG_CRASH_POINT(SEAL_NUMBER_STORED);
    return first + (dg_random_u64() >> (64 - DG_HIDDEN_BITS));
}

static size_t seal(const struct dg_association *association, uint64_t sequence, uint8_t type, const void *data,
                   size_t size, uint8_t *out, size_t capacity, struct dg_record_number *ret_number)
{
    struct dg_slot *slot = association->slot;
    struct dg_keyset *keyset = dg_association_tx(association);
    struct dg_key_view view = dg_association_view(association, keyset);
    struct dg_bytes cid = dg_slot_peer_cid(association->shard, slot);
    const struct dg_aead_ops *ops = association->engine->aead;
    size_t sealed;
    if (is_13(slot)) {
        sealed = dg_record13_seal(ops, &view, keyset->epoch, sequence, type, cid.data, cid.size, data, size, out,
                                  capacity);
    } else {
        sealed = dg_record12_seal(ops, &view, (uint16_t)keyset->epoch, sequence, type, cid.data, cid.size, data, size,
                                  out, capacity);
    }
    DG_CRASH_POINT(SEAL_DONE);
    if (sealed == 0)
        return 0;
    dg_count(association->engine->counters, DG_COUNT_RECORDS_SEALED);
    if (ret_number != NULL)
        *ret_number = (struct dg_record_number){.epoch = keyset->epoch, .sequence = sequence};
    return sealed;
}

size_t dg_association_seal(const struct dg_association *association, uint8_t type, const void *data, size_t size,
                           uint8_t *out, size_t capacity, struct dg_record_number *ret_number)
{
    uint64_t sequence;
    if (!take_number(dg_association_tx(association), seal_limit(association->slot), &sequence))
        return 0;
    return seal(association, sequence, type, data, size, out, capacity, ret_number);
}

static size_t expansion(const struct dg_shard *shard, const struct dg_slot *slot)
{
    size_t cid_size = dg_slot_peer_cid(shard, slot).size;
    enum dg_aead_id aead = (enum dg_aead_id)slot->aead;
    return is_13(slot) ? dg_record13_expansion(aead, cid_size) : dg_record12_expansion(aead, cid_size);
}

// At most what a datagram with this in one record takes.
static size_t datagram_size_max(const struct dg_association *association, size_t size)
{
    // A short plaintext is padded in DTLS 1.3 (RFC 9147 4.2.3): at most the sample's size more.
    size_t most = size + expansion(association->shard, association->slot) + DG_RECORD13_CIPHERTEXT_MIN;
    return most < association->engine->config.datagram_max ? most : association->engine->config.datagram_max;
}

// One record, sealed into room for a datagram of its own that is not sent yet. 0: not to be had, counted.
static size_t seal_alone(const struct dg_association *association, bool is_hidden, uint8_t type, const void *data,
                         size_t size, struct dg_record_number *ret_number)
{
    struct dg_engine *engine = association->engine;
    const struct dg_output *output = &engine->output;
    size_t capacity = datagram_size_max(association, size);
    uint8_t *room = output->reserve(output->context, capacity);
    if (room == NULL) {
        dg_count(engine->counters, DG_COUNT_DROP_SEND_FULL);
        return 0;
    }
    size_t sealed = is_hidden ? seal(association, take_hidden_number(dg_association_tx(association)), type, data, size,
                                     room, capacity, ret_number)
                              : dg_association_seal(association, type, data, size, room, capacity, ret_number);
    if (sealed == 0)
        dg_count(engine->counters, DG_COUNT_DROP_SEAL_FAILED);
    return sealed;
}

bool dg_association_send(const struct dg_association *association, uint8_t type, const void *data, size_t size,
                         struct dg_record_number *ret_number)
{
    const struct dg_output *output = &association->engine->output;
    bool is_hidden = dg_path_hides(association, type, datagram_size_max(association, size)) &&
                     has_hidden_range(dg_association_tx(association));
    struct dg_record_number number;
    size_t sealed = seal_alone(association, is_hidden, type, data, size, &number);
    if (sealed == 0)
        return false;
    struct dg_path path = dg_path_choose(association, type, sealed, is_hidden ? &number : NULL);
    if (type == DG_CONTENT_APPLICATION_DATA)
        dg_path_keep(association, &path, data, size);
    output->commit(output->context, &path, sealed);
    if (ret_number != NULL)
        *ret_number = number;
    return true;
}

bool dg_association_send_to(const struct dg_association *association, const struct dg_path *to, size_t size_max,
                            uint64_t *spent, uint8_t type, const void *data, size_t size)
{
    const struct dg_output *output = &association->engine->output;
    size_t sealed = seal_alone(association, false, type, data, size, NULL);
    if (sealed == 0)
        return false;
    if (sealed > size_max) {
        dg_count(association->engine->counters, DG_COUNT_PATH_BUDGET);
        return false;
    }
    if (spent != NULL)
        *spent += sealed;
    output->commit(output->context, to, sealed);
    return true;
}

static size_t payload_max(const struct dg_engine *engine, const struct dg_shard *shard, const struct dg_slot *slot)
{
    size_t most = engine->config.datagram_max;
    size_t added = expansion(shard, slot);
    if (added >= most)
        return 0;
    return most - added < DG_PLAINTEXT_MAX ? most - added : DG_PLAINTEXT_MAX;
}

size_t dg_engine_payload_max(const struct dg_engine *engine, struct dg_ref ref)
{
    if (ref.shard >= DG_SHARDS_MAX || engine->by_number[ref.shard] == NULL)
        return 0;
    struct dg_shard *shard = engine->by_number[ref.shard];
    const struct dg_slot *slot = dg_shard_find_ref(shard, ref);
    return slot != NULL ? payload_max(engine, shard, slot) : 0;
}

// Asks for new keys in time and ends the association where there are none to be had. False: ended.
static bool within_limits(const struct dg_association *association)
{
    const struct dg_slot *slot = association->slot;
    uint64_t limit = seal_limit(slot);
    uint64_t next = atomic_load_explicit(&dg_association_tx(association)->next, memory_order_relaxed);
    // The last number is kept for close_notify.
    if (next >= limit - 1) {
        dg_association_end(association, DG_COUNT_FAIL_SEAL_LIMIT, DG_ALERT_CLOSE_NOTIFY);
        return false;
    }
    // RFC 9147 4.5.3: a KeyUpdate is begun before the limit; DTLS 1.2 has none. Without a side slot it is
    // tried again with the next data.
    if (is_13(slot) && next >= limit - limit / 8)
        (void)dg_key_update_start(association, DG_UPDATE_NOT_REQUESTED);
    return true;
}

static bool send_data(const struct dg_association *association, const uint8_t *data, size_t size)
{
    struct dg_engine *engine = association->engine;
    if (!dg_association_authorised(association)) {
        dg_count(engine->counters, DG_COUNT_DROP_UNAUTHORISED);
        return false;
    }
    // RFC 9147 4.4: larger data is an error, never fragmented.
    if (size > payload_max(engine, association->shard, association->slot)) {
        dg_count(engine->counters, DG_COUNT_DROP_TOO_LARGE);
        return false;
    }
    if (!within_limits(association))
        return false;
    if (!dg_association_send(association, DG_CONTENT_APPLICATION_DATA, data, size, NULL))
        return false;
    dg_count(engine->counters, DG_COUNT_PLAINTEXT_ANSWERED);
    return true;
}

// What every peer opens and none hands on: in DTLS 1.3 a list of acknowledgements that is empty (RFC 9147 7), in 1.2
// with RRC a challenge (RFC 9853 4), whose answer says no more than that it came. DTLS 1.2 alone has nothing of the
// kind: empty data (RFC 5246 6.2.1), of which the peer's application may hear.
bool dg_engine_keep_alive(struct dg_engine *engine, dg_time now, struct dg_ref ref)
{
    static const uint8_t NO_NUMBERS[2] = {0, 0};
    struct dg_association association;
    if (!dg_association_find(engine, now, ref, &association) ||
        (association.slot->flags & DG_SLOT_CLOSE_SENT) != 0 || !within_limits(&association))
        return false;
    if (is_13(association.slot))
        return dg_association_send(&association, DG_CONTENT_ACK, NO_NUMBERS, sizeof NO_NUMBERS, NULL);
    if ((association.slot->flags & DG_SLOT_HAS_RRC) != 0)
        return dg_path_ask(&association);
    return dg_association_send(&association, DG_CONTENT_APPLICATION_DATA, NO_NUMBERS, 0, NULL);
}

bool dg_engine_send(struct dg_engine *engine, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct dg_association association;
    if (!dg_association_find(engine, now, ref, &association) ||
        (association.slot->flags & DG_SLOT_CLOSE_SENT) != 0) {
        dg_count(engine->counters, DG_COUNT_DROP_STALE_REFERENCE);
        return false;
    }
    uint32_t before = dg_shard_serve(association.shard, association.slot);
    bool is_sent = send_data(&association, data, size);
    dg_shard_served(association.shard, before);
    return is_sent;
}
