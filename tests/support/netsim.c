// SPDX-License-Identifier: GPL-3.0-or-later
// The lying network's queue (a heap by time of arrival), its faults, and the translation of addresses.
// Owns copies of all datagrams under way; never takes a random number from anywhere but its seed.
#include "support/netsim.h"

#include "base/hash.h"
#include "support/random.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool same_address(const struct dg_address *a, const struct dg_address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

// A map from address to address that only grows; open addressing, at most half full.
struct address_map {
    struct pair {
        struct dg_address key, value;
        bool used;
    } *pairs;
    size_t capacity; // a power of two
    size_t count;
};

static struct pair *map_slot(const struct address_map *map, const struct dg_address *key)
{
    static const struct dg_hash_key FIXED = {.k0 = 1, .k1 = 2};
    size_t i = (size_t)dg_hash(&FIXED, key, sizeof *key) & (map->capacity - 1);
    while (map->pairs[i].used && !same_address(&map->pairs[i].key, key)) {
        i = (i + 1) & (map->capacity - 1);
    }
    return &map->pairs[i];
}

static void *must_have(void *memory)
{
    DG_BUG_UNLESS(memory != NULL);
    return memory;
}

static void map_put(struct address_map *map, const struct dg_address *key, const struct dg_address *value)
{
    if (2 * (map->count + 1) > map->capacity) {
        struct address_map larger = {.capacity = map->capacity > 0 ? 2 * map->capacity : 64, .count = map->count};
        larger.pairs = must_have(calloc(larger.capacity, sizeof *larger.pairs));
        for (size_t i = 0; i < map->capacity; i++) {
            if (map->pairs[i].used) {
                *map_slot(&larger, &map->pairs[i].key) = map->pairs[i];
            }
        }
        free(map->pairs);
        *map = larger;
    }
    struct pair *pair = map_slot(map, key);
    map->count += pair->used ? 0 : 1;
    *pair = (struct pair){.key = *key, .value = *value, .used = true};
}

// NULL when the map does not hold it.
static const struct dg_address *map_peek(const struct address_map *map, const struct dg_address *key)
{
    if (map->count == 0) {
        return NULL;
    }
    const struct pair *pair = map_slot(map, key);
    return pair->used ? &pair->value : NULL;
}

struct datagram {
    dg_time arrives_at;
    uint64_t order; // of sending: settles equal times, so that a seed repeats
    struct dg_address from, to;
    enum netsim_direction direction;
    size_t size;
    uint8_t *bytes;
};

struct netsim {
    uint64_t seed;
    struct test_random random;
    struct netsim_faults faults[NETSIM_DIRECTIONS];
    struct netsim_counts counts[NETSIM_DIRECTIONS];
    dg_time last_arrival[NETSIM_DIRECTIONS]; // of what was not held back: the rest keeps its order
    struct datagram *heap;
    size_t count, capacity, limit;
    uint64_t next_order;
    struct address_map outside; // a client's own address -> the one it has now
    struct address_map inside;  // each address a client ever had -> its own
    uint32_t next_address;
    bool old_addresses_work;
};

struct netsim *netsim_new(uint64_t seed)
{
    struct netsim *net = must_have(calloc(1, sizeof *net));
    net->seed = seed;
    net->random.state = seed;
    net->limit = 16384;
    net->old_addresses_work = true;
    return net;
}

void netsim_free(struct netsim *net)
{
    if (net == NULL) {
        return;
    }
    free(net->inside.pairs);
    free(net->outside.pairs);
    for (size_t i = 0; i < net->count; i++) {
        free(net->heap[i].bytes);
    }
    free(net->heap);
    free(net);
}

void netsim_set_faults(struct netsim *net, enum netsim_direction direction, const struct netsim_faults *faults)
{
    net->faults[direction] = *faults;
}

void netsim_set_queue_limit(struct netsim *net, size_t datagrams)
{
    net->limit = datagrams;
}

void netsim_set_old_addresses_work(struct netsim *net, bool work)
{
    net->old_addresses_work = work;
}

