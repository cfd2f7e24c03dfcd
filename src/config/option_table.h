// SPDX-License-Identifier: GPL-3.0-or-later
// What tables of options have in common: a table is data, a row for each option, and parser, help text, documentation
// and the configuration file's keys are made from it. Never knows an option, never opens a file.
#ifndef DG_CONFIG_OPTION_TABLE_H
#define DG_CONFIG_OPTION_TABLE_H

#include "base/attributes.h"
#include "core/address.h"
#include "core/policy.h"

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

struct dg_network_list {
    struct dg_network items[DG_POLICY_NETWORKS];
    uint32_t count;
};

// A CHOICE is the place of its word among the words.
enum { DG_CHOICE_YES, DG_CHOICE_NO }; // every "yes|no"

enum dg_option_kind {
    DG_OPTION_KIND_TEXT,      // char[], DG_OPTION_TEXT where no other size is said
    DG_OPTION_KIND_TEXTS,     // struct dg_text_list
    DG_OPTION_KIND_ADDRESSES, // struct dg_address_list
    DG_OPTION_KIND_NETWORKS,  // struct dg_network_list
    DG_OPTION_KIND_NUMBER,    // uint32_t
    DG_OPTION_KIND_CHOICE,    // uint32_t
    DG_OPTION_KIND_WORDS,     // uint32_t: a bit for each of its words that is given
    DG_OPTION_KIND_FLAG,      // uint32_t: 1 where it is given; takes no value
};

struct dg_option {
    enum dg_option_kind kind;
    size_t offset; // of its field in the struct
    const char *name;
    const char *argument; // of CHOICE and WORDS: the words; "FILE" and "PATH": names in the file system
    uint32_t preset, min, max; // of TEXT and TEXTS, max: bytes of a value with its NUL
    const char *help;
};

// A list of options is a macro that takes names of macros: TEXT(field, name, argument, help), ADDRESSES(the same),
// NUMBER(field, name, argument, default, min, max, help), CHOICE(field, name, "word|word|..", default index, help)
// and, where there are some, TEXTS, WORDS and NETWORKS(as TEXT), FLAG(field, name, help). From it come the rows, in the
// one file that has defined DG_OPTION_STRUCT,
#define DG_OPTION_ROW_TEXT(field, name, argument, help)                                                           \
    {DG_OPTION_KIND_TEXT, offsetof(DG_OPTION_STRUCT, field), name, argument, 0, 0,                                \
     (uint32_t)sizeof(((DG_OPTION_STRUCT *)NULL)->field), help},
#define DG_OPTION_ROW_TEXTS(field, name, argument, help)                                                          \
    {DG_OPTION_KIND_TEXTS, offsetof(DG_OPTION_STRUCT, field), name, argument, 0, 0, DG_OPTION_TEXT, help},
#define DG_OPTION_ROW_ADDRESSES(field, name, argument, help)                                                      \
    {DG_OPTION_KIND_ADDRESSES, offsetof(DG_OPTION_STRUCT, field), name, argument, 0, 0, 0, help},
#define DG_OPTION_ROW_NETWORKS(field, name, argument, help)                                                       \
    {DG_OPTION_KIND_NETWORKS, offsetof(DG_OPTION_STRUCT, field), name, argument, 0, 0, 0, help},
#define DG_OPTION_ROW_WORDS(field, name, words, help)                                                             \
    {DG_OPTION_KIND_WORDS, offsetof(DG_OPTION_STRUCT, field), name, words, 0, 0, 0, help},
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
#define DG_OPTION_FIELD_NETWORKS(field, name, argument, help) struct dg_network_list field;
#define DG_OPTION_FIELD_WORDS(field, name, words, help) uint32_t field;
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

// --- single options, for whoever reads them from elsewhere or writes them out ---

const struct dg_option *dg_option_table_find(const struct dg_option_table *table, const char *name); // NULL: none
size_t dg_option_distance(const char *a, const char *b); // how unlike two names are
// False: error says "found .., expected ..", without the option's name; options is then unchanged.
DG_MUST_USE bool dg_option_set(const struct dg_option *option, void *options, const char *value, char *error,
                               size_t error_size);
bool dg_option_is_list(const struct dg_option *option);  // may be given several times
bool dg_option_is_file(const struct dg_option *option);  // its values are names in the file system
// Bytes that could drive a terminal: control characters of ASCII, and those of Unicode in UTF-8.
bool dg_option_holds_control(const void *text, size_t size);
// A name of a file that is relative to a folder: neither a path from the root, nor "credential:NAME" or "env:NAME", nor
// "none" for a socket.
bool dg_option_is_relative_file(const struct dg_option *option, const char *value);
bool dg_option_is_nowhere(const char *path); // "none" where the path of a socket belongs: there is no socket
// Its value, of a list the one at this index, in the form that dg_option_set takes; text holds DG_OPTION_TEXT bytes.
// False: it has none, or no more.
DG_MUST_USE bool dg_option_value(const struct dg_option *option, const void *options, size_t index, char *text);
bool dg_option_equal(const struct dg_option *option, const void *a, const void *b);
void dg_option_copy(const struct dg_option *option, void *to, const void *from);

void dg_option_table_help(const struct dg_option_table *table, FILE *out);     // for people
void dg_option_table_markdown(const struct dg_option_table *table, FILE *out); // for docs/options.md
void dg_option_table_keys(const struct dg_option_table *table, FILE *out);     // the same as keys of the file
void dg_option_table_roff(const struct dg_option_table *table, bool is_keys, FILE *out); // for the manual

#endif
