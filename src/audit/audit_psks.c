// SPDX-License-Identifier: GPL-3.0-or-later
// Looks at pre-shared keys one by one, whatever is wrong with others: length, chance, and whether two identities share
// one. Keeps no key, only keyed hashes of them; shows identities escaped and keys never.
#include "audit/audit_internal.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/secret.h"
#include "credentials/psk_file.h"
#include "credentials/psk_store.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY_SHOWN 128
#define PERIOD_MAX 8    // a pattern that is repeated
#define DISTINCT_MIN 5  // values among the bytes of a key; 16 random ones have fewer with a chance of 2^-60

struct seen {
    uint64_t hash[2]; // of the key, under keys of this run
    uint64_t identity;
    uint32_t line;
    char *name; // of the identity, escaped
};

struct looking {
    const struct dg_auditing *auditing;
    const char *path;
    struct dg_hash_key hash_keys[2];
    struct seen *seen;
    size_t count, capacity;
};

static struct dg_config_place at(uint32_t line)
{
    return (struct dg_config_place){line, line > 0 ? 1 : 0};
}

// --- one key -------------------------------------------------------------------------------------------------------

static bool has_few_values(const uint8_t *key, size_t size)
{
    bool is_there[256] = {false};
    size_t distinct = 0;
    for (size_t i = 0; i < size; i++) {
        distinct += !is_there[key[i]];
        is_there[key[i]] = true;
    }
    return distinct < DISTINCT_MIN;
}

static bool is_repeated(const uint8_t *key, size_t size)
{
    for (size_t period = 1; period <= PERIOD_MAX && 2 * period <= size; period++) {
        size_t same = period;
        while (same < size && key[same] == key[same - period])
            same++;
        if (same == size)
            return true;
    }
    return false;
}

static bool is_counted(const uint8_t *key, size_t size)
{
    for (size_t i = 2; i < size; i++)
        if ((uint8_t)(key[i] - key[i - 1]) != (uint8_t)(key[1] - key[0]))
            return false;
    return true;
}

// What people type when they are asked for a key.
static bool is_word(const uint8_t *key, size_t size)
{
    static const char *const words[] = {"password", "passwort", "secret", "sesame", "changeme", "default", "qwerty",
                                        "letmein",  "dtlsgate", "12345",  "abcdef", "example",  "test"};
    char text[DG_PSK_KEY_MAX + 1];
    if (size > DG_PSK_KEY_MAX)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isprint(key[i]))
            return false;
        text[i] = (char)tolower(key[i]);
    }
    text[size] = '\0';
    bool is_found = false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        is_found = is_found || strstr(text, words[i]);
    dg_wipe(text, sizeof text);
    return is_found;
}

static bool remember(struct looking *looking, const struct dg_psk *psk, const char *name)
{
    if (looking->count == looking->capacity) {
        size_t capacity = looking->capacity ? 2 * looking->capacity : 64;
        struct seen *seen = realloc(looking->seen, capacity * sizeof *seen);
        if (!seen)
            return false;
        looking->seen = seen;
        looking->capacity = capacity;
    }
    struct seen *seen = &looking->seen[looking->count];
    for (int i = 0; i < 2; i++)
        seen->hash[i] = dg_hash(&looking->hash_keys[i], psk->key.data, psk->key.size);
    seen->identity = dg_hash(&looking->hash_keys[0], psk->identity.data, psk->identity.size);
    seen->line = psk->line;
    seen->name = strdup(name);
    looking->count += seen->name != NULL;
    return seen->name != NULL;
}

static void look_at(struct looking *looking, const struct dg_psk *psk)
{
    char name[IDENTITY_SHOWN];
    const uint8_t *key = psk->key.data;
    size_t size = psk->key.size;
    dg_escape(name, sizeof name, psk->identity.data, psk->identity.size);
    if (size < DG_PSK_KEY_MIN)
        DG_FIND(looking->auditing, PSK_SHORT, looking->path, at(psk->line), "identity %s: a key of %zu bits", name, 8 * size);
    if (size > 0 && (has_few_values(key, size) || is_repeated(key, size) || is_counted(key, size) || is_word(key, size)))
        DG_FIND(looking->auditing, PSK_TRIVIAL, looking->path, at(psk->line), "identity %s: its key is a pattern or a word",
                name);
    (void)remember(looking, psk, name); // what does not fit into memory is not compared
}

// --- keys of several identities ------------------------------------------------------------------------------------

