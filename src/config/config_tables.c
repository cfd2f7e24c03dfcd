// SPDX-License-Identifier: GPL-3.0-or-later
// The keys of the configuration file that are no options of a command line: those of rules and of certificates. Rows
// only, no rule about them.
#include "config/config.h"

#define DG_RULE_KEY_LIST(TEXT, WORDS, NETWORKS, CHOICE, NUMBER)                                                   \
    TEXT(rule.name, "name", "NAME", "what logs and dtlsgate why call the rule; without it, its place")             \
    CHOICE(action, "action", "allow|deny", 0, "must be given: what becomes of a client that the rule fits")        \
    TEXT(rule.identity, "identity", "PATTERN", "identities that it fits: * stands for any bytes, ? for one, and \\ takes the next as it is; without it, all") \
    WORDS(proofs, "proof", "none|psk|certificate|raw-public-key", "how such a client has proven itself; a list; without it, in any way") \
    NETWORKS(networks, "from", "NETWORK", "the client's address, as 192.0.2.0/24 or 2001:db8::/32; a list of up to 16; without it, any") \
    TEXT(backend, "backend", "BACKEND", "where its plaintext goes; without it, to the listener's backend")         \
    NUMBER(rule.messages_rate, "messages-rate", "N", 0, 0, 1000000000, "messages a second from one association; 0: no limit") \
    NUMBER(rule.bytes_rate, "bytes-rate", "N", 0, 0, 4000000000, "bytes of plaintext a second from one association; 0: no limit") \
    NUMBER(rule.associations_max, "associations-max", "N", 0, 0, DG_POLICY_ASSOCIATIONS_MAX, "associations of one identity at once; 0: no limit") \
    CHOICE(when_full, "when-full", "refuse|replace", 0, "at associations-max, refuse the newcomer or end the identity's oldest") \
    NUMBER(rule.idle_seconds, "idle-timeout", "SECONDS", 0, 0, 31536000, "an association ends after so long without a record; 0: as for all")

#define DG_CERTIFICATE_KEY_LIST(TEXT)                                                                             \
    TEXT(cert, "cert", "FILE", "a certificate chain of the server's, PEM, its own certificate first")              \
    TEXT(key, "key", "FILE", "its private key, PEM; mode 0600")

#define DG_OPTION_STRUCT struct dg_config_rule
static const struct dg_option rule_rows[] = {DG_RULE_KEY_LIST(
    DG_OPTION_ROW_TEXT, DG_OPTION_ROW_WORDS, DG_OPTION_ROW_NETWORKS, DG_OPTION_ROW_CHOICE, DG_OPTION_ROW_NUMBER)};
#undef DG_OPTION_STRUCT
#define DG_OPTION_STRUCT struct dg_config_certificate
static const struct dg_option certificate_rows[] = {DG_CERTIFICATE_KEY_LIST(DG_OPTION_ROW_TEXT)};

const struct dg_option_table dg_config_table_rule = {"dtlsgate help", "action", rule_rows,
                                                     sizeof rule_rows / sizeof rule_rows[0], sizeof(struct dg_config_rule)};
const struct dg_option_table dg_config_table_certificate = {
    "dtlsgate help", "cert", certificate_rows, sizeof certificate_rows / sizeof certificate_rows[0],
    sizeof(struct dg_config_certificate)};
