// SPDX-License-Identifier: GPL-3.0-or-later
// Files of pre-shared keys beside a plain count of their lines: what is taken is complete and can be found,
// what is refused names its line and never shows a key.
//
// Input: the file.
#include "fuzz.h"

#include "credentials/psk_file.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int file = -1;
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    file = memfd_create("psk", MFD_CLOEXEC);
    CHECK(file >= 0 && fchmod(file, 0600) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return 0;
}

static void is_complete(const struct dg_psk_table *table, size_t lines)
{
    CHECK(table->count > 0 && table->count <= lines);
    for (size_t i = 0; i < table->count; i++) {
        const struct dg_psk *psk = &table->items[i];
        CHECK(psk->identity.size >= 1 && psk->identity.size <= DG_IDENTITY_MAX);
        CHECK(memchr(psk->identity.data, 0, psk->identity.size) == NULL);
        CHECK(psk->key.size >= DG_PSK_KEY_MIN && psk->key.size <= DG_PSK_KEY_MAX);
        CHECK(psk->line >= 1 && psk->line <= lines);
        CHECK(i == 0 || psk->line > table->items[i - 1].line);
        CHECK(dg_psk_table_find(table, psk->identity) == psk);
    }
    CHECK(dg_psk_table_find(table, (struct dg_bytes){(const uint8_t *)"", 0}) == NULL);
}

// Eight bytes in a row from behind the line's last colon, which do not stand before it as well.
static void shows_no_key(const char *error, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    if (strstr(error, "stands already in line") != NULL)
        return; // it shows an identity, which may be another line's key
    for (const uint8_t *line = data; line < end;) {
        const uint8_t *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop != NULL ? stop : end;
        const uint8_t *colon = memrchr(line, ':', (size_t)(stop - line));
        for (const uint8_t *at = colon; at != NULL && stop - at > 8; at++) {
            bool is_shown = memmem(error, strlen(error), at + 1, 8) != NULL;
            CHECK(!is_shown || memmem(line, (size_t)(colon - line), at + 1, 8) != NULL ||
                  memmem(path, strlen(path), at + 1, 8) != NULL || at[1] < '0' || at[1] > 'f');
        }
        line = stop + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dg_psk_table table;
    char error[256] = "";
    CHECK(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    if (dg_psk_table_load(&table, path, error, sizeof error)) {
        is_complete(&table, lines);
        dg_psk_table_clear(&table);
    } else {
        CHECK(strncmp(error, path, strlen(path)) == 0 && strlen(error) > strlen(path) + 2);
        shows_no_key(error, data, size);
    }
    return 0;
}
