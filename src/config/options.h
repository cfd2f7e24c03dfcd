// SPDX-License-Identifier: GPL-3.0-or-later
// The one table of options of `dtlsgate serve`: it makes the struct, the parser, the ranges, the defaults, the help text and
// docs/options.md. Never opens a file, never acts on an option.
#ifndef DG_CONFIG_OPTIONS_H
#define DG_CONFIG_OPTIONS_H

#include "config/option_table.h"

// Each listener of a configuration file has its own; on a command line there is one listener.
#define DG_LISTENER_OPTION_LIST(TEXT, ADDRESSES, NUMBER, CHOICE, TEXTS)                                            \
    ADDRESSES(listen, "listen", "ADDR:PORT", "where clients come to, as 192.0.2.1:5684 or [2001:db8::1]:5684; may be given up to 8 times") \
    TEXT(backend, "backend", "BACKEND", "where plaintext goes: echo, udp:HOST:PORT, proxy-udp:HOST:PORT or proxy-unix:PATH") \
    TEXT(psk_file, "psk-file", "FILE", "pre-shared keys of clients, one \"identity:hex key\" a line; mode 0600") \
    TEXT(psk_store, "psk-store", "FILE", "pre-shared keys of a fleet, an SQLite file made by dtlsgate psk; mode 0600") \
    TEXT(cert, "cert", "FILE", "the server's certificate chain, PEM, its own certificate first") \
    TEXT(key, "key", "FILE", "the private key of --cert, PEM; mode 0600") \
    TEXT(client_ca, "client-ca", "FILE", "CA certificates that clients' certificates must end in, PEM") \
    TEXT(client_keys, "client-keys", "FILE", "public keys of clients that use raw public keys (RFC 7250), PEM") \
    TEXTS(client_crl, "client-crl", "FILE", "revocation lists of the CAs in --client-ca, PEM, one or more in a file; may be given up to 16 times") \
    CHOICE(crl_missing, "crl-missing", "refuse|accept", 0, "with --client-crl, a client whose CA has no current list") \
    TEXT(client_fingerprints, "client-fingerprints", "FILE", "clients' certificates that need no CA, one SHA-256 fingerprint a line") \
    TEXTS(client_names, "client-names", "RULE", "dns:PATTERN, uri:, email:, cn: or ou:PATTERN; where there are some, a client's certificate must fit one; may be given up to 16 times") \
    NUMBER(expiry_warning, "expiry-warning", "DAYS", 30, 0, 3650, "certificates and revocation lists that end within this time are warned of when they are read; 0: none") \
    TEXT(ticket_keys, "ticket-keys", "FILE", "ticket keys shared with other servers, one to three \"name:key\" in hexadecimal, the first encrypts; mode 0600") \
    CHOICE(client_auth, "client-auth", "required|insecure-none", 0, "insecure-none lets everybody in who asks; never a default") \
    CHOICE(profile, "profile", "modern|iot", 0, "iot adds plain PSK and the CCM_8 suites of RFC 7925 to modern") \
    CHOICE(backend_network, "backend-network", "loopback|any", 0, "any: the service may be on another host, although that hop is neither encrypted nor authenticated")

