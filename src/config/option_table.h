// SPDX-License-Identifier: GPL-3.0-or-later
// What tables of options have in common: a table is data, a row for each option, and parser, help text and
// documentation are made from it. Never knows an option, never opens a file.
#ifndef DG_CONFIG_OPTION_TABLE_H
#define DG_CONFIG_OPTION_TABLE_H

#include "base/attributes.h"
#include "core/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define DG_OPTION_TEXT 512    // bytes of a text value with its NUL
#define DG_OPTION_ADDRESSES 8 // values of an option that may be given several times
#define DG_OPTION_TEXTS 16    // the same of texts

struct dg_address_list {
    struct dg_address items[DG_OPTION_ADDRESSES];
    uint32_t count;
};

struct dg_text_list {
    char items[DG_OPTION_TEXTS][DG_OPTION_TEXT];
    uint32_t count;
};

// A CHOICE is the place of its word among the words.
enum { DG_CHOICE_YES, DG_CHOICE_NO }; // every "yes|no"

enum dg_option_kind {
    DG_OPTION_KIND_TEXT,      // char[DG_OPTION_TEXT]
    DG_OPTION_KIND_TEXTS,     // struct dg_text_list
    DG_OPTION_KIND_ADDRESSES, // struct dg_address_list
    DG_OPTION_KIND_NUMBER,    // uint32_t
    DG_OPTION_KIND_CHOICE,    // uint32_t
    DG_OPTION_KIND_FLAG,      // uint32_t: 1 where it is given; takes no value
};

struct dg_option {
    enum dg_option_kind kind;
    size_t offset; // of its field in the struct
    const char *name;
    const char *argument; // of CHOICE: its words
    uint32_t preset, min, max;
    const char *help;
};

// A list of options is a macro that takes names of macros: TEXT(field, name, argument, help), ADDRESSES(the same),
// NUMBER(field, name, argument, default, min, max, help), CHOICE(field, name, "word|word|..", default index, help)
// and, where there are some, TEXTS(as TEXT), FLAG(field, name, help). From it come the rows, in the one file that has
// defined DG_OPTION_STRUCT,
#define DG_OPTION_ROW_TEXT(field, name, argument, help)                                                           \
    {DG_OPTION_KIND_TEXT, offsetof(DG_OPTION_STRUCT, field), name, argument, 0, 0, 0, help},
#define DG_OPTION_ROW_TEXTS(field, name, argument, help)                                                          \
    {DG_OPTION_KIND_TEXTS, offsetof(DG_OPTION_STRUCT, field), name, argument, 0, 0, 0, help},
#define DG_OPTION_ROW_ADDRESSES(field, name, argument, help)                                                      \
    {DG_OPTION_KIND_ADDRESSES, offsetof(DG_OPTION_STRUCT, field), name, argument, 0, 0, 0, help},
#define DG_OPTION_ROW_NUMBER(field, name, argument, preset, min, max, help)                                       \
    {DG_OPTION_KIND_NUMBER, offsetof(DG_OPTION_STRUCT, field), name, argument, preset, min, max, help},
#define DG_OPTION_ROW_CHOICE(field, name, words, preset, help)                                                    \
    {DG_OPTION_KIND_CHOICE, offsetof(DG_OPTION_STRUCT, field), name, words, preset, 0, 0, help},
#define DG_OPTION_ROW_FLAG(field, name, help)                                                                     \
    {DG_OPTION_KIND_FLAG, offsetof(DG_OPTION_STRUCT, field), name, "", 0, 0, 0, help},

// and the fields.
#define DG_OPTION_FIELD_TEXT(field, name, argument, help) char field[DG_OPTION_TEXT];
#define DG_OPTION_FIELD_TEXTS(field, name, argument, help) struct dg_text_list field;
#define DG_OPTION_FIELD_ADDRESSES(field, name, argument, help) struct dg_address_list field;
#define DG_OPTION_FIELD_NUMBER(field, name, argument, preset, min, max, help) uint32_t field;
#define DG_OPTION_FIELD_CHOICE(field, name, words, preset, help) uint32_t field;
#define DG_OPTION_FIELD_FLAG(field, name, help) uint32_t field;

struct dg_option_table {
    const char *help_command; // what a refusal advises, as "dtlsgate serve --help"
    const char *example;      // an option of the table, as "--listen"
    const struct dg_option *rows;
    size_t count;
    size_t struct_size;       // of the struct that the rows' offsets lead into
};

void dg_option_table_default(const struct dg_option_table *table, void *options);
// Sets one option from text; of a FLAG, value is NULL. False: error names the option, what was found, what is
// expected and what to do; for an unknown name, the nearest known one. options is then unchanged.
DG_MUST_USE bool dg_option_table_set(const struct dg_option_table *table, void *options, const char *name,
                                     const char *value, char *error, size_t error_size);
// "--name value" and "--name=value" pairs, and flags, of a command line.
DG_MUST_USE bool dg_option_table_parse(const struct dg_option_table *table, void *options, int argc, char **argv,
                                       char *error, size_t error_size);
void dg_option_table_help(const struct dg_option_table *table, FILE *out);     // for people
void dg_option_table_markdown(const struct dg_option_table *table, FILE *out); // for docs/options.md

#endif
