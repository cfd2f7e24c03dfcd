// SPDX-License-Identifier: GPL-3.0-or-later
// The store of pre-shared keys and the index that is made of it, beside a plain list of what was put in: changes are whole
// or not at all, what is refused is refused in words, and no key stays
// behind in memory.
#include "check.h"

#include "base/random.h"
#include "base/secret.h"
#include "credentials/credentials.h"
#include "credentials/psk_file.h"
#include "credentials/psk_store.h"
#include "credentials/psk_table.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[128];
static char error[512];

static void fresh(void)
{
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/dg-psk-store-XXXXXX");
        if (!mkdtemp(folder))
            abort();
        snprintf(path, sizeof path, "%s/fleet.db", folder);
    }
    (void)unlink(path);
    error[0] = '\0';
}

static struct dg_psk_store *open_store(enum dg_psk_store_use use)
{
    return dg_psk_store_open(path, use, error, sizeof error);
}

static struct dg_bytes text(const char *words) { return (struct dg_bytes){(const uint8_t *)words, strlen(words)}; }

static struct dg_bytes key_of(uint8_t key[32], unsigned seed)
{
    for (size_t i = 0; i < 32; i++)
        key[i] = (uint8_t)(seed * 7 + i);
    return (struct dg_bytes){key, 32};
}

static enum dg_psk_stored add(struct dg_psk_store *store, const char *identity, unsigned seed)
{
    uint8_t key[32];
    return dg_psk_store_add(store, text(identity), key_of(key, seed), error, sizeof error);
}

static enum dg_psk_stored rotate(struct dg_psk_store *store, const char *identity, unsigned seed)
{
    uint8_t key[32];
    return dg_psk_store_rotate(store, text(identity), key_of(key, seed), error, sizeof error);
}

static bool has(const struct dg_psk_table *table, const char *identity, size_t count, const unsigned seeds[2])
{
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    uint8_t expected[32];
    if (dg_psk_table_find(table, text(identity), keys) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        (void)key_of(expected, seeds[i]);
        if (keys[i].key.size != 32 || memcmp(keys[i].key.data, expected, 32) != 0 || keys[i].line != 0)
            return false;
    }
    return true;
}

