// SPDX-License-Identifier: GPL-3.0-or-later
// A ring that grows when it is full. Entries leave it in the order of their numbers, answered ones without a word.
#include "load/pending.h"

#include <stdlib.h>

static struct dg_load_message *at(const struct dg_load_pending *pending, uint64_t number)
{
    return &pending->ring[number & (pending->capacity - 1)];
}

bool dg_load_pending_init(struct dg_load_pending *pending, size_t capacity)
{
    size_t rounded = 64;
    while (rounded < capacity)
        rounded *= 2;
    *pending = (struct dg_load_pending){.capacity = rounded, .ring = calloc(rounded, sizeof *pending->ring)};
    return pending->ring != NULL;
}

void dg_load_pending_clear(struct dg_load_pending *pending)
{
    free(pending->ring);
    *pending = (struct dg_load_pending){0};
}

static void drop_answered(struct dg_load_pending *pending)
{
    while (pending->first < pending->next && at(pending, pending->first)->is_answered)
        pending->first++;
}

static bool grow(struct dg_load_pending *pending)
{
    struct dg_load_pending wider = *pending;
    wider.capacity *= 2;
    wider.ring = calloc(wider.capacity, sizeof *wider.ring);
    if (!wider.ring)
        return false;
    for (uint64_t number = pending->first; number < pending->next; number++)
        *at(&wider, number) = *at(pending, number);
    free(pending->ring);
    *pending = wider;
    return true;
}

bool dg_load_pending_put(struct dg_load_pending *pending, dg_time due_at, dg_time give_up_at, uint32_t seat)
{
    if (pending->next - pending->first == pending->capacity && !grow(pending))
        return false;
    *at(pending, pending->next++) =
        (struct dg_load_message){.due_at = due_at, .give_up_at = give_up_at, .seat = seat};
    pending->open++;
    return true;
}

enum dg_load_answer dg_load_pending_answer(struct dg_load_pending *pending, uint64_t number, uint32_t seat,
                                           struct dg_load_message *ret)
{
    if (number >= pending->next)
        return DG_LOAD_ANSWERS_NOTHING;
    if (number < pending->first)
        return DG_LOAD_ANSWERED_LATE;
    struct dg_load_message *message = at(pending, number);
    if (message->seat != seat)
        return DG_LOAD_ANSWERS_NOTHING; // another association's
    if (message->is_answered)
        return DG_LOAD_ANSWERED_AGAIN;
    message->is_answered = true;
    pending->open--;
    *ret = *message;
    drop_answered(pending);
    return DG_LOAD_ANSWERED;
}

bool dg_load_pending_expire(struct dg_load_pending *pending, dg_time now, struct dg_load_message *ret)
{
    drop_answered(pending);
    if (pending->first == pending->next || at(pending, pending->first)->give_up_at > now)
        return false;
    *ret = *at(pending, pending->first++);
    pending->open--;
    return true;
}

dg_time dg_load_pending_deadline(const struct dg_load_pending *pending)
{
    return pending->first < pending->next ? at(pending, pending->first)->give_up_at : DG_NEVER;
}
