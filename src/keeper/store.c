// SPDX-License-Identifier: GPL-3.0-or-later
// A list in the order of coming. Two descriptors are the same when they lead to one file: sockets and memory files each
// have a number of their own in the kernel.
#include "keeper/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_same_file(int fd, const struct stat *other)
{
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_dev == other->st_dev && status.st_ino == other->st_ino;
}

static bool is_here(const struct dg_store *store, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    for (size_t i = 0; i < store->count; i++)
        if (is_same_file(store->items[i].fd, &status))
            return true;
    return false;
}

enum dg_stored dg_store_add(struct dg_store *store, const char *name, int fd)
{
    enum dg_stored done = DG_STORED;
    if (is_here(store, fd))
        done = DG_STORED_BEFORE;
    else if (store->count == DG_INHERITANCE_MAX)
        done = DG_STORE_FULL;
    if (done != DG_STORED) {
        close(fd);
        return done;
    }
    struct dg_inherited *item = &store->items[store->count++];
    item->fd = fd;
    snprintf(item->name, sizeof item->name, "%s", name);
    return done;
}

void dg_store_forget(struct dg_store *store, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < store->count; i++) {
        if (strcmp(store->items[i].name, name) == 0)
            close(store->items[i].fd);
        else
            store->items[kept++] = store->items[i];
    }
    store->count = kept;
}

void dg_store_clear(struct dg_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        close(store->items[i].fd);
    store->count = 0;
}
