// SPDX-License-Identifier: GPL-3.0-or-later
// Pre-shared keys in SQLite. Owns the schema, its version and the journal's mode (docs/psk.md has the reasons).
#include "credentials/psk_store.h"

#include "base/log.h"
#include "base/secret.h"
#include "credentials/file.h"
#include "credentials/file_name.h"
#include "credentials/psk_file.h"
#include "credentials/psk_store_error.h"
#include "credentials/psk_store_heap.h"
#include "credentials/psk_table.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHAT "pre-shared keys"
#define APPLICATION 0x64746c67 // "dtlg", in the file's header: file(1) and we know it by that
#define VERSION 1
#define SHOWN 64               // escaped characters of an identity in a message

#define TEXT_OF(number) #number
#define NUMBER(number) TEXT_OF(number)
#define KEY_CHECK(column) "CHECK(length(" column ") BETWEEN " NUMBER(DG_PSK_KEY_MIN) " AND " NUMBER(DG_PSK_KEY_MAX) ")"

static const char schema[] =
    "CREATE TABLE psk ("
    " identity BLOB PRIMARY KEY NOT NULL CHECK(length(identity) BETWEEN 1 AND " NUMBER(DG_IDENTITY_MAX) "),"
    " key BLOB NOT NULL " KEY_CHECK("key") ","
    " next_key BLOB " KEY_CHECK("next_key") ","
    " changed INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "PRAGMA application_id = " NUMBER(APPLICATION) ";"
    "PRAGMA user_version = " NUMBER(VERSION) ";";

enum statement { ADD, REMOVE, ROTATE, FINISH, CANCEL, FIND, STATEMENT_COUNT };
static const char *const statements[STATEMENT_COUNT] = {
    [ADD] = "INSERT INTO psk (identity, key, changed) VALUES (?1, ?2, unixepoch()) ON CONFLICT DO NOTHING",
    [REMOVE] = "DELETE FROM psk WHERE identity = ?1",
    [ROTATE] = "UPDATE psk SET next_key = ?2, changed = unixepoch() WHERE identity = ?1 AND next_key IS NULL AND key <> ?2",
    [FINISH] = "UPDATE psk SET key = next_key, next_key = NULL, changed = unixepoch() WHERE identity = ?1 AND next_key IS NOT NULL",
    [CANCEL] = "UPDATE psk SET next_key = NULL, changed = unixepoch() WHERE identity = ?1 AND next_key IS NOT NULL",
    [FIND] = "SELECT 1 FROM psk WHERE identity = ?1",
};

struct dg_psk_store {
    sqlite3 *database;
    sqlite3_stmt *prepared[STATEMENT_COUNT];
    char path[];
};

static bool complain(const struct dg_psk_store *store, char *error, size_t error_size)
{
    return dg_psk_store_complain(store->database, store->path, error, error_size);
}

static bool run(struct dg_psk_store *store, const char *sql, char *error, size_t error_size)
{
    return sqlite3_exec(store->database, sql, NULL, NULL, NULL) == SQLITE_OK || complain(store, error, error_size);
}

static bool read_number(struct dg_psk_store *store, const char *sql, int64_t *ret, char *error, size_t error_size)
{
    sqlite3_stmt *statement = NULL;
    bool done = sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_ROW;
    if (done)
        *ret = sqlite3_column_int64(statement, 0);
    else
        complain(store, error, error_size);
    sqlite3_finalize(statement);
    return done;
}

// --- opening ---------------------------------------------------------------------------------------------

static bool create_schema(struct dg_psk_store *store, char *error, size_t error_size)
{
    return run(store, "BEGIN IMMEDIATE", error, error_size) && run(store, schema, error, error_size) &&
           run(store, "COMMIT", error, error_size);
}

