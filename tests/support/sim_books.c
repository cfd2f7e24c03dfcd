// SPDX-License-Identifier: GPL-3.0-or-later
// What must hold in every simulated world: plaintext comes out once and for nobody else, no nonce is used
// twice, every association is accounted for. Sees only what crosses the rooms' borders.
#include "support/sim_books.h"

#include "base/wire.h"
#include "check.h"
#include "core/wire_constants.h"
#include "support/shard_region.h"
#include "support/sim_audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x53494d21
#define VIOLATIONS_SHOWN 10

struct sim_binding {
    uint64_t id;
    uint32_t life;
};

void sim_books_open(struct sim_world *world)
{
    const struct dg_memory_shape *shape = &world->config.shape;
    world->bindings = calloc((size_t)shape->shard_count * shape->slots_per_shard, sizeof *world->bindings);
    DG_BUG_UNLESS(world->bindings != NULL);
}

void sim_books_close(struct sim_world *world)
{
    free(world->bindings);
    free(world->delivered_serials);
    free(world->echoed_serials);
}

void sim_violation(struct sim_world *world, const char *format, ...)
{
    if (world->violations++ >= VIOLATIONS_SHOWN) {
        return;
    }
    va_list args;
    va_start(args, format);
    fprintf(stderr, "violation at %.6f seed=%" PRIu64 ": ", (double)world->now / 1e9, world->config.seed);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

// --- plaintext -------------------------------------------------------------------------------------------

uint64_t sim_plaintext_make(struct sim_world *world, uint32_t life, uint8_t *data, size_t size)
{
    if (world->serial == world->serials_max) {
        uint64_t more = world->serials_max > 0 ? 2 * world->serials_max : 1024;
        world->delivered_serials = realloc(world->delivered_serials, more);
        world->echoed_serials = realloc(world->echoed_serials, more);
        DG_BUG_UNLESS(world->delivered_serials != NULL && world->echoed_serials != NULL);
        memset(world->delivered_serials + world->serials_max, 0, more - world->serials_max);
        memset(world->echoed_serials + world->serials_max, 0, more - world->serials_max);
        world->serials_max = more;
    }
    struct dg_writer writer = dg_writer_of(data, size);
    dg_write_u32(&writer, MAGIC);
    dg_write_u32(&writer, life);
    dg_write_u32(&writer, (uint32_t)(world->serial >> 32));
    dg_write_u32(&writer, (uint32_t)world->serial);
    for (size_t i = SIM_PLAINTEXT; i < size; i++) {
        dg_write_u8(&writer, (uint8_t)(world->serial + i));
    }
    DG_BUG_UNLESS(!writer.failed);
    return world->serial++;
}

static bool read_plaintext(struct sim_world *world, const uint8_t *data, size_t size, uint32_t *ret_life,
                           uint64_t *ret_serial)
{
    struct dg_reader reader = dg_reader_of(data, size);
    uint32_t magic = dg_read_u32(&reader);
    uint32_t life = dg_read_u32(&reader);
    uint64_t serial = (uint64_t)dg_read_u32(&reader) << 32;
    serial |= dg_read_u32(&reader);
    if (reader.failed || magic != MAGIC || serial >= world->serial) {
        return false;
    }
    for (size_t i = SIM_PLAINTEXT; i < size; i++) {
        if (data[i] != (uint8_t)(serial + i)) {
            return false;
        }
    }
    *ret_life = life;
    *ret_serial = serial;
    return true;
}

void sim_books_delivered(struct sim_world *world, struct dg_ref ref, const uint8_t *data, size_t size)
{
    uint32_t life;
    uint64_t serial;
    world->delivered++;
    if (!read_plaintext(world, data, size, &life, &serial)) {
        sim_violation(world, "plaintext of %zu bytes was delivered that nobody sent", size);
        return;
    }
    if (world->delivered_serials[serial]++ != 0) {
        sim_violation(world, "plaintext %" PRIu64 " was delivered twice", serial);
    }
    struct sim_binding *binding =
        &world->bindings[(size_t)ref.shard * world->config.shape.slots_per_shard + ref.slot];
    if (binding->id != ref.id) {
        *binding = (struct sim_binding){.id = ref.id, .life = life};
    }
    if (binding->life != life) {
        sim_violation(world, "plaintext of client %u came out of the association of client %u", life, binding->life);
    }
}

bool sim_plaintext_echoed(struct sim_world *world, uint32_t life, const uint8_t *data, size_t size,
                          uint64_t *ret_serial)
{
    uint32_t said;
    if (!read_plaintext(world, data, size, &said, ret_serial)) {
        sim_violation(world, "client %u got %zu bytes that nobody sent", life, size);
        return false;
    }
    if (said != life) {
        sim_violation(world, "client %u got the plaintext of client %u", life, said);
        return false;
    }
    if (world->delivered_serials[*ret_serial] == 0) {
        sim_violation(world, "client %u got an echo of what was never delivered", life);
    }
    // Each answer that the server says to have repeated may have come twice (src/core/path_kept.c).
    if (world->echoed_serials[*ret_serial]++ != 0 &&
        ++world->echoed_again > sim_count(world, DG_COUNT_ANSWERS_REPEATED)) {
        sim_violation(world, "client %u got echo %" PRIu64 " twice", life, *ret_serial);
        return false;
    }
    return true;
}

// --- nonces ----------------------------------------------------------------------------------------------

// Keeps the records of the TLS library under the application's keys. Of 1.2 the nonce or the number stands in
// clear; of 1.3 the numbers are 0, 1, .. in this order.
void sim_books_front_sent(struct sim_world *world, const struct dg_path *path, size_t size)
{
    const uint8_t *data = world->room;
    for (size_t at = 0; at < size;) {
        struct dg_reader reader = dg_reader_of(data + at, size - at);
        uint8_t type = dg_read_u8(&reader);
        (void)dg_read_u16(&reader);
        uint16_t epoch = dg_read_u16(&reader);
        (void)dg_read_u48(&reader);
        struct dg_bytes body = dg_read_block16(&reader);
        bool is_plain = !reader.failed && epoch == 0 && type >= DG_CONTENT_CHANGE_CIPHER_SPEC;
        if (!is_plain) {
            // From the first protected record to the end; with a connection ID its length is known later.
            bool is_13 = (type & (DG_UNIFIED_FIXED_MASK | DG_UNIFIED_EPOCH_MASK)) ==
                         (DG_UNIFIED_FIXED | DG_EPOCH13_APPLICATION);
            if (is_13 || type == DG_CONTENT_TLS12_CID || epoch == 1) {
                struct sim_flown *flown = &world->flown[world->flown_next++ % 256];
                flown->peer = path->peer;
                flown->size = size - at < sizeof flown->bytes ? size - at : sizeof flown->bytes;
                memcpy(flown->bytes, data + at, flown->size);
            }
            return;
        }
        at += DG_RECORD12_HEADER + body.size;
    }
}

static void note_flown12(const struct sim_flown *flown, const struct dg_handover *handover)
{
    size_t header = DG_RECORD12_HEADER;
    if (flown->bytes[0] == DG_CONTENT_TLS12_CID) {
        header += handover->peer_cid_size;
        if (memcmp(flown->bytes + DG_RECORD12_CID_OFFSET, handover->peer_cid, handover->peer_cid_size) != 0) {
            return;
        }
    }
    if (flown->size < header + 8) {
        return;
    }
    if (dg_aead_table[handover->aead].explicit_size == 0) {
        struct dg_reader reader = dg_reader_of(flown->bytes + 5, 6);
        sim_audit_note_number(handover, dg_read_u48(&reader));
        return;
    }
    uint8_t nonce[DG_AEAD_NONCE];
    memcpy(nonce, handover->tx.iv, 4);
    memcpy(nonce + 4, flown->bytes + header, 8);
    sim_audit_note((enum dg_aead_id)handover->aead, handover->tx.key, nonce);
}

void sim_books_handed_over(struct sim_world *world, const struct dg_handover *handover)
{
    const size_t places = sizeof world->flown / sizeof *world->flown;
    uint64_t number = 0;
    world->handed_over++;
    for (size_t i = 0; i < places; i++) {
        struct sim_flown *flown = &world->flown[(world->flown_next + i) % places]; // oldest first
        if (flown->size == 0 || !dg_address_equal(&flown->peer, &handover->path.peer)) {
            continue;
        }
        if (handover->version == 12) {
            note_flown12(flown, handover);
        } else {
            sim_audit_note_number(handover, number++);
        }
        flown->size = 0;
    }
}

// --- sums ------------------------------------------------------------------------------------------------

uint64_t sim_count(const struct sim_world *world, enum dg_counter counter)
{
    uint64_t sum = dg_counter_read(&world->front_counters, counter);
    for (uint32_t i = 0; i < world->config.workers; i++) {
        sum += dg_counter_read(&world->workers[i].counters, counter);
    }
    return sum;
}

size_t sim_live(const struct sim_world *world)
{
    size_t live = 0;
    for (uint32_t i = 0; i < world->config.workers; i++) {
        live += dg_engine_live(world->workers[i].engine);
    }
    return live;
}

// The region once more, as a process that attaches would see it.
static size_t account(struct sim_world *world)
{
    static struct dg_counters counters;
    size_t live = 0;
    memset(&counters, 0, sizeof counters);
    for (uint32_t number = 0; number < world->config.shape.shard_count; number++) {
        struct dg_shard shard;
        if (!dg_shard_init(&shard, &world->memory, number, &counters)) {
            sim_violation(world, "memory is short for shard %u", number);
            return live;
        }
        live += shard_account(&shard);
        dg_shard_clear(&shard);
    }
    if (dg_counter_read(&counters, DG_COUNT_SLOTS_QUARANTINED) != 0) {
        sim_violation(world, "an attaching process would quarantine slots");
    }
    return live;
}

void sim_world_check(struct sim_world *world, bool accounts)
{
    if (world->opened - world->closed != sim_live(world)) {
        sim_violation(world, "%" PRIu64 " opened, %" PRIu64 " closed, but %zu live", world->opened, world->closed,
                      sim_live(world));
    }
    if (sim_audit_repeated() != 0) {
        sim_violation(world, "%" PRIu64 " nonces used twice under one key", sim_audit_repeated());
    }
    if (world->handed_over != world->opened + sim_count(world, DG_COUNT_TABLE_FULL) +
                                  sim_count(world, DG_COUNT_CID_COLLISION) &&
        world->first_message == NULL) {
        sim_violation(world, "%" PRIu64 " handed over, but %" PRIu64 " opened", world->handed_over, world->opened);
    }
    if (accounts && account(world) != sim_live(world)) {
        sim_violation(world, "the slots' count is not the engines'");
    }
    CHECK_MSG(world->violations == 0, "%u violations, seed %" PRIu64, world->violations, world->config.seed);
}

void sim_world_print(const struct sim_world *world, FILE *out)
{
    netsim_print(world->net, out);
    fprintf(out, "world seed=%" PRIu64 " now=%.3f opened=%" PRIu64 " closed=%" PRIu64 " live=%zu nonces=%" PRIu64 "\n",
            world->config.seed, (double)world->now / 1e9, world->opened, world->closed, sim_live(world),
            sim_audit_sealed());
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++) {
        uint64_t value = sim_count(world, (enum dg_counter)i);
        if (value != 0) {
            fprintf(out, "  %s=%" PRIu64 "\n", dg_counter_name((enum dg_counter)i), value);
        }
    }
}
