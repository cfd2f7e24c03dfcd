// SPDX-License-Identifier: GPL-3.0-or-later
// Files of pre-shared keys beside a plain count of their lines: what is taken is complete and can be found,
// what is refused names its line and never shows a key.
//
// Input: the file.
#include "fuzz.h"

#include "credentials/psk_file.h"
#include "credentials/psk_table.h"

#include <stdio.h>
#include <stdlib.h>
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

static size_t keys_found;

static bool is_same(void *context, const struct dg_psk *psk, char *why, size_t why_size)
{
    (void)why, (void)why_size;
    const struct dg_psk *other = context;
    CHECK(psk->identity.size == other->identity.size && psk->key.size == other->key.size);
    CHECK(memcmp(psk->identity.data, other->identity.data, psk->identity.size) == 0);
    CHECK(memcmp(psk->key.data, other->key.data, psk->key.size) == 0);
    return true;
}

// Each key of the file, read once more, beside what the table says.
static bool is_found(void *context, const struct dg_psk *psk, char *why, size_t why_size)
{
    (void)why, (void)why_size;
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    size_t count = dg_psk_table_find(context, psk->identity, keys);
    CHECK(count >= 1 && count <= DG_PSK_KEYS_MAX);
    const struct dg_psk *found = keys[0].line == psk->line ? &keys[0] : &keys[count - 1];
    CHECK(found->line == psk->line && found->key.size == psk->key.size &&
          memcmp(found->key.data, psk->key.data, psk->key.size) == 0);
    CHECK(psk->identity.size >= 1 && psk->identity.size <= DG_IDENTITY_MAX);
    CHECK(memchr(psk->identity.data, 0, psk->identity.size) == NULL);
    CHECK(psk->key.size >= DG_PSK_KEY_MIN && psk->key.size <= DG_PSK_KEY_MAX);
    // Written again, the line is read as the same key.
    char line[DG_PSK_LINE_MAX], error[256];
    struct dg_file text = {.data = line, .size_bytes = dg_psk_line_write(psk, line)};
    CHECK(text.size_bytes < sizeof line);
    CHECK(dg_psk_text_read(&text, "line", is_same, (void *)(uintptr_t)psk, error, sizeof error));
    keys_found++;
    return true;
}

static void is_complete(const struct dg_psk_table *table, const uint8_t *data, size_t size, size_t lines)
{
    struct dg_file text = {.data = malloc(size + 1), .size_bytes = size};
    char error[256];
    CHECK(table->count > 0 && table->count + table->rotating <= lines);
    keys_found = 0;
    CHECK(text.data != NULL);
    memcpy(text.data, data, size);
    text.data[size] = '\0';
    CHECK(dg_psk_text_read(&text, path, is_found, (void *)(uintptr_t)table, error, sizeof error));
    CHECK(keys_found == table->count + table->rotating);
    free(text.data);
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    CHECK(dg_psk_table_find(table, (struct dg_bytes){(const uint8_t *)"", 0}, keys) == 0);
    CHECK(dg_psk_table_first(table, keys) >= 1);
}

// Eight bytes in a row from behind the line's last colon, which do not stand before it as well.
static void shows_no_key(const char *error, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    size_t error_size = strlen(error);
    if (strstr(error, "stands already in line") != NULL)
        return; // it shows an identity, which may be another line's key
    for (const uint8_t *line = data; line < end;) {
        const uint8_t *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop != NULL ? stop : end;
        const uint8_t *colon = memrchr(line, ':', (size_t)(stop - line));
        for (const uint8_t *at = colon; at != NULL && stop - at > 8; at++) {
            bool may_be_key = at[1] >= '0' && at[1] <= 'f';
            CHECK(!may_be_key || memmem(error, error_size, at + 1, 8) == NULL ||
                  memmem(line, (size_t)(colon - line), at + 1, 8) != NULL ||
                  memmem(path, strlen(path), at + 1, 8) != NULL);
        }
        line = stop + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dg_psk_table table = {0};
    char error[256] = "";
    CHECK(pwrite(file, data, size, 0) == (ssize_t)size && ftruncate(file, (off_t)size) == 0);
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    if (dg_psk_file_load(&table, path, error, sizeof error)) {
        is_complete(&table, data, size, lines);
    } else {
        CHECK(strncmp(error, path, strlen(path)) == 0 && strlen(error) > strlen(path) + 2);
        shows_no_key(error, data, size);
    }
    dg_psk_table_clear(&table);
    return 0;
}
