// SPDX-License-Identifier: GPL-3.0-or-later
// The public face of libdtlsgate: a DTLS 1.2 and 1.3 server to embed. Opaque types only.
//
// A program that links this library is a work based on it and on wolfSSL, both under GPL-3.0-or-later.
#ifndef DTLSGATE_DTLSGATE_H
#define DTLSGATE_DTLSGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DTLSGATE_API __attribute__((visibility("default")))
#define DTLSGATE_ERROR_SIZE 512 // bytes that hold one error message; of a configuration file there may be many

typedef struct dtlsgate_options dtlsgate_options; // what a server is made from
typedef struct dtlsgate_server dtlsgate_server;   // a running or stopped server
typedef struct dtlsgate_peer dtlsgate_peer;       // who spoke, inside a callback

// Every function may be called from any thread, but for what is said at it. One object of options or of a server
// takes one call at a time, but for those marked "at any time".
//
// A server is of the process that made it: keys and associations are kept out of children (MADV_DONTFORK). A program that
// becomes a daemon does so before dtlsgate_server_new. After a fork(2) the child execs or _exits without delay, for it holds the
// server's sockets open; there dtlsgate_server_start and _reload return false and say so, _stop and _free do nothing, counts
// are 0.

// Makes a set of options with their defaults. NULL: out of memory. The caller frees it with
// dtlsgate_options_free, and may do so as soon as the server is made.
DTLSGATE_API dtlsgate_options *dtlsgate_options_new(void);
// Frees the options. NULL is fine.
DTLSGATE_API void dtlsgate_options_free(dtlsgate_options *options);

// Sets one option by the name that `dtlsgate serve` knows it by, without the dashes ("listen",
// "psk-file"; docs/options.md lists all). One that may be given several times gains a value, any other has only the
// last one. name, value: NUL-terminated, copied. error: of error_size bytes, the caller's (DTLSGATE_ERROR_SIZE is
// enough). false: error says what was found and what is expected; options are unchanged, set another value. "log-level"
// is the process' and takes effect as a server is made; log lines go to standard error.
DTLSGATE_API bool dtlsgate_options_set(dtlsgate_options *options, const char *name, const char *value, char *error,
                                       size_t error_size);

// Called with each datagram of an authenticated client when the backend option is "callback". data: size
// bytes of plaintext, valid until the return. peer: valid until the return. context: as given to
// dtlsgate_server_new. Runs on a worker thread of the server, several at once where there are several
// workers; it must not block, nor call dtlsgate_server_reload, _stop or _free.
typedef void (*dtlsgate_datagram_callback)(void *context, const dtlsgate_peer *peer, const uint8_t *data, size_t size);

// Reads and checks credentials, opens the sockets. options are copied. on_datagram may be NULL unless the backend is
// "callback"; context is the program's, passed to it and never looked at. NULL: error (as above) says why and what
// to do; nothing is left behind. Refuses to be made without something to check clients by, unless the option
// client-auth says insecure-none (RFC 9325 4.5: peers are authenticated). The caller frees it with
// dtlsgate_server_free.
DTLSGATE_API dtlsgate_server *dtlsgate_server_new(const dtlsgate_options *options,
                                                  dtlsgate_datagram_callback on_datagram, void *context, char *error,
                                                  size_t error_size);
// The same from a configuration file (docs/configuration.md), which may have several listeners, rules and backends; a
// backend of it may be "callback" too. path: NUL-terminated, not kept: the name is. Relative names in the file begin in
// its folder. NULL: error says what is wrong with the file or with what it names, up to 64 lines of it as far as there
// is room (give it some KB), each with file, line and column; nothing is left behind. Of the file's options those of
// processes (keeper, user, sandbox, binary, upgrade-socket, watchdog) are the daemon's and mean nothing here.
DTLSGATE_API dtlsgate_server *dtlsgate_server_new_from_file(const char *path, dtlsgate_datagram_callback on_datagram,
                                                            void *context, char *error, size_t error_size);
// Starts the threads, once for each server: from now on clients are served. Returns at once. The threads take no
// signals. false: error says why (the host allows no further thread, or an address or path of the options metrics and
// control-socket is not to be had); the server can only be freed then.
DTLSGATE_API bool dtlsgate_server_start(dtlsgate_server *server, char *error, size_t error_size);
// The UDP port of the listening address with this index (order of the listen options, through all listeners of a
// file), in host order; 0: no such address. Useful where port 0 was asked for. At any time.
DTLSGATE_API uint16_t dtlsgate_server_port(const dtlsgate_server *server, size_t listener);
// Reads the configuration file again, where the server was made of one, and all files of credentials; checks them whole
// and swaps them in. Associations that are allowed no more, their credential removed or revoked, are closed (option
// on-removal); the others notice nothing. Takes as long as reading does; the server's threads do not wait. false: error
// says why (a file that is broken, other listening addresses) and the old configuration stays in force: mend it and call
// again. Only between start and stop, one call at a time; never from a callback.
DTLSGATE_API bool dtlsgate_server_reload(dtlsgate_server *server, char *error, size_t error_size);
// Sends close_notify to every client (RFC 8446 6.1), paced by the option drain-rate, and ends the threads;
// returns when they have ended. At most wait_ms milliseconds are spent on the alerts. Does nothing where the server
// was not started or has been stopped. Never from a callback.
DTLSGATE_API void dtlsgate_server_stop(dtlsgate_server *server, unsigned wait_ms);
// Stops where that was not done, without time for the alerts, wipes keys and frees everything. NULL is fine. Never
// from a callback.
DTLSGATE_API void dtlsgate_server_free(dtlsgate_server *server);
// Associations that are open at the moment. At any time.
DTLSGATE_API size_t dtlsgate_server_associations(const dtlsgate_server *server);
// The counter of this name (docs/counters.md), summed over all threads; 0 for an unknown name. At any time.
DTLSGATE_API uint64_t dtlsgate_server_counter(const dtlsgate_server *server, const char *name);

// Inside the callback only: protects data, size bytes, the caller's, and queues it to the peer. false: nothing was
// sent: too large for one datagram (option datagram-max), the association has just ended, or the send queue is full;
// each is counted. As with any datagram, true is no promise that it arrives.
DTLSGATE_API bool dtlsgate_answer(const dtlsgate_peer *peer, const uint8_t *data, size_t size);
// Inside the callback only: the identity that the peer has proven (PSK identity, certificate name, key digest),
// *ret_size bytes, valid until the callback returns, not NUL-terminated, chosen by the peer or its certifier: escape
// it before showing it. *ret_size 0: clients are not authenticated (client-auth insecure-none), or an answer has
// just ended the association.
DTLSGATE_API const uint8_t *dtlsgate_peer_identity(const dtlsgate_peer *peer, size_t *ret_size);
// Inside the callback only: the association's random id, never 0, never reused. An association is told from another
// by this, never by its address.
DTLSGATE_API uint64_t dtlsgate_peer_association(const dtlsgate_peer *peer);

// The version, as "0.1.0"; static. At any time.
DTLSGATE_API const char *dtlsgate_version(void);

#ifdef __cplusplus
}
#endif

#endif
