// SPDX-License-Identifier: GPL-3.0-or-later
// Puts functions of our own between SQLite and the heap that it has chosen.
#include "credentials/psk_store_heap.h"

#include "base/secret.h"

#include <sqlite3.h>
#include <string.h>

static sqlite3_mem_methods plain;

static void wiping_free(void *memory)
{
    dg_wipe(memory, (size_t)plain.xSize(memory));
    plain.xFree(memory);
}

static void *wiping_realloc(void *memory, int size)
{
    void *moved = plain.xMalloc(size);
    if (moved == NULL)
        return NULL;
    int before = plain.xSize(memory);
    memcpy(moved, memory, (size_t)(before < size ? before : size));
    wiping_free(memory);
    return moved;
}

void dg_psk_store_heap_wipe(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain) != SQLITE_OK)
        return;
    sqlite3_mem_methods methods = plain;
    methods.xFree = wiping_free;
    methods.xRealloc = wiping_realloc;
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}
