// SPDX-License-Identifier: GPL-3.0-or-later
// The memory file: a sealed memfd that holds the slots, mapped and owned by one process at a time. Never
// looks into it beyond the header (src/core/memory.c does that).
#ifndef DG_IO_MEMFILE_H
#define DG_IO_MEMFILE_H

#include "base/attributes.h"
#include "core/memory.h"

#include <stdbool.h>
#include <stddef.h>

#define DG_MEMFILE_ERROR 256 // bytes that hold any error of these functions

// Must not move while it is in use: the memory's way to give pages back points to it.
struct dg_memfile {
    int fd;                  // close-on-exec; whoever hands it to a next process clears that
    bool is_locked_in_ram;   // false: the host did not allow mlock, keys may reach swap
    struct dg_memory memory; // base and size_bytes are the mapping
};

// Makes a new file of this shape, formatted, mapped and owned. The mapping is kept from children and core
// dumps; where the host refuses that, there is no memory file. False: error says what and what to do.
DG_MUST_USE bool dg_memfile_new(struct dg_memfile *file, const struct dg_memory_shape *shape, char *error,
                                size_t error_size);
// Takes over a file that another process made and no longer owns. fd belongs to file only when this returns
// true; otherwise it stays the caller's, unlocked. Refuses a file that is not sealed against shrinking and
// growing, that another process owns, or that another build laid out.
//
// The ownership is a POSIX record lock: the kernel frees it when the process ends, a child does not inherit
// it and a passed descriptor does not carry it. Closing any other descriptor of the same file in this
// process drops it too (fcntl(2)): keep exactly one.
DG_MUST_USE bool dg_memfile_adopt(struct dg_memfile *file, int fd, char *error, size_t error_size);
// Unmaps and gives up the ownership; the descriptor stays, for whoever is given it. Nobody may write into the region any
// more.
void dg_memfile_let_go(struct dg_memfile *file);
// Unmaps, gives up the ownership and closes the descriptor. The slots live on as long as another process
// holds a descriptor. Nobody may write into the region any more. Fine on a struct whose fd is -1.
void dg_memfile_close(struct dg_memfile *file);

#endif
