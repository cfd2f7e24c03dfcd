// SPDX-License-Identifier: GPL-3.0-or-later
// The books of a simulated world, as sim_world.c keeps them.
#ifndef DG_TESTS_SIM_BOOKS_H
#define DG_TESTS_SIM_BOOKS_H

#include "support/sim_world.h"

void sim_books_open(struct sim_world *world);
void sim_books_close(struct sim_world *world);
// The front sent world->room.
void sim_books_front_sent(struct sim_world *world, const struct dg_path *path, size_t size);
void sim_books_handed_over(struct sim_world *world, const struct dg_handover *handover);
void sim_books_delivered(struct sim_world *world, struct dg_ref ref, const uint8_t *data, size_t size);

#endif
