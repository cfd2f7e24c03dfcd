// SPDX-License-Identifier: GPL-3.0-or-later
// Associations and what they say: messages when they are due, in turn; answers matched by number; changes of address.
// Every message ends as answered or as lost. Never dials.
#include "load/thread.h"

#include "base/wire.h"

#include <string.h>

#define SENT_AT_ONCE 64   // before answers have their turn
#define MOVED_AT_ONCE 64

// --- seats ----------------------------------------------------------------------------------------------------

static void take_seat(struct dg_load_thread *thread, struct dg_ref ref, const struct dg_handover *handover,
                      uint32_t place)
{
    bool shares = handover->cid_size > 0 && handover->peer_has_cid && handover->peer_cid_size > 0;
    thread->seats[ref.slot] = (struct dg_load_seat){
        .id = ref.id, .place = place, .has_place = !shares, .may_move = shares};
    if (ref.slot >= thread->seats_used)
        thread->seats_used = ref.slot + 1;
    thread->live++;
}

static struct dg_ref ref_of(const struct dg_load_thread *thread, uint32_t number)
{
    return (struct dg_ref){.id = thread->seats[number].id, .shard = 0, .slot = number};
}

// The seat whose turn it is. Somebody must be live.
static uint32_t next_in_turn(const struct dg_load_thread *thread, uint32_t *turn)
{
    uint32_t number;
    do {
        if (*turn >= thread->seats_used)
            *turn = 0;
        number = (*turn)++;
    } while (thread->seats[number].id == 0);
    return number;
}

// After the server's close_notify of DTLS 1.3 one may send on for a while (RFC 8446 6.1): a load ends with it.
static bool end_if_closed(struct dg_load_thread *thread, dg_time now, uint32_t number)
{
    const struct dg_slot *slot = dg_memory_slot(&thread->memory, 0, number);
    if ((slot->flags & DG_SLOT_CLOSE_RECEIVED) == 0)
        return false;
    dg_engine_close(thread->engine, now, ref_of(thread, number), DG_COUNT_CLOSED_BY_PEER);
    return true;
}

static void on_opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      const struct dg_handover *handover)
{
    (void)now;
    take_seat(context, ref, handover, (uint32_t)(slot->listener - 1));
}

static void on_closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, enum dg_counter reason)
{
    struct dg_load_thread *thread = context;
    struct dg_load_seat *seat = &thread->seats[ref.slot];
    (void)now;
    (void)slot;
    bool is_ours = reason == DG_COUNT_CLOSED_SHUTDOWN || reason == DG_COUNT_CLOSED_REPLACED;
    dg_load_tally(&thread->tally, is_ours ? DG_LOAD_ASSOCIATIONS_CLOSED : DG_LOAD_ASSOCIATIONS_ENDED);
    if (seat->has_place)
        dg_load_place_give_back(&thread->places, seat->place);
    seat->id = 0;
    thread->live--;
}

// REPLACED says nothing to the server.
void dg_load_seat_close(struct dg_load_thread *thread, dg_time now, uint32_t number)
{
    if (thread->seats[number].id != 0)
        dg_engine_close(thread->engine, now, ref_of(thread, number),
                        thread->config->leaves ? DG_COUNT_CLOSED_REPLACED : DG_COUNT_CLOSED_SHUTDOWN);
}

// --- messages ---------------------------------------------------------------------------------------------------

// run's ID, number, then filling. A server that answers sends it back as it is.
static void write_head(struct dg_load_thread *thread)
{
    struct dg_writer writer = dg_writer_of(thread->message, DG_LOAD_MESSAGE_MIN);
    dg_write_u64(&writer, thread->run_id);
    dg_write_u64(&writer, thread->pending.next);
    DG_BUG_UNLESS(!writer.failed);
}

static void send_one(struct dg_load_thread *thread, dg_time now, dg_time due_at)
{
    const struct dg_load_config *config = thread->config;
    uint32_t number = next_in_turn(thread, &thread->turn);
    while (end_if_closed(thread, now, number) && thread->live > 0)
        number = next_in_turn(thread, &thread->turn);
    struct dg_load_seat *seat = &thread->seats[number];
    write_head(thread);
    if (!dg_engine_send(thread->engine, now, ref_of(thread, number), thread->message, config->message_bytes)) {
        dg_load_tally(&thread->tally, DG_LOAD_MESSAGES_UNSENT);
        return;
    }
    dg_load_tally(&thread->tally, DG_LOAD_MESSAGES_SENT);
    if (!config->wants_answers)
        return;
    if (seat->asked_at == 0)
        seat->asked_at = due_at;
    if (!dg_load_pending_put(&thread->pending, due_at, now + config->answer_timeout, number))
        dg_load_tally(&thread->tally, DG_LOAD_MESSAGES_LOST); // no memory to wait for it
}

static dg_time send_scheduled(struct dg_load_thread *thread, dg_time now)
{
    for (int i = 0; i < SENT_AT_ONCE; i++) {
        if (thread->live == 0) // the last one may have ended by sending: its key's limit
            return DG_NEVER;
        dg_time due_at = dg_load_schedule_next(&thread->load);
        if (due_at > now)
            return due_at;
        dg_load_schedule_take(&thread->load);
        dg_load_histogram_record(&thread->times->lag, dg_time_since(now, due_at));
        send_one(thread, now, due_at);
    }
    return now;
}

static dg_time send_in_loop(struct dg_load_thread *thread, dg_time now)
{
    for (int i = 0; i < SENT_AT_ONCE; i++) {
        if (thread->pending.open >= thread->in_flight || thread->live == 0)
            return DG_NEVER; // an answer, or giving up on one, makes room
        send_one(thread, now, now);
    }
    return now;
}

