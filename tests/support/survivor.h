// SPDX-License-Identifier: GPL-3.0-or-later
// A server in a process of its own, which can be killed, told to hand over, and started again with other options on what
// it left: the test holds copies of its descriptors meanwhile, as a keeper would. Never looks into its memory while it
// runs.
#ifndef DG_TESTS_SURVIVOR_H
#define DG_TESTS_SURVIVOR_H

#include "config/options.h"
#include "core/memory.h"
#include "io/inheritance.h"
#include "support/live_server.h"

#include <stdbool.h>
#include <sys/types.h>

#define SURVIVOR_DESCRIPTORS 128

struct survivor {
    struct live_psk psk; // of "device"
    struct dg_options options;
    struct dg_inherited items[SURVIVOR_DESCRIPTORS];
    size_t count;
    struct dg_address address; // that it listens on
    pid_t pid;                 // 0: none runs
    int control;
    void (*before)(void);      // called in the process before its server is made; may be NULL
    dtlsgate_datagram_callback on_datagram; // of the backend "callback"
};

// Loopback, echo, a small table, no process yet. options: pairs of names and values, NULL at the end.
void survivor_prepare(struct survivor *survivor, const char *const *options);
void survivor_set(struct survivor *survivor, const char *name, const char *value);
// A process that goes on with what is there; returns when it serves. Aborts when it does not come that far.
void survivor_start(struct survivor *survivor);
void survivor_kill(struct survivor *survivor);      // SIGKILL
void survivor_hand_over(struct survivor *survivor); // returns when it has ended
void survivor_hand_over_begin(struct survivor *survivor); // the same in two halves
void survivor_hand_over_end(struct survivor *survivor);
int survivor_wait(struct survivor *survivor);       // for its end by itself; what waitpid said
size_t survivor_associations(const struct survivor *survivor);
uint64_t survivor_counter(const struct survivor *survivor, const char *name);
bool survivor_reload(const struct survivor *survivor);
void survivor_reload_begin(const struct survivor *survivor);   // the same in parts: nothing else can be asked meanwhile
bool survivor_reload_is_over(const struct survivor *survivor);
bool survivor_reload_end(const struct survivor *survivor);
void survivor_free(struct survivor *survivor); // ends the process too
// The memory file's descriptor, for a look at it while no process runs.
int survivor_memory(const struct survivor *survivor);

#endif