DG_TEST(psk_store_gives_back_what_was_put_in)
{
    fresh();
    struct dg_psk_store *store = open_store(DG_PSK_STORE_CREATE);
    REQUIRE(store);
    CHECK_EQ(add(store, "a", 1), DG_PSK_STORED);
    CHECK_EQ(add(store, "a", 2), DG_PSK_STORED_BEFORE);
    CHECK_EQ(add(store, "b", 3), DG_PSK_STORED);
    CHECK_EQ(add(store, "c", 4), DG_PSK_STORED);
    CHECK_EQ(rotate(store, "b", 3), DG_PSK_STORED_BEFORE); // its own key is no next one
    CHECK_EQ(rotate(store, "b", 5), DG_PSK_STORED);
    CHECK_EQ(rotate(store, "b", 6), DG_PSK_STORED_BEFORE);
    CHECK_EQ(rotate(store, "c", 7), DG_PSK_STORED);
    CHECK_EQ(rotate(store, "nobody", 7), DG_PSK_STORED_NONE);
    CHECK_EQ(dg_psk_store_cancel(store, text("c"), error, sizeof error), DG_PSK_STORED);
    CHECK_EQ(dg_psk_store_cancel(store, text("c"), error, sizeof error), DG_PSK_STORED_NONE);
    CHECK_EQ(dg_psk_store_finish(store, text("a"), error, sizeof error), DG_PSK_STORED_NONE);
    struct dg_psk_table table = {0};
    CHECK_MSG(dg_psk_store_load(&table, path, error, sizeof error), "%s", error);
    CHECK_EQ(table.count, 3);
    CHECK_EQ(table.rotating, 1);
    CHECK(has(&table, "a", 1, (unsigned[]){1, 0}));
    CHECK(has(&table, "b", 2, (unsigned[]){3, 5}));
    CHECK(has(&table, "c", 1, (unsigned[]){4, 0}));
    CHECK(has(&table, "d", 0, NULL));
    dg_psk_table_clear(&table);
    CHECK_EQ(dg_psk_store_finish(store, text("b"), error, sizeof error), DG_PSK_STORED);
    CHECK_EQ(dg_psk_store_remove(store, text("a"), error, sizeof error), DG_PSK_STORED);
    CHECK_EQ(dg_psk_store_remove(store, text("a"), error, sizeof error), DG_PSK_STORED_NONE);
    CHECK_MSG(dg_psk_store_load(&table, path, error, sizeof error), "%s", error);
    CHECK(has(&table, "a", 0, NULL));
    CHECK(has(&table, "b", 1, (unsigned[]){5, 0}));
    dg_psk_table_clear(&table);
    dg_psk_store_close(store);
    struct stat status;
    CHECK(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
}

DG_TEST(psk_store_change_without_commit_is_undone)
{
    fresh();
    struct dg_psk_store *store = open_store(DG_PSK_STORE_CREATE);
    REQUIRE(store);
    CHECK_EQ(add(store, "a", 1), DG_PSK_STORED);
    CHECK(dg_psk_store_begin(store, error, sizeof error));
    CHECK_EQ(add(store, "b", 2), DG_PSK_STORED);
    CHECK_EQ(dg_psk_store_remove(store, text("a"), error, sizeof error), DG_PSK_STORED);
    dg_psk_store_close(store);
    struct dg_psk_table table = {0};
    CHECK_MSG(dg_psk_store_load(&table, path, error, sizeof error), "%s", error);
    CHECK_EQ(table.count, 1);
    CHECK(has(&table, "a", 1, (unsigned[]){1, 0}));
    dg_psk_table_clear(&table);
}

// The same rules as in a file of keys (RFC 9257 6).
DG_TEST(psk_store_refuses_what_a_file_may_not_hold)
{
    static const uint8_t zeros[80];
    static const char long_name[257] = {0};
    fresh();
    struct dg_psk_store *store = open_store(DG_PSK_STORE_CREATE);
    REQUIRE(store);
    const struct dg_bytes key = {zeros, 32}, short_key = {zeros, 15}, long_key = {zeros, 65};
    CHECK_EQ(dg_psk_store_add(store, text("a"), short_key, error, sizeof error), DG_PSK_STORED_ERROR);
    CHECK_MSG(strstr(error, "fewer than 128 bits"), "%s", error);
    CHECK_EQ(dg_psk_store_add(store, text("a"), long_key, error, sizeof error), DG_PSK_STORED_ERROR);
    CHECK_EQ(dg_psk_store_add(store, text(""), key, error, sizeof error), DG_PSK_STORED_ERROR);
    CHECK_EQ(dg_psk_store_add(store, (struct dg_bytes){(const uint8_t *)"a\0b", 3}, key, error, sizeof error),
             DG_PSK_STORED_ERROR);
    CHECK_EQ(dg_psk_store_add(store, (struct dg_bytes){(const uint8_t *)long_name, 256}, key, error, sizeof error),
             DG_PSK_STORED_ERROR);
    CHECK_EQ(add(store, "a", 1), DG_PSK_STORED);
    CHECK_EQ(dg_psk_store_rotate(store, text("a"), short_key, error, sizeof error), DG_PSK_STORED_ERROR);
    dg_psk_store_close(store);
}

static void alter(const char *sql)
{
    sqlite3 *database;
    REQUIRE(sqlite3_open(path, &database) == SQLITE_OK);
    CHECK_MSG(sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(database));
    sqlite3_close(database);
}

DG_TEST(psk_store_of_others_is_refused_in_words)
{
    static const struct {
        const char *sql, *expected;
    } cases[] = {
        {"PRAGMA user_version = 2", "schema version 2"},
        {"PRAGMA application_id = 7", "another program"},
        {"DROP TABLE psk", "no such table"},
        {"PRAGMA ignore_check_constraints = ON; UPDATE psk SET key = x'00'", "fewer than 128 bits"},
        {"PRAGMA ignore_check_constraints = ON; UPDATE psk SET identity = x'610062'", "NUL"},
        {"UPDATE psk SET next_key = key", "same key twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fresh();
        struct dg_psk_store *store = open_store(DG_PSK_STORE_CREATE);
        REQUIRE(store);
        CHECK_EQ(add(store, "a", 1), DG_PSK_STORED);
        dg_psk_store_close(store);
        alter(cases[i].sql);
        struct dg_psk_table table = {0};
        CHECK(!dg_psk_store_load(&table, path, error, sizeof error));
        CHECK_MSG(strstr(error, cases[i].expected) && strstr(error, "fleet.db"), "case %zu: %s", i, error);
        dg_psk_table_clear(&table);
    }
    // Nothing that is there already is taken for a new store.
    fresh();
    alter("CREATE TABLE other (x)");
    CHECK(chmod(path, 0600) == 0 && !open_store(DG_PSK_STORE_CREATE));
    CHECK_MSG(strstr(error, "another program") != NULL, "%s", error);
}

// --- a journal that others have put there -------------------------------------------------------------------

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

// What a change that was interrupted leaves behind, in the form of the library: it undoes everything, down to these pages.
static void plant_journal(const uint8_t *pages, size_t size)
{
    static const uint8_t magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    const uint32_t page_size = (uint32_t)pages[16] << 8 | pages[17];
    uint8_t head[512] = {0}, number[4];
    char name[160];
    snprintf(name, sizeof name, "%s-journal", path);
    FILE *file = fopen(name, "w");
    memcpy(head, magic, sizeof magic);
    put_u32(head + 8, (uint32_t)(size / page_size));
    put_u32(head + 16, (uint32_t)(size / page_size));
    put_u32(head + 20, sizeof head);
    put_u32(head + 24, page_size);
    CHECK(file && fwrite(head, sizeof head, 1, file) == 1);
    for (uint32_t i = 0; i < size / page_size; i++) {
        const uint8_t *page = pages + (size_t)i * page_size;
        uint32_t sum = 0;
        for (uint32_t at = page_size - 200; at < page_size && at > 0; at -= 200)
            sum += page[at];
        put_u32(number, i + 1);
        CHECK(fwrite(number, 4, 1, file) == 1 && fwrite(page, page_size, 1, file) == 1);
        put_u32(number, sum);
        CHECK(fwrite(number, 4, 1, file) == 1);
    }
    CHECK(fclose(file) == 0);
}

static size_t copy_of_store(uint8_t *out, size_t capacity)
{
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(out, 1, capacity, file) : 0;
    if (file)
        (void)fclose(file);
    return size;
}

// Who may make files beside the store decides what is in it: under a sticky bit too, and behind a link.
DG_TEST(psk_store_beside_which_others_may_put_files_is_refused)
{
    static const mode_t modes[] = {01777, 0770, 0703, 0702};
    static uint8_t theirs[1 << 16];
    struct dg_psk_table table = {0};
    char elsewhere[] = "/tmp/dg-psk-link-XXXXXX", link[160];
    REQUIRE(mkdtemp(elsewhere));
    snprintf(link, sizeof link, "%s/fleet.db", elsewhere);
    fresh();
    struct dg_psk_store *store = open_store(DG_PSK_STORE_CREATE);
    CHECK(store && add(store, "intruder", 9) == DG_PSK_STORED);
    dg_psk_store_close(store);
    size_t size = copy_of_store(theirs, sizeof theirs);
    CHECK(size > 0 && size < sizeof theirs);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        fresh();
        store = open_store(DG_PSK_STORE_CREATE);
        CHECK(store && add(store, "a", 1) == DG_PSK_STORED);
        dg_psk_store_close(store);
        CHECK(chmod(folder, modes[i]) == 0 && symlink(path, link) == 0);
        plant_journal(theirs, size);
        for (int use = DG_PSK_STORE_READ; use <= DG_PSK_STORE_CREATE; use++) {
            CHECK(!open_store((enum dg_psk_store_use)use));
            CHECK_MSG(strstr(error, "others may put files beside"), "%s", error);
        }
        CHECK(!dg_psk_store_open(link, DG_PSK_STORE_CHANGE, error, sizeof error));
        CHECK(unlink(link) == 0);
        char journal[160];
        snprintf(journal, sizeof journal, "%s-journal", path);
        CHECK(unlink(journal) == 0 && chmod(folder, 0755) == 0);
        CHECK_MSG(dg_psk_store_load(&table, path, error, sizeof error), "%s", error);
        CHECK(has(&table, "a", 1, (unsigned[]){1, 0}) && has(&table, "intruder", 0, NULL));
        dg_psk_table_clear(&table);
    }
    CHECK(rmdir(elsewhere) == 0 && chmod(folder, 0700) == 0);
}

// Made by hand, in other types: characters are not bytes, and an index need not say how many rows there are.
DG_TEST(psk_store_of_other_types_is_read_by_its_bytes)
{
    fresh();
    struct dg_psk_store *store = open_store(DG_PSK_STORE_CREATE);
    REQUIRE(store && add(store, "a", 1) == DG_PSK_STORED);
    dg_psk_store_close(store);
    alter("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE psk (identity PRIMARY KEY NOT NULL, key, "
          "next_key, changed) WITHOUT ROWID'");
    alter("INSERT INTO psk SELECT replace(hex(zeroblob(60)), '0', char(252)), replace(hex(zeroblob(16)), '0', char(252)), NULL, 7;"
          "CREATE INDEX part ON psk (changed) WHERE changed = 7");
    struct dg_psk_table table = {0};
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    uint8_t identity[240];
    for (size_t i = 0; i < sizeof identity; i++)
        identity[i] = i % 2 == 0 ? 0xc3 : 0xbc;
    CHECK_MSG(dg_psk_store_load(&table, path, error, sizeof error), "%s", error);
    CHECK_EQ(table.count, 2);
    CHECK_EQ(dg_psk_table_find(&table, (struct dg_bytes){identity, sizeof identity}, keys), 1);
    CHECK_EQ(keys[0].key.size, 64);
    dg_psk_table_clear(&table);
}

// The library takes some names for more than a path.
DG_TEST(psk_store_with_a_name_that_means_something_to_sqlite_is_a_file)
{
    char before[256], place[256];
    fresh();
    REQUIRE(getcwd(before, sizeof before) && chdir(folder) == 0);
    snprintf(place, sizeof place, "%s/file:", folder);
    CHECK(mkdir(place, 0700) == 0);
    struct dg_psk_store *store = dg_psk_store_open("file:/fleet.db?immutable=1", DG_PSK_STORE_CREATE, error, sizeof error);
    CHECK_MSG(store && add(store, "a", 1) == DG_PSK_STORED, "%s", error);
    dg_psk_store_close(store);
    struct stat status;
    CHECK(stat("./file:/fleet.db?immutable=1", &status) == 0 && status.st_size > 0);
    CHECK(unlink("./file:/fleet.db?immutable=1") == 0 && rmdir(place) == 0 && chdir(before) == 0);
}

// What a file says of itself reaches no terminal.
DG_TEST(psk_store_with_a_schema_that_drives_a_terminal_is_refused_in_print)
{
    fresh();
    struct dg_psk_store *store = open_store(DG_PSK_STORE_CREATE);
    REQUIRE(store && add(store, "a", 1) == DG_PSK_STORED);
    dg_psk_store_close(store);
    alter("PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('table', char(27) || '[31mx', 'x', 7, 'CREATE nonsense')");
    struct dg_psk_table table = {0};
    CHECK(!dg_psk_store_load(&table, path, error, sizeof error));
    CHECK_MSG(strchr(error, 27) == NULL && strstr(error, "[31mx") != NULL, "%s", error);
    dg_psk_table_clear(&table);
}

// Somebody else's change is waited for, and then said.
DG_TEST(psk_store_is_read_while_it_is_changed)
{
    fresh();
    struct dg_psk_store *store = open_store(DG_PSK_STORE_CREATE);
    REQUIRE(store);
    CHECK_EQ(add(store, "a", 1), DG_PSK_STORED);
    CHECK(dg_psk_store_begin(store, error, sizeof error));
    CHECK_EQ(add(store, "b", 1), DG_PSK_STORED);
    struct dg_psk_table table = {0};
    CHECK_MSG(dg_psk_store_load(&table, path, error, sizeof error), "%s", error);
    CHECK_EQ(table.count, 1); // what was there before
    dg_psk_table_clear(&table);
    CHECK(dg_psk_store_commit(store, error, sizeof error));
    CHECK_MSG(dg_psk_store_load(&table, path, error, sizeof error), "%s", error);
    CHECK_EQ(table.count, 2);
    dg_psk_table_clear(&table);
    dg_psk_store_close(store);
}

static void put_keys(const char *name, const char *lines, char file[160])
{
    snprintf(file, 160, "%s/%s", folder, name);
    FILE *out = fopen(file, "w");
    CHECK(out && fputs(lines, out) >= 0 && fclose(out) == 0 && chmod(file, 0600) == 0);
}

DG_TEST(psk_store_and_file_make_one_snapshot)
{
    fresh();
    char file[160];
    struct dg_psk_store *store = open_store(DG_PSK_STORE_CREATE);
    REQUIRE(store);
    put_keys("psk.txt", "x:000102030405060708090a0b0c0d0e0f\nx:000102030405060708090a0b0c0d0e10\n", file);
    const struct dg_credential_files files = {.psk_file = file, .psk_store_file = path}, alone = {.psk_store_file = path};
    struct dg_credentials *credentials = dg_credentials_new(&alone, error, sizeof error);
    CHECK_MSG(credentials != NULL, "%s", error); // an empty store: nobody gets in yet
    REQUIRE(credentials);
    CHECK(dg_credentials_takes_psks(credentials) && dg_credentials_can_check_clients(credentials));
    CHECK_EQ(dg_credentials_psk_count(credentials), 0);
    dg_credentials_put(credentials);
    CHECK_EQ(add(store, "a", 1), DG_PSK_STORED);
    credentials = dg_credentials_new(&files, error, sizeof error);
    CHECK_MSG(credentials != NULL, "%s", error);
    REQUIRE(credentials);
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    CHECK_EQ(dg_credentials_psk_count(credentials), 2);
    CHECK_EQ(dg_credentials_find_psk(credentials, text("x"), keys), 2);
    CHECK_EQ(keys[1].line, 2);
    CHECK_EQ(dg_credentials_find_psk(credentials, text("a"), keys), 1);
    dg_credentials_put(credentials);
    CHECK_EQ(add(store, "x", 1), DG_PSK_STORED);
    CHECK(!dg_credentials_new(&files, error, sizeof error));
    CHECK_MSG(strstr(error, "identity x stands in the file of pre-shared keys too, in line 1"), "%s", error);
    dg_psk_store_close(store);
    (void)unlink(file);
}

// Beside a list in order of coming: random identities, some in rotation, many growths of the index.
DG_TEST(psk_table_beside_a_plain_list)
{
    enum { COUNT = 5000 };
    static struct {
        uint8_t identity[16], key[2][64];
        uint8_t identity_size, key_size[2];
        bool is_rotating;
    } list[COUNT];
    struct dg_psk_table table = {0};
    uint32_t random = 12345;
    for (unsigned i = 0; i < COUNT; i++) {
        random = random * 1664525 + 1013904223;
        list[i].identity_size = (uint8_t)(5 + random % 11);
        snprintf((char *)list[i].identity, sizeof list[i].identity, "%04u%s", i, "abcdefghijk");
        list[i].is_rotating = random % 7 == 0;
        for (unsigned k = 0; k < 2; k++) {
            list[i].key_size[k] = (uint8_t)(16 + (random >> (8 * (k + 1))) % 49);
            memset(list[i].key[k], (int)(i + k), sizeof list[i].key[k]);
            list[i].key[k][0] = (uint8_t)k;
        }
        size_t bytes = dg_psk_table_bytes(list[i].identity_size, list[i].key_size[0]) +
                       dg_psk_table_bytes(list[i].identity_size, list[i].key_size[1]);
        REQUIRE(dg_psk_table_reserve(&table, 1, bytes));
        for (unsigned k = 0; k < 1 + (unsigned)list[i].is_rotating; k++) {
            const struct dg_psk psk = {.identity = {list[i].identity, list[i].identity_size},
                                       .key = {list[i].key[k], list[i].key_size[k]},
                                       .line = i};
            CHECK_EQ(dg_psk_table_add(&table, &psk), k == 0 ? DG_PSK_ADDED : DG_PSK_ADDED_NEXT);
            if (k == 0)
                CHECK_EQ(dg_psk_table_add(&table, &psk), DG_PSK_SAME_KEY);
            else
                CHECK_EQ(dg_psk_table_add(&table, &psk), DG_PSK_TOO_MANY_KEYS);
        }
    }
    CHECK_EQ(table.count, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        struct dg_psk keys[DG_PSK_KEYS_MAX];
        size_t count = dg_psk_table_find(&table, (struct dg_bytes){list[i].identity, list[i].identity_size}, keys);
        CHECK_EQ(count, 1 + (size_t)list[i].is_rotating);
        for (size_t k = 0; k < count; k++) {
            CHECK_EQ(keys[k].key.size, list[i].key_size[k]);
            CHECK_MEM(keys[k].key.data, list[i].key[k], list[i].key_size[k]);
            CHECK_EQ(keys[k].line, i);
        }
        CHECK_EQ(dg_psk_table_find(&table, (struct dg_bytes){list[i].identity, 4}, keys), 0);
    }
    dg_psk_table_clear(&table);
}

// A key that is in memory nowhere but masked, so that looking for it does not find the look itself.
static uint8_t masked[32];
#define MASK 0x5a

// Reads what a sanitizer keeps between variables too.
__attribute__((noinline, no_sanitize("address"))) static size_t count_in(const volatile uint8_t *data, size_t size)
{
    size_t found = 0;
    for (size_t at = 0; at + sizeof masked <= size; at++) {
        size_t same = 0;
        while (same < sizeof masked && (data[at + same] ^ MASK) == masked[same])
            same++;
        found += same == sizeof masked;
    }
    return found;
}

// In all that may be written to, but for what is too large to be anything but a sanitizer's.
static size_t count_in_memory(void)
{
    char line[256];
    size_t found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long first, end;
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s", &first, &end, mode) == 3 && mode[0] == 'r' && mode[1] == 'w' && end - first <= 64u << 20)
            found += count_in((const volatile uint8_t *)first, end - first);
    }
    if (maps)
        fclose(maps);
    return found;
}

