// SPDX-License-Identifier: GPL-3.0-or-later
// The one list of counters, from which the enum, the names and docs/counters.md are made. Each thread
// writes its own set; readers sum. Counters are all that unauthenticated input may change. The equations that they
// keep stand here too.
#ifndef DG_CORE_COUNTERS_H
#define DG_CORE_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// X(enum suffix, exported name, what it counts)
#define DG_COUNTER_LIST(X)                                                                                        \
    /* datagrams and plaintext */                                                                                 \
    X(DATAGRAMS_RECEIVED, "datagrams_received", "datagrams read from listening sockets")                          \
    X(DATAGRAMS_OPENED, "datagrams_opened", "of these, an association's: a record was authentic and new")         \
    X(DATAGRAMS_HANDSHAKES, "datagrams_handshakes", "of these, a handshake's: it began one, or a record was for one under way") \
    X(DATAGRAMS_HELLOS, "datagrams_hellos", "of these, hellos that were answered, or parts of hellos that were kept") \
    X(DATAGRAMS_SENT, "datagrams_sent", "datagrams written to listening sockets")                                 \
    X(RECORDS_OPENED, "records_opened", "protected records that opened")                                          \
    X(RECORDS_SEALED, "records_sealed", "records protected and queued for sending")                               \
    X(PLAINTEXT_DELIVERED, "plaintext_delivered", "application data records handed to a backend")                 \
    X(PLAINTEXT_ANSWERED, "plaintext_answered", "datagrams of a backend sent to a client")                        \
    X(SEGMENTATION_REFUSED, "segmentation_refused", "runs of datagrams that went out one by one: the kernel did not split") \
    X(MISROUTED, "misrouted", "datagrams that reached another thread than the filter was to choose")              \
    X(FORWARDED, "forwarded", "datagrams passed to another thread by message")                                    \
    /* associations */                                                                                            \
    X(ASSOCIATIONS_OPENED, "associations_opened", "associations taken over from the handshake")                   \
    X(ASSOCIATIONS_CLOSED, "associations_closed", "associations ended, for whatever reason")                      \
    X(CLOSED_BY_PEER, "closed_by_peer", "ended by the peer's close_notify")                                       \
    X(CLOSED_BY_ALERT, "closed_by_alert", "ended by the peer's fatal alert")                                      \
    X(CLOSED_IDLE, "closed_idle", "ended after the idle time")                                                    \
    X(CLOSED_EXPIRED, "closed_expired", "ended at the certificate's notAfter or at the maximal age")              \
    X(CLOSED_REPLACED, "closed_replaced", "ended because a new handshake proved the same address")                \
    X(CLOSED_UNAUTHORISED, "closed_unauthorised", "ended because the credential was removed")                     \
    X(CLOSED_IDENTITY_LIMIT, "closed_identity_limit", "ended because its identity has more than its rule allows at once") \
    X(CLOSED_LIMIT, "closed_limit", "ended at a key's usage limit")                                               \
    X(CLOSED_ERROR, "closed_error", "ended by an authentic record that breaks the protocol")                      \
    X(CLOSED_BY_OPERATOR, "closed_by_operator", "ended by an operator's word (dtlsgate close)")                   \
    X(CLOSED_SHUTDOWN, "closed_shutdown", "ended because the server stops")                                       \
    X(KEY_UPDATES_SENT, "key_updates_sent", "KeyUpdate messages begun by us")                                     \
    X(KEY_UPDATES_RECEIVED, "key_updates_received", "KeyUpdate messages of peers carried out")                    \
    X(FLIGHTS_REPEATED, "flights_repeated", "final flights or acknowledgements sent again after the take-over")   \
    X(RETRANSMISSIONS, "retransmissions", "post-handshake messages sent again")                                   \
    /* clients that move */                                                                                       \
    X(PATH_CHECKS, "path_checks", "new addresses of clients with a connection ID that were put to the proof")     \
    X(PATHS_MOVED, "paths_moved", "of these, proven: answers go there from then on")                              \
    X(PATHS_STAYED, "paths_stayed", "of these, given up: the client is still at the address before")              \
    X(PATH_CHECKS_FAILED, "path_checks_failed", "of these, given up: no proof came in time")                      \
    X(ANSWERS_REPEATED, "answers_repeated", "answers to the address that a client had left, sent again where it was") \
    X(PATH_CHALLENGES, "path_challenges", "path_challenge messages sent (RFC 9853)")                              \
    X(PATH_CHALLENGES_ANSWERED, "path_challenges_answered", "path_challenge messages of peers answered")          \
    X(PATH_BUDGET, "path_budget", "datagrams kept from an unproven address: above three bytes for one from there") \
    X(CIDS_OFFERED, "cids_offered", "further connection IDs of ours given to peers that asked (RFC 9147 9)")      \
    X(CIDS_CHANGED, "cids_changed", "changes to another connection ID of a peer's in what we send (RFC 9147 9)")  \
    /* drops: records */                                                                                          \
    X(DROP_EMPTY, "drop_empty", "datagrams without a byte")                                                       \
    X(DROP_UNKNOWN_TYPE, "drop_unknown_type", "first byte is of no record type (RFC 9147 4.1)")                   \
    X(DROP_RECORD_MALFORMED, "drop_record_malformed", "header or length that does not fit its datagram")          \
    X(DROP_RECORD_TOO_LONG, "drop_record_too_long", "record above the RFC's limit")                               \
    X(DROP_NO_ASSOCIATION, "drop_no_association", "protected record for which there is no association")           \
    X(DROP_CID_MISMATCH, "drop_cid_mismatch", "record with a missing, foreign or unexpected connection ID")       \
    X(DROP_EPOCH_UNKNOWN, "drop_epoch_unknown", "record of an epoch whose keys are not there")                    \
    X(DROP_FORGED, "drop_forged", "record whose tag does not verify")                                             \
    X(DROP_OPEN_PACED, "drop_open_paced", "record not tried: too many for this association did not open just now") \
    X(DROP_REPLAY, "drop_replay", "record number seen before or too old")                                         \
    X(DROP_PLAINTEXT_RECORD, "drop_plaintext_record", "unprotected record for an established association")        \
    X(DROP_INNER_TYPE, "drop_inner_type", "opened record without a valid inner content type")                     \
    X(DROP_NOT_NEGOTIATED, "drop_not_negotiated", "record of a type that was not negotiated")                     \
    X(DROP_PATH_MESSAGE, "drop_path_message", "return routability messages that answer nothing or do not parse")  \
    X(DROP_AFTER_CLOSE, "drop_after_close", "record numbered after the peer's close_notify")                      \
    X(DROP_HANDSHAKE_GAP, "drop_handshake_gap", "post-handshake message ahead of its turn")                       \
    X(DROP_HANDSHAKE_REPEATED, "drop_handshake_repeated", "post-handshake message that was handled before")       \
    X(DROP_FLIGHT_LIMITED, "drop_flight_limited", "repeated final flight that came too soon after an answer")     \
    X(DROP_OLD_PATH, "drop_old_path", "record of a handshake under way from another address")                     \
    X(DROP_ALERT_IGNORED, "drop_alert_ignored", "authentic alerts that change nothing (warnings, user_canceled)") \
    X(DROP_SEAL_FAILED, "drop_seal_failed", "records that could not be protected: limit, room, or the library")   \
    X(DROP_KERNEL, "drop_kernel", "datagrams that found a listening socket's receive buffer full")                \
    X(DROP_SEND_FULL, "drop_send_full", "outgoing datagrams for which the send queue had no room")                \
    X(DROP_SEND_ERROR, "drop_send_error", "outgoing datagrams that the kernel refused")                           \
    X(DROP_TOO_LARGE, "drop_too_large", "plaintext above what one datagram to this peer holds")                   \
    X(DROP_STALE_REFERENCE, "drop_stale_reference", "plaintext for an association that has ended")                \
    X(DROP_UNAUTHORISED, "drop_unauthorised", "plaintext of an association that is no longer allowed")            \
    X(DROP_POLICY_NETWORK, "drop_policy_network", "plaintext that came from a network from which no rule allows its client") \
    X(DROP_RATE_MESSAGES, "drop_rate_messages", "plaintext above the messages a second of its client's rule")     \
    X(DROP_RATE_BYTES, "drop_rate_bytes", "plaintext above the bytes a second of its client's rule")              \
    /* failures of established associations */                                                                    \
    X(FAIL_UNEXPECTED_MESSAGE, "fail_unexpected_message", "authentic message that has no place here")             \
    X(FAIL_DECODE, "fail_decode", "authentic message whose body does not parse")                                  \
    X(FAIL_ILLEGAL_PARAMETER, "fail_illegal_parameter", "authentic message with a forbidden value")               \
    X(FAIL_ACK_UNSENT, "fail_ack_unsent", "acknowledgement of a record that was never sent")                      \
    X(FAIL_CID_REQUESTS, "fail_cid_requests", "more requests for connection IDs than anybody needs")              \
    X(FAIL_OPEN_LIMIT, "fail_open_limit", "more forged records than the AEAD withstands")                         \
    X(FAIL_SEAL_LIMIT, "fail_seal_limit", "more records than the AEAD protects under one key")                    \
    /* front: drops before a handshake exists */                                                                  \
    X(DROP_SOURCE_IMPOSSIBLE, "drop_source_impossible", "source address that cannot be a peer")                   \
    X(DROP_FOR_MANY, "drop_for_many", "datagram to a multicast or broadcast address: DTLS is between two")        \
    X(DROP_HELLO_MALFORMED, "drop_hello_malformed", "ClientHello whose vectors do not fit")                       \
    X(DROP_HELLO_VERSION, "drop_hello_version", "ClientHello that offers neither DTLS 1.2 nor 1.3")               \
    X(DROP_HELLO_CID_LENGTH, "drop_hello_cid_length", "ClientHello with a connection ID above the limit")         \
    X(DROP_NOT_HELLO, "drop_not_hello", "handshake record of a stranger that is no ClientHello")                  \
    X(DROP_HELLO_UNANSWERED, "drop_hello_unanswered", "well-formed hello that the library had no answer to")     \
    X(DROP_HELLO_MEMORY, "drop_hello_memory", "hellos that could not be served: our memory was short")            \
    X(DROP_ANSWER_LIMITED, "drop_answer_limited", "hello left unanswered: its address (IPv6: /64) used up its answers") \
    X(DROP_ANSWER_NETWORK, "drop_answer_network", "hello left unanswered: its network (IPv4 /24, IPv6 /48) used up its answers") \
    X(DROP_ANSWER_GLOBAL, "drop_answer_global", "hello left unanswered: all together used up the answers")         \
    X(DROP_AMPLIFICATION, "drop_amplification", "answer withheld: more than three bytes out for one in")          \
    X(DROP_COOKIE_INVALID, "drop_cookie_invalid", "hello with a cookie that is not ours or too old")              \
    X(DROP_FRAGMENTS_FULL, "drop_fragments_full", "hello fragments pushed out of the reassembly area")            \
    X(DROP_FRAGMENT_CONFLICT, "drop_fragment_conflict", "hello fragments that contradict each other")             \
    X(DROP_FRAGMENT_EXPIRED, "drop_fragment_expired", "incomplete hellos given up")                               \
    X(DROP_HANDSHAKES_FULL, "drop_handshakes_full", "valid hellos refused: all handshakes are in use")            \
    X(DROP_HANDSHAKES_PREFIX, "drop_handshakes_prefix", "valid hellos refused: the prefix has too many under way")\
    X(DROP_START_LIMITED, "drop_start_limited", "valid hellos refused: the address (IPv6: /64) begins too many handshakes a second") \
    X(DROP_START_NETWORK, "drop_start_network", "valid hellos refused: the network (IPv4 /24, IPv6 /48) begins too many a second") \
    X(DROP_START_GLOBAL, "drop_start_global", "valid hellos refused: all together begin too many handshakes a second") \
    X(DROP_PENALTY, "drop_penalty", "valid hellos refused: the address (IPv6: /64) keeps failing")                 \
    X(DROP_PENALTY_NETWORK, "drop_penalty_network", "valid hellos refused: the network (IPv4 /24, IPv6 /48) keeps failing") \
    X(DROP_BACKOFF, "drop_backoff", "valid hellos refused: this identity keeps failing its key from this prefix")  \
    X(DROP_HELLO_REPEATED, "drop_hello_repeated", "hello of a handshake that is under way already")               \
    X(DROP_EARLY_FULL, "drop_early_full", "application data before the handshake's end, beyond what is held")     \
    X(DROP_RING_FULL, "drop_ring_full", "messages between threads for which the ring had no room")                \
    X(DROP_STOPPED, "drop_stopped", "datagrams that were on their way to another thread when the server stopped")  \
    /* the client's handshakes: drops */                                                                          \
    X(DROP_ALERT_UNPROVEN, "drop_alert_unproven", "unprotected alerts: anybody could have sent them (RFC 9147 4.5.2)") \
    X(DROP_MESSAGE_REPEATED, "drop_message_repeated", "unprotected handshake messages that were there before")    \
    X(DROP_MESSAGE_CONTRADICTED, "drop_message_contradicted", "unprotected handshake messages that differ from one before") \
    X(DROP_MESSAGE_UNEXPECTED, "drop_message_unexpected", "unprotected handshake messages that have no place now") \
    /* front: what became of hellos and handshakes */                                                             \
    X(HELLOS_ANSWERED, "hellos_answered", "HelloVerifyRequests and HelloRetryRequests sent")                      \
    X(HANDSHAKES_STARTED, "handshakes_started", "handshakes begun after a valid cookie")                          \
    X(HANDSHAKES_COMPLETED, "handshakes_completed", "handshakes that proved the client")                          \
    X(HANDSHAKES_RESUMED, "handshakes_resumed", "of these, resumed with a ticket")                                \
    X(HANDSHAKES_FAILED, "handshakes_failed", "handshakes that ended in an error")                                \
    X(HANDSHAKES_EXPIRED, "handshakes_expired", "handshakes given up at their deadline")                          \
    X(HANDSHAKES_REPLACED, "handshakes_replaced", "handshakes given up because their client began a new one")     \
    X(HANDSHAKES_STOPPED, "handshakes_stopped", "handshakes given up because the server stops")                    \
    X(HANDOVERS_GIVEN_UP, "handovers_given_up", "proven clients given up: no worker took them in time, they began anew, or the server stops") \
    X(FAIL_WRONG_KEY, "fail_wrong_key", "handshakes with a known identity and a wrong key")                       \
    X(FAIL_UNKNOWN_IDENTITY, "fail_unknown_identity", "handshakes with an identity that is not in the store")     \
    X(FAIL_BACKOFF, "fail_backoff", "handshakes ended when their identity was told: it keeps failing its key from this prefix") \
    X(FAIL_CERTIFICATE, "fail_certificate", "handshakes whose client certificate was refused")                    \
    X(FAIL_REVOKED, "fail_revoked", "handshakes whose client certificate has been revoked")                       \
    X(FAIL_CRL, "fail_crl", "handshakes refused because the CA has no current revocation list")                   \
    X(FAIL_CLIENT_NAME, "fail_client_name", "handshakes whose certificate bears no name that is let in")          \
    X(FAIL_NO_CERTIFICATE, "fail_no_certificate", "handshakes in which the client sent no certificate")           \
    X(FAIL_NO_COMMON, "fail_no_common", "handshakes without a common version, suite, group or credential")        \
    X(FAIL_MEMORY, "fail_memory", "handshakes given up because our memory was short")                             \
    X(FAIL_TAKEOVER, "fail_takeover", "handshakes closed because the watched records did not open")               \
    X(FAIL_POLICY, "fail_policy", "proven clients refused: no rule allows them")                                  \
    X(FAIL_IDENTITY_LIMIT, "fail_identity_limit", "proven clients refused: the identity has all that its rule allows at once") \
    X(FAIL_PREFIX_LIMIT, "fail_prefix_limit", "proven clients refused: their network has associations-prefix-max already") \
    /* tables */                                                                                                  \
    X(TABLE_FULL, "table_full", "take-overs refused: no free slot in the shard")                                  \
    X(CID_COLLISION, "cid_collision", "take-overs refused: the connection ID is in use")                          \
    X(SIDE_FULL, "side_full", "side slots that could not be had; the association goes on without")                \
    X(SLOTS_QUARANTINED, "slots_quarantined", "slots out of use when the memory was attached: they failed their check, or ended the process twice") \
    /* backends */                                                                                                \
    X(BACKEND_NO_PORT, "backend_no_port", "plaintext dropped: every local port is in use or resting")             \
    X(BACKEND_SEND_ERROR, "backend_send_error", "plaintext that the backend's socket refused")                    \
    X(BACKEND_UNREACHABLE, "backend_unreachable", "ICMP errors from the backend's host")                           \
    X(BACKEND_ABSENT, "backend_absent", "plaintext dropped: the backend is not there, or could not be made")        \
    X(BACKEND_FULL, "backend_full", "plaintext dropped: the backend takes datagrams too slowly")                    \
    X(BACKEND_ANSWER_MALFORMED, "backend_answer_malformed", "answers dropped: no header that names an association") \
    X(BACKEND_ANSWER_UNKNOWN, "backend_answer_unknown", "answers dropped: for an association that has ended, never was, or is another backend's") \
    X(BACKEND_ANSWER_FORWARDED, "backend_answer_forwarded", "answers that reached another worker than their association's, and were passed on") \
    X(BACKEND_ANSWER_LOST, "backend_answer_lost", "answers dropped on the way to another worker: too large, or the ring had no room")

