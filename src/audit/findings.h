// SPDX-License-Identifier: GPL-3.0-or-later
// The one table of what `dtlsgate check` can find, and what it did find. A row has its weakness in the terms of the
// Common Weakness Enumeration, how severe it is and what to do; docs/check.md is made from it. Never looks for anything.
#ifndef DG_AUDIT_FINDINGS_H
#define DG_AUDIT_FINDINGS_H

#include "base/attributes.h"
#include "config/config.h"

enum dg_severity { DG_SEVERITY_NOTE, DG_SEVERITY_LOW, DG_SEVERITY_MEDIUM, DG_SEVERITY_HIGH, DG_SEVERITY_CRITICAL };

// X(NAME, "name", severity, CWE or 0, a further CWE or 0, "the weakness' name", "what is wrong", "what to do")
#define DG_FINDING_LIST(X)                                                                                        \
    X(VERIFICATION_OFF, "verification-off", CRITICAL, 295, 807, "Improper Certificate Validation",                \
      "clients are let in without proving who they are",                                                          \
      "take client-auth: insecure-none out, and give psk-file, psk-store, client-ca, client-fingerprints or client-keys") \
    X(UNTRUSTED_DECISION, "untrusted-decision", CRITICAL, 807, 290, "Reliance on Untrusted Inputs in a Security Decision", \
      "a rule lets in, or chooses the backend of, clients by what they have not proven",                          \
      "have clients prove themselves (client-auth: required), and give the rule proof: and identity:")            \
    X(SECRET_IN_CONFIGURATION, "secret-in-configuration", CRITICAL, 798, 259, "Use of Hard-coded Credentials",    \
      "a key stands in the configuration itself",                                                                 \
      "make a new key, put it into a file with mode 0600 and name that file; this one counts as known")           \
    X(SECRET_STORED_OPEN, "secret-stored-open", CRITICAL, 312, 0, "Cleartext Storage of Sensitive Information",   \
      "a key stands in a configuration that other users can read",                                                \
      "make a new key, keep it in a file with mode 0600, and take this one out of use everywhere")                \
    X(PSK_TRIVIAL, "psk-trivial", CRITICAL, 1391, 0, "Use of Weak Credentials",                                   \
      "a pre-shared key can be guessed",                                                                          \
      "make one at random: dtlsgate psk add, or 32 bytes of openssl rand -hex 32")                                \
    X(SECRET_READABLE, "secret-readable", HIGH, 732, 0, "Incorrect Permission Assignment for Critical Resource",  \
      "a file with a secret can be used by other users",                                                          \
      "chmod 600 it, give it to root or to the user that runs dtlsgate, and replace what is in it")               \
    X(FILE_WRITABLE, "file-writable", HIGH, 732, 0, "Incorrect Permission Assignment for Critical Resource",      \
      "other users can change a file that decides who is let in",                                                 \
      "chmod go-w the file, and its folder")                                                                      \
    X(FILE_OWNER, "file-owner", MEDIUM, 282, 0, "Improper Ownership Management",                                  \
      "a file, or its folder, belongs to neither root nor the user that runs dtlsgate",                            \
      "chown it")                                                                                                 \
    X(SOCKET_OPEN, "socket-open", HIGH, 732, 0, "Incorrect Permission Assignment for Critical Resource",          \
      "other users can use, or replace, a socket that controls the server",                                       \
      "put it into a folder that only root and the user that runs dtlsgate may write to, such as /run/dtlsgate with mode 0700") \
    X(SERVICE_OPEN, "service-open", HIGH, 732, 0, "Incorrect Permission Assignment for Critical Resource",        \
      "other users can take the place of the service behind a Unix socket",                                       \
      "put its socket into a folder that only root and the service's user may write to")                          \
    X(KEY_WEAK, "key-weak", HIGH, 326, 0, "Inadequate Encryption Strength",                                       \
      "a certificate or public key is too weak",                                                                  \
      "replace it: ECDSA P-256 or better, Ed25519, or RSA of 2048 bits or more, signed with SHA-256 or better")   \
    X(PAIR_DIFFERS, "pair-differs", HIGH, 326, 0, "Inadequate Encryption Strength",                               \
      "a private key does not belong to its certificate, or one of the two cannot be read",                       \
      "name the key that the certificate was issued for")                                                         \
    X(PSK_SHORT, "psk-short", HIGH, 326, 0, "Inadequate Encryption Strength",                                     \
      "a pre-shared key has less than 128 bits (RFC 9257 6)",                                                     \
      "make one of 32 bytes at random")                                                                           \
    X(PSK_GROUP, "psk-group", HIGH, 287, 0, "Improper Authentication",                                            \
      "several identities have the same pre-shared key: each of them can pass for the others (RFC 9257 4.1)",     \
      "give each client a key of its own")                                                                        \
    X(PSK_NOT_READABLE, "psk-not-readable", HIGH, 0, 0, "",                                                       \
      "pre-shared keys cannot be read",                                                                           \
      "write them as identity:hexadecimal key, a line each; a store is made with dtlsgate psk")                   \
    X(CERTIFICATE_EXPIRED, "certificate-expired", HIGH, 298, 0, "Improper Validation of Certificate Expiration",  \
      "a certificate has expired",                                                                                \
      "renew it; a reload takes it into use")                                                                     \
    X(CERTIFICATE_EARLY, "certificate-early", MEDIUM, 298, 0, "Improper Validation of Certificate Expiration",    \
      "a certificate is not valid yet",                                                                           \
      "check the clock, or use it from its date on")                                                              \
    X(CERTIFICATE_ENDS, "certificate-ends", NOTE, 298, 0, "Improper Validation of Certificate Expiration",        \
      "a certificate expires soon (expiry-warning)",                                                              \
      "renew it; a reload takes it into use")                                                                     \
    X(CRL_STALE, "crl-stale", MEDIUM, 299, 0, "Improper Check for Certificate Revocation",                        \
      "a revocation list is out of date, or cannot be read",                                                      \
      "fetch the CA's current list; a reload takes it into use")                                                  \
    X(CRL_OPTIONAL, "crl-optional", MEDIUM, 299, 0, "Improper Check for Certificate Revocation",                  \
      "a CA without a current revocation list refuses nobody",                                                    \
      "take crl-missing: accept out once the lists are fetched reliably")                                         \
    X(NO_REVOCATION, "no-revocation", LOW, 299, 0, "Improper Check for Certificate Revocation",                   \
      "a client's certificate that was stolen stays good until it expires: there is no revocation list",          \
      "give client-crl")                                                                                          \
    X(PLAIN_PSK, "plain-psk", MEDIUM, 326, 0, "Inadequate Encryption Strength",                                   \
      "profile: iot takes plain PSK: whoever learns the key later reads what was recorded (no forward secrecy)",  \
      "profile: modern, unless the devices can do nothing else; then give them a listener of their own")          \
    X(SHORT_TAGS, "short-tags", LOW, 326, 0, "Inadequate Encryption Strength",                                    \
      "profile: iot takes the CCM_8 suites, whose tags of 8 bytes are guessed sooner",                            \
      "profile: modern, unless the devices can do nothing else")                                                  \
    X(ADDRESS_FAITH, "address-faith", MEDIUM, 345, 0, "Insufficient Verification of Data Authenticity",           \
      "a client's new address is believed before it was asked",                                                   \
      "rrc: enhanced, or address-change: strict")                                                                 \
    X(ADDRESS_BASIC, "address-basic", LOW, 345, 0, "Insufficient Verification of Data Authenticity",              \
      "whoever forwards a client's datagrams passes the basic check of its address",                              \
      "rrc: enhanced")                                                                                            \
    X(BACKEND_PLAINTEXT, "backend-plaintext", HIGH, 319, 0, "Cleartext Transmission of Sensitive Information",    \
      "plaintext leaves this host on its way to the backend",                                                     \
      "have the service on this host, or protect that way (WireGuard, IPsec, a VLAN of its own)")                 \
    X(BACKEND_LOOSE, "backend-loose", NOTE, 319, 0, "Cleartext Transmission of Sensitive Information",            \
      "backend-network: any allows backends beyond this host, and none is",                                       \
      "take it out")                                                                                              \
    X(LIMIT_LOOSE, "limit-loose", MEDIUM, 770, 400, "Allocation of Resources Without Limits or Throttling",       \
      "a limit is so high that it is none",                                                                       \
      "take the option out: its default holds for large servers too")                                             \
    X(NO_RATES, "no-rates", LOW, 770, 0, "Allocation of Resources Without Limits or Throttling",                  \
      "a client that is let in can send as much as it likes",                                                     \
      "give the rule messages-rate: or bytes-rate:; without rules, write one")                                    \
    X(NO_SHARES, "no-shares", NOTE, 770, 0, "Allocation of Resources Without Limits or Throttling",               \
      "one identity can have as many associations as it likes",                                                   \
      "give the rule associations-max:")                                                                          \
    X(GUESSING, "guessing", MEDIUM, 307, 0, "Improper Restriction of Excessive Authentication Attempts",          \
      "pre-shared keys may be tried without a pause",                                                             \
      "take the option out")                                                                                      \
    X(NO_RULES, "no-rules", NOTE, 862, 0, "Missing Authorization",                                                \
      "a listener has no rules: every client that is proven may do everything",                                   \
      "write rules; whom none fits is denied")                                                                    \
    X(LONG_LIFE, "long-life", LOW, 772, 613, "Missing Release of Resource after Effective Lifetime",              \
      "associations of clients that have gone live for long",                                                     \
      "take the option out, or give age-max")                                                                     \
    X(ROOT_WITHOUT_SANDBOX, "root-without-sandbox", HIGH, 250, 0, "Execution with Unnecessary Privileges",        \
      "the server has no sandbox and stays the user that starts it, root perhaps",                                \
      "take sandbox: none out, and give user:")                                                                   \
    X(NO_SANDBOX, "no-sandbox", MEDIUM, 693, 0, "Protection Mechanism Failure",                                   \
      "the server may reach every file, or system call, of its user",                                             \
      "take sandbox: none out, or the sandbox-path that is everything")                                         \
    X(MAY_BE_ROOT, "may-be-root", NOTE, 250, 0, "Execution with Unnecessary Privileges",                          \
      "the server stays the user that starts it",                                                                 \
      "give user:, or have it started as a user of its own, as packaging/dtlsgate.service does")                  \
    X(CONTENTS_LOGGED, "contents-logged", MEDIUM, 532, 0, "Insertion of Sensitive Information into Log File",     \
      "at debug level the log shows what clients send",                                                           \
      "take log-contents: yes out")                                                                               \
    X(KEYS_LOGGED, "keys-logged", HIGH, 532, 0, "Insertion of Sensitive Information into Log File",               \
      "session keys are written to a file: whoever has it reads everything that was recorded",                    \
      "take key-log out, and wipe the file")                                                                      \
    X(COUNTERS_OPEN, "counters-open", NOTE, 497, 0, "Exposure of Sensitive System Information to an Unauthorized Control Sphere", \
      "metrics on a TCP port are shown to every user of this host",                                                                       \
      "metrics: unix:PATH")            \
    X(REFUSED, "refused", HIGH, 0, 0, "",                                                                         \
      "dtlsgate serve refuses this configuration",                                                                \
      "do as the message says")