static bool check_schema(struct dg_psk_store *store, enum dg_psk_store_use use, char *error, size_t error_size)
{
    int64_t application, version, objects;
    if (!read_number(store, "PRAGMA application_id", &application, error, error_size) ||
        !read_number(store, "PRAGMA user_version", &version, error, error_size) ||
        !read_number(store, "SELECT count(*) FROM sqlite_schema", &objects, error, error_size))
        return false;
    bool is_empty = application == 0 && version == 0 && objects == 0;
    if (is_empty && use == DG_PSK_STORE_CREATE)
        return create_schema(store, error, error_size);
    if (is_empty || application != APPLICATION) {
        snprintf(error, error_size, "%s: is %s; expected a store made by dtlsgate psk add or import", store->path,
                 is_empty ? "empty" : "an SQLite database of another program");
        return false;
    }
    if (version == VERSION)
        return true;
    snprintf(error, error_size, "%s: has schema version %lld, and this dtlsgate knows version %d; do: use the version that "
             "made it", store->path, (long long)version, VERSION);
    return false;
}

// Rollback journal: a reader needs no right to write, and no second file has keys in it once a change is done. What a
// removed key lay in is overwritten.
static bool set_up(struct dg_psk_store *store, enum dg_psk_store_use use, char *error, size_t error_size)
{
    sqlite3_extended_result_codes(store->database, 1);
    sqlite3_busy_timeout(store->database, DG_PSK_STORE_BUSY_MS);
    sqlite3_db_config(store->database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(store->database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    if (!run(store, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY", error, error_size))
        return false;
    return use == DG_PSK_STORE_READ ||
           run(store, "PRAGMA journal_mode = DELETE; PRAGMA secure_delete = ON; PRAGMA synchronous = EXTRA", error, error_size);
}

// The file is ours before the library sees it, so that it never has another mode.
static bool create_file(const char *path, char *error, size_t error_size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 || errno == EEXIST)
        return true;
    snprintf(error, error_size, "%s: cannot create the store: %s", path, strerror(errno));
    return false;
}

static struct dg_psk_store *new_store(const char *path)
{
    const char *folder = path[0] == '/' ? "" : "./"; // SQLite has names of its own, as ":memory:" and "file:/x?vfs=y"
    size_t size = strlen(folder) + strlen(path) + 1;
    struct dg_psk_store *store = calloc(1, sizeof *store + size);
    if (store)
        snprintf(store->path, size, "%s%s", folder, path);
    return store;
}

struct dg_psk_store *dg_psk_store_open(const char *given, enum dg_psk_store_use use, char *error, size_t error_size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, dg_psk_store_heap_wipe);
    char path[DG_FILE_NAME_MAX];
    if (!dg_file_name(given, path, error, error_size))
        return NULL;
    // SQLite believes a journal that lies beside the file, whoever has put it there.
    if (use == DG_PSK_STORE_CREATE &&
        !(dg_file_check_folder(path, WHAT, error, error_size) && create_file(path, error, error_size)))
        return NULL;
    if (!dg_file_check_secret(path, WHAT, error, error_size) || !dg_file_check_folder(path, WHAT, error, error_size))
        return NULL;
    struct dg_psk_store *store = new_store(path);
    if (!store) {
        snprintf(error, error_size, "%s: no memory for the store", path);
        return NULL;
    }
    int flags = SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_FULLMUTEX |
                (use == DG_PSK_STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    if (sqlite3_open_v2(store->path, &store->database, flags, NULL) == SQLITE_OK) {
        if (set_up(store, use, error, error_size) && check_schema(store, use, error, error_size))
            return store;
    } else if (store->database) {
        complain(store, error, error_size);
    } else {
        snprintf(error, error_size, "%s: no memory for the store", path);
    }
    dg_psk_store_close(store);
    return NULL;
}

void dg_psk_store_close(struct dg_psk_store *store)
{
    if (!store)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->prepared[i]);
    sqlite3_close(store->database);
    free(store);
}

// --- changes ---------------------------------------------------------------------------------------------

bool dg_psk_store_begin(struct dg_psk_store *store, char *error, size_t error_size)
{
    return run(store, "BEGIN IMMEDIATE", error, error_size);
}

bool dg_psk_store_commit(struct dg_psk_store *store, char *error, size_t error_size)
{
    return run(store, "COMMIT", error, error_size);
}

// Runs one of the statements; key of size 0: it has no second value. found: it gave a row, or has changed one.
static bool change(struct dg_psk_store *store, enum statement which, struct dg_bytes identity, struct dg_bytes key,
                   bool *found, char *error, size_t error_size)
{
    sqlite3_stmt **statement = &store->prepared[which];
    if (!*statement && sqlite3_prepare_v3(store->database, statements[which], -1, SQLITE_PREPARE_PERSISTENT, statement,
                                          NULL) != SQLITE_OK)
        return complain(store, error, error_size);
    bool done = sqlite3_bind_blob(*statement, 1, identity.data, (int)identity.size, SQLITE_STATIC) == SQLITE_OK &&
                (key.size == 0 ||
                 sqlite3_bind_blob(*statement, 2, key.data, (int)key.size, SQLITE_STATIC) == SQLITE_OK);
    int step = done ? sqlite3_step(*statement) : SQLITE_ERROR;
    done = step == SQLITE_DONE || step == SQLITE_ROW;
    *found = step == SQLITE_ROW || (step == SQLITE_DONE && which != FIND && sqlite3_changes(store->database) > 0);
    if (!done)
        complain(store, error, error_size);
    sqlite3_reset(*statement);
    sqlite3_clear_bindings(*statement);
    return done;
}

static enum dg_psk_stored refuse(const char *wrong, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s", wrong);
    return DG_PSK_STORED_ERROR;
}

static const struct dg_bytes nothing = {NULL, 0};

enum dg_psk_stored dg_psk_store_add(struct dg_psk_store *store, struct dg_bytes identity, struct dg_bytes key, char *error,
                                    size_t error_size)
{
    const char *wrong = dg_psk_identity_wrong(identity);
    if (!wrong)
        wrong = dg_psk_key_wrong(key.size);
    if (wrong)
        return refuse(wrong, error, error_size);
    bool is_new;
    if (!change(store, ADD, identity, key, &is_new, error, error_size))
        return DG_PSK_STORED_ERROR;
    return is_new ? DG_PSK_STORED : DG_PSK_STORED_BEFORE;
}

static enum dg_psk_stored change_known(struct dg_psk_store *store, enum statement which, struct dg_bytes identity,
                                       char *error, size_t error_size)
{
    bool found;
    if (!change(store, which, identity, nothing, &found, error, error_size))
        return DG_PSK_STORED_ERROR;
    return found ? DG_PSK_STORED : DG_PSK_STORED_NONE;
}

enum dg_psk_stored dg_psk_store_remove(struct dg_psk_store *store, struct dg_bytes identity, char *error,
                                       size_t error_size)
{
    return change_known(store, REMOVE, identity, error, error_size);
}

enum dg_psk_stored dg_psk_store_rotate(struct dg_psk_store *store, struct dg_bytes identity, struct dg_bytes key,
                                       char *error, size_t error_size)
{
    const char *wrong = dg_psk_key_wrong(key.size);
    if (wrong)
        return refuse(wrong, error, error_size);
    bool is_rotated, is_there;
    if (!change(store, ROTATE, identity, key, &is_rotated, error, error_size))
        return DG_PSK_STORED_ERROR;
    if (is_rotated)
        return DG_PSK_STORED;
    if (!change(store, FIND, identity, nothing, &is_there, error, error_size))
        return DG_PSK_STORED_ERROR;
    return is_there ? DG_PSK_STORED_BEFORE : DG_PSK_STORED_NONE;
}

enum dg_psk_stored dg_psk_store_finish(struct dg_psk_store *store, struct dg_bytes identity, char *error,
                                       size_t error_size)
{
    return change_known(store, FINISH, identity, error, error_size);
}

enum dg_psk_stored dg_psk_store_cancel(struct dg_psk_store *store, struct dg_bytes identity, char *error,
                                       size_t error_size)
{
    return change_known(store, CANCEL, identity, error, error_size);
}

// --- reading ---------------------------------------------------------------------------------------------

static struct dg_bytes column(sqlite3_stmt *statement, int number)
{
    // The value first: it decides what the size is of.
    const void *data = sqlite3_column_blob(statement, number);
    return (struct dg_bytes){data, (size_t)sqlite3_column_bytes(statement, number)};
}

bool dg_psk_store_each(struct dg_psk_store *store, struct dg_bytes identity, dg_psk_store_each_row *each, void *context,
                       char *error, size_t error_size)
{
    const char *sql = identity.data ? "SELECT identity, key, next_key, changed FROM psk WHERE identity = ?1"
                                    : "SELECT identity, key, next_key, changed FROM psk ORDER BY identity";
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL) != SQLITE_OK)
        return complain(store, error, error_size);
    if (identity.data)
        sqlite3_bind_blob(statement, 1, identity.data, (int)identity.size, SQLITE_STATIC);
    int step;
    bool goes_on = true;
    while (goes_on && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct dg_psk_store_row row = {column(statement, 0), column(statement, 1), column(statement, 2),
                                             sqlite3_column_int64(statement, 3)};
        goes_on = each(context, &row);
    }
    if (goes_on && step != SQLITE_DONE)
        complain(store, error, error_size);
    sqlite3_finalize(statement);
    return goes_on && step == SQLITE_DONE;
}

