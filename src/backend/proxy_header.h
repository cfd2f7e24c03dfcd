// SPDX-License-Identifier: GPL-3.0-or-later
// The header of PROXY protocol version 2 in front of each datagram between the gate and a service, byte for byte as
// docs/proxy-protocol.md publishes it. Never looks at what stands behind it.
#ifndef DG_BACKEND_PROXY_HEADER_H
#define DG_BACKEND_PROXY_HEADER_H

#include "base/wire.h"
#include "core/association_ref.h"
#include "core/backend.h"

#include <stdbool.h>
#include <stddef.h>

#define DG_PROXY_HEADER_MAX 1024 // bytes of the longest header that we write

// Types of the specification, and our own in its range for that.
enum {
    DG_PROXY_UNIQUE_ID = 0x05,
    DG_PROXY_SSL = 0x20,
    DG_PROXY_SSL_VERSION = 0x21,
    DG_PROXY_SSL_CN = 0x22,
    DG_PROXY_SSL_CIPHER = 0x23,
    DG_PROXY_IDENTITY = 0xe0,
    DG_PROXY_PROOF = 0xe1,
    DG_PROXY_DTLS_VERSION = 0xe2,
    DG_PROXY_DTLS_SUITE = 0xe3,
    DG_PROXY_LISTENER = 0xe4,
};

// Writes the header; a writer with room for DG_PROXY_HEADER_MAX does not fail.
void dg_proxy_write(struct dg_writer *writer, struct dg_ref ref, const struct dg_backend_subject *subject);
// What a service sends: its header names the association, and all else in it is ignored. False: no such header.
DG_MUST_USE bool dg_proxy_read(struct dg_bytes datagram, struct dg_ref *ret_ref, struct dg_bytes *ret_payload);

#endif