DG_TEST(psk_store_leaves_no_key_behind_in_memory)
{
    fresh();
    uint8_t *key = dg_secret_new(32);
    dg_random_bytes(key, 32);
    for (size_t i = 0; i < 32; i++)
        masked[i] = key[i] ^ MASK;
    struct dg_psk_store *store = open_store(DG_PSK_STORE_CREATE);
    REQUIRE(store);
    CHECK_EQ(dg_psk_store_add(store, text("a"), (struct dg_bytes){key, 32}, error, sizeof error), DG_PSK_STORED);
    for (unsigned i = 0; i < 200; i++) { // several pages
        char name[16];
        snprintf(name, sizeof name, "other-%u", i);
        CHECK_EQ(add(store, name, i), DG_PSK_STORED);
    }
    dg_psk_store_close(store);
    CHECK(count_in_memory() > 0); // it can be found
    dg_secret_free(key, 32);
    CHECK_EQ(count_in_memory(), 0);
    struct dg_psk_table table = {0};
    CHECK_MSG(dg_psk_store_load(&table, path, error, sizeof error), "%s", error);
    CHECK_EQ(count_in_memory(), 1); // the index has it
    dg_psk_table_clear(&table);
    CHECK_EQ(count_in_memory(), 0);
}

// A line that is written is read as the same key, whatever the identity is made of.
static bool is_same(void *context, const struct dg_psk *psk, char *why, size_t why_size)
{
    const struct dg_psk *other = context;
    snprintf(why, why_size, "another identity");
    return psk->identity.size == other->identity.size && psk->key.size == other->key.size &&
           memcmp(psk->identity.data, other->identity.data, psk->identity.size) == 0 &&
           memcmp(psk->key.data, other->key.data, psk->key.size) == 0;
}

