// SPDX-License-Identifier: GPL-3.0-or-later
// What became of each local port towards a service, in memory that outlives the process: who has it, or until when it
// rests. One word for each port, changed by one store; written by whichever worker holds the port, read by the one that
// gives it out. Never opens a socket.
#ifndef DG_BACKEND_PORT_BOOK_H
#define DG_BACKEND_PORT_BOOK_H

#include "base/time_value.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_PORT_IN_USE (UINT64_C(1) << 63) // with it: shard << 32 | slot of the association; without: rests until then

struct dg_port_book {
    _Atomic uint64_t *words; // 65536 (dg_memory_ports); NULL: nothing is remembered beyond the process
};

static inline uint64_t dg_port_book_read(struct dg_port_book book, uint16_t port)
{
    return book.words != NULL ? atomic_load_explicit(&book.words[port], memory_order_relaxed) : 0;
}

static inline bool dg_port_is_in_use(uint64_t word) { return (word & DG_PORT_IN_USE) != 0; }
static inline uint32_t dg_port_shard(uint64_t word) { return (uint32_t)(word >> 32 & 0x7fffffff); }
static inline uint32_t dg_port_slot(uint64_t word) { return (uint32_t)word; }

static inline uint64_t dg_port_word(uint32_t shard, uint32_t slot)
{
    return DG_PORT_IN_USE | (uint64_t)shard << 32 | slot;
}

static inline void dg_port_book_use(struct dg_port_book book, uint16_t port, uint32_t shard, uint32_t slot)
{
    if (book.words != NULL)
        atomic_store_explicit(&book.words[port], dg_port_word(shard, slot), memory_order_relaxed);
}

static inline void dg_port_book_rest(struct dg_port_book book, uint16_t port, dg_time until)
{
    if (book.words != NULL)
        atomic_store_explicit(&book.words[port], until & ~DG_PORT_IN_USE, memory_order_relaxed);
}

#endif
