// SPDX-License-Identifier: GPL-3.0-or-later
// The sockets of every thread and listening address: opened, or taken over from the process before, of which there may be too
// few or too many for the threads of now. Knows what becomes of each descriptor that was handed down.
//
// In a group the kernel numbers sockets in the order in which they joined, and the filter names them by that number:
// thread T reads socket T. When one is closed, the kernel puts the last one into its place. Hence sockets join and retire
// at the end only, and nobody's number ever changes. Retired ones get nothing any more as soon as the filter knows the new
// count, whoever still holds a copy of them.
#include "server/server_state.h"

#include "base/log.h"
#include "io/steer_filter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMORY "memory"
#define SOCKET "socket-"
#define RETIRED_READS 1024 // batches: more than a queue holds. Where no filter sorts, a flood goes on filling it meanwhile

// --- what was handed down --------------------------------------------------------------------------------

bool dg_server_inherit(struct dg_server *server, const struct dg_inheritance *inherited, char *error, size_t error_size)
{
    server->inherited = calloc(inherited->count + 1, sizeof *server->inherited);
    if (!server->inherited) {
        for (size_t i = 0; i < inherited->count; i++)
            close(inherited->items[i].fd);
        snprintf(error, error_size, "memory is short for %zu descriptors", inherited->count);
        return false;
    }
    server->inherited_count = inherited->count;
    size_t memories = 0;
    for (size_t i = 0; i < inherited->count; i++) {
        server->inherited[i] = inherited->items[i];
        (void)fcntl(inherited->items[i].fd, F_SETFD, FD_CLOEXEC);
        memories += strcmp(inherited->items[i].name, MEMORY) == 0;
    }
    if (memories > 1)
        snprintf(error, error_size, "%zu memory files were handed down, one is expected", memories);
    return memories <= 1;
}

void dg_server_disinherit(struct dg_server *server)
{
    for (size_t i = 0; i < server->inherited_count; i++)
        if (server->inherited[i].fd >= 0)
            close(server->inherited[i].fd);
    free(server->inherited);
    server->inherited = NULL;
    server->inherited_count = 0;
}

struct dg_inherited *dg_server_inherited_memory(const struct dg_server *server)
{
    for (size_t i = 0; i < server->inherited_count; i++)
        if (strcmp(server->inherited[i].name, MEMORY) == 0)
            return &server->inherited[i];
    return NULL;
}

// The thread whose socket it was. False: no socket of ours, or taken over already.
static bool look_at(const struct dg_inherited *item, struct dg_socket *ret_socket, uint32_t *ret_thread)
{
    unsigned thread = 0;
    if (item->fd < 0 || sscanf(item->name, SOCKET "%u", &thread) != 1 || thread > DG_WORKERS_MAX)
        return false;
    *ret_thread = thread;
    return dg_socket_adopt(item->fd, ret_socket);
}

static bool is_listed(const struct dg_server *server, const struct dg_address *address)
{
    for (size_t i = 0; i < server->address_count; i++)
        if (dg_address_equal(&server->wanted[i], address))
            return true;
    return false;
}

// Port 0 goes on with the port that the kernel chose before.
static bool is_wanted(const struct dg_server *server, const struct dg_address *wanted, const struct dg_address *found)
{
    struct dg_address any_port = *found;
    any_port.port = 0;
    return dg_address_equal(wanted, found) || (dg_address_equal(wanted, &any_port) && !is_listed(server, found));
}

struct group {
    struct dg_socket sockets[1 + DG_WORKERS_MAX]; // by thread; fd -1: none
    uint32_t count;                               // threads up to the last that had one
    uint32_t missing;                             // of these
};

static bool take_group(struct dg_server *server, const struct dg_address *wanted, struct group *group)
{
    struct dg_address bound = {0};
    group->count = 0;
    for (uint32_t thread = 0; thread <= DG_WORKERS_MAX; thread++)
        group->sockets[thread].fd = -1;
    for (size_t i = 0; i < server->inherited_count; i++) {
        struct dg_socket found;
        uint32_t thread;
        if (!look_at(&server->inherited[i], &found, &thread) || group->sockets[thread].fd >= 0 ||
            (group->count > 0 ? !dg_address_equal(&found.address, &bound) : !is_wanted(server, wanted, &found.address)))
            continue;
        bound = found.address;
        group->sockets[thread] = found;
        server->inherited[i].fd = -1;
        if (thread >= group->count)
            group->count = thread + 1;
    }
    // Close the ranks, as the kernel did when it lost one, though perhaps in another order.
    uint32_t kept = 0;
    for (uint32_t thread = 0; thread < group->count; thread++)
        if (group->sockets[thread].fd >= 0)
            group->sockets[kept++] = group->sockets[thread];
    group->missing = group->count - kept;
    group->count = kept;
    return kept > 0;
}

