// SPDX-License-Identifier: GPL-3.0-or-later
// A square of rings. Never used by a thread for another's row (writing) or column (reading).
#include "io/mesh.h"

#include "base/hash.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CONTESTED 1024

_Static_assert(DG_MESH_RING_BYTES >= 2 * DG_MESSAGE_BYTES_MAX, "the largest hand-over fits, and another waits");

struct dg_mesh {
    uint32_t thread_count;
    struct dg_ring *rings;   // [from * thread_count + to]
    struct dg_wake *wakes;
    struct turn {            // of each thread, its own
        _Alignas(DG_CACHE_LINE) uint32_t from; // as reader: the writer whose turn it is
        uint64_t to_wake;                      // as writer: whom it owes a wake-up, by number
    } *turns;
    struct dg_hash_key contested_key;
    struct mark {       // the front's: what the times below are made of
        uint64_t peer;  // the hash of the one that marked the place last
        dg_time own;    // until when
        dg_time others; // until when all before it had marked the place
    } marks[CONTESTED];
    _Atomic dg_time contested_until[CONTESTED]; // by the peer's hash
    _Atomic dg_time contested_last;             // no peer is after this time: the front's
};

static struct dg_ring *ring_of(const struct dg_mesh *mesh, uint32_t from, uint32_t to)
{
    DG_BUG_UNLESS(from < mesh->thread_count && to < mesh->thread_count);
    return &mesh->rings[(size_t)from * mesh->thread_count + to];
}

// Cache-line aligned structs take aligned_alloc, whose size is a multiple of the alignment.
static void *new_aligned(size_t count, size_t size)
{
    return aligned_alloc(DG_CACHE_LINE, (count * size + DG_CACHE_LINE - 1) / DG_CACHE_LINE * DG_CACHE_LINE);
}

struct dg_mesh *dg_mesh_new(uint32_t thread_count, size_t ring_bytes)
{
    struct dg_mesh *mesh = calloc(1, sizeof *mesh);
    if (mesh == NULL) {
        return NULL;
    }
    mesh->contested_key = dg_hash_key_new();
    size_t ring_count = (size_t)thread_count * thread_count;
    mesh->rings = new_aligned(ring_count, sizeof *mesh->rings);
    mesh->wakes = new_aligned(thread_count, sizeof *mesh->wakes);
    mesh->turns = new_aligned(thread_count, sizeof *mesh->turns);
    bool is_short = mesh->rings == NULL || mesh->wakes == NULL || mesh->turns == NULL;
    if (!is_short) {
        mesh->thread_count = thread_count;
        for (size_t i = 0; i < ring_count; i++) {
            mesh->rings[i].bytes = NULL;
        }
        for (uint32_t i = 0; i < thread_count; i++) {
            mesh->wakes[i].fd = -1;
            mesh->turns[i] = (struct turn){0};
        }
        for (size_t i = 0; i < ring_count && !is_short; i++) {
            is_short = !dg_ring_init(&mesh->rings[i], ring_bytes);
        }
        for (uint32_t i = 0; i < thread_count && !is_short; i++) {
            is_short = !dg_wake_init(&mesh->wakes[i]);
        }
    }
    if (is_short) {
        dg_mesh_free(mesh);
        return NULL;
    }
    return mesh;
}

void dg_mesh_free(struct dg_mesh *mesh)
{
    if (mesh == NULL) {
        return;
    }
    for (uint32_t i = 0; i < mesh->thread_count; i++) {
        dg_wake_clear(&mesh->wakes[i]);
    }
    for (size_t i = 0; i < (size_t)mesh->thread_count * mesh->thread_count; i++) {
        if (mesh->rings[i].bytes != NULL) {
            dg_ring_clear(&mesh->rings[i]);
        }
    }
    free(mesh->turns);
    free(mesh->wakes);
    free(mesh->rings);
    free(mesh);
}

