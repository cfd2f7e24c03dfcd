// SPDX-License-Identifier: GPL-3.0-or-later
// Load on a DTLS server: many associations in the client's role, driven by a schedule, and what came of it. The outer
// face of this room: what is to be done, and the result as plain data (report.h writes it down).
#ifndef DG_LOAD_LOAD_H
#define DG_LOAD_LOAD_H

#include "base/attributes.h"
#include "core/aead.h"
#include "core/dial.h"
#include "load/histogram.h"
#include "load/tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dg_load_kind {
    DG_LOAD_MESSAGES,   // associations are made, then messages are sent through them
    DG_LOAD_HANDSHAKES, // handshake after handshake, each association closed at once
    DG_LOAD_IDLE,       // associations are made and held, nothing is sent
};

#define DG_LOAD_THREADS_MAX 64

struct dg_load_config {
    struct dg_address server;
    const struct dg_dial_ops *dial;
    const struct dg_aead_ops *aead;
    // Each thread has a dialer of its own. NULL: error says why.
    void *(*dialer_new)(void *context, char *error, size_t error_size);
    void (*dialer_free)(void *dialer);
    void *dialer_context;
    enum dg_load_kind kind;
    bool wants_resumed;          // handshakes: an association is made first, for its ticket
    bool wants_answers;          // the server answers each message with itself
    bool leaves;                 // ends without close_notify
    bool connect_only;
    uint32_t threads;
    uint32_t sockets;            // of each thread; 0: as many as are needed
    uint32_t sources;            // addresses in 127/8 for each socket; 0: as many as are needed
    uint32_t cid_size;           // of our connection IDs, DG_CID_SIZE_MIN..DG_CID_SIZE_MAX
    bool offers_cid;             // else each association needs a place for itself
    uint32_t associations;
    uint32_t handshakes_at_once; // of all threads
    uint32_t ramp;               // handshakes begun a second while associations are made; 0: as fast as they go
    uint32_t rate;               // messages, or handshakes, a second; 0: closed loop, or `every`
    uint32_t rate_from;          // 0: `rate` all the time; else it grows from this to `rate`, or shrinks
    dg_time every;               // each association sends so often; 0: does not apply
    uint32_t in_flight;          // closed loop: messages under way at once
    uint32_t message_bytes;      // at least DG_LOAD_MESSAGE_MIN
    dg_time duration;
    dg_time answer_timeout;
    dg_time move_every;          // each association goes on from another place so often; 0: never
    dg_time handshake_timeout;
    dg_time retransmit;
    uint16_t datagram_max;
    dg_time progress_every;      // 0: none
};
#define DG_LOAD_MESSAGE_MIN 16

#define DG_LOAD_REASONS_MAX 8
struct dg_load_reason {
    const char *why; // static words
    int alert;       // of the server, -1: none
    uint64_t count;
};

// What one second of the load was like, or as long as progress_every says.
struct dg_load_sample {
    dg_time at; // since the load's start
    uint64_t sent, answered, lost, handshakes;
    dg_time median, p99;
};
#define DG_LOAD_SAMPLES_MAX 3600

struct dg_load_usage {
    dg_time wall;   // how long
    dg_time cpu;    // user and system time
    dg_time waited; // ready to run, but another had the processor
};

// Histograms: see thread.h for who writes them.
struct dg_load_times {
    struct dg_load_histogram latency;   // of messages, from the time that each was due
    struct dg_load_histogram handshake; // from the time that each was due to be begun
    struct dg_load_histogram lag;       // behind the schedule when sent or begun
    struct dg_load_histogram wait;      // for each association: the longest time for which it waited for an answer
};

struct dg_load_result {
    struct dg_load_tally tally;      // of the whole run
    struct dg_load_tally tally_load; // of the load alone, after the associations were made
    struct dg_load_times *times;
    uint64_t associations_live;      // at the end of the load
    uint64_t associations_unheard;   // live, but with a message that nothing has come back for
    dg_time connect_time, load_time; // wall time of the two stages
    dg_time silence, silence_began;  // the longest time without an answer to anybody, and when after the load's start
    // Of the first association.
    char suite[48];
    uint8_t version;                 // 12, 13; 0: there was none
    bool has_cid, has_rrc;
    struct dg_load_reason reasons[DG_LOAD_REASONS_MAX]; // of failed handshakes
    // What may have limited us.
    struct dg_load_usage usage[DG_LOAD_THREADS_MAX]; // of the load; of connecting where there is none
    uint64_t receive_overflows;      // datagrams that the kernel dropped at our sockets
    uint64_t send_refusals;          // datagrams that our sockets did not take
    uint64_t begun_late;             // handshakes that had to wait because all --handshakes-at-once were under way
    bool is_interrupted;
    struct dg_load_sample *samples;
    uint32_t sample_count;
};

// Runs it to its end, or until stop_fd is readable. NULL: error says why it could not begin.
struct dg_load_result *dg_load_run(const struct dg_load_config *config, int stop_fd, char *error, size_t error_size);
void dg_load_result_free(struct dg_load_result *result);

#endif