DG_TEST(psk_lines_are_read_as_they_were_written)
{
    static const char *const names[] = {"plain", "with space", "with:colon", "#hash", "#6869", "\xff\x01", "trailing ", "\n"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint8_t key[32];
        char line[DG_PSK_LINE_MAX];
        const struct dg_psk psk = {.identity = text(names[i]), .key = key_of(key, (unsigned)i)};
        struct dg_file file = {.data = line, .size_bytes = dg_psk_line_write(&psk, line)};
        CHECK_MSG(dg_psk_text_read(&file, "line", is_same, (void *)(uintptr_t)&psk, error, sizeof error), "%zu: %s", i, error);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(psk_store_gives_back_what_was_put_in),
        DG_CASE(psk_store_change_without_commit_is_undone),
        DG_CASE(psk_store_refuses_what_a_file_may_not_hold),
        DG_CASE(psk_store_of_others_is_refused_in_words),
        DG_CASE(psk_store_beside_which_others_may_put_files_is_refused),
        DG_CASE(psk_store_with_a_name_that_means_something_to_sqlite_is_a_file),
        DG_CASE(psk_store_of_other_types_is_read_by_its_bytes),
        DG_CASE(psk_store_with_a_schema_that_drives_a_terminal_is_refused_in_print),
        DG_CASE(psk_store_is_read_while_it_is_changed),
        DG_CASE(psk_store_and_file_make_one_snapshot),
        DG_CASE(psk_table_beside_a_plain_list),
        DG_CASE(psk_lines_are_read_as_they_were_written),
        DG_CASE(psk_store_leaves_no_key_behind_in_memory),
    };
    int status = dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
    if (folder[0]) {
        (void)unlink(path);
        rmdir(folder);
    }
    return status;
}
