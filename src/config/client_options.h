// SPDX-License-Identifier: GPL-3.0-or-later
// The options that every subcommand in the client's role has: who we are, how the server proves itself, what is
// offered. Part of the tables in connect_options.h and bench_options.h. Never opens a file.
#ifndef DG_CONFIG_CLIENT_OPTIONS_H
#define DG_CONFIG_CLIENT_OPTIONS_H

#include "config/option_table.h"

#define DG_CLIENT_OPTION_LIST(TEXT, NUMBER, CHOICE, FLAG) \
    TEXT(psk_file, "psk-file", "FILE", "our pre-shared key, a line \"identity:hex key\"; mode 0600") \
    TEXT(psk_identity, "psk-identity", "NAME", "which line of --psk-file is ours; needed where it has several") \
    TEXT(cert, "cert", "FILE", "our certificate chain, PEM, our own certificate first") \
    TEXT(key, "key", "FILE", "the private key of --cert, or of --raw-public-key, PEM; mode 0600") \
    FLAG(raw_public_key, "raw-public-key", "show the public key of --key (RFC 7250) instead of a certificate") \
    TEXT(ca, "ca", "FILE", "CA certificates that the server's certificate must end in, PEM") \
    TEXT(server_name, "server-name", "NAME", "name that is asked for (SNI) and, with --ca, that the server's certificate must be for; without it the HOST that is connected to, where there is a --ca") \
    TEXT(pin, "pin", "sha256:HEX", "the SHA-256 of the server's public key (SubjectPublicKeyInfo), of a certificate or raw") \
    FLAG(insecure_no_verify, "insecure-no-verify", "whoever answers is taken for the server; never a default") \
    CHOICE(profile, "profile", "modern|iot", 0, "iot adds plain PSK and the CCM_8 suites of RFC 7925 to modern") \
    CHOICE(dtls, "dtls", "any|1.2|1.3", 0, "the version of DTLS that is offered") \
    CHOICE(connection_id, "connection-id", "yes|no", 0, "ask for connection IDs (RFC 9146), so that our address may change") \
    NUMBER(connection_id_length, "connection-id-length", "BYTES", 8, 4, 16, "of the connection IDs that the server is to send us")
#define DG_CLIENT_TIME_OPTION_LIST(NUMBER) \
    NUMBER(datagram_max, "datagram-max", "BYTES", 1400, 548, 16384, "largest UDP payload sent: the path MTU less 28 (IPv4) or 48 (IPv6)") \
    NUMBER(handshake_timeout, "handshake-timeout", "SECONDS", 20, 1, 600, "a handshake has failed when it takes longer (a lost flight is sent again after 1, 3, 7 and 15)") \
    NUMBER(retransmit, "retransmit", "SECONDS", 1, 1, 60, "first repetition of a handshake flight; doubles from there")

enum { DG_DTLS_ANY, DG_DTLS_12, DG_DTLS_13 };

// What these options say, whichever table they came from: borrows the strings; empty means not given.
struct dg_client_choice {
    const char *psk_file, *psk_identity, *cert, *key, *ca, *server_name, *pin;
    bool raw_public_key, insecure_no_verify;
    uint32_t profile, dtls, connection_id;
    uint32_t datagram_max, retransmit;
};
#define DG_CLIENT_CHOICE_OF(options)                                                                               \
    {                                                                                                              \
        .psk_file = (options)->psk_file, .psk_identity = (options)->psk_identity, .cert = (options)->cert,         \
        .key = (options)->key, .ca = (options)->ca, .server_name = (options)->server_name, .pin = (options)->pin,  \
        .raw_public_key = (options)->raw_public_key != 0,                                                          \
        .insecure_no_verify = (options)->insecure_no_verify != 0, .profile = (options)->profile,                   \
        .dtls = (options)->dtls, .connection_id = (options)->connection_id,                                        \
        .datagram_max = (options)->datagram_max, .retransmit = (options)->retransmit                               \
    }

// What single options cannot know: something to prove the server by, a key with its certificate. NULL: fine; else what
// is wrong and what to do.
const char *dg_client_choice_check(const struct dg_client_choice *choice);

#endif
