// SPDX-License-Identifier: GPL-3.0-or-later
// One thread of load, for the files of this room that make it up: handshakes under way (dialling.c), associations and
// their messages (talking.c), the loop and its stages (stages.c). It shares nothing with others but struct
// dg_load_shared, and what it counts.
#ifndef DG_LOAD_THREAD_H
#define DG_LOAD_THREAD_H

#include "base/timer_heap.h"
#include "core/engine.h"
#include "core/wire_constants.h"
#include "io/threads.h"
#include "load/load.h"
#include "load/pending.h"
#include "load/places.h"
#include "load/schedule.h"
#include "load/sockets.h"

enum dg_load_stage {
    DG_LOAD_CONNECTING,
    DG_LOAD_CONNECTED, // waits for the other threads
    DG_LOAD_LOADING,
    DG_LOAD_LINGERING, // nothing new; waits for answers and handshakes that are under way
    DG_LOAD_CLOSING,
    DG_LOAD_OVER,
};

struct dg_load_shared {
    _Atomic uint64_t load_at;        // when the load begins; 0: not every thread has connected
    _Atomic uint64_t answered_at;    // last answer to any thread, or when the load began; 0: none is waited for
    _Atomic bool stop;
};

// A handshake under way.
struct dg_load_dial {
    struct dg_dial *dial;  // NULL: the place in the table is free
    uint32_t place;
    uint32_t next_free;
    dg_time due_at;
    dg_time give_up_at;
};

// An association, beside its slot in the engine's memory: same number.
struct dg_load_seat {
    uint64_t id;           // of the association; 0: there is none
    dg_time asked_at;      // when the first message was due that nothing has come back for; 0: none
    dg_time longest_wait;
    uint64_t answered;     // number of the message that was answered last + 1; 0: none
    uint64_t given_up;     // of the message that was given up last + 1; 0: none. All later ones have been answered
    uint32_t place;
    bool has_place;        // for itself: it has no connection ID
    bool may_move;
};

struct dg_load_thread {
    const struct dg_load_config *config;
    struct dg_load_shared *shared;
    uint32_t self;
    struct dg_thread thread;
    void *dialer;
    _Atomic uint32_t stage; // dg_load_stage; others read it

    struct dg_counters *counters;
    struct dg_load_sockets *sockets;
    struct dg_load_places places;
    struct dg_memory memory;
    void *region;
    size_t region_size;
    struct dg_engine *engine;
    struct dg_output output;
    uint8_t out[DG_DATAGRAM_MAX];

    struct dg_load_dial *dials;
    uint32_t dials_max, dials_free, dialling;
    struct dg_timer_heap dial_timers;
    struct dg_load_schedule ramp;

    struct dg_load_seat *seats;
    uint32_t seats_max, seats_used; // below seats_used something was once
    uint32_t live;
    uint32_t turn, move_turn;       // seats whose turn it is
    struct dg_load_schedule load;   // of messages or handshakes
    struct dg_load_schedule moves;
    struct dg_load_pending pending;
    uint32_t in_flight;
    uint64_t run_id;                // in our messages: what else comes back is foreign
    uint8_t *message;
    bool has_answers;               // since the last look

    dg_time started_at, connected_at, load_ended_at;
    struct dg_load_tally tally, tally_before; // before the load
    struct dg_load_times *times;
    struct dg_load_usage usage, usage_before;
    dg_time silence, silence_began; // absolute
    uint64_t begun_late;
    uint64_t unheard;
    uint64_t live_at_end;
    struct dg_load_schedule closing;
    uint32_t closing_at;            // seat
    char suite[48];
    uint8_t version;
    bool has_cid, has_rrc;
    struct dg_load_reason reasons[DG_LOAD_REASONS_MAX];
};

// thread.c. NULL: error says why.
struct dg_load_thread *dg_load_thread_new(const struct dg_load_config *config, struct dg_load_shared *shared,
                                          uint32_t self, char *error, size_t error_size);
void dg_load_thread_free(struct dg_load_thread *thread);
// stages.c: the thread's body, until all is over.
void dg_load_thread_run(void *thread);

// dialling.c
DG_MUST_USE bool dg_load_dialling_init(struct dg_load_thread *thread);
void dg_load_dialling_clear(struct dg_load_thread *thread);
// Begins handshakes that are due, a few at a time. Returns when it wants to be called again.
dg_time dg_load_dialling_begin(struct dg_load_thread *thread, dg_time now, struct dg_load_schedule *schedule);
// A datagram at a place where a handshake is under way; false: there is none.
bool dg_load_dialling_receive(struct dg_load_thread *thread, dg_time now, uint32_t place, uint8_t *data, size_t size);
void dg_load_dialling_advance(struct dg_load_thread *thread, dg_time now);
void dg_load_dialling_drop(struct dg_load_thread *thread); // what is under way: neither done nor failed

// talking.c
void dg_load_seat_close(struct dg_load_thread *thread, dg_time now, uint32_t seat);
// Sends what is due. Returns when it wants to be called again.
dg_time dg_load_talking_send(struct dg_load_thread *thread, dg_time now);
dg_time dg_load_talking_move(struct dg_load_thread *thread, dg_time now);
void dg_load_talking_expire(struct dg_load_thread *thread, dg_time now);
void dg_load_talking_note_answers(struct dg_load_thread *thread, dg_time now); // after a batch
void dg_load_talking_sum_up(struct dg_load_thread *thread, dg_time now); // waits that have not ended
struct dg_engine_hooks dg_load_talking_hooks(struct dg_load_thread *thread);

#endif
