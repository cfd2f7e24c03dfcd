// SPDX-License-Identifier: GPL-3.0-or-later
// The layout of the memory that outlives the process: header, shared secrets, shards of slots and side
// slots. Works on a mapped region that src/io hands in; never maps, opens or locks anything itself.
#ifndef DG_CORE_MEMORY_H
#define DG_CORE_MEMORY_H

#include "base/attributes.h"
#include "base/time_value.h"
#include "core/side.h"
#include "core/slot.h"
#include "core/steer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_MEMORY_MAGIC UINT64_C(0x64746c7367617465) // "dtlsgate"
#define DG_MEMORY_VERSION 4
#define DG_SHARDS_MAX 256
#define DG_SHARDS_DEFAULT 64
#define DG_SLOTS_PER_SHARD_MAX ((UINT32_C(1) << 24) - 2)
#define DG_FLIGHTS_PER_SHARD_MAX (UINT32_C(1) << 20)
#define DG_WIDE_PER_SLOT 3
#define DG_MEMORY_PORTS 65536u
#define DG_SUSPECTS 4 // slots of a shard that are remembered for having been served in a crash
// What the build puts into slots beyond their size: a process that differs in it refuses the file.
#define DG_MEMORY_FEATURES (UINT32_C(1) * DG_CID_SIZE_MAX | UINT32_C(1) * DG_REPLAY_WIDTH << 8)

struct dg_memory_shape {
    uint32_t shard_count;       // power of two, 1..DG_SHARDS_MAX
    uint32_t slots_per_shard;   // 1..2^24 - 2
    uint32_t flights_per_shard; // 1..2^20
    uint32_t cid_size;          // bytes of our connection IDs, DG_CID_SIZE_MIN..DG_CID_SIZE_MAX
    // wide side slots: DG_WIDE_PER_SLOT for each slot, which is all that one can ever need at a time (tx, rx,
    // the rx before, and a next one, of which at least one lies inline): there is always one to be had
};

#define DG_COOKIE_SECRET 32
#define DG_TICKET_KEY 32
#define DG_TICKET_KEY_NAME 16

// Secrets that a restart keeps (design.md): written by the front thread alone. `generation` is odd while
// a rotation is in progress; an attaching process that finds it odd rotates again.
struct dg_memory_secrets {
    _Atomic uint32_t cookie_generation;
    _Atomic uint32_t ticket_generation;
    dg_time cookie_rotated_at;
    uint8_t cookie[2][DG_COOKIE_SECRET];      // current, previous
    dg_time ticket_rotated_at;
    uint8_t ticket_key[2][DG_TICKET_KEY];     // current, previous
    uint8_t ticket_name[2][DG_TICKET_KEY_NAME];
};

// How far each shard has ever been used. What lies beyond was never written and is never read, so that
// attaching touches no page that was not in use. Raised before the first store into what it then covers.
struct dg_memory_shard_head {
    _Alignas(DG_CACHE_LINE) _Atomic uint32_t slots_used;
    _Atomic uint32_t wides_used;
    _Atomic uint32_t flights_used;
    _Atomic uint32_t has_spares; // 1: somebody here was once given further connection IDs
    // Slot number + 1 of the association that is being served, 0: none. Whoever attaches reads what the thread that
    // crashed left (src/io/crash_note.c), and not what SIGKILL left: that is no slot's fault.
    _Atomic uint32_t serving;
    _Atomic uint32_t crashed;
    _Atomic uint64_t suspects[DG_SUSPECTS]; // lower half of the slot's id; slot number (24 bits); crashes (8 bits)
    _Atomic uint32_t live; // associations, for whoever attaches and has not yet counted them
    uint8_t spare[4];
};
_Static_assert(sizeof(struct dg_memory_shard_head) == DG_CACHE_LINE, "shard head");

struct dg_memory_header {
    uint64_t magic;
    uint32_t version;
    uint32_t slot_size;       // sizes as built: a process that knows others refuses the file
    uint32_t wide_size;
    uint32_t flight_size;
    uint32_t feature_bits;
    struct dg_memory_shape shape;
    struct dg_steer steer;
    uint64_t total_bytes;
    uint64_t secrets_offset;
    uint64_t heads_offset;    // DG_SHARDS_MAX shard heads
    uint64_t ports_offset;    // DG_MEMORY_PORTS words: what became of each local port towards a service
    uint64_t shards_offset;
    uint64_t shard_stride;    // bytes from one shard to the next
    uint64_t wide_offset;     // inside a shard
    uint64_t flight_offset;   // inside a shard
    uint32_t check;           // over all of the above
    // Of the last start or reload; each raises it first, so that no slot passes for checked under it.
    _Atomic uint32_t policy_generation;
};

// A mapped region and where its parts lie.
struct dg_memory {
    // Whole pages, all zeros, that may go back to the system until they are written to again; offset in the
    // region. NULL: whoever mapped it gives nothing back.
    void (*release)(void *context, uint64_t offset, uint64_t size_bytes);
    void *release_context;
    uint8_t *base;
    size_t size_bytes;
    struct dg_memory_header *header;
    struct dg_memory_secrets *secrets;
    struct dg_memory_shape shape; // a copy of the header's, checked: what lies in the region is not asked again
    uint64_t heads_offset, ports_offset, shards_offset, shard_stride, wide_offset, flight_offset; // computed from it
};

// Bytes that a region of this shape needs, a multiple of 4096; 0: the shape is out of range.
size_t dg_memory_size(const struct dg_memory_shape *shape);
// Lays out a zeroed region, with random secrets (never all zeros); the header's check is stored last.
void dg_memory_format(struct dg_memory *memory, void *region, size_t size_bytes, const struct dg_memory_shape *shape);
// Takes over a region that another process laid out. False: error says in words what differs and what to do.
DG_MUST_USE bool dg_memory_attach(struct dg_memory *memory, void *region, size_t size_bytes, char *error,
                                  size_t error_size);

struct dg_memory_shard_head *dg_memory_shard_head(const struct dg_memory *memory, uint32_t shard);
// Parts of one shard. Numbers are checked by the caller (dg_shard does).
struct dg_slot *dg_memory_slot(const struct dg_memory *memory, uint32_t shard, uint32_t slot);
struct dg_side_wide *dg_memory_wide(const struct dg_memory *memory, uint32_t shard, uint32_t number);
struct dg_side_flight *dg_memory_flight(const struct dg_memory *memory, uint32_t shard, uint32_t number);
uint32_t dg_memory_wide_count(const struct dg_memory_shape *shape);
_Atomic uint64_t *dg_memory_ports(const struct dg_memory *memory); // src/backend/port_book.h says what is in it
// The next policy generation, never 0, stored in the region before it is returned.
uint32_t dg_memory_next_generation(const struct dg_memory *memory);

#endif
