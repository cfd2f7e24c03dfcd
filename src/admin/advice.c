// SPDX-License-Identifier: GPL-3.0-or-later
// The table. Whoever adds a counter of a drop or a failure adds its line here.
#include "admin/advice.h"

#include <string.h>

static const char *const advices[DG_COUNTER_COUNT] = {
    // ends of associations
    [DG_COUNT_CLOSED_BY_PEER] = "the client said goodbye: nothing to do",
    [DG_COUNT_CLOSED_BY_ALERT] = "the client ended it with a fatal alert: look into the client's own log",
    [DG_COUNT_CLOSED_IDLE] = "nothing came from it for the idle time: have the client send at least that often, or raise "
                             "idle-timeout (with a connection ID, idle-timeout-cid) or that of its rule",
    [DG_COUNT_CLOSED_EXPIRED] = "its certificate's notAfter or the maximal age was reached: give the client a new certificate, or "
                                "raise age-max; it may come again at once",
    [DG_COUNT_CLOSED_REPLACED] = "its client proved itself anew from the same address, or its identity may have no further "
                                 "association: usual after a restart of the client; often in a row, two devices share one address "
                                 "and port, or one identity",
    [DG_COUNT_CLOSED_UNAUTHORISED] = "its credential was removed or revoked, or a rule does not allow it any more: put it back and "
                                     "reload, if it should come in",
    [DG_COUNT_CLOSED_LIMIT] = "a key has protected as much as is safe: the client makes a new handshake",
    [DG_COUNT_CLOSED_ERROR] = "an authentic record broke the protocol: the client's DTLS library is at fault, look for an update",
    [DG_COUNT_CLOSED_SHUTDOWN] = "the server was stopped: nothing to do",
    [DG_COUNT_CLOSED_BY_OPERATOR] = "somebody said dtlsgate close: the client may come again; to keep it out, remove its "
                                    "credential or add a rule that denies it, and reload",
    [DG_COUNT_CLOSED_IDENTITY_LIMIT] = "a newer association of its identity took its place, as the rule says: two devices share the "
                                       "identity, or the rule's associations-max is too low",
    // records of associations
    [DG_COUNT_DROP_EMPTY] = "somebody sends datagrams without a byte: no DTLS client does; a scan or a keep-alive of another protocol",
    [DG_COUNT_DROP_UNKNOWN_TYPE] = "what comes is not DTLS: is the client's port right, and does it speak DTLS 1.2 or 1.3 and not "
                                   "plain UDP?",
    [DG_COUNT_DROP_RECORD_MALFORMED] = "datagrams arrive cut or altered, or are not DTLS: look at the path's MTU and at middle boxes",
    [DG_COUNT_DROP_RECORD_TOO_LONG] = "records above the RFC's limit: the sender is no conforming DTLS client",
    [DG_COUNT_DROP_NO_ASSOCIATION] = "records for which there is no association: the server lost them by a start without its memory "
                                     "file, the association was closed and the client has not noticed, or a NAT changed the address "
                                     "of a client without connection ID; the client must make a new handshake",
    [DG_COUNT_DROP_CID_MISMATCH] = "records with a connection ID that is not the association's: connection-id-length differs between "
                                   "servers behind one address, or somebody guesses",
    [DG_COUNT_DROP_EPOCH_UNKNOWN] = "records of keys that are gone or not there yet: a few are usual at a start and after a key "
                                    "change; many mean a client that goes on with an old association",
    [DG_COUNT_DROP_FORGED] = "records that do not verify: forged or damaged on the way, or the client goes on with old keys after the "
                             "server forgot them; the client must make a new handshake",
    [DG_COUNT_DROP_OPEN_PACED] = "so many forged records came for one association that it is guarded: somebody who knows its address "
                                 "or connection ID attacks it; block the source before the server",
    [DG_COUNT_DROP_REPLAY] = "datagrams came twice or very late: networks do that now and then; many mean somebody who replays",
    [DG_COUNT_DROP_PLAINTEXT_RECORD] = "unprotected records for an established association: forged, or a client that restarted; its "
                                       "new handshake will replace it",
    [DG_COUNT_DROP_INNER_TYPE] = "the client's DTLS 1.3 sends records without a content type: look for an update of its library",
    [DG_COUNT_DROP_NOT_NEGOTIATED] = "the client sends what was not agreed on: look for an update of its library",
    [DG_COUNT_DROP_PATH_MESSAGE] = "late or repeated answers to address checks: a few are usual when clients move",
    [DG_COUNT_DROP_AFTER_CLOSE] = "data that a client sent behind its own goodbye: the client closes too early",
    [DG_COUNT_DROP_HANDSHAKE_GAP] = "messages arrived in the wrong order and are repeated: nothing to do unless it goes on",
    [DG_COUNT_DROP_HANDSHAKE_REPEATED] = "messages came twice: our acknowledgements get lost on the way to the client",
    [DG_COUNT_DROP_FLIGHT_LIMITED] = "a client repeats its last flight faster than it is answered: our answers get lost on the way to it",
    [DG_COUNT_DROP_OLD_PATH] = "a client changed its address in the middle of a handshake: it will begin again",
    [DG_COUNT_DROP_ALERT_IGNORED] = "warnings of clients that change nothing: nothing to do",
    [DG_COUNT_DROP_SEAL_FAILED] = "records could not be protected: with a fresh server and few clients, report it as a bug",
    [DG_COUNT_DROP_KERNEL] = "bursts found the socket's buffer full: raise the sysctl net.core.rmem_max to 4194304 or give "
                             "CAP_NET_ADMIN, add workers, or look for a flood",
    [DG_COUNT_DROP_SEND_FULL] = "the network takes less than there is to send: raise net.core.wmem_max, look at the interface's queue",
    [DG_COUNT_DROP_SEND_ERROR] = "the kernel refused to send: a firewall rule, no route, or datagram-max above the path's MTU",
    [DG_COUNT_DROP_TOO_LARGE] = "the service answered with more than one datagram to this client holds: raise datagram-max if the "
                                "path carries it, or have the service answer in smaller pieces",
    [DG_COUNT_DROP_STALE_REFERENCE] = "the service answered a client that had gone: nothing to do",
    [DG_COUNT_DROP_UNAUTHORISED] = "data of clients whose credential or rule was taken away did not pass: that is what was asked for",
    [DG_COUNT_DROP_POLICY_NETWORK] = "the client sends from a network from which no rule allows it: it has moved, or add the network "
                                     "to its rule and dtlsgate reload",
    [DG_COUNT_DROP_RATE_MESSAGES] = "it sends more messages a second than its rule allows: raise messages-rate of the rule and dtlsgate "
                                    "reload, or look into the device",
    [DG_COUNT_DROP_RATE_BYTES] = "it sends more bytes a second than its rule allows: raise bytes-rate of the rule and dtlsgate reload, "
                                 "or look into the device",
    // failures of associations
    [DG_COUNT_FAIL_UNEXPECTED_MESSAGE] = "the client's DTLS library sends messages where they have no place (a renegotiation "
                                         "perhaps, which is never granted): look for an update or a setting",
    [DG_COUNT_FAIL_DECODE] = "the client's DTLS library sends messages that do not parse: look for an update",
    [DG_COUNT_FAIL_ILLEGAL_PARAMETER] = "the client's DTLS library sends forbidden values: look for an update",
    [DG_COUNT_FAIL_ACK_UNSENT] = "the client acknowledged what was never sent: a fault, or somebody who guesses at another address; "
                                 "if it repeats, look into that device",
    [DG_COUNT_FAIL_CID_REQUESTS] = "the client asked for connection IDs without end: look for an update of its library",
    [DG_COUNT_FAIL_OPEN_LIMIT] = "so many forged records came under one key that it is given up: somebody attacks this association; "
                                 "the client makes a new handshake",
    [DG_COUNT_FAIL_SEAL_LIMIT] = "a key has protected as many records as is safe: the client makes a new handshake",
    // before a handshake exists
    [DG_COUNT_DROP_FOR_MANY] = "datagrams to a broadcast or multicast address of this host's network: a client looks for servers "
                               "that way, or somebody tries to have one datagram answered many times; give clients the "
                               "server's own address",
    [DG_COUNT_DROP_SOURCE_IMPOSSIBLE] = "source addresses that cannot be: forged; filter them at the edge of the network",
    [DG_COUNT_DROP_HELLO_MALFORMED] = "hellos that do not parse: no DTLS client, or altered on the way",
    [DG_COUNT_DROP_HELLO_VERSION] = "clients that offer neither DTLS 1.2 nor 1.3: DTLS 1.0 is not served (RFC 8996); update the client",
    [DG_COUNT_DROP_HELLO_CID_LENGTH] = "clients that ask for connection IDs longer than is allowed: configure shorter ones there",
    [DG_COUNT_DROP_NOT_HELLO] = "handshake records without a beginning: clients that go on with a handshake that was given up; they "
                                "begin again by themselves",
    [DG_COUNT_DROP_ANSWER_LIMITED] = "more hellos from one address than are answered: a flood with forged sources, or many clients "
                                     "behind one address; in the second case raise answers-rate",
    [DG_COUNT_DROP_ANSWER_NETWORK] = "more hellos from one network (IPv4 /24, IPv6 /48) than are answered: a flood with forged "
                                     "sources, or many clients there; in the second case raise answers-rate-network",
    [DG_COUNT_DROP_ANSWER_GLOBAL] = "more hellos in all than are answered: a flood with forged sources, which the network has to "
                                    "filter; whoever has a cookie is not held up",
    [DG_COUNT_DROP_AMPLIFICATION] = "answers withheld that would have been more than three times what came: the client sends very "
                                    "short hellos, which no usual one does",
    [DG_COUNT_DROP_COOKIE_INVALID] = "hellos with an old or foreign cookie: slow clients (raise cookie-period), several servers behind "
                                     "one address (send all of a client's datagrams to the same one), or a flood",
    [DG_COUNT_DROP_HELLO_UNANSWERED] = "hellos to which no answer is possible: nothing in common even for a first one; compare the "
                                       "client's versions and suites with the profile",
    [DG_COUNT_DROP_HELLO_MEMORY] = "the host has no memory left for a handshake: give the service more (MemoryMax=), or lower "
                                   "handshakes-max; nothing is wrong with the clients, who come again",
    [DG_COUNT_DROP_FRAGMENTS_FULL] = "too many hellos in pieces at once: a flood of fragments, or large post-quantum hellos on a "
                                     "lossy path",
    [DG_COUNT_DROP_FRAGMENT_CONFLICT] = "pieces of hellos contradict each other: forged ones among them; the client repeats its hello",
    [DG_COUNT_DROP_FRAGMENT_EXPIRED] = "pieces of hellos got lost: the path loses datagrams, or somebody sends first pieces only",
    [DG_COUNT_DROP_HANDSHAKES_FULL] = "as many handshakes are under way as are allowed, or the server is stopping: raise "
                                      "handshakes-max if memory allows (13 to 33 KB each), or look for who holds them (handshake-timeout)",
    [DG_COUNT_DROP_HANDSHAKES_PREFIX] = "this address has as many handshakes under way as one may: it comes again by itself; where "
                                        "many clients share an address, raise handshakes-prefix-max",
    [DG_COUNT_DROP_START_LIMITED] = "more handshakes a second from one address than it may begin: they come again by themselves; "
                                    "where many clients share an address, raise handshakes-rate",
    [DG_COUNT_DROP_START_NETWORK] = "more handshakes a second from one network (IPv4 /24, IPv6 /48) than it may begin: they come "
                                    "again by themselves; where many clients are there, raise handshakes-rate-network",
    [DG_COUNT_DROP_START_GLOBAL] = "more handshakes a second in all than may begin: a fleet that comes back at once does so bit by "
                                   "bit; raise handshakes-rate-global if processors have time left",
    [DG_COUNT_DROP_PENALTY_NETWORK] = "handshakes from this network (IPv4 /24, IPv6 /48) keep failing, from many addresses: put right "
                                      "what fails (dtlsgate why with an address), or raise failures-rate-network",
    [DG_COUNT_DROP_PENALTY] = "handshakes from this address keep failing, so that it has to wait: put right what fails (dtlsgate why "
                              "with its address); where many clients share an address, raise failures-rate",
    [DG_COUNT_DROP_BACKOFF] = "the pre-shared key of this identity was wrong again and again from this network, so that it has to "
                              "wait: give the device the key of the store, or dtlsgate psk rotate; the wait ends by itself",
    [DG_COUNT_DROP_HELLO_REPEATED] = "a client repeats its hello while its handshake is under way: our answers are slow to reach it",
    [DG_COUNT_DROP_EARLY_FULL] = "data sent before the handshake was over did not all find room: the client should wait for its end",
    [DG_COUNT_DROP_RING_FULL] = "a thread could not keep up with what another gave it: add workers or processors, or look for a flood",
    [DG_COUNT_DROP_STOPPED] = "a stop overtook them: nothing to do",
    [DG_COUNT_DROP_ALERT_UNPROVEN] = "unprotected alerts towards a dialling client: anybody can send them, and they are ignored",
    [DG_COUNT_DROP_MESSAGE_REPEATED] = "a server repeats its handshake messages: loss on the way to it",
    [DG_COUNT_DROP_MESSAGE_CONTRADICTED] = "handshake messages differ from those before: somebody forges them; the real ones are used",
    [DG_COUNT_DROP_MESSAGE_UNEXPECTED] = "handshake messages out of place: forged, or a server at fault",
    // handshakes
    [DG_COUNT_HANDSHAKES_FAILED] = "look for the reason by client: dtlsgate why IDENTITY or ADDRESS",
    [DG_COUNT_HANDSHAKES_EXPIRED] = "the client received our cookie and then stopped answering: datagrams get lost on the way to it, "
                                    "often large ones (lower datagram-max below the path's MTU), or it is too slow "
                                    "(raise handshake-timeout)",
    [DG_COUNT_HANDSHAKES_REPLACED] = "the client began again before its handshake was over: it is impatient, or our answers do not "
                                     "reach it",
    [DG_COUNT_HANDSHAKES_STOPPED] = "the server stopped in the middle: the client comes again",
    [DG_COUNT_HANDOVERS_GIVEN_UP] = "workers could not take a proven client in time: add workers or processors",
    [DG_COUNT_FAIL_POLICY] = "{who} proved itself and no rule lets it in: add or change a rule of the listener and dtlsgate reload, if "
                             "it should come in",
    [DG_COUNT_FAIL_IDENTITY_LIMIT] = "{who} has as many associations as its rule allows: close old ones (dtlsgate close --identity), "
                                     "raise associations-max of the rule, or let the newest replace the oldest",
    [DG_COUNT_FAIL_PREFIX_LIMIT] = "its network has as many associations as associations-prefix-max allows: raise it where many clients "
                                   "share an address",
    [DG_COUNT_FAIL_WRONG_KEY] = "the key differs from the one stored for {who}: check the device's key, or store the one that it has "
                                "(dtlsgate psk rotate, or its line in psk-file, and dtlsgate reload). If {who} is connected or "
                                "silent elsewhere, somebody else claims its name",
    [DG_COUNT_FAIL_UNKNOWN_IDENTITY] = "no key is stored for {who}: mind spelling, case and white space; add it (dtlsgate psk add, or a "
                                       "line in psk-file) and dtlsgate reload, or correct the device",
    [DG_COUNT_FAIL_BACKOFF] = "the pre-shared key of this identity was wrong again and again from this network, so that it has to "
                              "wait: give the device the key of the store, or dtlsgate psk rotate; the wait ends by itself",
    [DG_COUNT_FAIL_CERTIFICATE] = "the reason says what is wrong with its certificate: issue a new one, or add its CA to client-ca and "
                                  "dtlsgate reload; look at the device's clock too",
    [DG_COUNT_FAIL_REVOKED] = "its certificate is on the CA's revocation list: if that is right, nothing is to do; else issue {who} a "
                              "new certificate",
    [DG_COUNT_FAIL_CRL] = "no current revocation list of the CA that issued its certificate is in client-crl: get the list from the "
                          "CA and dtlsgate reload; crl-missing accept lets such clients in without one",
    [DG_COUNT_FAIL_CLIENT_NAME] = "its certificate is valid, but none of its names fits a rule of client-names: add a rule and dtlsgate "
                                  "reload, or issue {who} a certificate with such a name",
    [DG_COUNT_FAIL_NO_CERTIFICATE] = "the client showed no certificate, and this listener wants one: configure the client's certificate "
                                     "and key, or give it a pre-shared key",
    [DG_COUNT_FAIL_NO_COMMON] = "client and server have no version, cipher suite, group or kind of credential in common: compare the "
                                "client's settings with the profile (iot admits plain PSK and CCM_8), and see that the "
                                "listener has the credential that the client asks for (a certificate, or psk-file)",
    [DG_COUNT_FAIL_MEMORY] = "the host had no memory left in the middle of a handshake: give the service more (MemoryMax=), or lower "
                             "handshakes-max; nothing is wrong with the client, which comes again",
    [DG_COUNT_FAIL_TAKEOVER] = "the handshake's result could not be used, which should not happen: report it as a bug",
    // tables
    [DG_COUNT_TABLE_FULL] = "there was no place for its association: raise associations-max and start with a new memory file, or close "
                            "what is not needed (dtlsgate close, shorter idle-timeout)",
    [DG_COUNT_CID_COLLISION] = "its connection ID is in use, by chance: the client comes again by itself; raise connection-id-length "
                               "if it happens often",
    [DG_COUNT_SIDE_FULL] = "room for repetitions and address checks ran out: clients go on, but losses on the way cost more; raise "
                           "associations-max",
    [DG_COUNT_SLOTS_QUARANTINED] = "associations were found damaged, or served when the server crashed, and were ended: their clients "
                                   "come again; report the crash",
    // backends
    [DG_COUNT_BACKEND_NO_PORT] = "no local port was left towards the service: widen backend-port-min..max, shorten backend-rest, or use "
                                 "a proxy- backend, which needs one socket",
    [DG_COUNT_BACKEND_SEND_ERROR] = "the kernel refused datagrams to the service: is there a route, does a firewall forbid it?",
    [DG_COUNT_BACKEND_UNREACHABLE] = "the service's host says that nobody listens there: start the service, or correct backend",
    [DG_COUNT_BACKEND_ABSENT] = "the service's socket is not there: start the service, or correct backend",
    [DG_COUNT_BACKEND_FULL] = "the service takes datagrams more slowly than clients send: look into the service, or limit rates by rules",
    [DG_COUNT_BACKEND_ANSWER_MALFORMED] = "the service answers without the header that it was sent: see docs/proxy-protocol.md",
    [DG_COUNT_BACKEND_ANSWER_UNKNOWN] = "the service answered clients that have gone: nothing to do",
    [DG_COUNT_BACKEND_ANSWER_FORWARDED] = "answers reached another thread than their client's and were passed on: nothing to do",
    [DG_COUNT_BACKEND_ANSWER_LOST] = "answers of the service got lost between our threads: too large, or more than there is room for",
};

const char *dg_advice(enum dg_counter counter)
{
    return (unsigned)counter < DG_COUNTER_COUNT ? advices[counter] : NULL;
}

bool dg_advice_is_due(enum dg_counter counter)
{
    static const char *const beginnings[] = {"drop_", "fail_", "closed_", "backend_"};
    const char *name = dg_counter_name(counter);
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}
