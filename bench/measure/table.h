// SPDX-License-Identifier: GPL-3.0-or-later
// Repeated measurements of one figure, and its line in the table. Never measures anything itself.
#ifndef DG_BENCH_TABLE_H
#define DG_BENCH_TABLE_H

#define BENCH_ROUNDS_MAX 32

// One figure: the server's cost and the yardstick's in each round, in the same unit.
struct bench_figure {
    const char *name;
    double aim;        // 0: none is set for this one
    const char *unit;  // of the costs: "us", "bytes"
    double cost[BENCH_ROUNDS_MAX];
    double yardstick[BENCH_ROUNDS_MAX];
    int rounds;
};

void bench_figure_add(struct bench_figure *figure, double cost, double yardstick);
// A line of the table: the median over the rounds of cost / yardstick, the least and the greatest, the aim,
// and the medians of both costs.
void bench_figure_print_ratio(const struct bench_figure *figure);
// The same for a cost that is a figure by itself.
void bench_figure_print_cost(const struct bench_figure *figure);

#endif
