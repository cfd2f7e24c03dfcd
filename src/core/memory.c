// SPDX-License-Identifier: GPL-3.0-or-later
// Lays out and checks the region that outlives the process: header, secrets, shard heads, shards. Never
// looks into a slot (shard.c does), never maps or locks (src/io/memfile.c does). docs/memory.md has the
// layout field by field.
#include "core/memory.h"

#include "base/hash.h"
#include "base/random.h"
#include "core/connection_ids.h"
#include "core/crash_point.h"

#include <string.h>

#define PAGE 4096u

struct layout {
    uint64_t secrets_offset, heads_offset, ports_offset, shards_offset;
    uint64_t wide_offset, flight_offset, shard_stride;
    uint64_t total_bytes;
};

static uint64_t round_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) / to * to;
}

// A further ID is drawn again while it is somebody's: half of a shard's IDs at least are nobody's, so that this ends.
static bool are_ids_enough(const struct dg_memory_shape *shape)
{
    if (!dg_cid_size_is_sane(shape->cid_size)) {
        return false;
    }
    uint64_t ids = shape->cid_size < 8 ? UINT64_C(1) << 8 * shape->cid_size : UINT64_MAX;
    uint64_t used = shape->slots_per_shard + UINT64_C(1) * DG_CID_SPARES * shape->flights_per_shard;
    return used <= ids / shape->shard_count / 2;
}

static bool is_shape_sane(const struct dg_memory_shape *shape)
{
    uint32_t shards = shape->shard_count;
    return shards >= 1 && shards <= DG_SHARDS_MAX && (shards & (shards - 1)) == 0 && shape->slots_per_shard >= 1 &&
           shape->slots_per_shard <= DG_SLOTS_PER_SHARD_MAX && shape->flights_per_shard >= 1 &&
           shape->flights_per_shard <= DG_FLIGHTS_PER_SHARD_MAX && are_ids_enough(shape);
}

// The shape is sane: nothing here can overflow 64 bits (256 shards of 2^24 kilobytes are 2^42 bytes).
static struct layout layout_of(const struct dg_memory_shape *shape)
{
    struct layout at = {0};
    at.secrets_offset = round_up(sizeof(struct dg_memory_header), DG_CACHE_LINE);
    at.heads_offset = round_up(at.secrets_offset + sizeof(struct dg_memory_secrets), DG_CACHE_LINE);
    at.ports_offset = round_up(at.heads_offset + DG_SHARDS_MAX * sizeof(struct dg_memory_shard_head), PAGE);
    at.shards_offset = round_up(at.ports_offset + DG_MEMORY_PORTS * sizeof(uint64_t), PAGE);
    at.wide_offset = round_up((uint64_t)shape->slots_per_shard * sizeof(struct dg_slot), DG_CACHE_LINE);
    uint64_t wides = (uint64_t)dg_memory_wide_count(shape) * sizeof(struct dg_side_wide);
    at.flight_offset = round_up(at.wide_offset + wides, DG_CACHE_LINE);
    uint64_t flights = (uint64_t)shape->flights_per_shard * sizeof(struct dg_side_flight);
    at.shard_stride = round_up(at.flight_offset + flights, PAGE);
    at.total_bytes = at.shards_offset + shape->shard_count * at.shard_stride;
    return at;
}

uint32_t dg_memory_wide_count(const struct dg_memory_shape *shape)
{
    return DG_WIDE_PER_SLOT * shape->slots_per_shard;
}

size_t dg_memory_size(const struct dg_memory_shape *shape)
{
    if (!is_shape_sane(shape)) {
        return 0;
    }
    uint64_t total = layout_of(shape).total_bytes;
    return total <= SIZE_MAX ? (size_t)total : 0;
}

// Against accidents, not against enemies: who can write the region has the keys. The key is fixed, since
// the next process must come to the same sum.
static uint32_t header_check(const struct dg_memory_header *header)
{
    static const struct dg_hash_key KEY = {.k0 = DG_MEMORY_MAGIC, .k1 = DG_MEMORY_VERSION};
    return (uint32_t)dg_hash(&KEY, header, offsetof(struct dg_memory_header, check));
}

