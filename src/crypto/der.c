// SPDX-License-Identifier: GPL-3.0-or-later
// Reads DER by the wire reader: definite, minimal lengths and tags of one byte only.
#include "crypto/der.h"

#include "base/secret.h"

#include <time.h>

static size_t read_length(struct dg_reader *reader)
{
    uint8_t first = dg_read_u8(reader);
    if (first < 0x80)
        return first;
    unsigned count = first & 0x7f;
    if (count == 0 || count > 4) { // indefinite, or more than any file holds
        reader->failed = true;
        return 0;
    }
    size_t length = 0;
    for (unsigned i = 0; i < count; i++) {
        uint8_t byte = dg_read_u8(reader);
        if (i == 0 && byte == 0)
            reader->failed = true;
        length = length << 8 | byte;
    }
    if (length < 0x80)
        reader->failed = true;
    return length;
}

bool dg_der_next(struct dg_reader *reader, struct dg_der *ret)
{
    const uint8_t *begin = reader->at;
    uint8_t tag = dg_read_u8(reader);
    if ((tag & 0x1f) == 0x1f) // a tag of several bytes: nowhere in what we read
        reader->failed = true;
    size_t length = read_length(reader);
    if (reader->failed || length > dg_reader_left(reader)) {
        reader->failed = true;
        return false;
    }
    struct dg_bytes content = dg_read_bytes(reader, length);
    *ret = (struct dg_der){tag, {begin, (size_t)(reader->at - begin)}, content};
    return true;
}

bool dg_der_expect(struct dg_reader *reader, uint8_t tag, struct dg_der *ret)
{
    if (!dg_der_next(reader, ret))
        return false;
    if (ret->tag == tag)
        return true;
    reader->failed = true;
    return false;
}

bool dg_der_is_next(const struct dg_reader *reader, uint8_t tag)
{
    return !reader->failed && dg_reader_left(reader) > 0 && *reader->at == tag;
}

bool dg_der_is_object(const struct dg_der *element, const uint8_t *object, size_t size)
{
    return element->tag == DG_DER_OBJECT && element->content.size == size &&
           dg_secret_equal(element->content.data, object, size);
}

static int two_digits(struct dg_reader *reader)
{
    uint8_t high = dg_read_u8(reader), low = dg_read_u8(reader);
    if (high < '0' || high > '9' || low < '0' || low > '9')
        reader->failed = true;
    return (high - '0') * 10 + (low - '0');
}

bool dg_der_time(const struct dg_der *element, int64_t *ret_seconds)
{
    struct dg_reader reader = dg_reader_in(element->content);
    struct tm parts = {0};
    if (element->tag == DG_DER_UTC_TIME) {
        int year = two_digits(&reader);
        parts.tm_year = year < 50 ? year + 100 : year;
    } else if (element->tag == DG_DER_GENERALIZED_TIME) {
        int century = two_digits(&reader);
        parts.tm_year = century * 100 + two_digits(&reader) - 1900;
    } else {
        return false;
    }
    parts.tm_mon = two_digits(&reader) - 1;
    parts.tm_mday = two_digits(&reader);
    parts.tm_hour = two_digits(&reader);
    parts.tm_min = two_digits(&reader);
    parts.tm_sec = two_digits(&reader);
    uint8_t zone = dg_read_u8(&reader);
    if (!dg_reader_done(&reader) || zone != 'Z' || parts.tm_year < 0 || parts.tm_mon < 0 || parts.tm_mon > 11 ||
        parts.tm_mday < 1 || parts.tm_mday > 31 || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60)
        return false;
    *ret_seconds = (int64_t)timegm(&parts);
    return true;
}

struct dg_bytes dg_der_number(struct dg_bytes content)
{
    while (content.size > 1 && content.data[0] == 0) {
        content.data++;
        content.size--;
    }
    return content;
}

bool dg_der_certificate(struct dg_bytes der, struct dg_der_certificate *ret)
{
    struct dg_reader file = dg_reader_in(der);
    struct dg_der certificate, body, element, serial, issuer, subject;
    if (!dg_der_expect(&file, DG_DER_SEQUENCE, &certificate))
        return false;
    struct dg_reader outer = dg_reader_in(certificate.content);
    if (!dg_der_expect(&outer, DG_DER_SEQUENCE, &body))
        return false;
    struct dg_reader reader = dg_reader_in(body.content);
    if (dg_der_is_next(&reader, DG_DER_CONTEXT_0) && !dg_der_next(&reader, &element)) // version
        return false;
    if (!dg_der_expect(&reader, DG_DER_INTEGER, &serial) || serial.content.size == 0 ||
        !dg_der_expect(&reader, DG_DER_SEQUENCE, &element) || // signature
        !dg_der_expect(&reader, DG_DER_SEQUENCE, &issuer) ||
        !dg_der_expect(&reader, DG_DER_SEQUENCE, &element) || // validity
        !dg_der_expect(&reader, DG_DER_SEQUENCE, &subject))
        return false;
    *ret = (struct dg_der_certificate){dg_der_number(serial.content), issuer.whole, subject.whole};
    return true;
}
