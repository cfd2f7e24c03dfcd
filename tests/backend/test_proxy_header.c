// SPDX-License-Identifier: GPL-3.0-or-later
// The bytes of docs/proxy-protocol.md beside the bytes that are written, and what is taken of what a service sends.
#include "backend/proxy_header.h"
#include "check.h"
#include "core/slot.h"
#include "support/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXAMPLES_MAX 4

struct example {
    uint8_t bytes[2 * DG_PROXY_HEADER_MAX];
    size_t size;
};

// The blocks ```hex of the document: hex digits up to two blanks, then words for people.
static size_t read_examples(struct example examples[EXAMPLES_MAX])
{
    const char *source = getenv("DTLSGATE_SOURCE");
    char path[1024], line[512];
    size_t count = 0;
    bool is_inside = false;
    (void)snprintf(path, sizeof path, "%s/docs/proxy-protocol.md", source != NULL ? source : ".");
    FILE *document = fopen(path, "r");
    while (document != NULL && fgets(line, sizeof line, document) != NULL) {
        if (strncmp(line, "```", 3) == 0) {
            is_inside = strncmp(line, "```hex", 6) == 0 && count < EXAMPLES_MAX;
            count += is_inside;
            continue;
        }
        unsigned byte;
        for (const char *at = line; is_inside && sscanf(at, "%2x", &byte) == 1 && at[0] > ' ' && at[1] > ' '; at += 2) {
            struct example *example = &examples[count - 1];
            example->bytes[example->size++] = (uint8_t)byte;
        }
    }
    if (document != NULL)
        (void)fclose(document);
    return count;
}

static struct dg_bytes bytes_of(const char *text) { return (struct dg_bytes){(const uint8_t *)text, strlen(text)}; }

static struct dg_address address_of(const char *text)
{
    struct dg_address address = {0};
    CHECK(dg_address_parse(text, &address));
    return address;
}

static const struct dg_ref REF = {.id = UINT64_C(0x0123456789abcdef), .shard = 5, .slot = 42};

static struct dg_backend_subject sensor(void)
{
    return (struct dg_backend_subject){
        .peer = address_of("192.0.2.7:40000"),
        .local = address_of("198.51.100.1:5684"),
        .identity = bytes_of("sensor-17"),
        .listener = "field",
        .suite_name = "TLS_AES_128_GCM_SHA256",
        .suite = 0x1301,
        .identity_kind = DG_IDENTITY_PSK,
        .version = 13,
    };
}

static struct dg_backend_subject phone(void)
{
    return (struct dg_backend_subject){
        .peer = address_of("[2001:db8::7]:40000"),
        .local = address_of("[2001:db8::1]:5684"),
        .identity = bytes_of("phone-3.example"),
        .listener = "field",
        .suite_name = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        .suite = 0xc02b,
        .identity_kind = DG_IDENTITY_CERTIFICATE,
        .version = 12,
    };
}

static void write_datagram(struct example *ret, struct dg_ref ref, const struct dg_backend_subject *subject,
                           const char *payload)
{
    struct dg_writer writer = dg_writer_of(ret->bytes, sizeof ret->bytes);
    dg_proxy_write(&writer, ref, subject);
    dg_write_bytes(&writer, payload, strlen(payload));
    CHECK(!writer.failed);
    ret->size = dg_writer_size(&writer);
}

static void compare(const struct example *documented, const struct example *written)
{
    if (documented->size == written->size && memcmp(documented->bytes, written->bytes, written->size) == 0)
        return;
    CHECK_MSG(false, "the document has %zu bytes, written are %zu:", documented->size, written->size);
    for (size_t i = 0; i < written->size; i++)
        fprintf(stderr, "%02x%s", written->bytes[i], i % 16 == 15 ? "\n" : "");
    fprintf(stderr, "\n");
}

DG_TEST(proxy_header_is_byte_for_byte_as_published)
{
    static struct example documented[EXAMPLES_MAX];
    memset(documented, 0, sizeof documented);
    REQUIRE(read_examples(documented) == 3);
    struct dg_backend_subject subjects[] = {sensor(), phone()};
    static struct example written;
    write_datagram(&written, REF, &subjects[0], "hello");
    compare(&documented[0], &written);
    write_datagram(&written, REF, &subjects[1], "hello");
    compare(&documented[1], &written);
    // The third is the least that a service may answer with.
    struct dg_ref ref;
    struct dg_bytes payload;
    CHECK(dg_proxy_read((struct dg_bytes){documented[2].bytes, documented[2].size}, &ref, &payload));
    CHECK(ref.id == REF.id && ref.shard == REF.shard && ref.slot == REF.slot);
    CHECK(payload.size == 2 && memcmp(payload.data, "hi", 2) == 0);
}