struct loading {
    struct dg_psk_table *table;
    const char *path;
    char *error;
    size_t error_size;
};

static bool take_key(const struct loading *loading, const struct dg_psk *psk, enum dg_psk_added expected)
{
    char shown[SHOWN + 1];
    const char *wrong = dg_psk_identity_wrong(psk->identity);
    if (!wrong)
        wrong = dg_psk_key_wrong(psk->key.size);
    dg_escape(shown, sizeof shown, psk->identity.data, psk->identity.size);
    if (wrong) {
        snprintf(loading->error, loading->error_size, "%s: identity %s: %s", loading->path, shown, wrong);
        return false;
    }
    struct dg_psk there[DG_PSK_KEYS_MAX];
    if (expected == DG_PSK_ADDED && dg_psk_table_find(loading->table, psk->identity, there) > 0) {
        snprintf(loading->error, loading->error_size, "%s: identity %s stands in the file of pre-shared keys too, in line "
                 "%u; expected it in one of them; do: remove it from the other", loading->path, shown, there[0].line);
        return false;
    }
    if (dg_psk_table_add(loading->table, psk) == expected)
        return true;
    snprintf(loading->error, loading->error_size, "%s: identity %s has the same key twice; do: dtlsgate psk rotate --cancel",
             loading->path, shown);
    return false;
}