// An address that nobody had before, of the same family as the client's own.
static struct dg_address fresh_address(struct netsim *net, const struct dg_address *client)
{
    static const uint8_t BENCHMARK_IPV6[6] = {0x20, 0x01, 0x00, 0x02, 0x00, 0x00};
    uint32_t number = net->next_address++;
    struct dg_address fresh = {.port = (uint16_t)(1024 + test_random_below(&net->random, 64512))};
    if (dg_address_is_ipv4(client)) {
        DG_BUG_UNLESS(number < 1u << 17);
        fresh.ip[10] = 0xff;
        fresh.ip[11] = 0xff;
        fresh.ip[12] = 198;
        fresh.ip[13] = (uint8_t)(18 + (number >> 16));
    } else {
        memcpy(fresh.ip, BENCHMARK_IPV6, sizeof BENCHMARK_IPV6);
        fresh.ip[12] = (uint8_t)(number >> 24);
        fresh.ip[13] = (uint8_t)(number >> 16);
    }
    fresh.ip[14] = (uint8_t)(number >> 8);
    fresh.ip[15] = (uint8_t)number;
    map_put(&net->inside, &fresh, client);
    return fresh;
}

struct dg_address netsim_rebind(struct netsim *net, const struct dg_address *client)
{
    struct dg_address fresh = fresh_address(net, client);
    map_put(&net->outside, client, &fresh);
    return fresh;
}

// The address that the server sees for this datagram of the client's.
static struct dg_address translate_out(struct netsim *net, const struct dg_address *client)
{
    const struct netsim_faults *faults = &net->faults[NETSIM_TO_SERVER];
    struct netsim_counts *counts = &net->counts[NETSIM_TO_SERVER];
    if (test_random_permille(&net->random, faults->rebind)) {
        counts->rebound++;
        (void)netsim_rebind(net, client);
    }
    if (test_random_permille(&net->random, faults->rewrite)) {
        counts->rewritten++;
        return fresh_address(net, client);
    }
    const struct dg_address *now = map_peek(&net->outside, client);
    return now != NULL ? *now : *client;
}

// The client behind the address that the server saw; false when the address is forgotten.
static bool translate_in(const struct netsim *net, const struct dg_address *seen, struct dg_address *ret_client)
{
    const struct dg_address *behind = map_peek(&net->inside, seen);
    struct dg_address client = behind != NULL ? *behind : *seen;
    if (!net->old_addresses_work) {
        const struct dg_address *now = map_peek(&net->outside, &client);
        if (!same_address(now != NULL ? now : &client, seen)) {
            return false;
        }
    }
    *ret_client = client;
    return true;
}

static bool arrives_before(const struct datagram *a, const struct datagram *b)
{
    return a->arrives_at != b->arrives_at ? a->arrives_at < b->arrives_at : a->order < b->order;
}

