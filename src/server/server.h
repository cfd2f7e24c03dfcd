// SPDX-License-Identifier: GPL-3.0-or-later
// One server put together: credentials, gate, memory file, sockets, threads, backends. The daemon, the
// library and the tests all use this. Never knows a wire format.
#ifndef DG_SERVER_SERVER_H
#define DG_SERVER_SERVER_H

#include "base/attributes.h"
#include "config/config.h"
#include "dtlsgate/dtlsgate.h"
#include "io/inheritance.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_server;

// Builds everything but the threads: credentials are read and checked, sockets are bound. on_datagram serves
// the backend "callback". NULL: error says why and what to do; nothing is left behind.
struct dg_server *dg_server_new(const struct dg_options *options, dtlsgate_datagram_callback on_datagram,
                                void *context, char *error, size_t error_size);
// The same, going on with what another process left behind: its memory file and its sockets, by their names. Every
// descriptor of the list is the server's from then on, also where this fails: what it has no use for it closes.
// Without a "memory" in the list, as dg_server_new. A memory file that another build laid out or that another process
// still owns is refused: error says what differs and what to do. Its shape stays: another associations-max takes
// effect with a new file, which the log says. Sockets of threads that are no more are emptied and closed by
// dg_server_start: whoever keeps copies of them lets go of them then.
struct dg_server *dg_server_new_from(const struct dg_options *options, dtlsgate_datagram_callback on_datagram,
                                     void *context, const struct dg_inheritance *inherited, char *error,
                                     size_t error_size);
// The same two with a whole configuration, which has been checked (config.h) and is copied.
struct dg_server *dg_server_new_config(const struct dg_config *config, dtlsgate_datagram_callback on_datagram,
                                       void *context, char *error, size_t error_size);
struct dg_server *dg_server_new_config_from(const struct dg_config *config, dtlsgate_datagram_callback on_datagram,
                                            void *context, const struct dg_inheritance *inherited, char *error,
                                            size_t error_size);
// What the next process must be given, from dg_server_new on: the same list until dg_server_free, but for what a new
// start adds or retires. The descriptors stay the server's. Returns how many there are; items holds
// DG_INHERITANCE_MAX. Whoever keeps copies for another process lets go of copies that are in the list no longer.
size_t dg_server_keep(const struct dg_server *server, struct dg_inherited *items);
// True in a child of the process that made it: secrets and associations are not mapped there, and it can do nothing with it.
bool dg_server_is_of_another_process(const struct dg_server *server);
// Starts the threads, once. False: error says why; the server can only be freed.
DG_MUST_USE bool dg_server_start(struct dg_server *server, char *error, size_t error_size);
// Another configuration, checked; NULL: the one in force, whose files are read again. Everything that it names is read
// and checked, then swapped in whole; associations that it allows go on, the others end as its option on-removal says.
// It must listen on the same addresses. Of the process' options those that need memory, threads or sockets anew wait for
// a restart, which the log says for each. False: error says why; nothing has changed. From any thread but the server's
// own, between start and stop; one at a time.
DG_MUST_USE bool dg_server_reload(struct dg_server *server, const struct dg_config *config, char *error,
                                  size_t error_size);
// The same, as SIGHUP and dtlsgate reload ask for it: the configuration is read again from where it came from. The log says
// how it went, error all that is wrong.
bool dg_server_reload_again(struct dg_server *server, char *error, size_t error_size);
uint32_t dg_server_drain_rate(struct dg_server *server); // goodbyes a second, of the configuration in force
// close_notify to every client, then the threads end; after wait_ms they end in any case.
void dg_server_stop(struct dg_server *server, unsigned wait_ms);
// Ends the threads and leaves every association as it is for the next process: handshakes under way get wait_ms to
// end, what waits to be sent goes out, then the memory is unmapped and no longer owned. What comes from then on waits
// in the sockets, which stay open until dg_server_free. The server can only be freed afterwards.
void dg_server_hand_over(struct dg_server *server, unsigned wait_ms);
void dg_server_free(struct dg_server *server); // stops where that was not done; NULL is fine

// Of the listening address with this index, counted through all listeners as they were configured; 0: there is none.
uint16_t dg_server_port(const struct dg_server *server, size_t address);
size_t dg_server_associations(const struct dg_server *server); // live now, also those of the process before
uint64_t dg_server_counter(const struct dg_server *server, const char *name);
void dg_server_report_counters(const struct dg_server *server); // to the log

#endif
