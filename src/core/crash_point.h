// SPDX-License-Identifier: GPL-3.0-or-later
// Numbered places between persistent stores at which a test build can die. Nothing in other builds.
#ifndef DG_CORE_CRASH_POINT_H
#define DG_CORE_CRASH_POINT_H

#include <stdatomic.h>

// X(name): one for each place between two persistent stores, in program order
#define DG_CRASH_POINT_LIST(X)                                                                                   \
    X(SEAL_NUMBER_STORED)                                                                                        \
    X(SEAL_DONE)                                                                                                 \
    X(OPEN_BEFORE_WINDOW)                                                                                        \
    X(OPEN_NEXT_STORED)                                                                                          \
    X(OPEN_WINDOW_STORED)                                                                                        \
    X(KEY_UPDATE_PREPARED)                                                                                       \
    X(KEY_UPDATE_OLD_KEPT)                                                                                       \
    X(KEY_UPDATE_PUBLISHED)                                                                                      \
    X(KEY_UPDATE_OLD_DROPPED)                                                                                    \
    X(KEY_UPDATE_OLD_WIPED)                                                                                      \
    X(SLOT_MARK_RAISED)                                                                                          \
    X(SIDE_MARK_RAISED)                                                                                          \
    X(SIDE_OWNED)                                                                                                \
    X(SIDE_WIPED)                                                                                                \
    X(TAKE_OVER_SLOT_CHOSEN)                                                                                     \
    X(TAKE_OVER_FILLED)                                                                                          \
    X(TAKE_OVER_LIVE)                                                                                            \
    X(GIVE_BACK_DYING)                                                                                           \
    X(GIVE_BACK_WIPED)                                                                                           \
    X(GIVE_BACK_FREE)                                                                                            \
    X(FLIGHT_FILLED)                                                                                             \
    X(FLIGHT_LINKED)                                                                                             \
    X(FLIGHT_UNLINKED)                                                                                           \
    X(PATH_FORGOTTEN)                                                                                            \
    X(PATH_WRITTEN)                                                                                              \
    X(PATH_PROVEN)                                                                                               \
    X(PATH_MOVING)                                                                                               \
    X(PATH_HALF_COPIED)                                                                                          \
    X(PATH_COPIED)                                                                                               \
    X(PATH_MOVED)                                                                                                \
    X(CID_WRITTEN)                                                                                               \
    X(CID_ROUTABLE)                                                                                              \
    X(CIDS_OFFERED)                                                                                              \
    X(CID_RETIRED)                                                                                               \
    X(PEER_CID_TAKEN)                                                                                            \
    X(PEER_CID_CHANGING)                                                                                         \
    X(PEER_CID_HALF_COPIED)                                                                                      \
    X(PEER_CID_CHANGED)                                                                                          \
    X(SECRETS_ROTATING)                                                                                          \
    X(GENERATION_RAISED)                                                                                         \
    X(SUSPECT_FORGOTTEN)                                                                                         \
    X(SUSPECT_COUNTED)

enum dg_crash_point {
#define DG_CRASH_POINT_ENUM(name) DG_CRASH_##name,
    DG_CRASH_POINT_LIST(DG_CRASH_POINT_ENUM)
#undef DG_CRASH_POINT_ENUM
    DG_CRASH_POINT_COUNT
};

// The compiler keeps the order of stores around it (design.md, "The order of stores").
#define DG_STORE_ORDER() atomic_signal_fence(memory_order_seq_cst)

#ifdef DG_CRASH_POINTS
// Set by tests: called at each point; may _exit.
extern void (*dg_crash_hook)(enum dg_crash_point point);
#define DG_CRASH_POINT(name)                                                                                     \
    do {                                                                                                         \
        DG_STORE_ORDER();                                                                                        \
        if (dg_crash_hook)                                                                                       \
            dg_crash_hook(DG_CRASH_##name);                                                                      \
    } while (0)
#else
#define DG_CRASH_POINT(name) DG_STORE_ORDER()
#endif

#endif
