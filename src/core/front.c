// SPDX-License-Identifier: GPL-3.0-or-later
// The front's frame: making and freeing it, the walk over a datagram's records, the meter over what goes
// out, the clock. Judges no hello and runs no handshake: front_hello.c and front_handshakes.c do.
#include "core/front.h"

#include "base/secret.h"
#include "core/front_state.h"

#include <stdlib.h>

struct dg_front_config dg_front_config_default(void)
{
    return (struct dg_front_config){
        .handshakes_max = 2048,
        .handshakes_per_prefix = 2048,
        .handshake_timeout = 30 * DG_SECOND,
        .handover_timeout = 5 * DG_SECOND,
        .reassembly_max = 256,
        .reassembly_timeout = 5 * DG_SECOND,
        .finished_max = 8192,
        .admission = dg_admission_config_default(),
        .offer_cid = true,
        .cid_size = DG_CID_SIZE_DEFAULT,
    };
}

static uint8_t *metered_reserve(void *context, size_t capacity)
{
    struct dg_front *front = context;
    uint8_t *room = front->output.reserve(front->output.context, capacity);
    if (room == NULL) {
        front->withheld++;
        dg_count(front->counters, DG_COUNT_DROP_SEND_FULL);
    }
    return room;
}

static void metered_commit(void *context, const struct dg_path *path, size_t size)
{
    struct dg_front *front = context;
    if (!front->is_validated) {
        if (size > front->allowance) { // RFC 9147 5.1
            front->withheld++;
            dg_count(front->counters, DG_COUNT_DROP_AMPLIFICATION);
            return;
        }
        front->allowance -= size;
    }
    front->committed++;
    front->output.commit(front->output.context, path, size);
}

void dg_front_meter_validated(struct dg_front *front)
{
    front->is_validated = true;
    front->committed = 0;
    front->withheld = 0;
}

void dg_front_meter_claimed(struct dg_front *front, size_t allowance)
{
    front->is_validated = false;
    front->allowance = allowance;
    front->committed = 0;
    front->withheld = 0;
}

