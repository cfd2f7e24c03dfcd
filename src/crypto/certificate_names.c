// SPDX-License-Identifier: GPL-3.0-or-later
// All names of a certificate one by one: subject alternative names (RFC 5280 4.2.1.6), common names and organisational
// units. A name with a NUL byte, or in an encoding of several bytes a character, is no name: it could be read as two.
#include "crypto/certificate.h"
#include "crypto/der.h"

#include <string.h>

#define RFC822_NAME 0x81
#define DNS_NAME 0x82
#define URI_NAME 0x86
#define EXTENSIONS 0xa3
#define UTF8_STRING 0x0c
#define PRINTABLE_STRING 0x13
#define T61_STRING 0x14
#define IA5_STRING 0x16

struct visit {
    bool (*on_name)(void *context, enum dg_name_kind kind, struct dg_bytes name);
    void *context;
};

static bool tell(const struct visit *visit, enum dg_name_kind kind, struct dg_bytes name)
{
    return name.size > 0 && memchr(name.data, 0, name.size) == NULL && visit->on_name(visit->context, kind, name);
}

static bool visit_subject(const struct visit *visit, struct dg_bytes subject)
{
    static const uint8_t common_name[] = {0x55, 4, 3}, unit[] = {0x55, 4, 11};
    struct dg_reader whole = dg_reader_in(subject);
    struct dg_der name, set, pair, object, value;
    if (!dg_der_expect(&whole, DG_DER_SEQUENCE, &name))
        return false;
    struct dg_reader sets = dg_reader_in(name.content);
    while (dg_reader_left(&sets) > 0 && dg_der_expect(&sets, DG_DER_SET, &set)) {
        struct dg_reader pairs = dg_reader_in(set.content);
        while (dg_reader_left(&pairs) > 0 && dg_der_expect(&pairs, DG_DER_SEQUENCE, &pair)) {
            struct dg_reader parts = dg_reader_in(pair.content);
            if (!dg_der_expect(&parts, DG_DER_OBJECT, &object) || !dg_der_next(&parts, &value))
                break;
            bool is_text = value.tag == UTF8_STRING || value.tag == PRINTABLE_STRING || value.tag == T61_STRING ||
                           value.tag == IA5_STRING;
            if (is_text && dg_der_is_object(&object, common_name, sizeof common_name) &&
                tell(visit, DG_NAME_COMMON, value.content))
                return true;
            if (is_text && dg_der_is_object(&object, unit, sizeof unit) && tell(visit, DG_NAME_UNIT, value.content))
                return true;
        }
    }
    return false;
}

static bool visit_alternatives(const struct visit *visit, struct dg_bytes names)
{
    struct dg_reader whole = dg_reader_in(names);
    struct dg_der list, name;
    if (!dg_der_expect(&whole, DG_DER_SEQUENCE, &list))
        return false;
    struct dg_reader reader = dg_reader_in(list.content);
    while (dg_reader_left(&reader) > 0 && dg_der_next(&reader, &name)) {
        if ((name.tag == DNS_NAME && tell(visit, DG_NAME_DNS, name.content)) ||
            (name.tag == URI_NAME && tell(visit, DG_NAME_URI, name.content)) ||
            (name.tag == RFC822_NAME && tell(visit, DG_NAME_EMAIL, name.content)))
            return true;
    }
    return false;
}

// What follows the subject in the body: the key, two unique IDs that nobody has, the extensions.
static bool visit_extensions(const struct visit *visit, struct dg_reader *body)
{
    static const uint8_t alternative_name[] = {0x55, 0x1d, 17};
    struct dg_der element, list, extension, object, value;
    do {
        if (dg_reader_left(body) == 0 || !dg_der_next(body, &element))
            return false;
    } while (element.tag != EXTENSIONS);
    struct dg_reader inner = dg_reader_in(element.content);
    if (!dg_der_expect(&inner, DG_DER_SEQUENCE, &list))
        return false;
    struct dg_reader extensions = dg_reader_in(list.content);
    while (dg_reader_left(&extensions) > 0 && dg_der_expect(&extensions, DG_DER_SEQUENCE, &extension)) {
        struct dg_reader parts = dg_reader_in(extension.content);
        if (!dg_der_expect(&parts, DG_DER_OBJECT, &object) ||
            !dg_der_is_object(&object, alternative_name, sizeof alternative_name))
            continue;
        if (dg_der_is_next(&parts, DG_DER_BOOLEAN) && !dg_der_next(&parts, &value))
            return false;
        return dg_der_expect(&parts, DG_DER_OCTET_STRING, &value) && visit_alternatives(visit, value.content);
    }
    return false;
}

bool dg_certificate_names(struct dg_bytes der,
                          bool (*on_name)(void *context, enum dg_name_kind kind, struct dg_bytes name), void *context)
{
    const struct visit visit = {on_name, context};
    struct dg_der_certificate places;
    struct dg_der certificate, body;
    struct dg_reader file = dg_reader_in(der);
    if (!dg_der_certificate(der, &places) || !dg_der_expect(&file, DG_DER_SEQUENCE, &certificate))
        return false;
    struct dg_reader outer = dg_reader_in(certificate.content);
    if (!dg_der_expect(&outer, DG_DER_SEQUENCE, &body))
        return false;
    const uint8_t *after = places.subject.data + places.subject.size;
    struct dg_reader rest = dg_reader_of(after, (size_t)(body.content.data + body.content.size - after));
    return visit_extensions(&visit, &rest) || visit_subject(&visit, places.subject);
}
