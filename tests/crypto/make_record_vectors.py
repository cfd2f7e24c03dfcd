#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes tests/crypto/record_vectors.h: records of DTLS 1.2 and 1.3 computed from the RFCs' text with
# OpenSSL's primitives (PyPI: cryptography), sharing no line with dtlsgate. Not run by the tests:
#
#   pip install cryptography && tests/crypto/make_record_vectors.py >tests/crypto/record_vectors.h

import hashlib
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

# name: key size, tag size, implicit and explicit nonce of DTLS 1.2, AEAD
AEADS = {
    "AES_128_GCM": (16, 16, 4, 8, AESGCM),
    "AES_256_GCM": (32, 16, 4, 8, AESGCM),
    "AES_128_CCM": (16, 16, 4, 8, lambda key: AESCCM(key, tag_length=16)),
    "AES_128_CCM_8": (16, 8, 4, 8, lambda key: AESCCM(key, tag_length=8)),
    "CHACHA20_POLY1305": (32, 16, 12, 0, ChaCha20Poly1305),
}
HASHES = {"SHA256": hashes.SHA256, "SHA384": hashes.SHA384}
TYPE_CID = 25


def made(label, size):
    return hashlib.shake_128(label.encode()).digest(size)


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def u48(number):
    return struct.pack(">Q", number)[2:]


# RFC 6347 4.1, RFC 9146 4 and 5.3; RFC 5288 3, RFC 6655 3, RFC 7905 2
def record12(aead, key, iv, epoch, sequence, inner_type, cid, content, padding):
    _, _, _, explicit_size, make = AEADS[aead]
    version = b"\xfe\xfd"
    number = struct.pack(">H", epoch) + u48(sequence)
    if cid:
        inner = content + bytes([inner_type]) + bytes(padding)
        aad = b"\xff" * 8 + bytes([TYPE_CID, len(cid), TYPE_CID]) + version + number + cid
        outer = TYPE_CID
    else:
        inner = content
        aad = number + bytes([inner_type]) + version
        outer = inner_type
    aad += struct.pack(">H", len(inner))
    if explicit_size:
        nonce, explicit = iv + number, number
    else:
        nonce, explicit = xor(iv, bytes(4) + number), b""
    body = explicit + make(key).encrypt(nonce, inner, aad)
    return bytes([outer]) + version + number + cid + struct.pack(">H", len(body)) + body


# RFC 8446 7.1 with the prefix of RFC 9147 5.9
def expand_label(hash_name, secret, label, size):
    text = b"dtls13" + label.encode()
    info = struct.pack(">HB", size, len(text)) + text + b"\0"
    return HKDFExpand(algorithm=HASHES[hash_name](), length=size, info=info).derive(secret)


# RFC 9147 4.2.3
def number_mask(aead, sn_key, sample):
    if aead.startswith("CHACHA"):
        # OpenSSL's nonce: counter in little endian, then the nonce, as RFC 9147 cuts the sample
        return Cipher(algorithms.ChaCha20(sn_key, sample), mode=None).encryptor().update(bytes(16))
    return Cipher(algorithms.AES(sn_key), modes.ECB()).encryptor().update(sample)


# RFC 9147 4
def record13(aead, keys, epoch, sequence, inner_type, cid, content, padding, seq16, length):
    _, tag_size, _, _, make = AEADS[aead]
    key, sn_key, iv = keys
    inner = content + bytes([inner_type]) + bytes(padding)
    first = 0x20 | (0x10 if cid else 0) | (8 if seq16 else 0) | (4 if length else 0) | epoch & 3
    number = struct.pack(">Q", sequence)[6 if seq16 else 7:]
    before, after = bytes([first]) + cid, b""
    if length:
        after = struct.pack(">H", len(inner) + tag_size)
    nonce = xor(iv, bytes(4) + struct.pack(">Q", sequence))
    body = make(key).encrypt(nonce, inner, before + number + after)
    mask = number_mask(aead, sn_key, body[:16])
    return before + xor(number, mask[:len(number)]) + after + body


def c_bytes(data):
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


def c_block(data):
    lines = [c_bytes(data[i:i + 64]) for i in range(0, len(data), 64)] or ['""']
    return "{(const uint8_t *)" + "\n         ".join(lines) + f", {len(data)}}}"


def emit12():
    print("static const struct vector12 VECTORS12[] = {")
    cases = [
        # epoch, sequence, type, cid, content size, padding
        (1, 0, 23, b"", 5, 0),
        (1, 1, 21, b"", 2, 0),
        (1, 0x0123456789ab, 23, b"", 100, 0),
        (1, 2 ** 48 - 1, 23, b"", 0, 0),
        (1, 7, 23, made("cid8", 8), 33, 0),
        (1, 8, 22, made("cid1", 1), 24, 3),
        (1, 2 ** 40 + 9, 21, made("cid20", 20), 2, 17),
        (1, 10, 23, made("cid64", 64), 0, 0),
    ]
    for aead, (key_size, _, iv_size, _, _) in AEADS.items():
        key, iv = made(f"12 key {aead}", key_size), made(f"12 iv {aead}", iv_size)
        for epoch, sequence, inner_type, cid, size, padding in cases:
            content = made(f"content {size}", size)
            record = record12(aead, key, iv, epoch, sequence, inner_type, cid, content, padding)
            print(f"    {{DG_AEAD_{aead}, {c_block(key)}, {c_block(iv)}, {epoch}, UINT64_C({sequence}), {inner_type},\n"
                  f"     {c_block(cid)}, {c_block(content)}, {padding},\n     {c_block(record)}}},")
    print("};\n")


