// SPDX-License-Identifier: GPL-3.0-or-later
// What a process may do with a memory file that another one still owns: read its header, and wait for it. Never writes.
#ifndef DG_IO_MEMFILE_WAIT_H
#define DG_IO_MEMFILE_WAIT_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

// Whether dg_memfile_adopt would take this file, were it free. False: error says why not.
DG_MUST_USE bool dg_memfile_check(int fd, char *error, size_t error_size);
// Returns as soon as its owner has let go of it, or has died: from then on it is this process', and dg_memfile_adopt finds
// it so. Signals that are blocked do not interrupt it. False: error says why.
DG_MUST_USE bool dg_memfile_wait(int fd, char *error, size_t error_size);

#endif
