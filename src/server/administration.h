// SPDX-License-Identifier: GPL-3.0-or-later
// What a server tells its administration (src/admin): the book of failures is written to from the hooks of front and
// workers, and names and figures are kept where its thread can read them whatever a reload does meanwhile.
#ifndef DG_SERVER_ADMINISTRATION_H
#define DG_SERVER_ADMINISTRATION_H

#include "base/attributes.h"
#include "config/options.h"
#include "core/association_ref.h"
#include "core/counters.h"
#include "core/handshake.h"
#include "core/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_server;
struct dg_administration;

// Where the control socket is to be: --control-socket, else control.sock in systemd's RuntimeDirectory. False: nowhere.
bool dg_administration_path(const struct dg_options *options, char path[DG_OPTION_TEXT]);
// Binds it, if there is to be one. After the loops, before the threads. False: error says why.
DG_MUST_USE bool dg_administration_make(struct dg_server *server, char *error, size_t error_size);
DG_MUST_USE bool dg_administration_start(struct dg_server *server, char *error, size_t error_size);
// Before the loops end; a reload under way ends first.
void dg_administration_end(struct dg_server *server);
void dg_administration_free(struct dg_server *server);
// Another snapshot and configuration are in force. Under reload_lock.
void dg_administration_renew(struct dg_server *server);

// From any thread's hooks. A handshake of a validated address came to nothing, or will (is_proven: the client had shown
// who it is); or its hello was refused; or an association has ended, or something of it was dropped by a rule's limits.
void dg_administration_failed(struct dg_server *server, const struct dg_path *path,
                              const struct dg_handshake_failure *failure, bool is_proven);
void dg_administration_refused(struct dg_server *server, const struct dg_path *path, enum dg_counter reason);
void dg_administration_closed(struct dg_server *server, struct dg_ref ref, const struct dg_slot *slot,
                              struct dg_bytes identity, const char *rule, enum dg_counter reason);

#endif
