// SPDX-License-Identifier: GPL-3.0-or-later
// What a service sends to the gate: any bytes as a datagram behind a PROXY protocol v2 header, beside a second reader of
// the header, written in another manner. What is taken names one association, its payload lies inside of the datagram,
// and a header of ours around the same bytes as identity is read back whole.
//
// Input: the datagram.
#include "fuzz.h"

#include "backend/proxy_header.h"

#include <string.h>

// By plain indices: offset of the payload, 0 where it is no header.
static size_t read_plainly(const uint8_t *data, size_t size, uint8_t id[16])
{
    static const size_t sizes[16] = {0, 12, 36, 216};
    if (size < 16 || memcmp(data, "\r\n\r\n\0\r\nQUIT\n", 12) != 0 || (data[12] != 0x20 && data[12] != 0x21))
        return 0;
    if (data[13] >> 4 > 3 || (data[13] & 15) > 2)
        return 0;
    size_t end = 16 + (size_t)data[14] * 256 + data[15], at = 16 + sizes[data[13] >> 4];
    if (end > size || at > end)
        return 0;
    int found = 0;
    while (at < end) {
        if (end - at < 3)
            return 0;
        size_t length = (size_t)data[at + 1] * 256 + data[at + 2];
        if (length > end - at - 3)
            return 0;
        if (data[at] == 5) {
            if (length != 16 || found++ > 0)
                return 0;
            memcpy(id, data + at + 3, 16);
        }
        at += 3 + length;
    }
    static const uint8_t nobody[8] = {0};
    return found == 1 && memcmp(id, nobody, sizeof nobody) != 0 ? end : 0;
}

static uint64_t number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void check_answer(const uint8_t *data, size_t size)
{
    uint8_t id[16];
    struct dg_ref ref;
    struct dg_bytes payload;
    size_t offset = read_plainly(data, size, id);
    bool is_taken = dg_proxy_read((struct dg_bytes){data, size}, &ref, &payload);
    CHECK(is_taken == (offset > 0));
    if (!is_taken)
        return;
    CHECK(ref.id == number(id, 8) && ref.shard == number(id + 8, 4) && ref.slot == number(id + 12, 4));
    CHECK(payload.size == size - offset && (payload.size == 0 || payload.data == data + offset));
}

// The bytes as identity and as listener's name: what comes back is the association, and nothing of them.
static void check_own(const uint8_t *data, size_t size)
{
    uint8_t out[DG_PROXY_HEADER_MAX], id[16];
    char listener[64] = "";
    const struct dg_ref ref = {.id = UINT64_C(0x8877665544332211), .shard = 3, .slot = 9};
    if (size > 255)
        size = 255;
    for (size_t i = 0; i < size && i < sizeof listener - 1 && data[i] != 0; i++)
        listener[i] = (char)data[i];
    const struct dg_backend_subject subject = {
        .identity = {data, size},
        .listener = listener,
        .suite_name = "",
        .identity_kind = size > 0 ? data[0] & 3 : 0,
        .version = size > 1 && (data[1] & 1) ? 13 : 12,
        .peer.ip = {[10] = size > 2 ? data[2] : 0xff, [11] = 0xff},
        .local.ip = {[10] = 0xff, [11] = 0xff},
    };
    struct dg_writer writer = dg_writer_of(out, sizeof out);
    dg_proxy_write(&writer, ref, &subject);
    CHECK(!writer.failed);
    CHECK(read_plainly(out, dg_writer_size(&writer), id) == dg_writer_size(&writer));
    CHECK(number(id, 8) == ref.id && number(id + 8, 4) == ref.shard && number(id + 12, 4) == ref.slot);
    check_answer(out, dg_writer_size(&writer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_answer(data, size);
    check_own(data, size);
    return 0;
}