static void warn(const char *reason)
{
    struct dg_log_line line;
    dg_log_begin(&line, DG_LOG_WARNING, "steering");
    dg_log_text(&line, "reason", reason);
    dg_log_end(&line);
}

// --- one address -----------------------------------------------------------------------------------------

enum opened { OPENED, OPENED_UNSORTED, NOT_OPENED };

// Without the filter, or where a probe shows that it does not sort as steer.h says, threads pass datagrams on.
static enum opened open_new(struct dg_server *server, size_t listener, char *error, size_t error_size)
{
    const struct dg_steer *steer = &server->memfile.memory.header->steer;
    struct dg_socket group[1 + DG_WORKERS_MAX];
    if (!dg_socket_group_open(&server->wanted[listener], group, 1 + server->worker_count, error,
                              error_size))
        return NOT_OPENED;
    for (uint32_t thread = 0; thread <= server->worker_count; thread++)
        server->sockets[thread][listener] = group[thread];
    bool is_sorted = server->options.steering != DG_STEERING_FORWARD &&
                     dg_steer_filter_attach(group[0].fd, steer, server->worker_count) &&
                     dg_steer_filter_check(group, server->worker_count, steer) != DG_STEER_WRONG;
    return is_sorted ? OPENED : OPENED_UNSORTED;
}

// No probes here: they would take clients' datagrams out of the queues. Where the kernel sorts otherwise than before,
// threads pass on what is not theirs, and nothing is lost but time.
static void sort_again(const struct dg_server *server, const struct group *group)
{
    const struct dg_steer *steer = &server->memfile.memory.header->steer;
    if (server->options.steering == DG_STEERING_FORWARD) {
        dg_steer_filter_detach(group->sockets[0].fd);
        return;
    }
    if (!dg_steer_filter_attach(group->sockets[0].fd, steer, server->worker_count))
        warn("the kernel does not take the socket filter for the sockets that were handed down: threads pass datagrams on");
    else if (group->missing > 0)
        warn("some of a listener's sockets were not handed down: the kernel may sort otherwise, threads pass datagrams on");
}

static enum opened go_on(struct dg_server *server, size_t listener, struct group *group, char *error, size_t error_size)
{
    uint32_t wanted = 1 + server->worker_count;
    struct dg_address bound = group->sockets[0].address;
    for (uint32_t thread = 0; thread < group->count; thread++) {
        if (thread < wanted)
            server->sockets[thread][listener] = group->sockets[thread];
        else
            server->retired[server->retired_count++] = group->sockets[thread];
    }
    for (uint32_t thread = group->count; thread < wanted; thread++)
        if (!dg_socket_group_join(&bound, &server->sockets[thread][listener], error, error_size)) {
            size_t size = strlen(error);
            snprintf(error + size, error_size - size, "; a service manager that bound it must do so as the user that starts us, "
                     "with ReusePort=yes");
            return NOT_OPENED;
        }
    sort_again(server, group);
    return OPENED;
}

static enum opened open_listener(struct dg_server *server, size_t listener, char *error, size_t error_size)
{
    struct group group;
    if (take_group(server, &server->wanted[listener], &group))
        return go_on(server, listener, &group, error, error_size);
    return open_new(server, listener, error, error_size);
}

// --- all of them -----------------------------------------------------------------------------------------

// Slots say by a digest of 32 bits where an association came in.
static bool is_digest_unique(const struct dg_server *server, size_t listener, char *error, size_t error_size)
{
    const struct dg_socket *sockets = server->sockets[0];
    for (size_t i = 0; i < listener; i++) {
        if (sockets[i].listener == sockets[listener].listener) {
            char one[DG_ADDRESS_TEXT], other[DG_ADDRESS_TEXT];
            dg_address_format(&sockets[i].address, one);
            dg_address_format(&sockets[listener].address, other);
            snprintf(error, error_size, "%s and %s have the same digest, by which associations know where they came in: "
                     "listen on another port or address instead of one of them", one, other);
            return false;
        }
    }
    return true;
}

static bool are_few_enough(const struct dg_server *server, char *error, size_t error_size)
{
    size_t sockets = server->address_count * (1 + server->worker_count);
    if (sockets < DG_INHERITANCE_MAX)
        return true;
    snprintf(error, error_size,
             "%zu listening addresses for %u workers and the front take %zu sockets, %d is the most: fewer addresses, or fewer "
             "--workers", server->address_count, server->worker_count, sockets, DG_INHERITANCE_MAX - 1);
    return false;
}