void dg_front_use(struct dg_front *front, enum dg_counter use)
{
    if (front->used != DG_COUNT_DATAGRAMS_HANDSHAKES) {
        front->used = use;
    }
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

struct dg_front *dg_front_new(const struct dg_front_config *config, const struct dg_handshake_ops *ops, void *gate,
                              const struct dg_output *output, const struct dg_front_hooks *hooks,
                              struct dg_counters *counters)
{
    struct dg_front *front = calloc(1, sizeof *front);
    if (front == NULL) {
        return NULL;
    }
    front->config = *config;
    front->handshakes_capacity = config->handshakes_max;
    front->ops = ops;
    front->gate = gate;
    front->hooks = *hooks;
    front->counters = counters;
    front->output = *output;
    front->metered = (struct dg_output){.context = front, .reserve = metered_reserve, .commit = metered_commit};
    front->admission = dg_admission_new(&config->admission);
    front->pending_max = least(config->handshakes_max, DG_FRONT_PENDING_MAX);
    front->pending = dg_secret_new(front->pending_max * sizeof *front->pending);
    uint32_t early = least(config->handshakes_max * DG_EARLY_MAX, DG_EARLY_BUFFERS);
    if (front->admission == NULL || front->pending == NULL || !dg_early_init(&front->early, (uint16_t)early) ||
        !dg_reassembly_init(&front->area, config->reassembly_max, config->reassembly_timeout) ||
        !dg_handshake_table_init(&front->table, config->handshakes_max, config->finished_max)) {
        dg_front_free(front);
        return NULL;
    }
    return front;
}

void dg_front_free(struct dg_front *front)
{
    if (front == NULL) {
        return;
    }
    for (uint32_t place = 0; place < front->table.capacity; place++) {
        if (dg_front_is_busy(front, place)) {
            dg_front_discard(front, place);
        }
    }
    dg_handshake_table_clear(&front->table);
    dg_reassembly_clear(&front->area);
    dg_early_clear(&front->early);
    dg_secret_free(front->pending, front->pending_max * sizeof *front->pending);
    dg_admission_free(front->admission);
    free(front);
}

static bool same_ip(const struct dg_address *a, const struct dg_address *b)
{
    struct dg_address c = *a;
    c.port = b->port;
    return dg_address_equal(&c, b);
}

// The first rung: a source that cannot be a peer, or that is ourselves. A server that answers its own
// address talks to itself, or to another server, for ever.
static bool can_be_peer(const struct dg_front *front, const struct dg_path *path)
{
    const struct dg_address *peer = &path->peer;
    if (!dg_address_can_be_peer(peer) || dg_address_equal(peer, &path->local)) {
        return false;
    }
    for (uint32_t i = 0; i < front->config.own_count; i++) {
        const struct dg_address *own = &front->config.own[i];
        if (peer->port != own->port) {
            continue;
        }
        if (dg_address_equal(peer, own)) {
            return false;
        }
        // Listening on every address: then this port of loopback, and of the address spoken to, is ours.
        if (dg_address_is_wildcard(own) && (dg_address_is_loopback(peer) || same_ip(peer, &path->local))) {
            return false;
        }
    }
    return true;
}

// A Finished of 1.2 with a connection ID: 25 bytes, and 16 of ChaCha20-Poly1305 or CCM_8, or 24 of GCM or CCM.
#define FINISHED12_BODY_SHORT 41
#define FINISHED12_BODY_LONG 49

static bool is_protected(const struct dg_record *record) { return record->is_unified || record->epoch != 0; }

static bool is_hello(const struct dg_record *record)
{
    return record->type == DG_CONTENT_HANDSHAKE && record->epoch == 0 && !record->is_unified &&
           record->size > record->header_size && record->start[record->header_size] == DG_HS_CLIENT_HELLO;
}

static bool is_application_data(const struct dg_record *record)
{
    return record->is_unified ? record->epoch == (DG_EPOCH13_APPLICATION & DG_UNIFIED_EPOCH_MASK)
                              : record->type == DG_CONTENT_APPLICATION_DATA;
}

// With a connection ID the content type of 1.2 is not to be seen (RFC 9146 4). The client of a resumed handshake may send
// data right behind its Finished. Data comes by way of a worker, and may be here before the ChangeCipherSpec, which waits in
// our own socket; the library would open it, and throw it away. A Finished is the first record of its epoch, and
// when it is repeated it still has its size: type, header and 12 bytes (RFC 5246 7.4.9) in one of the AEADs.
static bool is_hidden_data(const struct dg_record *record)
{
    size_t body = record->size - record->header_size;
    bool may_be_finished = record->sequence == 0 || body == FINISHED12_BODY_SHORT || body == FINISHED12_BODY_LONG;
    return !record->is_unified && record->type == DG_CONTENT_TLS12_CID && !may_be_finished;
}

// Not for a handshake here: the worker that owns the shard sees it, and the rest of the datagram with it.
static void pass_on(struct dg_front *front, const struct dg_front_datagram *datagram, const struct dg_record *record,
                    uint32_t place)
{
    if (datagram->is_passed_on) {
        // It comes from a worker. Back it goes only where the hand-over may have crossed it on the way, and
        // no more than a few times, so that nothing ever circles.
        struct dg_handshake_entry *entry = place != DG_NO_ENTRY ? &front->table.entries[place] : NULL;
        if (entry == NULL || entry->state != DG_ENTRY_FINISHED || entry->returns_left == 0) {
            dg_count(front->counters, DG_COUNT_DROP_NO_ASSOCIATION);
            return;
        }
        entry->returns_left--;
    }
    size_t rest = (size_t)(datagram->data + datagram->size - record->start);
    front->is_forwarded = true;
    front->hooks.forward(front->hooks.context, datagram->now, datagram->path, record->start, rest,
                         front->used != DG_COUNT_NONE);
}

// False: done with the datagram.
static bool take_protected(struct dg_front *front, const struct dg_front_datagram *datagram,
                           const struct dg_record *record, uint32_t place)
{
    const struct dg_bytes cid = {.data = record->cid, .size = record->cid_size};
    uint32_t owner = record->cid != NULL ? dg_handshake_table_find_cid(&front->table, cid) : DG_NO_ENTRY;
    if (owner != DG_NO_ENTRY && owner != place) {
        dg_count(front->counters, DG_COUNT_DROP_OLD_PATH); // while a handshake runs its address is fixed
        return false;
    }
    bool is_ours = dg_front_is_busy(front, place) && (record->cid == NULL || owner == place);
    if (!is_ours) {
        pass_on(front, datagram, record, place);
        return false;
    }
    const struct dg_handshake_entry *entry = &front->table.entries[place];
    if (entry->state != DG_ENTRY_RUNNING || is_application_data(record) || is_hidden_data(record)) {
        dg_front_hold(front, place, record);
        return true;
    }
    // What a handshake has keys for: epoch 1 of 1.2, epoch 2 of 1.3.
    if (record->epoch != (record->is_unified ? DG_EPOCH13_HANDSHAKE : DG_EPOCH12_PROTECTED)) {
        dg_count(front->counters, DG_COUNT_DROP_EPOCH_UNKNOWN);
        return true;
    }
    dg_front_feed(front, datagram->now, place, record->start, record->size);
    return true;
}

// A message that a client sends in clear after its hello (RFC 5246 7.3), in a size that the library takes.
static bool has_place(const struct dg_handshake_entry *entry, const struct dg_handshake_fragment *part)
{
    bool is_of_client = part->type == DG_HS_CERTIFICATE || part->type == DG_HS_CLIENT_KEY_EXCHANGE ||
                        part->type == DG_HS_CERTIFICATE_VERIFY;
    // The library keeps what is ahead of its turn, twenty messages, and repeats its flight for one that is behind.
    int32_t behind_hello = (int32_t)part->message_seq - entry->hello_seq;
    return is_of_client && part->length <= DG_FRONT_MESSAGE_MAX && behind_hello >= 1 &&
           behind_hello <= DG_FRONT_MESSAGES_MAX;
}

static bool messages_fit(const struct dg_handshake_entry *entry, struct dg_bytes body)
{
    if (!dg_handshake_record_fits(body)) {
        return false;
    }
    struct dg_reader reader = dg_reader_in(body);
    while (dg_reader_left(&reader) > 0) {
        struct dg_handshake_fragment part;
        if (!dg_handshake_fragment_read(&reader, &part) || !has_place(entry, &part)) {
            return false;
        }
    }
    return true;
}

// Whether an unprotected record has a place in the handshake and the shape of its type.
static bool plaintext_fits(const struct dg_handshake_entry *entry, uint8_t type, struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    switch (type) {
    case DG_CONTENT_HANDSHAKE:
        return messages_fit(entry, body);
    case DG_CONTENT_CHANGE_CIPHER_SPEC: // RFC 5246 7.1
        return body.size == 1 && body.data[0] == 1;
    case DG_CONTENT_ALERT: // RFC 8446 6
        return body.size == 2;
    case DG_CONTENT_ACK: // RFC 9147 7: pairs of two 64-bit numbers behind their length
        return entry->offers_13 && dg_read_block16(&reader).size % 16 == 0 && dg_reader_done(&reader);
    default:
        return false;
    }
}

// Nobody can vouch for the number of an unprotected record: one far ahead would move the library's window past all
// that the client itself sends. So these are numbered here, in the order in which they came.
void dg_front_renumber(struct dg_handshake_entry *entry, uint8_t *record)
{
    if (entry->plain_next > DG_SEQUENCE48_MAX) {
        return; // so many never come
    }
    struct dg_writer writer = dg_writer_of(record + 5, 6);
    dg_write_u48(&writer, entry->plain_next++);
    DG_BUG_UNLESS(!writer.failed);
}

// Nor for an acknowledgement in clear: what it names the library would never repeat again, and the client might not have
// it. All that is believed is that something is missing (RFC 9147 7.1: an empty list), which costs a flight. Returns the
// record's size then.
static size_t forget_names(const struct dg_record *record)
{
    struct dg_writer writer = dg_writer_of(record->start + record->header_size - 2, 4);
    dg_write_u16(&writer, 2); // of the body
    dg_write_u16(&writer, 0); // of the list
    DG_BUG_UNLESS(!writer.failed);
    return record->header_size + 2;
}

static bool take_record(struct dg_front *front, const struct dg_front_datagram *datagram,
                        const struct dg_record *record)
{
    // Looked up for each record: the one before may have begun or ended a handshake.
    uint32_t place = dg_handshake_table_find(&front->table, datagram->path);
    if (is_protected(record)) {
        return take_protected(front, datagram, record, place);
    }
    if (is_hello(record)) {
        dg_front_hello(front, datagram, record, place);
        return true;
    }
    if (place == DG_NO_ENTRY) {
        dg_count(front->counters, DG_COUNT_DROP_NOT_HELLO);
        return true;
    }
    // RFC 6347 4.1: application data is never unprotected; and once the client is proven nothing else is.
    if (record->type == DG_CONTENT_APPLICATION_DATA || front->table.entries[place].state != DG_ENTRY_RUNNING) {
        dg_count(front->counters, DG_COUNT_DROP_PLAINTEXT_RECORD);
        return true;
    }
    // Anybody who knows the client's port can send these, and the library would end the handshake over one
    // that does not parse or has no place in it.
    struct dg_bytes body = {.data = record->start + record->header_size, .size = record->size - record->header_size};
    struct dg_handshake_entry *entry = &front->table.entries[place];
    if (!plaintext_fits(entry, record->type, body)) {
        dg_count(front->counters, DG_COUNT_DROP_RECORD_MALFORMED);
        return true;
    }
    size_t size = record->type == DG_CONTENT_ACK ? forget_names(record) : record->size;
    dg_front_renumber(entry, record->start);
    dg_front_feed(front, datagram->now, place, record->start, size);
    return true;
}

static void receive_datagram(struct dg_front *front, dg_time now, const struct dg_path *path, uint8_t *data,
                             size_t size, bool is_passed_on)
{
    if (!can_be_peer(front, path)) {
        dg_count(front->counters, DG_COUNT_DROP_SOURCE_IMPOSSIBLE);
        return;
    }
    struct dg_front_datagram datagram = {
        .now = now, .path = path, .data = data, .size = size, .is_passed_on = is_passed_on};
    dg_front_meter_claimed(front, DG_FRONT_AMPLIFICATION * size);
    size_t at = 0;
    do {
        struct dg_record record;
        struct dg_result result = dg_record_parse(data + at, size - at, front->config.cid_size, &record);
        if (result.outcome != DG_OK) {
            dg_count(front->counters, result.reason);
            break;
        }
        if (!take_record(front, &datagram, &record)) {
            break;
        }
        at += record.size;
    } while (at < size);
    if (front->table.busy > 0) { // a flood of strangers pays for one look-up, not for two
        dg_front_settle(front, now, dg_handshake_table_find(&front->table, path));
    }
}

void dg_front_receive(struct dg_front *front, dg_time now, const struct dg_path *path, uint8_t *data, size_t size,
                      bool is_passed_on)
{
    front->used = DG_COUNT_NONE;
    front->is_forwarded = false;
    dg_datagram_begin(front->counters);
    receive_datagram(front, now, path, data, size, is_passed_on);
    if (front->used != DG_COUNT_NONE) {
        dg_count(front->counters, front->used);
    } else if (!front->is_forwarded) {
        dg_datagram_dropped(front->counters);
    }
}

dg_time dg_front_deadline(const struct dg_front *front)
{
    dg_time first = dg_timer_heap_next(&front->table.timers);
    first = dg_time_min(first, dg_reassembly_deadline(&front->area));
    return dg_time_min(first, front->ops->gate_deadline(front->gate));
}

void dg_front_advance(struct dg_front *front, dg_time now)
{
    if (front->ops->gate_deadline(front->gate) <= now) {
        front->ops->gate_advance(front->gate, now);
    }
    dg_reassembly_advance(&front->area, now, front->counters);
    uint32_t place;
    while (dg_timer_heap_pop(&front->table.timers, now, &place)) {
        dg_front_timer(front, now, place);
    }
}

void dg_front_set_config(struct dg_front *front, const struct dg_front_config *config)
{
    uint32_t capacity = front->handshakes_capacity;
    front->config.handshakes_max = config->handshakes_max < capacity ? config->handshakes_max : capacity;
    front->config.handshakes_per_prefix = config->handshakes_per_prefix;
    front->config.handshake_timeout = config->handshake_timeout;
    front->config.handover_timeout = config->handover_timeout;
    front->area.timeout = config->reassembly_timeout;
    front->config.offer_cid = config->offer_cid;
    dg_admission_set_rates(front->admission, &config->admission);
}

void dg_front_set_gate(struct dg_front *front, void *gate) { front->gate = gate; }

void dg_front_stop(struct dg_front *front) { front->is_stopping = true; }

size_t dg_front_busy(const struct dg_front *front) { return front->table.busy; }

void dg_front_give_up(struct dg_front *front)
{
    for (uint32_t place = 0; place < front->table.capacity; place++) {
        if (dg_front_is_busy(front, place)) {
            dg_front_count_given_up(front, place, DG_COUNT_HANDSHAKES_STOPPED);
            dg_front_discard(front, place);
        }
    }
}
