// SPDX-License-Identifier: GPL-3.0-or-later
// The pre-shared keys of a fleet of a million: how long a store is read in, what an identity takes in memory, and what a
// look-up costs, which DTLS 1.3 asks for before a cookie is checked. The yardstick of a look-up is SQLite itself, asked
// for the same identity. Judges nothing.
#include "base/random.h"
#include "credentials/credentials.h"
#include "credentials/psk_store.h"
#include "credentials/psk_table.h"
#include "measure/process.h"
#include "measure/table.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IDENTITIES 1000000u
#define ROUNDS 9
#define LOADS 3
#define LOOKUPS 200000u
#define ASKED 20000u // of SQLite in a round

static char folder[] = "/tmp/dtlsgate-psk-XXXXXX";
static char path[64];

static double now_ns(clockid_t clock)
{
    struct timespec time;
    (void)clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static struct dg_bytes name_of(char text[32], uint32_t number)
{
    return (struct dg_bytes){(const uint8_t *)text, (size_t)snprintf(text, 32, "sensor-%08u", number)};
}

// Any of them, in no order that a cache could know.
static uint32_t scattered(uint32_t i) { return (uint32_t)((uint64_t)i * 2654435761u % IDENTITIES); }

static void make_store(void)
{
    char error[512], text[32];
    uint8_t key[32];
    struct dg_psk_store *store = dg_psk_store_open(path, DG_PSK_STORE_CREATE, error, sizeof error);
    if (store == NULL || !dg_psk_store_begin(store, error, sizeof error))
        BENCH_FAIL("%s", error);
    for (uint32_t i = 0; i < IDENTITIES; i++) {
        dg_random_bytes(key, sizeof key);
        if (dg_psk_store_add(store, name_of(text, i), (struct dg_bytes){key, sizeof key}, error, sizeof error) !=
            DG_PSK_STORED)
            BENCH_FAIL("%s", error);
    }
    if (!dg_psk_store_commit(store, error, sizeof error))
        BENCH_FAIL("%s", error);
    dg_psk_store_close(store);
}

static struct dg_credentials *load(double *ret_seconds)
{
    char error[512];
    const struct dg_credential_files files = {.psk_store_file = path};
    double before = now_ns(CLOCK_MONOTONIC);
    struct dg_credentials *credentials = dg_credentials_new(&files, error, sizeof error);
    if (credentials == NULL)
        BENCH_FAIL("%s", error);
    *ret_seconds = (now_ns(CLOCK_MONOTONIC) - before) / 1e9;
    return credentials;
}

// Nanoseconds a look-up; base is added to the numbers: beyond IDENTITIES nobody is known.
static double ask_index(const struct dg_credentials *credentials, uint32_t base, size_t expected)
{
    static char texts[LOOKUPS][32];
    static struct dg_bytes names[LOOKUPS];
    static uint32_t start;
    start += LOOKUPS;
    for (uint32_t i = 0; i < LOOKUPS; i++)
        names[i] = name_of(texts[i], base + scattered(start + i));
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    size_t found = 0;
    double before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t i = 0; i < LOOKUPS; i++)
        found += dg_credentials_find_psk(credentials, names[i], keys);
    double spent = now_ns(CLOCK_THREAD_CPUTIME_ID) - before;
    if (found != expected)
        BENCH_FAIL("found %zu identities of %zu", found, expected);
    return spent / LOOKUPS;
}

static double ask_sqlite(sqlite3_stmt *statement)
{
    static uint32_t start;
    char text[32];
    start += ASKED;
    double before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t i = 0; i < ASKED; i++) {
        struct dg_bytes name = name_of(text, scattered(start + i));
        sqlite3_bind_blob(statement, 1, name.data, (int)name.size, SQLITE_STATIC);
        if (sqlite3_step(statement) != SQLITE_ROW)
            BENCH_FAIL("SQLite does not know %s", text);
        sqlite3_reset(statement);
    }
    return (now_ns(CLOCK_THREAD_CPUTIME_ID) - before) / ASKED;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 2)
        BENCH_FAIL("usage: psk_lookup");
    bench_pin(BENCH_SERVER_CPU);
    if (mkdtemp(folder) == NULL)
        BENCH_FAIL("no folder");
    snprintf(path, sizeof path, "%s/fleet.db", folder);
    make_store();
    struct bench_figure load_time = {.name = "Reading in a store of 1,000,000 identities", .unit = "ms"};
    struct bench_figure memory = {.name = "Memory of an identity of 15 bytes with a key of 256 bits, index included", .unit = "B"};
    struct bench_figure known = {.name = "Look-up of a known identity among 1,000,000, beside SQLite's", .unit = "ns"};
    struct bench_figure unknown = {.name = "Look-up of an unknown identity among 1,000,000", .unit = "ns"};
    struct dg_credentials *credentials = NULL;
    for (int i = 0; i < LOADS; i++) {
        double seconds;
        dg_credentials_put(credentials);
        credentials = load(&seconds);
        bench_figure_add(&load_time, 1000 * seconds, 1);
    }
    // What the table holds, as it says itself: the process' own size holds SQLite's too.
    struct dg_psk_table table = {0};
    char error[512];
    if (!dg_psk_store_load(&table, path, error, sizeof error))
        BENCH_FAIL("%s", error);
    bench_figure_add(&memory, (double)(table.arena_size + table.place_count * sizeof *table.places) / (double)table.count, 1);
    dg_psk_table_clear(&table);
    sqlite3 *database;
    sqlite3_stmt *statement;
    if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_exec(database, "PRAGMA cache_size = -262144; BEGIN; SELECT sum(length(key)) FROM psk", NULL, NULL, NULL) !=
            SQLITE_OK ||
        sqlite3_prepare_v2(database, "SELECT key FROM psk WHERE identity = ?1", -1, &statement, NULL) != SQLITE_OK)
        BENCH_FAIL("SQLite: %s", sqlite3_errmsg(database));
    for (int round = -1; round < ROUNDS; round++) { // the first one warms up
        double sqlite = ask_sqlite(statement);
        double cost = ask_index(credentials, 0, LOOKUPS);
        double missed = ask_index(credentials, IDENTITIES, 0);
        if (round < 0)
            continue;
        bench_figure_add(&known, cost, sqlite);
        bench_figure_add(&unknown, missed, 1);
    }
    bench_figure_print_cost(&load_time);
    bench_figure_print_cost(&memory);
    bench_figure_print_ratio(&known);
    bench_figure_print_cost(&unknown);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    dg_credentials_put(credentials);
    (void)unlink(path);
    (void)rmdir(folder);
    return 0;
}