// The process'.
#define DG_PROCESS_OPTION_LIST(TEXT, ADDRESSES, NUMBER, CHOICE, TEXTS)                                             \
    NUMBER(workers, "workers", "N", 0, 0, 64, "threads that serve associations; 0: one for each processor") \
    NUMBER(associations_max, "associations-max", "N", 1048576, 64, 67108864, "associations at once, over all workers; memory is used as they come") \
    NUMBER(associations_prefix_max, "associations-prefix-max", "N", 0, 0, 67108864, "of these, from one IPv4 address or IPv6 /64; 0: no limit") \
    NUMBER(handshakes_max, "handshakes-max", "N", 2048, 1, 65536, "handshakes under way at once; each takes 13 to 33 KB") \
    NUMBER(handshakes_prefix_max, "handshakes-prefix-max", "N", 512, 1, 65536, "of these, from one IPv4 address or IPv6 /64") \
    NUMBER(hello_timeout, "hello-timeout", "SECONDS", 5, 1, 60, "an incomplete hello is kept so long") \
    NUMBER(handshake_timeout, "handshake-timeout", "SECONDS", 60, 1, 600, "from the valid cookie to the proof") \
    NUMBER(handover_timeout, "handover-timeout", "SECONDS", 5, 1, 60, "from the proof until a worker has taken the client") \
    NUMBER(retransmit, "retransmit", "SECONDS", 1, 1, 60, "first repetition of a handshake flight; doubles from there") \
    NUMBER(answers_rate, "answers-rate", "N", 1000, 1, 1000000, "answers a second to unproven hellos of one IPv4 address or IPv6 /64") \
    NUMBER(answers_rate_network, "answers-rate-network", "N", 0, 0, 10000000, "the same of one IPv4 /24 or IPv6 /48; 0: four times --answers-rate") \
    NUMBER(answers_rate_global, "answers-rate-global", "N", 50000, 1, 10000000, "answers a second to unproven hellos in all") \
    NUMBER(handshakes_rate, "handshakes-rate", "N", 1000, 1, 1000000, "handshakes a second that one proven IPv4 address or IPv6 /64 may begin") \
    NUMBER(handshakes_rate_network, "handshakes-rate-network", "N", 0, 0, 10000000, "the same of one IPv4 /24 or IPv6 /48; 0: four times --handshakes-rate") \
    NUMBER(handshakes_rate_global, "handshakes-rate-global", "N", 10000, 1, 10000000, "handshakes a second that all together may begin") \
    NUMBER(failures_rate, "failures-rate", "N", 10, 1, 1000000, "failed handshakes a second that one proven IPv4 address or IPv6 /64 may have") \
    NUMBER(failures_rate_network, "failures-rate-network", "N", 0, 0, 10000000, "the same of one IPv4 /24 or IPv6 /48; 0: ten times --failures-rate") \
    NUMBER(backoff_max, "backoff-max", "SECONDS", 300, 0, 86400, "longest wait of an identity whose pre-shared key keeps being wrong, behind one IPv4 address or IPv6 /64; 0: none waits") \
    NUMBER(idle_timeout, "idle-timeout", "SECONDS", 3600, 1, 31536000, "an association without connection ID ends after this long without a record") \
    NUMBER(idle_timeout_cid, "idle-timeout-cid", "SECONDS", 604800, 1, 31536000, "the same with a connection ID") \
    NUMBER(age_max, "age-max", "SECONDS", 0, 0, 63072000, "an association ends at this age; 0: never") \
    NUMBER(cookie_period, "cookie-period", "SECONDS", 60, 5, 3600, "cookie secrets change this often; a cookie is good for one to two periods") \
    NUMBER(ticket_period, "ticket-period", "SECONDS", 86400, 60, 302400, "ticket keys change this often; a ticket is good for one to two periods") \
    NUMBER(datagram_max, "datagram-max", "BYTES", 1400, 548, 16384, "largest UDP payload sent: the path MTU less 28 (IPv4) or 48 (IPv6)") \
    CHOICE(connection_id, "connection-id", "yes|no", 0, "answer clients that ask for connection IDs (RFC 9146)") \
    NUMBER(connection_id_length, "connection-id-length", "BYTES", 8, 4, 16, "of our connection IDs; 4 carry 1048576 associations, more bytes as many as there may be") \
    CHOICE(rrc, "rrc", "enhanced|basic|no", 0, "check a moving client's address by RFC 9853 where it can; enhanced asks the old address first") \
    CHOICE(address_change, "address-change", "newest|strict", 0, "newest: answers follow within 3 bytes for one before the proof; strict: only after it, and DTLS 1.2 without RRC stays") \
    NUMBER(path_timeout, "path-timeout", "MILLISECONDS", 1000, 100, 60000, "wait for the answer to such a check where the round trip is not known") \
    NUMBER(backend_hold, "backend-hold", "SECONDS", 3600, 1, 31536000, "a quiet association keeps its port towards the service at least this long") \
    NUMBER(backend_rest, "backend-rest", "SECONDS", 300, 0, 86400, "a port given up rests this long before another client gets it") \
    NUMBER(backend_port_min, "backend-port-min", "PORT", 32768, 1024, 65535, "first local port towards the service") \
    NUMBER(backend_port_max, "backend-port-max", "PORT", 60999, 1024, 65535, "last local port towards the service") \
    CHOICE(on_removal, "on-removal", "close|at-next-datagram", 0, "an association whose credential or rule a reload took away ends: right after it, or as soon as it or the service has something to say") \
    NUMBER(drain_rate, "drain-rate", "N", 20000, 1, 10000000, "close_notify alerts a second when the server stops") \
    CHOICE(keeper, "keeper", "auto|none", 0, "auto: a small process keeps associations and sockets and starts a server that died again; none: one process") \
    NUMBER(watchdog, "watchdog", "SECONDS", 60, 0, 3600, "a server with a thread that hangs so long is killed by its keeper, and the next one goes on; 0: never") \
    TEXT(user, "user", "NAME", "started by root: become this user once all is bound and read; only a reload then reads files of root's") \
    CHOICE(sandbox, "sandbox", "auto|require|none", 0, "only the files and system calls that a server needs (Landlock, seccomp): as the kernel can, no start without, off") \
    TEXTS(sandbox_paths, "sandbox-path", "FILE", "a file or folder that a later reload may read too; those of the configuration's files always are") \
    TEXT(binary, "binary", "FILE", "the program that dtlsgate upgrade changes to; without it, the file that serve was started from") \
    TEXT(upgrade_socket, "upgrade-socket", "PATH", "where dtlsgate upgrade PATH asks; only this user and root may; none: nowhere") \
    TEXT(control_socket, "control-socket", "PATH", "where dtlsgate status, associations, close, reload and why ask; only this user and root may; under systemd control.sock in its RuntimeDirectory; none: nowhere") \
    CHOICE(steering, "steering", "filter|forward", 0, "forward: no socket filter, one worker, threads pass datagrams on") \
    TEXT(key_log, "key-log", "FILE", "appends the secrets of every handshake for Wireshark: whoever has the file can read everything; never but to debug") \
    TEXT(metrics, "metrics", "ADDRESS", "counters and latencies over HTTP: unix:PATH, mode 0600, or an address of loopback as 127.0.0.1:9684") \
    CHOICE(log_level, "log-level", "error|warning|info|debug", 2, "debug shows each datagram: peer and sizes") \
    CHOICE(log_format, "log-format", "text|json", 0, "json: one object a line, with the same keys") \
    CHOICE(log_prefix, "log-prefix", "auto|yes|no", 0, "lines begin with their priority as journald reads it; auto: where the journal listens") \
    CHOICE(log_contents, "log-contents", "yes|no", 1, "at debug level, show the plaintext of clients too")