static void point(struct dg_memory *memory, void *region, size_t size_bytes, const struct dg_memory_shape *shape)
{
    struct layout at = layout_of(shape);
    uint8_t *base = region;
    *memory = (struct dg_memory){
        .base = base,
        .size_bytes = size_bytes,
        .header = region,
        .secrets = (struct dg_memory_secrets *)(void *)(base + at.secrets_offset),
        .shape = *shape,
        .heads_offset = at.heads_offset,
        .ports_offset = at.ports_offset,
        .shards_offset = at.shards_offset,
        .shard_stride = at.shard_stride,
        .wide_offset = at.wide_offset,
        .flight_offset = at.flight_offset,
    };
}

void dg_memory_format(struct dg_memory *memory, void *region, size_t size_bytes, const struct dg_memory_shape *shape)
{
    DG_BUG_UNLESS(is_shape_sane(shape) && size_bytes == dg_memory_size(shape));
    point(memory, region, size_bytes, shape);
    // A front that forgot to rotate would otherwise answer with a secret that everybody knows.
    dg_random_bytes(memory->secrets->cookie, sizeof memory->secrets->cookie);
    dg_random_bytes(memory->secrets->ticket_key, sizeof memory->secrets->ticket_key);
    dg_random_bytes(memory->secrets->ticket_name, sizeof memory->secrets->ticket_name);

    struct layout at = layout_of(shape);
    struct dg_memory_header header = {0};
    header.magic = DG_MEMORY_MAGIC;
    header.version = DG_MEMORY_VERSION;
    header.slot_size = sizeof(struct dg_slot);
    header.wide_size = sizeof(struct dg_side_wide);
    header.flight_size = sizeof(struct dg_side_flight);
    header.feature_bits = DG_MEMORY_FEATURES;
    header.shape = *shape;
    header.steer = (struct dg_steer){.shard_count = shape->shard_count, .cid_size = shape->cid_size};
    dg_random_bytes(&header.steer.seed, sizeof header.steer.seed);
    header.total_bytes = at.total_bytes;
    header.secrets_offset = at.secrets_offset;
    header.heads_offset = at.heads_offset;
    header.ports_offset = at.ports_offset;
    header.shards_offset = at.shards_offset;
    header.shard_stride = at.shard_stride;
    header.wide_offset = at.wide_offset;
    header.flight_offset = at.flight_offset;
    memcpy(memory->header, &header, offsetof(struct dg_memory_header, check));
    DG_STORE_ORDER();
    memory->header->check = header_check(memory->header);
}

// --- attaching ----------------------------------------------------------------

// The engine has no stdio: text and numbers one behind the other, cut off where the room ends.
struct words {
    char *text;
    size_t size, used;
};

static void say(struct words *words, const char *text)
{
    for (; *text != '\0' && words->used + 1 < words->size; text++) {
        words->text[words->used++] = *text;
    }
    if (words->size > 0) {
        words->text[words->used] = '\0';
    }
}

static void say_number(struct words *words, uint64_t value)
{
    char digits[21];
    char *at = digits + sizeof digits - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    say(words, at);
}

static bool refuse(struct words *words, const char *what, uint64_t found, uint64_t expected, const char *advice)
{
    say(words, what);
    say(words, " is ");
    say_number(words, found);
    say(words, ", this build expects ");
    say_number(words, expected);
    say(words, ": ");
    say(words, advice);
    return false;
}

#define OTHER_BUILD "go on with the build that wrote the file, or start with a new one and let clients connect again"
#define DAMAGED "the file is damaged; start with a new one and let clients connect again"