#define DG_FINDING_ENUM(name, ...) DG_FINDING_##name,
enum dg_finding_kind { DG_FINDING_LIST(DG_FINDING_ENUM) DG_FINDING_COUNT };

struct dg_finding_row {
    const char *name;
    enum dg_severity severity; // at most
    unsigned cwe, also;        // 0: no weakness of that list; and none further
    const char *cwe_name, *wrong, *remedy;
};
const struct dg_finding_row *dg_finding_row_of(enum dg_finding_kind kind);
const char *dg_severity_name(enum dg_severity severity);

struct dg_finding {
    enum dg_finding_kind kind;
    enum dg_severity severity;
    char *file; // empty: a command line
    struct dg_config_place place; // line 0: the file as a whole
    char *what; // here: the option, the name, the number
};

struct dg_findings {
    struct dg_finding *items;
    size_t count;
    size_t dropped; // beyond DG_FINDINGS_MAX, or memory was short
};
#define DG_FINDINGS_MAX 10000

// severity may be lower than the row's.
void dg_findings_add(struct dg_findings *findings, enum dg_finding_kind kind, enum dg_severity severity, const char *file,
                     struct dg_config_place place, const char *format, ...) DG_PRINTF(6, 7);
void dg_findings_sort(struct dg_findings *findings); // the most severe first, then by place
void dg_findings_clear(struct dg_findings *findings); // fine on a zeroed struct

#endif
