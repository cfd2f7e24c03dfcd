// SPDX-License-Identifier: GPL-3.0-or-later
// Keys on their way into and out of `dtlsgate psk`: drawn at random, read from a file, written to one. Never a key on a
// command line, on a terminal or in a message.
#ifndef DG_CLI_PSK_KEYS_H
#define DG_CLI_PSK_KEYS_H

#include "config/psk_options.h"
#include "credentials/credentials.h"
#include "credentials/file.h"

// The key that the options ask for; its bytes lie in holder, which the caller clears. False: it was said why.
DG_MUST_USE bool dg_psk_key_get(const struct dg_psk_options *options, struct dg_bytes identity, struct dg_file *holder,
                                struct dg_bytes *ret);

// Lines out, to a new file of mode 0600 or to a standard output that is neither a terminal nor a file for others' eyes.
struct dg_psk_writer {
    const char *name;
    int fd;
    bool is_file;
    char *buffer;      // secret memory
    size_t used;
};
// path empty: the standard output. False: it was said why.
DG_MUST_USE bool dg_psk_writer_open(struct dg_psk_writer *writer, const char *path);
DG_MUST_USE bool dg_psk_writer_put(struct dg_psk_writer *writer, const struct dg_psk *psk);
// done false: what was written of a new file is taken away again. False: it was said why.
DG_MUST_USE bool dg_psk_writer_close(struct dg_psk_writer *writer, bool done);

#endif