static int compare(const void *left, const void *right)
{
    const struct seen *a = left, *b = right;
    for (int i = 0; i < 2; i++)
        if (a->hash[i] != b->hash[i])
            return a->hash[i] < b->hash[i] ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

static bool have_same_key(const struct seen *a, const struct seen *b)
{
    return a->hash[0] == b->hash[0] && a->hash[1] == b->hash[1];
}

static void tell_groups(struct looking *looking)
{
    if (looking->count > 0)
        qsort(looking->seen, looking->count, sizeof *looking->seen, compare);
    for (size_t first = 0, end; first < looking->count; first = end) {
        const struct seen *other = NULL;
        size_t others = 0;
        for (end = first + 1; end < looking->count && have_same_key(&looking->seen[first], &looking->seen[end]); end++) {
            if (looking->seen[end].identity == looking->seen[first].identity)
                continue; // written twice
            other = other ? other : &looking->seen[end];
            others++;
        }
        if (other)
            DG_FIND(looking->auditing, PSK_GROUP, looking->path, at(other->line),
                    "identity %s has the key of identity %s; so %zu identities have one key", other->name,
                    looking->seen[first].name, others + 1);
    }
}

static void end_looking(struct looking *looking)
{
    tell_groups(looking);
    for (size_t i = 0; i < looking->count; i++)
        free(looking->seen[i].name);
    free(looking->seen);
}

static struct looking begin_looking(const struct dg_auditing *auditing, const char *path)
{
    return (struct looking){.auditing = auditing, .path = path,
                            .hash_keys = {dg_hash_key_new(), dg_hash_key_new()}};
}

// --- where they are ------------------------------------------------------------------------------------------------

// psktool's "#6d32:key" has a hexadecimal identity; another line with '#' is a comment, a key that was put aside too. False:
// not a key's line.
static bool split(char *line, size_t size, struct dg_psk *ret)
{
    char *colon = memrchr(line, ':', size);
    while (size > 0 && isspace((unsigned char)line[size - 1]))
        size--;
    if (!colon || colon == line || colon + 1 >= line + size)
        return false;
    ret->identity = (struct dg_bytes){(const uint8_t *)line, (size_t)(colon - line)};
    if (line[0] == '#' && !dg_psk_key_decode(line + 1, (size_t)(colon - line - 1), &ret->identity))
        return false;
    return dg_psk_key_decode(colon + 1, (size_t)(line + size - colon - 1), &ret->key);
}

static void look_at_line(struct looking *looking, char *line, size_t size, unsigned number)
{
    struct dg_psk psk = {.line = number};
    size_t blanks = 0;
    while (blanks < size && isspace((unsigned char)line[blanks]))
        blanks++;
    if (blanks == size)
        return;
    if (split(line, size, &psk))
        look_at(looking, &psk);
    else if (line[0] != '#')
        DG_FIND(looking->auditing, PSK_NOT_READABLE, looking->path, at(number), "this line is not shown here");
}

static void look_at_file(const struct dg_auditing *auditing, const char *path)
{
    struct dg_file file;
    if (!dg_audit_read(path, DG_PSK_FILE_MAX, &file))
        return;
    struct looking looking = begin_looking(auditing, path);
    char *line = file.data, *end = file.data + file.size_bytes;
    for (unsigned number = 1; line < end; number++) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop ? stop : end;
        look_at_line(&looking, line, (size_t)(stop - line), number);
        line = stop + 1;
    }
    end_looking(&looking);
    dg_file_clear(&file);
}

static bool take_row(void *context, const struct dg_psk_store_row *row)
{
    const struct dg_psk current = {.identity = row->identity, .key = row->key};
    const struct dg_psk next = {.identity = row->identity, .key = row->next_key};
    look_at(context, &current);
    if (next.key.size > 0)
        look_at(context, &next);
    return true;
}

static void look_at_store(const struct dg_auditing *auditing, const char *path)
{
    char error[256];
    struct dg_psk_store *store = dg_psk_store_open(path, DG_PSK_STORE_READ, error, sizeof error);
    if (!store)
        return; // the server refuses it too, and says why
    struct looking looking = begin_looking(auditing, path);
    if (!dg_psk_store_each(store, (struct dg_bytes){0}, take_row, &looking, error, sizeof error))
        DG_FIND(auditing, PSK_NOT_READABLE, path, at(0), "%s", error);
    end_looking(&looking);
    dg_psk_store_close(store);
}

void dg_audit_psks(const struct dg_auditing *auditing, const struct dg_config_listener *listener)
{
    const struct dg_options *options = &listener->options;
    if (options->psk_file[0])
        look_at_file(auditing, options->psk_file);
    if (options->psk_store[0])
        look_at_store(auditing, options->psk_store);
}
