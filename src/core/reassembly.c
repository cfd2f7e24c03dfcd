// SPDX-License-Identifier: GPL-3.0-or-later
// Puts fragmented ClientHellos together byte by byte, with a bit for each byte that is there, so that
// overlaps are compared and never trusted. Owns its entries; allocates them once.
#include "core/reassembly.h"

#include "core/prefix.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define HEADERS (DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER)

struct dg_reassembly_entry {
    struct dg_address peer;
    uint64_t listener;
    uint64_t record_sequence; // of the part that came first
    dg_time created_at;
    size_t wire_bytes;
    uint32_t chain;           // next of the same hash, or of the unused
    uint32_t older, newer;
    uint32_t head;
    uint32_t length;          // of the message
    uint32_t received;        // bytes of it that are here
    uint16_t message_seq;
    uint8_t present[DG_HELLO_BODY_MAX / 8 + 1]; // a bit for each byte
    uint8_t record[DG_HELLO_RECORD_MAX];
};

static uint32_t head_of(const struct dg_reassembly *area, const struct dg_path *path, uint16_t message_seq)
{
    struct {
        struct dg_address peer;
        uint64_t listener;
        uint64_t message_seq;
    } key = {.peer = path->peer, .listener = path->listener, .message_seq = message_seq};
    return (uint32_t)dg_hash(&area->key, &key, sizeof key) & area->head_mask;
}

bool dg_reassembly_init(struct dg_reassembly *area, uint32_t capacity, dg_time timeout)
{
    uint32_t heads = 1;
    while (heads < capacity) {
        heads *= 2;
    }
    *area = (struct dg_reassembly){
        .capacity = capacity, .head_mask = heads - 1, .oldest = NONE, .newest = NONE, .timeout = timeout};
    area->key = dg_hash_key_new();
    area->entries = calloc(capacity > 0 ? capacity : 1, sizeof *area->entries);
    area->heads = calloc(heads, sizeof *area->heads);
    area->prefixes = calloc(capacity > 0 ? capacity : 1, sizeof *area->prefixes);
    if (area->entries == NULL || area->heads == NULL || area->prefixes == NULL) {
        dg_reassembly_clear(area);
        return false;
    }
    for (uint32_t i = 0; i < heads; i++) {
        area->heads[i] = NONE;
    }
    area->free_first = capacity > 0 ? 0 : NONE;
    for (uint32_t i = 0; i < capacity; i++) {
        area->entries[i].chain = i + 1 < capacity ? i + 1 : NONE;
    }
    return true;
}

void dg_reassembly_clear(struct dg_reassembly *area)
{
    free(area->prefixes);
    free(area->heads);
    free(area->entries);
    *area = (struct dg_reassembly){0};
}

static void forget(struct dg_reassembly *area, uint32_t place)
{
    struct dg_reassembly_entry *entry = &area->entries[place];
    uint32_t *link = &area->heads[entry->head];
    while (*link != place) {
        link = &area->entries[*link].chain;
    }
    *link = entry->chain;
    if (entry->older != NONE) {
        area->entries[entry->older].newer = entry->newer;
    } else {
        area->oldest = entry->newer;
    }
    if (entry->newer != NONE) {
        area->entries[entry->newer].older = entry->older;
    } else {
        area->newest = entry->older;
    }
    area->prefixes[place] = 0;
    entry->chain = area->free_first;
    area->free_first = place;
    area->used--;
}

static uint32_t find(const struct dg_reassembly *area, const struct dg_path *path, uint16_t message_seq, uint32_t head)
{
    for (uint32_t place = area->heads[head]; place != NONE; place = area->entries[place].chain) {
        const struct dg_reassembly_entry *entry = &area->entries[place];
        if (entry->message_seq == message_seq && entry->listener == path->listener &&
            dg_address_equal(&entry->peer, &path->peer)) {
            return place;
        }
    }
    return NONE;
}

// Bounds one prefix, then all of them.
static void make_room(struct dg_reassembly *area, uint64_t prefix, struct dg_counters *counters)
{
    uint32_t share = area->capacity > 1 ? area->capacity / 2 : 1;
    uint32_t of_prefix = 0;
    for (uint32_t place = 0; place < area->capacity; place++) {
        of_prefix += area->prefixes[place] == prefix;
    }
    if (of_prefix >= share) {
        uint32_t place = area->oldest; // one in two of them is the prefix's: soon found
        while (area->prefixes[place] != prefix) {
            place = area->entries[place].newer;
        }
        forget(area, place);
        dg_count(counters, DG_COUNT_DROP_FRAGMENTS_FULL);
    } else if (area->free_first == NONE) {
        forget(area, area->oldest);
        dg_count(counters, DG_COUNT_DROP_FRAGMENTS_FULL);
    }
}

