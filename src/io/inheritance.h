// SPDX-License-Identifier: GPL-3.0-or-later
// What outlives the process: the descriptors of the memory file and of the sockets, as one process hands them
// to the next. Only the list; who keeps them meanwhile (systemd's descriptor store, or the keeper) is said by
// notify.h. Owns no descriptor by itself.
#ifndef DG_IO_INHERITANCE_H
#define DG_IO_INHERITANCE_H

#include <stddef.h>
#include <stdint.h>

#define DG_INHERITANCE_MAX 4096 // descriptors: memory, and a socket for each thread and listener
#define DG_INHERITED_NAME 32    // bytes with the final zero; letters, digits and '-' (systemd allows no ':')

// Names: "memory" (one), and "socket-T" for thread T's sockets (T = 0: the front), one for each listener; which
// listener is asked of the socket itself (getsockname).
struct dg_inherited {
    int fd;
    char name[DG_INHERITED_NAME];
};

struct dg_inheritance {
    struct dg_inherited *items; // the caller's
    size_t count;
};

#endif
