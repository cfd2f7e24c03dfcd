// SPDX-License-Identifier: GPL-3.0-or-later
// Which local port an association speaks from towards its service, and how long a port rests after use: a
// late answer must find nobody, and never another client. Never opens a socket, never reads a clock.
//
// Ports are given out in the order in which they came back, so that a port is used again as late as
// possible, and never before it has rested. The book (port_book.h) remembers over the process's end which rest until
// when and which are held: these are given out only once they have rested. A port may be held by another worker than the
// one that gives it out, where there were more or fewer workers before: it comes back by the book.
#ifndef DG_BACKEND_PORT_ALLOCATOR_H
#define DG_BACKEND_PORT_ALLOCATOR_H

#include "backend/port_book.h"
#include "base/attributes.h"
#include "base/time_value.h"

#include <stddef.h>
#include <stdint.h>

struct dg_port_set { // one bit for each port
    uint8_t bits[65536 / 8];
};
// Adds what `text` names, in the form of ip_local_reserved_ports: "8080,9148-9150". What is not of that form
// is left out.
void dg_port_set_add(struct dg_port_set *set, const char *text);

struct dg_port_range {
    uint16_t first;
    uint16_t last;
};

struct dg_port_allocator;

// The ports p of the range with p % worker_count == worker, without those in `reserved` (NULL: none), unless that is the
// whole range: then it is reserved for us.
// random: any number; where to start. NULL: memory is short.
struct dg_port_allocator *dg_port_allocator_new(struct dg_port_range range, const struct dg_port_set *reserved,
                                                struct dg_port_book book, uint32_t worker, uint32_t worker_count,
                                                dg_time quarantine, uint64_t random);
void dg_port_allocator_free(struct dg_port_allocator *allocator);

// 0: every port is in use or resting.
DG_MUST_USE uint16_t dg_port_allocator_take(struct dg_port_allocator *allocator, dg_time now);
// Back after use: it rests from now on. Exactly once for each port taken, or held since before this process.
void dg_port_allocator_release(struct dg_port_allocator *allocator, dg_time now, uint16_t port);
// Instead of release: it was never used and needs no rest. The next one to be given.
void dg_port_allocator_take_back(struct dg_port_allocator *allocator, uint16_t port);
// All ports of this worker, in whatever state.
size_t dg_port_allocator_size(const struct dg_port_allocator *allocator);

#endif
