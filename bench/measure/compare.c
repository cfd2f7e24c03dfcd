// SPDX-License-Identifier: GPL-3.0-or-later
// The servers take turns burst by burst, so that what disturbs the machine meets both.
#include "measure/compare.h"

#define SLICE 16 // bursts that are made before they are played at their pace

static unsigned sent, lost;

static void note_sent(const struct bench_side *side, int bursts)
{
    sent += (unsigned)bursts * BENCH_BURST;
    lost += (unsigned)bursts * BENCH_BURST - side->back;
}

static void add(const struct bench_comparison *comparison, int bursts, struct bench_figure *ret)
{
    struct bench_side *gate = comparison->gate, *plain = comparison->plain;
    note_sent(plain, bursts);
    note_sent(gate, bursts);
    if (gate->back == 0 || plain->back == 0)
        BENCH_FAIL("nothing comes back from %s", gate->back == 0 ? "the gate" : "the plain server");
    bench_figure_add(ret, gate->seconds * 1e6 / gate->back, plain->seconds * 1e6 / plain->back);
}

static void echo_burst(struct bench_side *side, const struct bench_burst *burst)
{
    bench_hold(&side->process);
    bench_wire_send_burst(&side->wire, burst);
    bench_release(&side->process);
    side->back += (unsigned)bench_wire_collect(&side->wire, burst->count);
}

// What holding and releasing costs a server by itself: it is no part of the work.
static double measure_holds(struct bench_side *side, int count)
{
    double before = bench_serving_seconds(&side->process);
    for (int i = 0; i < count; i++) {
        bench_hold(&side->process);
        bench_release(&side->process);
    }
    return bench_serving_seconds(&side->process) - before;
}

void bench_compare_saturated(const struct bench_comparison *comparison, struct bench_figure *ret)
{
    static struct bench_burst burst;
    struct bench_side *both[] = {comparison->plain, comparison->gate};
    for (int i = 0; i < 2; i++) {
        both[i]->back = 0;
        both[i]->seconds = -bench_serving_seconds(&both[i]->process);
    }
    for (int i = 0; i < comparison->bursts; i++) {
        bench_clients_burst(comparison->clients, comparison->size, &burst);
        echo_burst(comparison->plain, &burst);
        echo_burst(comparison->gate, &burst);
    }
    for (int i = 0; i < 2; i++) {
        both[i]->seconds += bench_serving_seconds(&both[i]->process);
        both[i]->seconds -= measure_holds(both[i], comparison->bursts);
    }
    add(comparison, comparison->bursts, ret);
}

static void echo_slice(struct bench_side *side, const struct bench_burst *bursts)
{
    int back = bench_wire_play_bursts(&side->wire, bursts, SLICE, BENCH_RATE);
    side->back += (unsigned)(back + bench_wire_collect(&side->wire, SLICE * BENCH_BURST - back));
}

void bench_compare_paced(const struct bench_comparison *comparison, struct bench_figure *ret)
{
    static struct bench_burst bursts[SLICE];
    int slices = (comparison->bursts + SLICE - 1) / SLICE;
    struct bench_side *both[] = {comparison->plain, comparison->gate};
    for (int i = 0; i < 2; i++) {
        both[i]->back = 0;
        both[i]->seconds = -bench_cpu_seconds(&both[i]->process);
    }
    for (int i = 0; i < slices; i++) {
        for (int k = 0; k < SLICE; k++)
            bench_clients_burst(comparison->clients, comparison->size, &bursts[k]);
        echo_slice(comparison->plain, bursts);
        echo_slice(comparison->gate, bursts);
    }
    for (int i = 0; i < 2; i++)
        both[i]->seconds += bench_cpu_seconds(&both[i]->process);
    add(comparison, slices * SLICE, ret);
}

unsigned bench_compare_sent(void) { return sent; }
unsigned bench_compare_lost(void) { return lost; }