static void queue_put(struct netsim *net, struct datagram datagram)
{
    if (net->count == net->capacity) {
        net->capacity = net->capacity > 0 ? 2 * net->capacity : 64;
        net->heap = must_have(realloc(net->heap, net->capacity * sizeof *net->heap));
    }
    size_t place = net->count++;
    while (place > 0 && arrives_before(&datagram, &net->heap[(place - 1) / 2])) {
        net->heap[place] = net->heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    net->heap[place] = datagram;
}

static struct datagram queue_take(struct netsim *net)
{
    struct datagram first = net->heap[0];
    struct datagram last = net->heap[--net->count];
    size_t place = 0;
    for (;;) {
        size_t child = 2 * place + 1;
        if (child + 1 < net->count && arrives_before(&net->heap[child + 1], &net->heap[child])) {
            child++;
        }
        if (child >= net->count || !arrives_before(&net->heap[child], &last)) {
            break;
        }
        net->heap[place] = net->heap[child];
        place = child;
    }
    net->heap[place] = last;
    return first;
}

static dg_time arrival(struct netsim *net, dg_time now, enum netsim_direction direction)
{
    const struct netsim_faults *faults = &net->faults[direction];
    dg_time delay = faults->delay_min;
    if (faults->delay_max > faults->delay_min) {
        delay += test_random_below(&net->random, faults->delay_max - faults->delay_min + 1);
    }
    dg_time at = now + delay;
    if (at < net->last_arrival[direction]) {
        at = net->last_arrival[direction];
    }
    if (test_random_permille(&net->random, faults->reorder)) {
        net->counts[direction].reordered++;
        dg_time most = faults->reorder_delay > 0 ? faults->reorder_delay : 10 * DG_MILLISECOND;
        return at + 1 + test_random_below(&net->random, most);
    }
    net->last_arrival[direction] = at;
    return at;
}

static void damage(struct netsim *net, struct datagram *datagram)
{
    const struct netsim_faults *faults = &net->faults[datagram->direction];
    struct netsim_counts *counts = &net->counts[datagram->direction];
    if (datagram->size > 0 && test_random_permille(&net->random, faults->truncate)) {
        counts->truncated++;
        datagram->size = (size_t)test_random_below(&net->random, datagram->size);
    }
    if (datagram->size > 0 && test_random_permille(&net->random, faults->flip)) {
        counts->flipped++;
        size_t place = (size_t)test_random_below(&net->random, datagram->size);
        bool whole_byte = test_random_below(&net->random, 4) == 0;
        uint64_t bits = whole_byte ? 1 + test_random_below(&net->random, 255)
                                   : UINT64_C(1) << test_random_below(&net->random, 8);
        datagram->bytes[place] ^= (uint8_t)bits;
    }
}

static void send_copy(struct netsim *net, dg_time now, const struct datagram *original)
{
    if (net->count >= net->limit) {
        net->counts[original->direction].overflowed++;
        return;
    }
    struct datagram copy = *original;
    copy.bytes = must_have(malloc(copy.size > 0 ? copy.size : 1));
    if (copy.size > 0) {
        memcpy(copy.bytes, original->bytes, copy.size);
    }
    damage(net, &copy);
    copy.arrives_at = arrival(net, now, copy.direction);
    copy.order = net->next_order++;
    queue_put(net, copy);
}

void netsim_send(struct netsim *net, dg_time now, enum netsim_direction direction, const struct dg_address *from,
                 const struct dg_address *to, const void *bytes, size_t size)
{
    const struct netsim_faults *faults = &net->faults[direction];
    struct netsim_counts *counts = &net->counts[direction];
    struct datagram datagram = {.from = *from, .to = *to, .direction = direction, .size = size};
    datagram.bytes = (uint8_t *)(uintptr_t)bytes; // borrowed and only read; send_copy makes its own
    counts->sent++;
    if (direction == NETSIM_TO_SERVER) {
        datagram.from = translate_out(net, from);
    } else if (!translate_in(net, to, &datagram.to)) {
        counts->unreachable++;
        return;
    }
    if (faults->mtu_bytes > 0 && size > faults->mtu_bytes) {
        counts->too_big++;
        return;
    }
    if (test_random_permille(&net->random, faults->loss)) {
        counts->lost++;
        return;
    }
    send_copy(net, now, &datagram);
    if (test_random_permille(&net->random, faults->duplicate)) {
        counts->duplicated++;
        send_copy(net, now, &datagram);
    }
}

dg_time netsim_next(const struct netsim *net)
{
    return net->count > 0 ? net->heap[0].arrives_at : DG_NEVER;
}

bool netsim_receive(struct netsim *net, dg_time now, struct dg_address *ret_from, struct dg_address *ret_to,
                    void *buffer, size_t capacity, size_t *ret_size)
{
    if (netsim_next(net) > now || net->count == 0) {
        return false;
    }
    struct datagram datagram = queue_take(net);
    net->counts[datagram.direction].delivered++;
    size_t size = datagram.size < capacity ? datagram.size : capacity;
    if (size > 0) {
        memcpy(buffer, datagram.bytes, size);
    }
    free(datagram.bytes);
    *ret_from = datagram.from;
    *ret_to = datagram.to;
    *ret_size = size;
    return true;
}

size_t netsim_under_way(const struct netsim *net)
{
    return net->count;
}

const struct netsim_counts *netsim_counts(const struct netsim *net, enum netsim_direction direction)
{
    return &net->counts[direction];
}

uint64_t netsim_seed(const struct netsim *net)
{
    return net->seed;
}

void netsim_print(const struct netsim *net, FILE *out)
{
    static const char *const NAMES[NETSIM_DIRECTIONS] = {"to_server", "to_client"};
    fprintf(out, "netsim seed=%" PRIu64 " under_way=%zu\n", net->seed, net->count);
    for (int i = 0; i < NETSIM_DIRECTIONS; i++) {
        const struct netsim_counts *c = &net->counts[i];
        fprintf(out,
                "netsim direction=%s sent=%" PRIu64 " delivered=%" PRIu64 " lost=%" PRIu64 " too_big=%" PRIu64
                " duplicated=%" PRIu64 " reordered=%" PRIu64 " truncated=%" PRIu64 " flipped=%" PRIu64
                " rewritten=%" PRIu64 " rebound=%" PRIu64 " overflowed=%" PRIu64 " unreachable=%" PRIu64 "\n",
                NAMES[i], c->sent, c->delivered, c->lost, c->too_big, c->duplicated, c->reordered, c->truncated,
                c->flipped, c->rewritten, c->rebound, c->overflowed, c->unreachable);
    }
}
