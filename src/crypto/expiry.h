// SPDX-License-Identifier: GPL-3.0-or-later
// Says in the log, when a gate has been made, which of its certificates, CAs and revocation lists are about to end or of
// no use any more. Never refuses.
#ifndef DG_CRYPTO_EXPIRY_H
#define DG_CRYPTO_EXPIRY_H

struct dg_gate;

void dg_expiry_warn(const struct dg_gate *gate, const char *listener); // listener NULL: without a name

#endif
