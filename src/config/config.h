// SPDX-License-Identifier: GPL-3.0-or-later
// A whole configuration as plain data: what the process is told once, and its listeners, each with its credentials, its
// clients' rules and its backend. Made from a file or from a command line. Opens no file but the configuration itself,
// never acts on what it says, never holds a secret.
#ifndef DG_CONFIG_CONFIG_H
#define DG_CONFIG_CONFIG_H

#include "base/attributes.h"
#include "config/options.h"
#include "core/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define DG_CONFIG_LISTENERS_MAX 32
#define DG_CONFIG_ADDRESSES_MAX 64    // of all listeners together
#define DG_CONFIG_CERTIFICATES_MAX 16 // of a listener
#define DG_CONFIG_RULES_MAX 256       // of a listener
#define DG_CONFIG_NAME 64             // bytes of a name with its NUL

// Where something stands, for messages; line 0: on a command line, or not at all.
struct dg_config_place {
    uint32_t line, column;
};

// One of a listener's certificates with its key. dg_config_table_certificate leads into it.
struct dg_config_certificate {
    struct dg_config_place place;
    char cert[DG_OPTION_TEXT];
    char key[DG_OPTION_TEXT];
};

// dg_config_table_rule leads into it; what it cannot fill in the rule itself is copied there when all is read.
struct dg_config_rule {
    struct dg_config_place place;
    struct dg_policy_rule rule;   // but for its backend's number
    char backend[DG_OPTION_TEXT]; // empty: the listener's
    uint32_t proofs, action, when_full;
    struct dg_network_list networks;
};
enum { DG_RULE_ALLOW, DG_RULE_DENY };

struct dg_config_listener {
    struct dg_config_place place;
    char name[DG_CONFIG_NAME];       // unique; without one in the file, its first address
    struct dg_options options;       // whole: the process' part is that of the configuration
    struct dg_config_certificate certificates[DG_CONFIG_CERTIFICATES_MAX]; // options.cert and key are the first
    size_t certificate_count;
    struct dg_config_rule *rules;    // empty: all proven clients may do everything
    size_t rule_count;
    struct dg_config_place places[DG_LISTENER_OPTIONS_COUNT]; // of each option that is given
    bool has_refused;                // a value: then what is missing is not told as well
};

struct dg_config {
    char path[DG_OPTION_TEXT];       // empty: a command line
    struct dg_options process;       // its listeners' part holds the defaults
    struct dg_config_listener *listeners;
    size_t listener_count;           // 1..DG_CONFIG_LISTENERS_MAX in one that has been checked
    size_t listener_capacity;        // that there is memory for
    struct dg_config_place places[DG_PROCESS_OPTIONS_COUNT];
    char **arguments;                // the command line that it is from, borrowed; NULL: none
    int argument_count;
};

// What is wrong with a configuration, all of it, by its place: one line each.
#define DG_CONFIG_ERRORS_MAX 64
struct dg_config_errors {
    size_t count;                    // found; the lists hold at most DG_CONFIG_ERRORS_MAX of them
    char texts[DG_CONFIG_ERRORS_MAX][512]; // "FILE:LINE:COLUMN: what was found, what is accepted, what to do"
    struct dg_config_place places[DG_CONFIG_ERRORS_MAX];
    bool are_secrets[DG_CONFIG_ERRORS_MAX]; // a secret stands there, which the text does not show
};

size_t dg_config_errors_held(const struct dg_config_errors *errors); // that the lists hold
size_t dg_config_errors_more(const struct dg_config_errors *errors); // that there was no room for
// As many of them as fit into size_bytes whole (the first in any case, cut perhaps), with between between two, and how many
// there are beside them.
void dg_config_errors_join(const struct dg_config_errors *errors, const char *between, char *text, size_t size_bytes);

// Reads and checks a file whole. NULL: errors says all that is wrong. Caller frees.
struct dg_config *dg_config_load(const char *path, struct dg_config_errors *errors);
// The same, and what could be read in spite of errors, to look at and never to serve. NULL: nothing could be read.
struct dg_config *dg_config_inspect(const char *path, struct dg_config_errors *errors);
// The configuration that one listener's options make, checked. NULL: error says what is wrong. Caller frees.
struct dg_config *dg_config_of_options(const struct dg_options *options, char *error, size_t error_size);
// What a command line says: "-c FILE" or "--config FILE" and options of the process, which go before the file's; or
// options alone. argv stays the caller's, as long as the configuration. NULL: errors says all that is wrong. Caller frees.
struct dg_config *dg_config_of_arguments(int argc, char **argv, struct dg_config_errors *errors);
// The same once more: the file as it is now; without one, a copy. NULL: errors says all that is wrong. Caller frees.
struct dg_config *dg_config_again(const struct dg_config *config, struct dg_config_errors *errors);
struct dg_config *dg_config_copy(const struct dg_config *config); // NULL: memory is short. Caller frees
void dg_config_free(struct dg_config *config); // NULL is fine

// The effective configuration as a file that dg_config_load takes, every option with its value. It names files with
// secrets and holds none.
void dg_config_dump(const struct dg_config *config, FILE *out);
// Where an option of the listener (NULL: of the process) is given; else where its block begins.
struct dg_config_place dg_config_place_of(const struct dg_config *config, const struct dg_config_listener *listener,
                                          const char *option);

// The keys of the blocks under "rules" and "certificates".
extern const struct dg_option_table dg_config_table_rule, dg_config_table_certificate;

#endif
