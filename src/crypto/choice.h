// SPDX-License-Identifier: GPL-3.0-or-later
// Which of a server's certificates a hello gets: by the name that it asks for (RFC 6066 3) and by what its client can
// verify (RFC 8446 4.4.2.2, RFC 5246 7.4.1.4.1). Never refuses anybody, never keeps a thing.
#ifndef DG_CRYPTO_CHOICE_H
#define DG_CRYPTO_CHOICE_H

#include "crypto/own.h"
#include "crypto/peek.h"

// An exact name before a wildcard, and among those the first whose kind the client can verify, else the first of them.
// For a name that none is for, and without one: the first that the client can verify, else the first. A name chooses a
// certificate and nothing else, so an unknown one is no reason to end a handshake: the client judges what it gets.
size_t dg_choose_certificate(const struct dg_own *own, size_t count, const struct dg_peek *peek);
// Is it for this name (in lower case)? An empty one is nobody's.
bool dg_certificate_answers(const struct dg_own *own, const char *name);

#endif
