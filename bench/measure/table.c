// SPDX-License-Identifier: GPL-3.0-or-later
// The figures as lines of a Markdown table, whose head bench/run prints.
#include "measure/table.h"

#include "measure/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct spread {
    double least, median, greatest;
};

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static struct spread spread_of(const double *values, int count)
{
    double sorted[BENCH_ROUNDS_MAX];
    memcpy(sorted, values, (size_t)count * sizeof *values);
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    double median = count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
    return (struct spread){.least = sorted[0], .median = median, .greatest = sorted[count - 1]};
}

void bench_figure_add(struct bench_figure *figure, double cost, double yardstick)
{
    if (figure->rounds == BENCH_ROUNDS_MAX)
        BENCH_FAIL("too many rounds of %s", figure->name);
    figure->cost[figure->rounds] = cost;
    figure->yardstick[figure->rounds++] = yardstick;
}

static void print_aim(const struct bench_figure *figure, double median, int digits)
{
    if (figure->aim > 0)
        printf("%.*f | %s |", digits, figure->aim, median <= figure->aim ? "yes" : "**no**");
    else
        printf("- | - |");
}

void bench_figure_print_ratio(const struct bench_figure *figure)
{
    double ratios[BENCH_ROUNDS_MAX];
    for (int i = 0; i < figure->rounds; i++)
        ratios[i] = figure->cost[i] / figure->yardstick[i];
    struct spread ratio = spread_of(ratios, figure->rounds);
    printf("| %s | %.2f | %.2f to %.2f | ", figure->name, ratio.median, ratio.least, ratio.greatest);
    print_aim(figure, ratio.median, 2);
    printf(" %.2f %s | %.2f %s |\n", spread_of(figure->cost, figure->rounds).median, figure->unit,
           spread_of(figure->yardstick, figure->rounds).median, figure->unit);
    fflush(stdout);
}

void bench_figure_print_cost(const struct bench_figure *figure)
{
    struct spread cost = spread_of(figure->cost, figure->rounds);
    printf("| %s | %.0f %s | %.0f to %.0f | ", figure->name, cost.median, figure->unit, cost.least, cost.greatest);
    print_aim(figure, cost.median, 0);
    printf(" - | - |\n");
    fflush(stdout);
}
