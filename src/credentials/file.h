// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a whole credential file into secret memory and says clearly why it may not be used. Never
// interprets what is in it.
#ifndef DG_CREDENTIALS_FILE_H
#define DG_CREDENTIALS_FILE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_file {
    char *data;            // secret memory, NUL-terminated behind size_bytes
    size_t size_bytes;
    size_t capacity_bytes; // of data
};

// given: a path, or what file_name.h takes for one. what: "pre-shared keys", for messages. is_secret: refuse a file that
// group or others can read or that belongs to somebody else than us or root; a credential that systemd handed over may have
// a group's bit for reading (file_name.h). False: error says what was found and what to do.
DG_MUST_USE bool dg_file_read(const char *given, const char *what, bool is_secret, size_t size_max, struct dg_file *ret,
                              char *error, size_t error_size);
// The same of a file that holds a PEM block which begins with marker.
DG_MUST_USE bool dg_file_read_pem(const char *given, const char *what, bool is_secret, const char *marker, size_t size_max,
                                  struct dg_file *ret, char *error, size_t error_size);
// The same from a descriptor that may be a pipe or a terminal, up to its end.
DG_MUST_USE bool dg_file_read_stream(int fd, const char *name, const char *what, struct dg_file *ret, char *error,
                                     size_t error_size);
// A secret's file as its permissions have to be; for those who open it by other means.
DG_MUST_USE bool dg_file_check_secret(const char *path, const char *what, char *error, size_t error_size);
// The folder that the file is really in; where there is no such file yet, or not for us, the one of its name. For the caller
// to free; NULL: no memory.
char *dg_file_folder(const char *path);
// That folder, where what stands beside it is believed too: nobody but us and root may make files
// there, not even under a sticky bit.
DG_MUST_USE bool dg_file_check_folder(const char *path, const char *what, char *error, size_t error_size);
void dg_file_clear(struct dg_file *file); // wipes; fine on a zeroed struct

#endif
