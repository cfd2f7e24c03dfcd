// SPDX-License-Identifier: GPL-3.0-or-later
// Which of the numbered places of a table are vacant: a bit each, lowest first. Beside it, which of them may
// still hold a page of memory that nobody needs. Process-local, made anew at each attach; knows no slot.
#ifndef DG_CORE_VACANCY_H
#define DG_CORE_VACANCY_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

#define DG_NOTHING_VACANT UINT32_MAX

struct dg_vacancy {
    uint64_t *vacant;    // a bit for each place
    uint64_t *resident;  // of the vacant ones: written to since its page was given back
    uint32_t words;      // of each
    uint32_t lowest;     // no word before this one has a vacant place
};

// For places 0..capacity-1, none of them vacant. False: memory is short.
DG_MUST_USE bool dg_vacancy_init(struct dg_vacancy *vacancy, uint32_t capacity);
void dg_vacancy_clear(struct dg_vacancy *vacancy); // fine on a zeroed struct

void dg_vacancy_put(struct dg_vacancy *vacancy, uint32_t place); // a bug when it is vacant already
uint32_t dg_vacancy_take(struct dg_vacancy *vacancy);            // the lowest, or DG_NOTHING_VACANT
bool dg_vacancy_has(const struct dg_vacancy *vacancy, uint32_t place);

// A run of vacant places that may hold memory, at or after `from` and below `end`: its first place, and in
// ret_end the place after its last. DG_NOTHING_VACANT: there is none.
uint32_t dg_vacancy_resident_run(const struct dg_vacancy *vacancy, uint32_t from, uint32_t end, uint32_t *ret_end);
// The memory of these was given back, or is too little to be: not looked at again until they were in use.
void dg_vacancy_settle(struct dg_vacancy *vacancy, uint32_t first, uint32_t end);
// Takes the vacant places at the end of a table of `used` places away; returns how many places are left.
uint32_t dg_vacancy_cut(struct dg_vacancy *vacancy, uint32_t used);

#endif