static bool load_row(void *context, const struct dg_psk_store_row *row)
{
    const struct loading *loading = context;
    const struct dg_psk current = {.identity = row->identity, .key = row->key};
    const struct dg_psk next = {.identity = row->identity, .key = row->next_key};
    return take_key(loading, &current, DG_PSK_ADDED) &&
           (row->next_key.size == 0 || take_key(loading, &next, DG_PSK_ADDED_NEXT));
}

// An entry's head and alignment take 13 bytes at most. Of texts, which a store made by hand may hold, length() would count
// the characters; an index of its own may count fewer rows.
#define BYTES(column) "length(CAST(" column " AS BLOB))"
#define SIZE_SQL                                                                                                  \
    "SELECT coalesce(sum(" BYTES("identity") " + " BYTES("key") " + 13"                                           \
    " + CASE WHEN next_key IS NULL THEN 0 ELSE " BYTES("identity") " + " BYTES("next_key") " + 13 END), 0)"       \
    " FROM psk NOT INDEXED"

static bool load(struct dg_psk_store *store, const struct loading *loading)
{
    int64_t count, bytes;
    if (!run(store, "BEGIN", loading->error, loading->error_size) ||
        !read_number(store, "SELECT count(*) FROM psk NOT INDEXED", &count, loading->error, loading->error_size) ||
        !read_number(store, SIZE_SQL, &bytes, loading->error, loading->error_size))
        return false;
    if (!dg_psk_table_reserve(loading->table, (size_t)count, (size_t)bytes)) {
        snprintf(loading->error, loading->error_size, "%s: no memory for the keys of %lld identities", loading->path,
                 (long long)count);
        return false;
    }
    return dg_psk_store_each(store, nothing, load_row, (void *)(uintptr_t)loading, loading->error, loading->error_size);
}

bool dg_psk_store_load(struct dg_psk_table *table, const char *path, char *error, size_t error_size)
{
    struct dg_psk_store *store = dg_psk_store_open(path, DG_PSK_STORE_READ, error, error_size);
    if (!store)
        return false;
    const struct loading loading = {table, path, error, error_size};
    bool done = load(store, &loading);
    dg_psk_store_close(store);
    return done;
}