// A reader of its own for what stands in a header, written from the document.
static struct dg_bytes find_tlv(const struct example *datagram, uint8_t type)
{
    struct dg_reader reader = dg_reader_of(datagram->bytes, datagram->size);
    struct dg_bytes found = {NULL, 0};
    (void)dg_read_bytes(&reader, 13);
    size_t addresses = dg_read_u8(&reader) == 0x12 ? 12 : 36;
    struct dg_reader rest = dg_reader_in(dg_read_block16(&reader));
    (void)dg_read_bytes(&rest, addresses);
    while (dg_reader_left(&rest) > 0) {
        bool is_it = dg_read_u8(&rest) == type;
        struct dg_bytes value = dg_read_block16(&rest);
        if (is_it && found.data == NULL)
            found = value;
    }
    CHECK(!rest.failed);
    return found;
}

DG_TEST(proxy_header_carries_any_bytes_of_an_identity)
{
    static const uint8_t LURES[] = {0x05, 0, 0x10, 0xe0, 0xe1, '\r', '\n', 0, 'Q', 'U', 'I', 'T'};
    static struct example written;
    uint8_t identity[DG_PROXY_HEADER_MAX];
    struct test_random random = {.state = dg_test_seed()};
    for (int round = 0; round < 2000; round++) {
        size_t size = test_random_below(&random, 256);
        for (size_t i = 0; i < size; i++) // often what looks like a TLV of ours, or like a signature
            identity[i] = test_random_below(&random, 2) ? LURES[test_random_below(&random, sizeof LURES)]
                                                        : (uint8_t)test_random_below(&random, 256);
        struct dg_backend_subject subject = sensor();
        subject.identity = (struct dg_bytes){identity, size};
        subject.identity_kind = (uint8_t)test_random_below(&random, 4);
        write_datagram(&written, REF, &subject, "x");
        struct dg_bytes found = find_tlv(&written, DG_PROXY_IDENTITY);
        CHECK_EQ(found.size, size);
        CHECK(found.size != size || size == 0 || memcmp(found.data, identity, size) == 0);
        CHECK_EQ(find_tlv(&written, DG_PROXY_PROOF).data[0], subject.identity_kind);
        struct dg_ref ref;
        struct dg_bytes payload;
        CHECK(dg_proxy_read((struct dg_bytes){written.bytes, written.size}, &ref, &payload));
        CHECK(ref.id == REF.id && ref.shard == REF.shard && ref.slot == REF.slot);
        CHECK(payload.size == 1 && payload.data[0] == 'x');
    }
}

// The longest of everything fits into what is kept for a header.
DG_TEST(proxy_header_never_outgrows_its_room)
{
    static char listener[64], suite[64];
    static uint8_t identity[255], bytes[DG_PROXY_HEADER_MAX];
    memset(listener, 'l', sizeof listener - 1);
    memset(suite, 's', sizeof suite - 1);
    memset(identity, 'i', sizeof identity);
    struct dg_backend_subject subject = phone();
    subject.listener = listener;
    subject.suite_name = suite;
    subject.identity = (struct dg_bytes){identity, sizeof identity};
    struct dg_writer writer = dg_writer_of(bytes, sizeof bytes);
    dg_proxy_write(&writer, REF, &subject);
    CHECK(!writer.failed);
}

// One family for both addresses: where they differ, IPv4 is written as ::ffff:a.b.c.d.
DG_TEST(proxy_header_maps_ipv4_where_the_families_differ)
{
    static struct example written;
    struct dg_backend_subject subject = sensor();
    subject.local = address_of("[2001:db8::1]:5684");
    write_datagram(&written, REF, &subject, "");
    CHECK_EQ(written.bytes[13], 0x22);
    static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7};
    CHECK(memcmp(written.bytes + 16, mapped, sizeof mapped) == 0);
    CHECK(memcmp(written.bytes + 32, subject.local.ip, 16) == 0);
    CHECK(find_tlv(&written, DG_PROXY_IDENTITY).size == 9);
}

// A name that is no plain text is no CN, and is in our own field all the same.
DG_TEST(proxy_header_has_a_common_name_only_where_it_is_text)
{
    static struct example with, without;
    struct dg_backend_subject subject = phone();
    write_datagram(&with, REF, &subject, "");
    subject.identity = (struct dg_bytes){(const uint8_t *)"phone\n3.example", 15};
    write_datagram(&without, REF, &subject, "");
    CHECK_EQ(find_tlv(&with, DG_PROXY_SSL).size - find_tlv(&without, DG_PROXY_SSL).size, 3 + 15);
    CHECK_EQ(find_tlv(&without, DG_PROXY_IDENTITY).size, 15);
}

