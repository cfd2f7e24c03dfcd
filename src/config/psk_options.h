// SPDX-License-Identifier: GPL-3.0-or-later
// The one table of options of `dtlsgate psk`: it makes the struct, the parser, the help text and its part of
// docs/options.md. Never opens a file; has no option that holds a key.
#ifndef DG_CONFIG_PSK_OPTIONS_H
#define DG_CONFIG_PSK_OPTIONS_H

#include "config/option_table.h"

#define DG_PSK_OPTION_LIST(TEXT, CHOICE, FLAG)                                                                    \
    TEXT(store, "store", "FILE", "the store; add and import make it where there is none, with mode 0600") \
    TEXT(key_file, "key-file", "FILE", "add, rotate: take the key from this file, hexadecimal digits; \"-\" is the standard input. Without it, the key is drawn at random") \
    CHOICE(bits, "bits", "256|128", 0, "add, rotate: of a random key") \
    TEXT(out, "out", "FILE", "add, rotate, export: write \"identity:hex key\" into this new file, with mode 0600") \
    FLAG(finish, "finish", "rotate: the next key becomes the only one") \
    FLAG(cancel, "cancel", "rotate: the next key is forgotten") \
    FLAG(replace, "replace", "import: identities that are in the store already get the file's keys") \
    FLAG(hex, "hex", "identities on the command line are hexadecimal digits: for those that are not text")

struct dg_psk_options {
    DG_PSK_OPTION_LIST(DG_OPTION_FIELD_TEXT, DG_OPTION_FIELD_CHOICE, DG_OPTION_FIELD_FLAG)
};

enum { DG_PSK_BITS_256, DG_PSK_BITS_128 };

void dg_psk_options_default(struct dg_psk_options *options);
// As dg_options_parse. What is neither an option nor an option's value is moved to the front of argv; ret_names says how
// many.
DG_MUST_USE bool dg_psk_options_parse(struct dg_psk_options *options, int argc, char **argv, int *ret_names, char *error,
                                      size_t error_size);
void dg_psk_options_help(FILE *out);
void dg_psk_options_markdown(FILE *out);

#endif
