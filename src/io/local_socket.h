// SPDX-License-Identifier: GPL-3.0-or-later
// Sockets in the file system at which a server is spoken to by its own host: only root and the user that the server runs
// as are heard, by the socket's mode and by what the kernel says of each caller. Never reads or writes a message.
#ifndef DG_IO_LOCAL_SOCKET_H
#define DG_IO_LOCAL_SOCKET_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

// Listens at path, mode 0600; type: SOCK_STREAM or SOCK_SEQPACKET. A socket that nobody listens at any more is replaced,
// any other file is not. -1: error says why. Changes the process' umask for a moment.
int dg_local_listen(const char *path, int type, int callers_waiting, char *error, size_t error_size);
// The next caller, close-on-exec, not blocking. -1: none, or neither this user nor root: then *ret_is_refused.
int dg_local_accept(int listener, bool *ret_is_refused);
// type may have SOCK_NONBLOCK. -1: errno says why.
int dg_local_connect(const char *path, int type);

#endif
