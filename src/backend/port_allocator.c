// SPDX-License-Identifier: GPL-3.0-or-later
// One queue holds every port that is not in use, with the time from which it may be used again. Since each
// rests equally long, the queue is in the order of these times, and looking at its head is enough.
#include "backend/port_allocator.h"

#include <stdbool.h>
#include <stdlib.h>

struct waiting {
    dg_time usable_at;
    uint16_t port;
};

struct dg_port_allocator {
    dg_time quarantine;
    size_t size;  // ports of this worker, and places in queue
    size_t head;
    size_t count; // ports in queue
    struct waiting queue[];
};

static bool contains(const struct dg_port_set *set, uint32_t port)
{
    return set != NULL && (set->bits[port / 8] >> port % 8 & 1) != 0;
}

void dg_port_set_add(struct dg_port_set *set, const char *text)
{
    while (*text != '\0') {
        char *end;
        unsigned long first = strtoul(text, &end, 10);
        bool is_number = end != text;
        unsigned long last = first;
        if (is_number && *end == '-') {
            last = strtoul(end + 1, &end, 10);
        }
        for (unsigned long port = first; is_number && port <= last && port <= 65535; port++) {
            set->bits[port / 8] |= (uint8_t)(1u << port % 8);
        }
        text = end;
        while (*text != '\0' && (*text < '0' || *text > '9')) {
            text++;
        }
    }
}

struct dg_port_allocator *dg_port_allocator_new(struct dg_port_range range, const struct dg_port_set *reserved,
                                                uint32_t worker, uint32_t worker_count, dg_time quarantine,
                                                uint64_t random)
{
    size_t room = range.last >= range.first ? (size_t)(range.last - range.first) + 1 : 0;
    struct dg_port_allocator *allocator = calloc(1, sizeof *allocator + room * sizeof allocator->queue[0]);
    if (allocator == NULL) {
        return NULL;
    }
    allocator->quarantine = quarantine;
    for (uint32_t port = range.first; port <= range.last; port++) {
        if (port != 0 && port % worker_count == worker && !contains(reserved, port)) {
            allocator->queue[allocator->size++] = (struct waiting){.usable_at = 0, .port = (uint16_t)port};
        }
    }
    allocator->count = allocator->size;
    allocator->head = allocator->size > 0 ? (size_t)(random % allocator->size) : 0;
    return allocator;
}

void dg_port_allocator_free(struct dg_port_allocator *allocator) { free(allocator); }

uint16_t dg_port_allocator_take(struct dg_port_allocator *allocator, dg_time now)
{
    if (allocator->count == 0 || allocator->queue[allocator->head].usable_at > now) {
        return 0;
    }
    uint16_t port = allocator->queue[allocator->head].port;
    allocator->head = (allocator->head + 1) % allocator->size;
    allocator->count--;
    return port;
}

void dg_port_allocator_release(struct dg_port_allocator *allocator, dg_time now, uint16_t port)
{
    DG_BUG_UNLESS(allocator->count < allocator->size);
    size_t tail = (allocator->head + allocator->count) % allocator->size;
    allocator->queue[tail] = (struct waiting){.usable_at = now + allocator->quarantine, .port = port};
    allocator->count++;
}

void dg_port_allocator_take_back(struct dg_port_allocator *allocator, uint16_t port)
{
    DG_BUG_UNLESS(allocator->count < allocator->size);
    allocator->head = (allocator->head + allocator->size - 1) % allocator->size;
    allocator->queue[allocator->head] = (struct waiting){.usable_at = 0, .port = port};
    allocator->count++;
}

size_t dg_port_allocator_size(const struct dg_port_allocator *allocator) { return allocator->size; }
