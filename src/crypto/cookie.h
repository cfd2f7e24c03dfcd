// SPDX-License-Identifier: GPL-3.0-or-later
// Cookies of both versions: the keys made from the rotating secrets, and the judgement of a hello's cookie
// without touching the TLS library, and the question for one in DTLS 1.2. Those of DTLS 1.3, which say more, the library
// makes under the secrets set here; and it checks both by itself again.
#ifndef DG_CRYPTO_COOKIE_H
#define DG_CRYPTO_COOKIE_H

#include "core/handshake.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct dg_gate;

// The peer's address as the library hashes it: byte by byte, so that everything unused is zero (no padding,
// no flow label). Returns its size.
union dg_canonical_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};
socklen_t dg_cookie_address(const struct dg_address *peer, union dg_canonical_address *ret);

// Makes the two library secrets of each period from the shared ones, when those have changed.
void dg_cookie_refresh(struct dg_gate *gate);
// Which secret (0 current, 1 previous) the hello's cookie verifies under; -1 none does; -2 it has no cookie.
int dg_cookie_match(struct dg_gate *gate, const struct dg_path *path, const struct dg_hello *hello);
// The same for the hello that dg_cookie_check has seen last, without computing it again: once, and only to choose
// the secret that the library then checks the cookie under by itself.
int dg_cookie_judged(struct dg_gate *gate, const struct dg_path *path, const struct dg_hello *hello);
// Answers a hello of DTLS 1.2 alone that has no good cookie with a HelloVerifyRequest (RFC 6347 4.2.1): under its own
// numbers, with the bytes that the library would send. False: no room, or the library's HMAC fails.
bool dg_cookie_ask12(struct dg_gate *gate, const struct dg_path *path, const struct dg_hello *hello,
                     const struct dg_output *output);
enum dg_cookie_verdict dg_cookie_check(void *gate, dg_time now, const struct dg_path *path,
                                       const struct dg_hello *hello);

#endif