def emit13():
    print("static const struct vector13 VECTORS13[] = {")
    suites = [("AES_128_GCM", "SHA256"), ("AES_256_GCM", "SHA384"), ("CHACHA20_POLY1305", "SHA256"),
              ("AES_128_CCM", "SHA256"), ("AES_128_CCM_8", "SHA256")]
    for aead, hash_name in suites:
        key_size, tag_size = AEADS[aead][:2]
        secret = made(f"secret {aead}", HASHES[hash_name].digest_size)
        keys = tuple(expand_label(hash_name, secret, label, size)
                     for label, size in (("key", key_size), ("sn", key_size), ("iv", 12)))
        upd = expand_label(hash_name, secret, "traffic upd", len(secret))
        upd_key = expand_label(hash_name, upd, "key", key_size)
        for form in range(8):
            cid = made("cid8", 8) if form & 4 else b""
            seq16, length = bool(form & 2), bool(form & 1)
            epoch = 2 + form
            sequence = [0, 1, 0x1234, 2 ** 16 + 5, 2 ** 48, 2 ** 48 - 1, 77, 2 ** 64 - 2][form]
            inner_type = [23, 22, 26, 23, 21, 23, 27, 23][form]
            content = made(f"content {form}", [1, 17, 10, 100, 2, 0, 9, 64][form])
            minimum = max(0, 16 - tag_size - len(content) - 1)
            padding = max(minimum, [0, 5, 0, 0, 30, 0, 0, 0][form])
            record = record13(aead, keys, epoch, sequence, inner_type, cid, content, padding, seq16, length)
            print(f"    {{DG_AEAD_{aead}, DG_HASH_{hash_name}, {c_block(secret)},\n     {c_block(keys[0])},\n"
                  f"     {c_block(keys[1])},\n     {c_block(keys[2])},\n     {c_block(upd)},\n     {c_block(upd_key)},\n"
                  f"     {epoch}, UINT64_C({sequence}), {inner_type}, {c_block(cid)},\n     {c_block(content)}, {padding},"
                  f" {str(seq16).lower()}, {str(length).lower()},\n     {c_block(record)}}},")
    print("};\n")


# For each AEAD the SHA-256 of many outputs one after another: sizes 0 to 300, and number masks.
def emit_digests():
    def pattern(start, size):
        return bytes((start + 7 * i) & 0xff for i in range(size))

    print("static const struct aead_digest AEAD_DIGESTS[] = {")
    for aead, (key_size, _, _, _, make) in AEADS.items():
        sealed, masks = hashlib.sha256(), hashlib.sha256()
        for size in range(301):
            key = pattern(size, key_size)
            sealed.update(make(key).encrypt(pattern(size + 1, 12), pattern(size + 2, size), pattern(size + 3, size % 40)))
            masks.update(number_mask(aead, key, pattern(size + 4, 16)))
        print(f"    {{DG_AEAD_{aead}, {c_bytes(sealed.digest())},\n     {c_bytes(masks.digest())}}},")
    print("};\n")


print("""// SPDX-License-Identifier: GPL-3.0-or-later
// Made by tests/crypto/make_record_vectors.py from the RFCs' text with OpenSSL's primitives. Never edited.
#ifndef DG_TESTS_RECORD_VECTORS_H
#define DG_TESTS_RECORD_VECTORS_H

#include "core/aead.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vector_bytes {
    const uint8_t *data;
    size_t size;
};

struct vector12 {
    enum dg_aead_id aead;
    struct vector_bytes key, iv;
    uint16_t epoch;
    uint64_t sequence;
    uint8_t type;
    struct vector_bytes cid, content;
    size_t padding;
    struct vector_bytes record;
};

struct aead_digest {
    enum dg_aead_id aead;
    const char *sealed, *masks;
};

struct vector13 {
    enum dg_aead_id aead;
    enum dg_hash_id hash;
    struct vector_bytes secret, key, number_key, iv, next_secret, next_key;
    uint64_t epoch, sequence;
    uint8_t type;
    struct vector_bytes cid, content;
    size_t padding;
    bool seq16, length;
    struct vector_bytes record;
};
""")
emit_digests()
emit12()
emit13()
print("""// Two test programs share this file and use different tables.
static inline void record_vectors_used(void)
{
    (void)VECTORS12;
    (void)VECTORS13;
    (void)AEAD_DIGESTS;
}

#endif""")
