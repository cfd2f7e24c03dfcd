// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate psk`: the keys of a fleet in a store. Each command is one transaction; none shows a key, and identities are
// escaped wherever they are shown.
#include "cli/cli.h"

#include "base/log.h"
#include "base/looks_secret.h"
#include "cli/process.h"
#include "cli/psk_keys.h"
#include "cli/psk_owner.h"
#include "credentials/psk_file.h"
#include "credentials/psk_store.h"
#include "credentials/psk_table.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SHOWN 1024 // escaped characters of an identity: all of it

struct call {
    struct dg_psk_options options;
    char **names; // identities, or a file
    int name_count;
    struct dg_psk_store *store;
    char error[512];
};

static int fail(const struct call *call)
{
    fprintf(stderr, "dtlsgate psk: %s\n", call->error);
    return DG_EXIT_FAILURE;
}

static const char *shown(struct dg_bytes identity)
{
    static char text[SHOWN + 1];
    dg_escape(text, sizeof text, identity.data, identity.size);
    return text;
}

// Of a name on the command line; hexadecimal ones are decoded in place.
static bool identity_of(const struct call *call, int index, struct dg_bytes *ret)
{
    char *text = call->names[index];
    *ret = (struct dg_bytes){(const uint8_t *)text, strlen(text)};
    const char *wrong = NULL;
    if (call->options.hex && !dg_psk_key_decode(text, strlen(text), ret))
        wrong = "is not an even number of hexadecimal digits, which --hex asks for";
    if (!wrong)
        wrong = dg_psk_identity_wrong(*ret);
    if (wrong)
        fprintf(stderr, "dtlsgate psk: identity %s: %s\n", shown(*ret), wrong);
    return !wrong;
}