dg_time dg_load_talking_send(struct dg_load_thread *thread, dg_time now)
{
    if (thread->live == 0)
        return DG_NEVER;
    return thread->load.count > 0 ? send_scheduled(thread, now) : send_in_loop(thread, now);
}

// --- answers ----------------------------------------------------------------------------------------------------

static void end_wait(struct dg_load_seat *seat, dg_time now)
{
    if (seat->asked_at == 0)
        return;
    dg_time wait = dg_time_since(now, seat->asked_at);
    if (wait > seat->longest_wait)
        seat->longest_wait = wait;
    seat->asked_at = 0;
}

static void on_deliver(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, const uint8_t *data,
                       size_t size)
{
    struct dg_load_thread *thread = context;
    struct dg_reader reader = dg_reader_of(data, size);
    struct dg_load_message message;
    uint64_t run_id = dg_read_u64(&reader);
    uint64_t number = dg_read_u64(&reader);
    (void)slot;
    if (reader.failed || run_id != thread->run_id || size != thread->config->message_bytes) {
        dg_load_tally(&thread->tally, DG_LOAD_ANSWERS_FOREIGN);
        return;
    }
    struct dg_load_seat *seat = &thread->seats[ref.slot];
    enum dg_load_answer answer = dg_load_pending_answer(&thread->pending, number, ref.slot, &message);
    // A server may send its last answer once more when a client has moved, in case that the first one missed it; on its
    // way the next one may overtake it.
    if (answer == DG_LOAD_ANSWERED_LATE && (seat->answered == number + 1 || seat->given_up <= number))
        answer = DG_LOAD_ANSWERED_AGAIN;
    switch (answer) {
    case DG_LOAD_ANSWERED:
        seat->answered = number + 1;
        dg_load_tally(&thread->tally, DG_LOAD_MESSAGES_ANSWERED);
        dg_load_histogram_record(&thread->times->latency, dg_time_since(now, message.due_at));
        break;
    case DG_LOAD_ANSWERED_AGAIN:
        dg_load_tally(&thread->tally, DG_LOAD_ANSWERS_REPEATED);
        return;
    case DG_LOAD_ANSWERED_LATE:
        dg_load_tally(&thread->tally, DG_LOAD_ANSWERS_LATE);
        break;
    case DG_LOAD_ANSWERS_NOTHING:
        dg_load_tally(&thread->tally, DG_LOAD_ANSWERS_FOREIGN);
        return;
    }
    end_wait(seat, now);
    thread->has_answers = true;
}

// The longest time without an answer to any thread: whoever ends it has seen it.
void dg_load_talking_note_answers(struct dg_load_thread *thread, dg_time now)
{
    if (!thread->has_answers)
        return;
    thread->has_answers = false;
    dg_time before = atomic_exchange_explicit(&thread->shared->answered_at, now, memory_order_relaxed);
    dg_time silence = before != 0 ? dg_time_since(now, before) : 0;
    if (silence > thread->silence) {
        thread->silence = silence;
        thread->silence_began = before;
    }
}

void dg_load_talking_expire(struct dg_load_thread *thread, dg_time now)
{
    struct dg_load_message message;
    while (dg_load_pending_expire(&thread->pending, now, &message)) {
        thread->seats[message.seat].given_up = thread->pending.first;
        dg_load_tally(&thread->tally, DG_LOAD_MESSAGES_LOST);
    }
}

void dg_load_talking_sum_up(struct dg_load_thread *thread, dg_time now)
{
    for (uint32_t i = 0; i < thread->seats_used; i++) {
        struct dg_load_seat *seat = &thread->seats[i];
        if (seat->id == 0 || end_if_closed(thread, now, i))
            continue;
        if (seat->asked_at != 0)
            thread->unheard++;
        end_wait(seat, now);
        if (seat->longest_wait > 0)
            dg_load_histogram_record(&thread->times->wait, seat->longest_wait);
    }
    thread->live_at_end = thread->live;
}

// --- other addresses ---------------------------------------------------------------------------------------------

// Places are two at least (make_places), so the next one is another.
static void move_one(struct dg_load_thread *thread, dg_time now)
{
    uint32_t number = next_in_turn(thread, &thread->move_turn);
    struct dg_load_seat *seat = &thread->seats[number];
    if (!seat->may_move)
        return;
    seat->place = (seat->place + 1) % thread->places.count;
    const struct dg_path path = dg_load_place_path(&thread->places, seat->place);
    const struct dg_slot *slot = dg_memory_slot(&thread->memory, 0, number);
    dg_engine_set_local(thread->engine, ref_of(thread, number), &path.local);
    // A new path shows a new ID (RFC 9853 9). Only a peer that has the check is asked for IDs.
    if ((slot->flags & DG_SLOT_HAS_RRC) != 0)
        dg_engine_rebound(thread->engine, now, ref_of(thread, number));
    dg_load_tally(&thread->tally, DG_LOAD_MOVES);
}

dg_time dg_load_talking_move(struct dg_load_thread *thread, dg_time now)
{
    if (thread->moves.count == 0 || thread->live == 0)
        return DG_NEVER;
    for (int i = 0; i < MOVED_AT_ONCE; i++) {
        dg_time due_at = dg_load_schedule_next(&thread->moves);
        if (due_at > now)
            return due_at;
        dg_load_schedule_take(&thread->moves);
        move_one(thread, now);
    }
    return now;
}

struct dg_engine_hooks dg_load_talking_hooks(struct dg_load_thread *thread)
{
    return (struct dg_engine_hooks){
        .context = thread, .deliver = on_deliver, .opened = on_opened, .closed = on_closed};
}
