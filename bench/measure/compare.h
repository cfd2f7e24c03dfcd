// SPDX-License-Identifier: GPL-3.0-or-later
// The server CPU of echoed messages at the gate beside that at a plain server, which both get the same datagrams in
// turn: as whole bursts that wait for the server (saturated), or each at its time (paced). Judges nothing.
#ifndef DG_BENCH_COMPARE_H
#define DG_BENCH_COMPARE_H

#include "measure/clients.h"
#include "measure/process.h"
#include "measure/table.h"

#define BENCH_RATE 20000 // messages a second where they are paced

struct bench_side {
    struct bench_process process;
    struct bench_wire wire;
    double seconds;
    unsigned back;
};

struct bench_comparison {
    struct bench_side *gate, *plain;
    struct bench_clients *clients;
    size_t size; // of the plaintext
    int bursts;  // of BENCH_BURST messages in a round
};

// One round each; they add to ret.
void bench_compare_saturated(const struct bench_comparison *comparison, struct bench_figure *ret);
void bench_compare_paced(const struct bench_comparison *comparison, struct bench_figure *ret);
// For the notes: of all rounds until now.
unsigned bench_compare_sent(void);
unsigned bench_compare_lost(void);

#endif
