// SPDX-License-Identifier: GPL-3.0-or-later
// What a server says to its keeper, as far as the keeper acts on it: the words of sd_notify(3). Parsed into a plain
// struct; nothing else of a message is believed or kept.
#ifndef DG_KEEPER_NOTICE_H
#define DG_KEEPER_NOTICE_H

#include "base/time_value.h"
#include "io/inheritance.h"

#include <stdbool.h>
#include <stddef.h>

#define DG_NOTICE_STATUS 256

struct dg_notice {
    bool is_ready;
    bool is_alive;                   // its threads turn
    bool is_watched;                 // watchdog was said
    dg_time watchdog;                // a server that is silent for so long hangs; 0: it is not watched
    bool is_stopping;                // it says goodbye to its clients, and nothing more to us
    bool is_prepared;                // everything that can be done without the memory is done
    bool stores;                     // the descriptors that came along, under name
    bool forgets;                    // all descriptors of this name
    char name[DG_INHERITED_NAME];    // empty: none, or one that is none
    char status[DG_NOTICE_STATUS];   // for people; empty: none
};

// text: size bytes, lines of NAME=value, without a final zero. Unknown lines are skipped.
void dg_notice_parse(struct dg_notice *ret, const char *text, size_t size);

#endif