static uint32_t begin(struct dg_reassembly *area, dg_time now, const struct dg_path *path,
                      const struct dg_handshake_fragment *fragment, uint64_t record_sequence, uint32_t head,
                      struct dg_counters *counters)
{
    uint64_t prefix = dg_prefix_number(&area->key, &path->peer, DG_PREFIX_CLAIMED);
    make_room(area, prefix, counters);
    uint32_t place = area->free_first;
    struct dg_reassembly_entry *entry = &area->entries[place];
    area->free_first = entry->chain;
    entry->peer = path->peer;
    entry->listener = path->listener;
    area->prefixes[place] = prefix;
    entry->record_sequence = record_sequence;
    entry->created_at = now;
    entry->wire_bytes = 0;
    entry->length = fragment->length;
    entry->received = 0;
    entry->message_seq = fragment->message_seq;
    memset(entry->present, 0, sizeof entry->present);
    entry->head = head;
    entry->chain = area->heads[head];
    area->heads[head] = place;
    entry->older = area->newest;
    entry->newer = NONE;
    if (area->newest != NONE) {
        area->entries[area->newest].newer = place;
    } else {
        area->oldest = place;
    }
    area->newest = place;
    area->used++;
    return place;
}

// False: a byte that was there already is another one now.
static bool merge(struct dg_reassembly_entry *entry, const struct dg_handshake_fragment *fragment)
{
    uint8_t *message = entry->record + HEADERS;
    for (size_t i = 0; i < fragment->bytes.size; i++) {
        size_t at = fragment->offset + i;
        uint8_t bit = (uint8_t)(1u << (at % 8));
        if ((entry->present[at / 8] & bit) != 0) {
            if (message[at] != fragment->bytes.data[i]) {
                return false;
            }
            continue;
        }
        entry->present[at / 8] |= bit;
        message[at] = fragment->bytes.data[i];
        entry->received++;
    }
    return true;
}

static struct dg_bytes finish(struct dg_reassembly_entry *entry)
{
    struct dg_writer writer = dg_writer_of(entry->record, HEADERS);
    dg_write_u8(&writer, DG_CONTENT_HANDSHAKE);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, 0);
    dg_write_u48(&writer, entry->record_sequence);
    dg_write_u16(&writer, (uint16_t)(DG_HANDSHAKE_HEADER + entry->length));
    dg_handshake_head_write(&writer, DG_HS_CLIENT_HELLO, entry->length, entry->message_seq);
    DG_BUG_UNLESS(!writer.failed);
    return (struct dg_bytes){.data = entry->record, .size = HEADERS + entry->length};
}

enum dg_counter dg_reassembly_add(struct dg_reassembly *area, dg_time now, const struct dg_path *path,
                                  const struct dg_handshake_fragment *fragment, uint64_t record_sequence,
                                  size_t wire_bytes, struct dg_counters *counters, struct dg_bytes *ret_record,
                                  size_t *ret_wire_bytes)
{
    DG_BUG_UNLESS(fragment->length <= DG_HELLO_BODY_MAX &&
                  fragment->offset + fragment->bytes.size <= fragment->length);
    *ret_record = (struct dg_bytes){0};
    *ret_wire_bytes = 0;
    if (area->capacity == 0) {
        return DG_COUNT_DROP_FRAGMENTS_FULL;
    }
    uint32_t head = head_of(area, path, fragment->message_seq);
    uint32_t place = find(area, path, fragment->message_seq, head);
    if (place == NONE) {
        place = begin(area, now, path, fragment, record_sequence, head, counters);
    }
    struct dg_reassembly_entry *entry = &area->entries[place];
    // Parts of one message agree on its length (RFC 6347 4.2.2) and on every byte that two of them have.
    if (entry->length != fragment->length || !merge(entry, fragment)) {
        forget(area, place);
        return DG_COUNT_DROP_FRAGMENT_CONFLICT;
    }
    entry->wire_bytes += wire_bytes;
    if (entry->received == entry->length) {
        *ret_record = finish(entry);
        *ret_wire_bytes = entry->wire_bytes;
        forget(area, place); // its bytes stay until the next part comes
    }
    return DG_COUNT_NONE;
}

dg_time dg_reassembly_deadline(const struct dg_reassembly *area)
{
    return area->oldest != NONE ? area->entries[area->oldest].created_at + area->timeout : DG_NEVER;
}

void dg_reassembly_advance(struct dg_reassembly *area, dg_time now, struct dg_counters *counters)
{
    while (dg_reassembly_deadline(area) <= now) {
        forget(area, area->oldest);
        dg_count(counters, DG_COUNT_DROP_FRAGMENT_EXPIRED);
    }
}