// "identity:hex key", where an identity alone belongs.
static bool brings_key(const struct call *call)
{
    const char *colon = call->options.hex ? NULL : strrchr(call->names[0], ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789abcdefABCDEF") : 0;
    if (digits < 2 * DG_PSK_KEY_MIN || colon[1 + digits] != '\0')
        return false;
    fprintf(stderr, "dtlsgate psk: found what looks like an identity with its key, which is not repeated here: others can read "
            "a command line; do: dtlsgate psk import -, or --hex for an identity that really is so\n");
    return true;
}

static void say_when(void)
{
    fprintf(stderr, "A running server takes it up when it reloads: dtlsgate reload, or systemctl reload dtlsgate.\n");
}

// --- changes ---------------------------------------------------------------------------------------------

// Adds the key or makes it the next one, and writes it out where that is asked for; all or nothing.
static int change_key(struct call *call, bool is_next)
{
    struct dg_bytes identity, key;
    struct dg_file holder = {0};
    struct dg_psk_writer writer;
    if (brings_key(call) || !identity_of(call, 0, &identity))
        return DG_EXIT_USAGE;
    bool done = dg_psk_key_get(&call->options, identity, &holder, &key);
    if (done && !dg_psk_store_begin(call->store, call->error, sizeof call->error))
        done = fail(call) == DG_EXIT_OK;
    enum dg_psk_stored stored = DG_PSK_STORED_ERROR;
    if (done) {
        stored = is_next ? dg_psk_store_rotate(call->store, identity, key, call->error, sizeof call->error)
                         : dg_psk_store_add(call->store, identity, key, call->error, sizeof call->error);
        done = stored == DG_PSK_STORED;
        if (stored == DG_PSK_STORED_ERROR)
            (void)fail(call);
        else if (stored == DG_PSK_STORED_NONE)
            fprintf(stderr, "dtlsgate psk: %s is not in the store; do: dtlsgate psk add\n", shown(identity));
        else if (stored == DG_PSK_STORED_BEFORE)
            fprintf(stderr, "dtlsgate psk: %s %s\n", shown(identity),
                    is_next ? "has this key, or a next key, already; do: dtlsgate psk rotate --finish or --cancel"
                            : "is in the store already; do: dtlsgate psk rotate, or remove it first");
    }
    if (done && call->options.out[0]) {
        const struct dg_psk psk = {.identity = identity, .key = key};
        done = dg_psk_writer_open(&writer, call->options.out) &&
               dg_psk_writer_close(&writer, dg_psk_writer_put(&writer, &psk));
    }
    if (done && !dg_psk_store_commit(call->store, call->error, sizeof call->error)) {
        done = fail(call) == DG_EXIT_OK;
        if (call->options.out[0])
            (void)unlink(call->options.out); // a key that nobody has stored
    }
    if (done)
        fprintf(stderr, "%s: %s of %zu bits%s%s\n", shown(identity), is_next ? "a next key" : "added with a key", 8 * key.size,
                is_next ? "; both keys are good until dtlsgate psk rotate --finish" : "",
                call->options.out[0] ? "; written to the file" : "");
    dg_file_clear(&holder);
    if (done)
        say_when();
    return done ? DG_EXIT_OK : DG_EXIT_FAILURE;
}

static int add(struct call *call) { return change_key(call, false); }

// One change for each identity on the command line, all of them or none.
static int change_all(struct call *call,
                      enum dg_psk_stored (*change)(struct dg_psk_store *, struct dg_bytes, char *, size_t),
                      const char *none, const char *done)
{
    if (!dg_psk_store_begin(call->store, call->error, sizeof call->error))
        return fail(call);
    for (int i = 0; i < call->name_count; i++) {
        struct dg_bytes identity;
        if (!identity_of(call, i, &identity))
            return DG_EXIT_USAGE;
        enum dg_psk_stored stored = change(call->store, identity, call->error, sizeof call->error);
        if (stored == DG_PSK_STORED_ERROR)
            return fail(call);
        if (stored != DG_PSK_STORED) {
            fprintf(stderr, "dtlsgate psk: %s %s; nothing was changed\n", shown(identity), none);
            return DG_EXIT_FAILURE;
        }
    }
    if (!dg_psk_store_commit(call->store, call->error, sizeof call->error))
        return fail(call);
    fprintf(stderr, "%d %s\n", call->name_count, done);
    say_when();
    return DG_EXIT_OK;
}

static int remove_all(struct call *call)
{
    return change_all(call, dg_psk_store_remove, "is not in the store", "removed");
}

static int rotate(struct call *call)
{
    if (call->options.finish)
        return change_all(call, dg_psk_store_finish, "has no next key", "finished: the old key is dropped");
    if (call->options.cancel)
        return change_all(call, dg_psk_store_cancel, "has no next key", "cancelled: the next key is forgotten");
    if (call->name_count == 1)
        return change_key(call, true);
    fprintf(stderr, "dtlsgate psk rotate: found %d identities, expected one\n", call->name_count);
    return DG_EXIT_USAGE;
}

// --- files of keys ---------------------------------------------------------------------------------------

struct importing {
    struct call *call;
    struct dg_psk_table seen; // what the file has said
};

static bool import_key(void *context, const struct dg_psk *psk, char *why, size_t why_size)
{
    struct importing *importing = context;
    struct call *call = importing->call;
    const char *wrong = NULL;
    enum dg_psk_stored stored = DG_PSK_STORED;
    switch (dg_psk_table_add(&importing->seen, psk)) {
    case DG_PSK_ADDED:
        if (call->options.replace)
            stored = dg_psk_store_remove(call->store, psk->identity, call->error, sizeof call->error);
        if (stored != DG_PSK_STORED_ERROR)
            stored = dg_psk_store_add(call->store, psk->identity, psk->key, call->error, sizeof call->error);
        if (stored == DG_PSK_STORED_BEFORE)
            wrong = "is in the store already; do: --replace, or leave the line out";
        break;
    case DG_PSK_ADDED_NEXT:
        stored = dg_psk_store_rotate(call->store, psk->identity, psk->key, call->error, sizeof call->error);
        break;
    case DG_PSK_SAME_KEY:
        wrong = "stands twice, with the same key";
        break;
    case DG_PSK_TOO_MANY_KEYS:
        wrong = "stands more than twice; expected at most a current and a next key";
        break;
    }
    if (wrong)
        snprintf(why, why_size, "identity %.64s %s; nothing was changed", shown(psk->identity), wrong);
    else if (stored != DG_PSK_STORED)
        snprintf(why, why_size, "%.150s", call->error);
    return !wrong && stored == DG_PSK_STORED;
}

static int import_from(struct call *call, struct dg_file *file, const char *name)
{
    struct importing importing = {.call = call};
    // No line of a key is shorter than this, nor shorter than its entry.
    size_t lines = file->size_bytes / (2 + 2 * DG_PSK_KEY_MIN) + 1;
    int status = DG_EXIT_FAILURE;
    if (!dg_psk_table_reserve(&importing.seen, lines, file->size_bytes + 4))
        fprintf(stderr, "dtlsgate psk: no memory for %zu lines\n", lines);
    else if (!dg_psk_store_begin(call->store, call->error, sizeof call->error) ||
             !dg_psk_text_read(file, name, import_key, &importing, call->error, sizeof call->error) ||
             !dg_psk_store_commit(call->store, call->error, sizeof call->error))
        status = fail(call);
    else
        status = DG_EXIT_OK;
    if (status == DG_EXIT_OK) {
        fprintf(stderr, "%zu identities imported, %zu of them with two keys\n", importing.seen.count, importing.seen.rotating);
        say_when();
    }
    dg_psk_table_clear(&importing.seen);
    return status;
}

static int import_all(struct call *call)
{
    struct dg_file file = {0};
    const char *name = call->names[0];
    bool is_stream = strcmp(name, "-") == 0;
    if (is_stream)
        name = "standard input";
    bool done = is_stream
                    ? dg_file_read_stream(STDIN_FILENO, name, "pre-shared keys", &file, call->error, sizeof call->error)
                    : dg_file_read(name, "pre-shared keys", true, DG_PSK_FILE_MAX, &file, call->error, sizeof call->error);
    int status = done ? import_from(call, &file, name) : fail(call);
    dg_file_clear(&file);
    return status;
}

struct exporting {
    struct dg_psk_writer writer;
    size_t count;
};

static bool export_row(void *context, const struct dg_psk_store_row *row)
{
    struct exporting *exporting = context;
    const struct dg_psk current = {.identity = row->identity, .key = row->key};
    const struct dg_psk next = {.identity = row->identity, .key = row->next_key};
    exporting->count++;
    return dg_psk_writer_put(&exporting->writer, &current) &&
           (row->next_key.size == 0 || dg_psk_writer_put(&exporting->writer, &next));
}

static bool export_named(struct call *call, struct exporting *exporting)
{
    for (int i = 0; i < call->name_count; i++) {
        struct dg_bytes identity;
        size_t before = exporting->count;
        if (!identity_of(call, i, &identity))
            return false;
        if (!dg_psk_store_each(call->store, identity, export_row, exporting, call->error, sizeof call->error)) {
            (void)fail(call);
            return false;
        }
        if (exporting->count == before) {
            fprintf(stderr, "dtlsgate psk: %s is not in the store\n", shown(identity));
            return false;
        }
    }
    return true;
}

static int export_all(struct call *call)
{
    struct exporting exporting = {.count = 0};
    const struct dg_bytes everybody = {NULL, 0};
    if (!dg_psk_writer_open(&exporting.writer, call->options.out))
        return DG_EXIT_FAILURE;
    bool done;
    if (call->name_count > 0) {
        done = export_named(call, &exporting);
    } else {
        done = dg_psk_store_each(call->store, everybody, export_row, &exporting, call->error, sizeof call->error);
        if (!done)
            (void)fail(call);
    }
    done = dg_psk_writer_close(&exporting.writer, done);
    if (done)
        fprintf(stderr, "%zu identities exported\n", exporting.count);
    return done ? DG_EXIT_OK : DG_EXIT_FAILURE;
}

static bool list_row(void *context, const struct dg_psk_store_row *row)
{
    (void)context;
    char when[32] = "?";
    struct tm parts;
    time_t changed = (time_t)row->changed_s;
    if (gmtime_r(&changed, &parts))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    printf("%s\t%zu bits\t%s\t%s\n", shown(row->identity), 8 * row->key.size, row->next_key.size > 0 ? "two keys" : "one key",
           when);
    return !ferror(stdout);
}

static int list(struct call *call)
{
    const struct dg_bytes everybody = {NULL, 0};
    bool done = dg_psk_store_each(call->store, everybody, list_row, NULL, call->error, sizeof call->error);
    if (!done)
        return fail(call);
    return fflush(stdout) == 0 ? DG_EXIT_OK : DG_EXIT_FAILURE;
}

// --- the command -----------------------------------------------------------------------------------------

// A list opens the store for changes, although it makes none: so it undoes one that was interrupted.
static const struct action {
    const char *name, *arguments, *help;
    int (*run)(struct call *call);
    enum dg_psk_store_use use;
    int names_min, names_max;
} actions[] = {
    {"add", "IDENTITY", "a new identity, with a random key unless --key-file has one", add, DG_PSK_STORE_CREATE, 1, 1},
    {"remove", "IDENTITY ...", "its associations end with the next reload", remove_all, DG_PSK_STORE_CHANGE, 1, 1 << 20},
    {"rotate", "IDENTITY", "a next key; both are good until --finish drops the old one", rotate, DG_PSK_STORE_CHANGE, 1, 1 << 20},
    {"list", "", "identities, size and number of their keys, time of the last change", list, DG_PSK_STORE_CHANGE, 0, 0},
    {"import", "KEYS|-", "a file as psktool and stunnel write it, or the standard input", import_all, DG_PSK_STORE_CREATE, 1, 1},
    {"export", "[IDENTITY ...]", "the same form, into --out or a redirected standard output", export_all, DG_PSK_STORE_READ, 0, 1 << 20},
};
#define ACTION_COUNT (sizeof actions / sizeof actions[0])

static void print_help(void)
{
    puts("usage: dtlsgate psk ACTION ... --store FILE [--option value ...]\n\n"
         "Keeps the pre-shared keys of a fleet in a store that dtlsgate serve --psk-store FILE reads. Run it as the user that the\n"
         "server runs as, with the store in a folder of that user's: root opens no other user's store.\n");
    for (size_t i = 0; i < ACTION_COUNT; i++)
        printf("  %-7s %-14s %s\n", actions[i].name, actions[i].arguments, actions[i].help);
    puts("");
    dg_psk_options_help(stdout);
    puts("\nNo key is taken from the command line, and none is shown. Changes take effect when the server reloads.");
}

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < ACTION_COUNT; i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

// NULL, or what does not go together.
static const char *mixed(const struct action *action, const struct call *call)
{
    const struct dg_psk_options *options = &call->options;
    bool makes_key = action->run == add || action->run == rotate;
    if (!options->store[0])
        return "--store FILE is missing: which store?";
    if (call->name_count < action->names_min || call->name_count > action->names_max)
        return action->names_max == 0   ? "found a name, expected none"
               : action->run == import_all ? "expected one file of keys, or - for the standard input"
               : action->names_max == 1 ? "expected one identity"
                                        : "expected an identity";
    if ((options->finish || options->cancel) && action->run != rotate)
        return "--finish and --cancel go with rotate";
    if ((options->finish && options->cancel) ||
        ((options->finish || options->cancel) && (options->key_file[0] || options->out[0])))
        return "--finish and --cancel go alone: they make no key";
    if (options->key_file[0] && !makes_key)
        return "--key-file goes with add and rotate";
    if (options->bits != DG_PSK_BITS_256 && (!makes_key || options->key_file[0] || options->finish || options->cancel))
        return "--bits goes with add and rotate where the key is drawn at random: without --key-file, --finish and --cancel";
    if (options->out[0] && !makes_key && action->run != export_all)
        return "--out goes with add, rotate and export";
    if (options->replace && action->run != import_all)
        return "--replace goes with import";
    return NULL;
}

int dg_cli_psk(int argc, char **argv)
{
    static struct call call;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help();
        return DG_EXIT_OK;
    }
    const struct action *action = argc > 1 ? find_action(argv[1]) : NULL;
    if (!action) {
        fprintf(stderr, "dtlsgate psk: found %s%.40s%s, expected add, remove, rotate, list, import or export; do: dtlsgate psk "
                "--help\n", argc > 1 ? "\"" : "nothing", argc > 1 ? dg_word_shown(argv[1]) : "", argc > 1 ? "\"" : "");
        return DG_EXIT_USAGE;
    }
    dg_psk_options_default(&call.options);
    call.names = argv + 2;
    const char *wrong = NULL;
    if (!dg_psk_options_parse(&call.options, argc - 2, argv + 2, &call.name_count, call.error, sizeof call.error))
        wrong = call.error;
    if (!wrong)
        wrong = mixed(action, &call);
    if (wrong) {
        fprintf(stderr, "dtlsgate psk %s: %s; do: dtlsgate psk --help\n", action->name, wrong);
        return DG_EXIT_USAGE;
    }
    dg_process_forbid_core_dumps();
    if (dg_psk_owner_check(call.options.store, call.error, sizeof call.error))
        call.store = dg_psk_store_open(call.options.store, action->use, call.error, sizeof call.error);
    if (!call.store)
        return fail(&call);
    int status = action->run(&call);
    dg_psk_store_close(call.store);
    return status;
}
