// SPDX-License-Identifier: GPL-3.0-or-later
// A cursor over DER (X.690), and where the names and the serial number lie in a certificate (RFC 5280 4.1). Strict: what
// is not the one encoding is nothing. Never judges what it reads.
#ifndef DG_CRYPTO_DER_H
#define DG_CRYPTO_DER_H

#include "base/wire.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DG_DER_BOOLEAN = 0x01,
    DG_DER_INTEGER = 0x02,
    DG_DER_BIT_STRING = 0x03,
    DG_DER_OCTET_STRING = 0x04,
    DG_DER_OBJECT = 0x06,
    DG_DER_UTC_TIME = 0x17,
    DG_DER_GENERALIZED_TIME = 0x18,
    DG_DER_SEQUENCE = 0x30,
    DG_DER_SET = 0x31,
    DG_DER_CONTEXT_0 = 0xa0, // constructed
};

struct dg_der {
    uint8_t tag;
    struct dg_bytes whole;   // with tag and length
    struct dg_bytes content;
};

// The next element. False: none is left, or what follows is not DER; the reader has failed then.
DG_MUST_USE bool dg_der_next(struct dg_reader *reader, struct dg_der *ret);
DG_MUST_USE bool dg_der_expect(struct dg_reader *reader, uint8_t tag, struct dg_der *ret);
// Is this the tag of the element that comes next?
bool dg_der_is_next(const struct dg_reader *reader, uint8_t tag);
bool dg_der_is_object(const struct dg_der *element, const uint8_t *object, size_t size);
// UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 has them, in seconds of the epoch. False: another form.
DG_MUST_USE bool dg_der_time(const struct dg_der *element, int64_t *ret_seconds);

struct dg_der_certificate {
    struct dg_bytes serial;  // content, without leading zeros
    struct dg_bytes issuer;  // whole Names
    struct dg_bytes subject;
};
DG_MUST_USE bool dg_der_certificate(struct dg_bytes der, struct dg_der_certificate *ret);
// The content of an INTEGER without leading zeros, so that one number has one form.
struct dg_bytes dg_der_number(struct dg_bytes content);

#endif