bool dg_mesh_put(struct dg_mesh *mesh, uint32_t from, uint32_t to, enum dg_message kind,
                 const struct dg_ring_part *parts, size_t part_count)
{
    if (!dg_ring_put(ring_of(mesh, from, to), (uint32_t)kind, parts, part_count)) {
        return false;
    }
    dg_wake_up(&mesh->wakes[to]);
    return true;
}

bool dg_mesh_put_quietly(struct dg_mesh *mesh, uint32_t from, uint32_t to, enum dg_message kind,
                         const struct dg_ring_part *parts, size_t part_count)
{
    if (!dg_ring_put(ring_of(mesh, from, to), (uint32_t)kind, parts, part_count)) {
        return false;
    }
    mesh->turns[from].to_wake |= UINT64_C(1) << to % 64;
    return true;
}

void dg_mesh_wake_waiting(struct dg_mesh *mesh, uint32_t from)
{
    uint64_t to_wake = mesh->turns[from].to_wake;
    if (to_wake == 0) {
        return;
    }
    mesh->turns[from].to_wake = 0;
    for (uint32_t to = 0; to < mesh->thread_count; to++) {
        // With more than 64 threads one is woken for another, and sleeps on.
        if ((to_wake >> to % 64 & 1) != 0) {
            dg_wake_up(&mesh->wakes[to]);
        }
    }
}

bool dg_mesh_get(struct dg_mesh *mesh, uint32_t to, uint32_t *ret_kind, void *buffer, size_t *ret_size_bytes)
{
    for (uint32_t i = 0; i < mesh->thread_count; i++) {
        uint32_t from = mesh->turns[to].from;
        mesh->turns[to].from = (from + 1) % mesh->thread_count;
        if (dg_ring_get(ring_of(mesh, from, to), ret_kind, buffer, DG_MESSAGE_BYTES_MAX, ret_size_bytes)) {
            return true;
        }
    }
    return false;
}

bool dg_mesh_is_empty(const struct dg_mesh *mesh, uint32_t to)
{
    for (uint32_t from = 0; from < mesh->thread_count; from++) {
        if (!dg_ring_is_empty(ring_of(mesh, from, to))) {
            return false;
        }
    }
    return true;
}

uint64_t dg_mesh_most(const struct dg_mesh *mesh)
{
    uint64_t most = 0;
    for (size_t i = 0; i < (size_t)mesh->thread_count * mesh->thread_count; i++) {
        uint64_t one = dg_ring_most(&mesh->rings[i]);
        most = one > most ? one : most;
    }
    return most;
}

struct dg_wake *dg_mesh_wake(struct dg_mesh *mesh, uint32_t thread)
{
    DG_BUG_UNLESS(thread < mesh->thread_count);
    return &mesh->wakes[thread];
}

static uint64_t hash_of(const struct dg_mesh *mesh, const struct dg_address *peer)
{
    return dg_hash(&mesh->contested_key, peer, sizeof *peer);
}

static dg_time later(dg_time a, dg_time b) { return a > b ? a : b; }

void dg_mesh_contest(struct dg_mesh *mesh, const struct dg_address *peer, dg_time until)
{
    if (until > atomic_load_explicit(&mesh->contested_last, memory_order_relaxed)) {
        atomic_store_explicit(&mesh->contested_last, until, memory_order_relaxed);
    }
    uint64_t hash = hash_of(mesh, peer);
    struct mark *mark = &mesh->marks[hash % CONTESTED];
    if (mark->peer != hash) {
        mark->others = later(mark->others, mark->own);
        mark->peer = hash;
    }
    mark->own = until;
    atomic_store_explicit(&mesh->contested_until[hash % CONTESTED], later(mark->own, mark->others), memory_order_relaxed);
}

bool dg_mesh_is_contested(const struct dg_mesh *mesh, const struct dg_address *peer, dg_time now)
{
    if (now >= atomic_load_explicit(&mesh->contested_last, memory_order_relaxed)) {
        return false; // without a hash
    }
    return now < atomic_load_explicit(&mesh->contested_until[hash_of(mesh, peer) % CONTESTED], memory_order_relaxed);
}
