// SPDX-License-Identifier: GPL-3.0-or-later
// The text form of pre-shared keys that psktool and stunnel use, and the rules for identities and keys. Never keeps
// a copy of a key outside secret memory.
#ifndef DG_CREDENTIALS_PSK_FILE_H
#define DG_CREDENTIALS_PSK_FILE_H

#include "credentials/credentials.h"
#include "credentials/file.h"

struct dg_psk_table;

#define DG_PSK_FILE_MAX (256u << 20) // bytes
// Of a line: '#', a hexadecimal identity, ':', key, line feed, NUL.
#define DG_PSK_LINE_MAX (1 + 2 * DG_IDENTITY_MAX + 1 + 2 * DG_PSK_KEY_MAX + 2)

// Takes one key of a file; identity and key are gone after the return. False: why says what is wrong with it, never the
// key.
typedef bool dg_psk_take(void *context, const struct dg_psk *psk, char *why, size_t why_size);

// One key a line: "identity:hex key"; "#" and a hex identity before the colon is psktool's form for identities that are
// not text; other lines that begin with '#', and empty ones, are passed over. Decodes in place, which destroys the text.
// False: error names file and line and what is wrong, never the key.
DG_MUST_USE bool dg_psk_text_read(struct dg_file *file, const char *name, dg_psk_take *take, void *context, char *error,
                                  size_t error_size);
// A file's keys into the table; an identity that stands in two lines has two keys, and the first line's is its current
// one.
DG_MUST_USE bool dg_psk_file_load(struct dg_psk_table *table, const char *path, char *error, size_t error_size);
// The line, without line feed, that is read as this identity and key: psktool's hexadecimal form where the plain one
// would be read otherwise. Returns its length.
size_t dg_psk_line_write(const struct dg_psk *psk, char line[DG_PSK_LINE_MAX]);

// NULL, or what is wrong with it.
const char *dg_psk_identity_wrong(struct dg_bytes identity);
const char *dg_psk_key_wrong(size_t key_size);
// Hexadecimal digits become bytes over themselves. False: not an even number of digits.
DG_MUST_USE bool dg_psk_key_decode(char *text, size_t size, struct dg_bytes *ret);

#endif
