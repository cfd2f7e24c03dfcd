// SPDX-License-Identifier: GPL-3.0-or-later
// One queue holds every port that is not in use, with the time from which it may be used again. Since each
// rests equally long, the queue is in the order of these times, and looking at its head is enough. Ports that the process
// before left in use are in no queue; when there is nothing else to give, the book is searched for those that have rested.
#include "backend/port_allocator.h"

#include <stdbool.h>
#include <stdlib.h>

struct waiting {
    dg_time usable_at;
    uint16_t port;
};

#define SEARCH_PAUSE DG_SECOND

struct dg_port_allocator {
    struct dg_port_book book;
    struct dg_port_range range;
    struct dg_port_set own;    // ports of this worker
    struct dg_port_set queued; // of these, those in queue, and those that were taken from it
    dg_time searched_at;
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

static void mark(struct dg_port_set *set, uint32_t port) { set->bits[port / 8] |= (uint8_t)(1u << port % 8); }

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
            mark(set, (uint32_t)port);
        }
        text = end;
        while (*text != '\0' && (*text < '0' || *text > '9')) {
            text++;
        }
    }
}

static int compare(const void *a, const void *b)
{
    const struct waiting *left = a, *right = b;
    return (left->usable_at > right->usable_at) - (left->usable_at < right->usable_at);
}

static void append(struct dg_port_allocator *allocator, struct waiting waiting)
{
    DG_BUG_UNLESS(allocator->count < allocator->size);
    allocator->queue[(allocator->head + allocator->count++) % allocator->size] = waiting;
    mark(&allocator->queued, waiting.port);
}

// What rests comes last, in the order in which it will have rested. Before that, from a port by chance on.
static void fill(struct dg_port_allocator *allocator, uint64_t random)
{
    uint32_t room = (uint32_t)(allocator->range.last - allocator->range.first) + 1;
    uint32_t first = (uint32_t)(random % room);
    size_t usable = 0;
    for (uint32_t i = 0; i < room; i++) {
        uint32_t port = allocator->range.first + (first + i) % room;
        if (contains(&allocator->own, port) && dg_port_book_read(allocator->book, (uint16_t)port) == 0) {
            append(allocator, (struct waiting){.usable_at = 0, .port = (uint16_t)port});
            usable++;
        }
    }
    for (uint32_t port = allocator->range.first; port <= allocator->range.last; port++) {
        uint64_t word = dg_port_book_read(allocator->book, (uint16_t)port);
        if (contains(&allocator->own, port) && word != 0 && !dg_port_is_in_use(word))
            append(allocator, (struct waiting){.usable_at = word, .port = (uint16_t)port});
    }
    qsort(allocator->queue + usable, allocator->count - usable, sizeof allocator->queue[0], compare);
}

static bool contains_all(const struct dg_port_set *set, struct dg_port_range range)
{
    for (uint32_t port = range.first; port <= range.last; port++)
        if (!contains(set, port))
            return false;
    return true;
}

struct dg_port_allocator *dg_port_allocator_new(struct dg_port_range range, const struct dg_port_set *reserved,
                                                struct dg_port_book book, uint32_t worker, uint32_t worker_count,
                                                dg_time quarantine, uint64_t random)
{
    size_t room = range.last >= range.first ? (size_t)(range.last - range.first) + 1 : 0;
    struct dg_port_allocator *allocator = calloc(1, sizeof *allocator + room * sizeof allocator->queue[0]);
    if (allocator == NULL) {
        return NULL;
    }
    allocator->quarantine = quarantine;
    allocator->book = book;
    allocator->range = range;
    // The kernel gives reserved ports to nobody by itself: some belong to other programs, all of them are kept for the gate.
    if (contains_all(reserved, range)) {
        reserved = NULL;
    }
    for (uint32_t port = range.first; port <= range.last; port++) {
        if (port != 0 && port % worker_count == worker && !contains(reserved, port)) {
            mark(&allocator->own, port);
            allocator->size++;
        }
    }
    if (allocator->size > 0) {
        fill(allocator, random);
    }
    return allocator;
}

void dg_port_allocator_free(struct dg_port_allocator *allocator) { free(allocator); }

static bool has_usable(const struct dg_port_allocator *allocator, dg_time now)
{
    return allocator->count > 0 && allocator->queue[allocator->head].usable_at <= now;
}

// Held since before this process, given up by whoever held it, and rested: from now on like any other.
static void search(struct dg_port_allocator *allocator, dg_time now)
{
    if (allocator->book.words == NULL ||
        (allocator->searched_at != 0 && dg_time_since(now, allocator->searched_at) < SEARCH_PAUSE)) {
        return;
    }
    allocator->searched_at = now;
    for (uint32_t port = allocator->range.first; port <= allocator->range.last; port++) {
        uint64_t word = dg_port_book_read(allocator->book, (uint16_t)port);
        if (contains(&allocator->own, port) && !contains(&allocator->queued, port) && !dg_port_is_in_use(word) &&
            word <= now) {
            mark(&allocator->queued, port);
            dg_port_allocator_take_back(allocator, (uint16_t)port);
        }
    }
}

uint16_t dg_port_allocator_take(struct dg_port_allocator *allocator, dg_time now)
{
    if (!has_usable(allocator, now)) {
        search(allocator, now);
    }
    if (!has_usable(allocator, now)) {
        return 0;
    }
    uint16_t port = allocator->queue[allocator->head].port;
    allocator->head = (allocator->head + 1) % allocator->size;
    allocator->count--;
    return port;
}

void dg_port_allocator_release(struct dg_port_allocator *allocator, dg_time now, uint16_t port)
{
    dg_time usable_at = now + allocator->quarantine;
    dg_port_book_rest(allocator->book, port, usable_at);
    if (contains(&allocator->own, port)) {
        append(allocator, (struct waiting){.usable_at = usable_at, .port = port});
    }
}

void dg_port_allocator_take_back(struct dg_port_allocator *allocator, uint16_t port)
{
    DG_BUG_UNLESS(allocator->count < allocator->size);
    allocator->head = (allocator->head + allocator->size - 1) % allocator->size;
    allocator->queue[allocator->head] = (struct waiting){.usable_at = 0, .port = port};
    allocator->count++;
}

size_t dg_port_allocator_size(const struct dg_port_allocator *allocator) { return allocator->size; }