enum dg_counter {
    DG_COUNT_NONE,
#define DG_COUNTER_ENUM(suffix, name, text) DG_COUNT_##suffix,
    DG_COUNTER_LIST(DG_COUNTER_ENUM)
#undef DG_COUNTER_ENUM
    DG_COUNTER_COUNT
};

struct dg_counters {
    _Atomic uint64_t values[DG_COUNTER_COUNT];
    _Atomic uint64_t datagram_drops[DG_COUNTER_COUNT]; // datagrams that came to nothing, by the reason of their end
    enum dg_counter first_drop;                        // the writer's: since dg_datagram_begin
};

static inline bool dg_counter_is_drop(enum dg_counter counter)
{
    switch (counter) { // known to the compiler where the counter is
#define DG_COUNTER_IS_DROP(suffix, name, text)                                                                     \
    case DG_COUNT_##suffix:                                                                                       \
        return strncmp(#suffix, "DROP_", 5) == 0;
        DG_COUNTER_LIST(DG_COUNTER_IS_DROP)
#undef DG_COUNTER_IS_DROP
    default:
        return false;
    }
}

static inline void dg_count_by(struct dg_counters *counters, enum dg_counter counter, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(&counters->values[counter], memory_order_relaxed);
    atomic_store_explicit(&counters->values[counter], value + amount, memory_order_relaxed);
    if (dg_counter_is_drop(counter) && amount > 0 && counters->first_drop == DG_COUNT_NONE)
        counters->first_drop = counter;
}
static inline void dg_count(struct dg_counters *counters, enum dg_counter counter) { dg_count_by(counters, counter, 1); }
static inline uint64_t dg_counter_read(const struct dg_counters *counters, enum dg_counter counter)
{
    return atomic_load_explicit(&counters->values[counter], memory_order_relaxed);
}

// What became of datagrams. Each one that was read ends once, in DATAGRAMS_OPENED, _HANDSHAKES or _HELLOS, or in
// datagram_drops under one name, whichever threads it went through: whoever takes it begins; whoever passes it on leaves
// its end to the other; whoever else has not used it says that it was dropped. Its records are counted apart from that,
// and may have several reasons; the datagram's is the first. DG_COUNT_NONE among the drops is a mistake of ours.
static inline void dg_datagram_begin(struct dg_counters *counters) { counters->first_drop = DG_COUNT_NONE; }
static inline void dg_datagrams_dropped(struct dg_counters *counters, enum dg_counter reason, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(&counters->datagram_drops[reason], memory_order_relaxed);
    atomic_store_explicit(&counters->datagram_drops[reason], value + amount, memory_order_relaxed);
}
static inline void dg_datagram_dropped(struct dg_counters *counters)
{
    dg_datagrams_dropped(counters, counters->first_drop, 1);
}
static inline uint64_t dg_datagram_drops_read(const struct dg_counters *counters, enum dg_counter reason)
{
    return atomic_load_explicit(&counters->datagram_drops[reason], memory_order_relaxed);
}

// Over the sets of all threads.
uint64_t dg_counters_sum(const struct dg_counters *const *sets, size_t set_count, enum dg_counter counter);
uint64_t dg_datagram_drops_sum(const struct dg_counters *const *sets, size_t set_count, enum dg_counter reason);

const char *dg_counter_name(enum dg_counter counter);
const char *dg_counter_text(enum dg_counter counter);

#endif