DG_TEST(proxy_header_tells_a_resumed_certificate_from_a_fresh_one)
{
    static struct example written;
    struct dg_backend_subject subject = phone();
    write_datagram(&written, REF, &subject, "");
    CHECK_EQ(find_tlv(&written, DG_PROXY_SSL).data[0], 7);
    subject.is_resumed = true;
    write_datagram(&written, REF, &subject, "");
    CHECK_EQ(find_tlv(&written, DG_PROXY_SSL).data[0], 5);
    CHECK_EQ(find_tlv(&written, DG_PROXY_SSL).data[4], 0); // verified
    subject.identity_kind = DG_IDENTITY_RAW_PUBLIC_KEY;
    write_datagram(&written, REF, &subject, "");
    CHECK_EQ(find_tlv(&written, DG_PROXY_SSL).data[0], 1);
    CHECK_EQ(find_tlv(&written, DG_PROXY_SSL).data[4], 1); // there is no certificate
}

static bool is_taken(const uint8_t *bytes, size_t size)
{
    struct dg_ref ref;
    struct dg_bytes payload;
    return dg_proxy_read((struct dg_bytes){bytes, size}, &ref, &payload);
}

// Cut anywhere inside the header, or with any of these bytes changed, it is no header.
DG_TEST(proxy_header_that_is_cut_or_changed_is_refused)
{
    static struct example good, bad;
    struct dg_backend_subject subject = sensor();
    write_datagram(&good, REF, &subject, "");
    REQUIRE(is_taken(good.bytes, good.size));
    for (size_t size = 0; size < good.size; size++)
        CHECK_MSG(!is_taken(good.bytes, size), "cut at %zu", size);
    for (size_t i = 0; i < 12; i++) {
        bad = good;
        bad.bytes[i] ^= 1;
        CHECK_MSG(!is_taken(bad.bytes, bad.size), "signature byte %zu", i);
    }
    static const uint8_t commands[] = {0x11, 0x22, 0x31, 0x01, 0x2f};
    for (size_t i = 0; i < sizeof commands; i++) {
        bad = good;
        bad.bytes[12] = commands[i];
        CHECK_MSG(!is_taken(bad.bytes, bad.size), "command %02x", commands[i]);
    }
    bad = good;
    bad.bytes[12] = 0x20; // LOCAL: a service that speaks for itself
    CHECK(is_taken(bad.bytes, bad.size));
    static const uint8_t families[] = {0x13, 0x42, 0xf2};
    for (size_t i = 0; i < sizeof families; i++) {
        bad = good;
        bad.bytes[13] = families[i];
        CHECK_MSG(!is_taken(bad.bytes, bad.size), "family %02x", families[i]);
    }
    bad = good;
    bad.bytes[15] += 1; // a length above what is there
    CHECK(!is_taken(bad.bytes, bad.size));
}

static size_t answer_of(uint8_t *out, const uint8_t *tlvs, size_t size)
{
    static const uint8_t head[] = {0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0};
    memcpy(out, head, sizeof head);
    out[14] = (uint8_t)(size >> 8);
    out[15] = (uint8_t)size;
    memcpy(out + 16, tlvs, size);
    return 16 + size;
}

// Without exactly one ID of the right length nobody could say for whom an answer is.
DG_TEST(proxy_answer_names_exactly_one_association)
{
    static const uint8_t id[19] = {5, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0, 0, 0, 2};
    uint8_t tlvs[64], datagram[128];
    CHECK(is_taken(datagram, answer_of(datagram, id, sizeof id)));
    CHECK(!is_taken(datagram, answer_of(datagram, id, 0)));
    memcpy(tlvs, id, sizeof id);
    memcpy(tlvs + sizeof id, id, sizeof id);
    CHECK(!is_taken(datagram, answer_of(datagram, tlvs, 2 * sizeof id))); // twice
    static const uint8_t shorter[11] = {5, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    CHECK(!is_taken(datagram, answer_of(datagram, shorter, sizeof shorter)));
    memset(tlvs, 0, sizeof tlvs);
    memcpy(tlvs, id, 3);
    CHECK(!is_taken(datagram, answer_of(datagram, tlvs, sizeof id))); // 0 is no association
    memcpy(tlvs, id, sizeof id);
    tlvs[sizeof id] = 0xe0; // a type without its length
    CHECK(!is_taken(datagram, answer_of(datagram, tlvs, sizeof id + 1)));
    static const uint8_t hidden[22] = {0xe0, 0, 19, 5, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0, 0, 0, 2};
    CHECK(!is_taken(datagram, answer_of(datagram, hidden, sizeof hidden))); // inside of another field
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(proxy_header_is_byte_for_byte_as_published),
        DG_CASE(proxy_header_carries_any_bytes_of_an_identity),
        DG_CASE(proxy_header_never_outgrows_its_room),
        DG_CASE(proxy_header_maps_ipv4_where_the_families_differ),
        DG_CASE(proxy_header_has_a_common_name_only_where_it_is_text),
        DG_CASE(proxy_header_tells_a_resumed_certificate_from_a_fresh_one),
        DG_CASE(proxy_header_that_is_cut_or_changed_is_refused),
        DG_CASE(proxy_answer_names_exactly_one_association),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