static enum opened open_all(struct dg_server *server, char *error, size_t error_size)
{
    for (uint32_t thread = 0; thread <= server->worker_count; thread++) {
        server->sockets[thread] = calloc(DG_CONFIG_ADDRESSES_MAX, sizeof *server->sockets[thread]);
        if (!server->sockets[thread]) {
            snprintf(error, error_size, "memory is short for the sockets");
            return NOT_OPENED;
        }
        for (size_t i = 0; i < DG_CONFIG_ADDRESSES_MAX; i++)
            server->sockets[thread][i].fd = -1;
    }
    enum opened all = OPENED;
    for (size_t i = 0; i < server->address_count && all != NOT_OPENED; i++) {
        enum opened one = open_listener(server, i, error, error_size);
        if (one != NOT_OPENED && !is_digest_unique(server, i, error, error_size))
            one = NOT_OPENED;
        all = one == OPENED ? all : one;
    }
    return all;
}

static bool open_sorted_or_alone(struct dg_server *server, char *error, size_t error_size)
{
    enum opened opened = open_all(server, error, error_size);
    if (opened != OPENED_UNSORTED || server->worker_count == 1) {
        if (opened == OPENED_UNSORTED)
            server->options.steering = DG_STEERING_FORWARD;
        return opened != NOT_OPENED;
    }
    if (server->inherited_count > 0)
        return true; // beside listeners that go on with as many workers
    warn("the kernel does not take the socket filter: one worker, threads pass datagrams on");
    dg_server_close_sockets(server);
    server->options.steering = DG_STEERING_FORWARD;
    server->worker_count = 1;
    return open_all(server, error, error_size) != NOT_OPENED;
}

bool dg_server_open_sockets(struct dg_server *server, char *error, size_t error_size)
{
    return are_few_enough(server, error, error_size) && open_sorted_or_alone(server, error, error_size);
}

void dg_server_close_sockets(struct dg_server *server)
{
    for (uint32_t thread = 0; thread <= server->worker_count; thread++) {
        for (size_t i = 0; server->sockets[thread] && i < server->address_count; i++)
            if (server->sockets[thread][i].fd >= 0)
                dg_socket_group_close(&server->sockets[thread][i], 1);
        free(server->sockets[thread]);
        server->sockets[thread] = NULL;
    }
    dg_socket_group_close(server->retired, server->retired_count);
    server->retired_count = 0;
}

// --- retired sockets -------------------------------------------------------------------------------------

static void pass_on(struct dg_server *server, const struct dg_received *received)
{
    const struct dg_steer *steer = &server->memfile.memory.header->steer;
    uint32_t shard = dg_steer_datagram(steer, &received->path.peer, received->data, received->size);
    // What is the front's, any worker passes on to it.
    uint32_t worker = shard == DG_STEER_FRONT ? 0 : dg_steer_worker(shard, server->worker_count);
    dg_worker_loop_take(server->workers[worker], received);
}

bool dg_server_drain_retired(struct dg_server *server)
{
    if (server->retired_count == 0)
        return true;
    struct dg_receive_batch *batch = dg_receive_batch_new(server->retired, server->retired_count,
                                                          server->counters[dg_mesh_control(server->worker_count)]);
    if (!batch)
        return false;
    for (size_t i = 0; i < server->retired_count; i++) {
        for (unsigned reads = 0; reads < RETIRED_READS && dg_receive_batch_read(batch, i) > 0; reads++) {
            struct dg_received *received;
            size_t count;
            while ((count = dg_receive_batch_take(batch, &received)) > 0)
                for (size_t k = 0; k < count; k++)
                    pass_on(server, &received[k]);
        }
    }
    dg_receive_batch_free(batch);
    dg_socket_group_close(server->retired, server->retired_count);
    server->retired_count = 0;
    return true;
}

// --- what the next process needs -------------------------------------------------------------------------

size_t dg_server_keep(const struct dg_server *server, struct dg_inherited *items)
{
    size_t count = 0;
    items[count].fd = server->memfile.fd;
    snprintf(items[count++].name, sizeof items[0].name, MEMORY);
    for (uint32_t thread = 0; thread <= server->worker_count; thread++)
        for (size_t i = 0; i < server->address_count; i++) {
            items[count].fd = server->sockets[thread][i].fd;
            snprintf(items[count++].name, sizeof items[0].name, SOCKET "%u", thread);
        }
    return count;
}