static bool is_of_this_build(const struct dg_memory_header *header, struct words *words)
{
    if (header->magic != DG_MEMORY_MAGIC) {
        say(words, "this is no memory file of dtlsgate (its first bytes are others): pass the right descriptor");
        return false;
    }
    if (header->version != DG_MEMORY_VERSION) {
        return refuse(words, "the layout's version", header->version, DG_MEMORY_VERSION, OTHER_BUILD);
    }
    if (header->check != header_check(header)) {
        say(words, "the header's check does not fit its contents: " DAMAGED);
        return false;
    }
    if (header->slot_size != sizeof(struct dg_slot)) {
        return refuse(words, "the slot size", header->slot_size, sizeof(struct dg_slot), OTHER_BUILD);
    }
    if (header->wide_size != sizeof(struct dg_side_wide)) {
        return refuse(words, "the size of a wide side slot", header->wide_size, sizeof(struct dg_side_wide),
                      OTHER_BUILD);
    }
    if (header->flight_size != sizeof(struct dg_side_flight)) {
        return refuse(words, "the size of a flight side slot", header->flight_size, sizeof(struct dg_side_flight),
                      OTHER_BUILD);
    }
    if (header->feature_bits != DG_MEMORY_FEATURES) {
        return refuse(words, "the feature set", header->feature_bits, DG_MEMORY_FEATURES, OTHER_BUILD);
    }
    return true;
}

bool dg_memory_attach(struct dg_memory *memory, void *region, size_t size_bytes, char *error, size_t error_size)
{
    struct words words = {.text = error, .size = error_size};
    if (size_bytes < sizeof(struct dg_memory_header)) {
        say(&words, "this is no memory file of dtlsgate (it is too short for a header): pass the right descriptor");
        return false;
    }
    const struct dg_memory_header *header = region;
    if (!is_of_this_build(header, &words)) {
        return false;
    }
    if (!is_shape_sane(&header->shape) || header->steer.shard_count != header->shape.shard_count ||
        header->steer.cid_size != header->shape.cid_size) {
        say(&words, "the numbers of shards, slots or flights or the length of connection IDs are out of range: " DAMAGED);
        return false;
    }
    struct layout at = layout_of(&header->shape);
    if (header->total_bytes != at.total_bytes || size_bytes != at.total_bytes) {
        return refuse(&words, "the file's size", size_bytes, at.total_bytes, DAMAGED);
    }
    if (header->secrets_offset != at.secrets_offset || header->heads_offset != at.heads_offset ||
        header->ports_offset != at.ports_offset || header->shards_offset != at.shards_offset || header->shard_stride != at.shard_stride ||
        header->wide_offset != at.wide_offset || header->flight_offset != at.flight_offset) {
        say(&words, "the parts lie elsewhere than this build puts them: " OTHER_BUILD);
        return false;
    }
    struct dg_memory_shape shape = header->shape;
    point(memory, region, size_bytes, &shape);
    return true;
}

// --- the parts ----------------------------------------------------------------

static uint8_t *shard_base(const struct dg_memory *memory, uint32_t shard)
{
    return memory->base + memory->shards_offset + shard * memory->shard_stride;
}

struct dg_memory_shard_head *dg_memory_shard_head(const struct dg_memory *memory, uint32_t shard)
{
    uint8_t *heads = memory->base + memory->heads_offset;
    return (struct dg_memory_shard_head *)(void *)heads + shard;
}

struct dg_slot *dg_memory_slot(const struct dg_memory *memory, uint32_t shard, uint32_t slot)
{
    return (struct dg_slot *)(void *)shard_base(memory, shard) + slot;
}

struct dg_side_wide *dg_memory_wide(const struct dg_memory *memory, uint32_t shard, uint32_t number)
{
    uint8_t *first = shard_base(memory, shard) + memory->wide_offset;
    return (struct dg_side_wide *)(void *)first + number;
}

struct dg_side_flight *dg_memory_flight(const struct dg_memory *memory, uint32_t shard, uint32_t number)
{
    uint8_t *first = shard_base(memory, shard) + memory->flight_offset;
    return (struct dg_side_flight *)(void *)first + number;
}

_Atomic uint64_t *dg_memory_ports(const struct dg_memory *memory)
{
    return (_Atomic uint64_t *)(void *)(memory->base + memory->ports_offset);
}

uint32_t dg_memory_next_generation(const struct dg_memory *memory)
{
    uint32_t next = atomic_load_explicit(&memory->header->policy_generation, memory_order_relaxed) + 1;
    if (next == 0) {
        next = 1;
    }
    atomic_store_explicit(&memory->header->policy_generation, next, memory_order_release);
    DG_CRASH_POINT(GENERATION_RAISED);
    return next;
}