#define DG_OPTION_LIST(TEXT, ADDRESSES, NUMBER, CHOICE, TEXTS)                                                     \
    DG_LISTENER_OPTION_LIST(TEXT, ADDRESSES, NUMBER, CHOICE, TEXTS)                                                \
    DG_PROCESS_OPTION_LIST(TEXT, ADDRESSES, NUMBER, CHOICE, TEXTS)

struct dg_options {
    DG_OPTION_LIST(DG_OPTION_FIELD_TEXT, DG_OPTION_FIELD_ADDRESSES, DG_OPTION_FIELD_NUMBER, DG_OPTION_FIELD_CHOICE,
                   DG_OPTION_FIELD_TEXTS)
};

#define DG_OPTION_ONE_MORE(...) +1
enum {
    DG_LISTENER_OPTIONS_COUNT = 0 DG_LISTENER_OPTION_LIST(DG_OPTION_ONE_MORE, DG_OPTION_ONE_MORE, DG_OPTION_ONE_MORE,
                                                          DG_OPTION_ONE_MORE, DG_OPTION_ONE_MORE),
    DG_PROCESS_OPTIONS_COUNT = 0 DG_PROCESS_OPTION_LIST(DG_OPTION_ONE_MORE, DG_OPTION_ONE_MORE, DG_OPTION_ONE_MORE,
                                                        DG_OPTION_ONE_MORE, DG_OPTION_ONE_MORE),
};
// All, and the two parts of it; each leads into struct dg_options.
extern const struct dg_option_table dg_options_table, dg_options_table_listener, dg_options_table_process;

// A CHOICE is the place of its word among the words. profile is an enum dg_profile, log_level an enum
// dg_log_level; the others:
enum { DG_CLIENT_AUTH_REQUIRED, DG_CLIENT_AUTH_INSECURE_NONE };
enum { DG_CRL_MISSING_REFUSE, DG_CRL_MISSING_ACCEPT };
enum { DG_BACKEND_NETWORK_LOOPBACK, DG_BACKEND_NETWORK_ANY };
enum { DG_RRC_ENHANCED, DG_RRC_BASIC, DG_RRC_NO };
enum { DG_ADDRESS_CHANGE_NEWEST, DG_ADDRESS_CHANGE_STRICT };
enum { DG_ON_REMOVAL_CLOSE, DG_ON_REMOVAL_AT_NEXT_DATAGRAM };
enum { DG_LOG_PREFIX_AUTO, DG_LOG_PREFIX_YES, DG_LOG_PREFIX_NO }; // log_format is an enum dg_log_format
enum { DG_KEEPER_AUTO, DG_KEEPER_NONE };
enum { DG_SANDBOX_AUTO, DG_SANDBOX_REQUIRE, DG_SANDBOX_NONE };
enum { DG_STEERING_FILTER, DG_STEERING_FORWARD };

void dg_options_default(struct dg_options *options);
const char *dg_options_upgrade_socket(const struct dg_options *options); // empty: nowhere
// Sets one option from text. False: error names the option, what was found, what is expected and what to
// do; for an unknown name, the nearest known one. options is then unchanged.
DG_MUST_USE bool dg_options_set(struct dg_options *options, const char *name, const char *value, char *error,
                                size_t error_size);
// "--name value" and "--name=value" pairs of a command line.
DG_MUST_USE bool dg_options_parse(struct dg_options *options, int argc, char **argv, char *error, size_t error_size);
// What single options cannot know: listen and backend given, ports in order, credentials there. False: error is the
// first that is wrong.
DG_MUST_USE bool dg_options_check(const struct dg_options *options, char *error, size_t error_size);
// The same one by one: each that is wrong is told, with the option that it is about.
struct dg_options_ear {
    void (*hear)(void *context, const char *option, const char *text);
    void *context;
};
void dg_options_check_listener(const struct dg_options *options, const struct dg_options_ear *ear);
void dg_options_check_process(const struct dg_options *options, const struct dg_options_ear *ear);
void dg_options_help(FILE *out);     // for people
void dg_options_markdown(FILE *out); // the table of docs/options.md

#endif
