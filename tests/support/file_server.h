// SPDX-License-Identifier: GPL-3.0-or-later
// A server made from a configuration file in a folder of its own, with the files that it names beside it. The tests write
// them, start, and have it read them again. Never reaches into the server.
#ifndef DG_TESTS_FILE_SERVER_H
#define DG_TESTS_FILE_SERVER_H

#include "server/server.h"

#include <stdbool.h>
#include <stdint.h>

#define FILE_SERVER_CONFIG "gate.yaml"

struct file_server {
    char folder[64];
    struct dg_server *server; // NULL: none was made
    char error[1024];         // why the last start or reload failed
};

void file_server_prepare(struct file_server *gate);
// A file of the folder, for its owner alone: written beside and then renamed, as credentials should be.
__attribute__((format(printf, 3, 4))) void file_server_write(const struct file_server *gate, const char *name,
                                                             const char *format, ...);
bool file_server_start(struct file_server *gate);  // with FILE_SERVER_CONFIG
bool file_server_reload(struct file_server *gate); // the same file, read again
uint16_t file_server_port(const struct file_server *gate, size_t address);
// Waits for a counter to reach a number, ten seconds at most. False: it did not.
bool file_server_counts(const struct file_server *gate, const char *counter, uint64_t number);
void file_server_stop(struct file_server *gate); // the folder stays
void file_server_free(struct file_server *gate); // ends the server too

#endif
