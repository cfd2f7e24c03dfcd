// SPDX-License-Identifier: GPL-3.0-or-later
// Every number of the wire and every limit of the protocol, in RFC order. Never a tunable: those are
// options.
#ifndef DG_CORE_WIRE_CONSTANTS_H
#define DG_CORE_WIRE_CONSTANTS_H

#include <stdint.h>

// RFC 6347 4.1, RFC 9147 4: content types
enum dg_content_type {
    DG_CONTENT_CHANGE_CIPHER_SPEC = 20,
    DG_CONTENT_ALERT = 21,
    DG_CONTENT_HANDSHAKE = 22,
    DG_CONTENT_APPLICATION_DATA = 23,
    DG_CONTENT_TLS12_CID = 25,                // RFC 9146 4
    DG_CONTENT_ACK = 26,                      // RFC 9147 7
    DG_CONTENT_RETURN_ROUTABILITY_CHECK = 27, // RFC 9853 4
};

#define DG_VERSION_DTLS10 0xfeff
#define DG_VERSION_DTLS12 0xfefd
#define DG_VERSION_DTLS13 0xfefc

// RFC 6347 4.1: type, version, epoch, sequence number, length
#define DG_RECORD12_HEADER 13
#define DG_RECORD12_CID_OFFSET 11 // RFC 9146 4: the ID lies between the sequence number and the length
#define DG_PLAINTEXT_MAX 16384    // RFC 8446 5.1
#define DG_CIPHERTEXT_MAX (DG_PLAINTEXT_MAX + 256)

// RFC 9147 4: the unified header 001CSLEE
#define DG_UNIFIED_FIXED_MASK 0xe0
#define DG_UNIFIED_FIXED 0x20
#define DG_UNIFIED_CID 0x10
#define DG_UNIFIED_SEQ16 0x08
#define DG_UNIFIED_LENGTH 0x04
#define DG_UNIFIED_EPOCH_MASK 0x03
#define DG_RECORD13_CIPHERTEXT_MIN 16 // RFC 9147 4.2.3

#define DG_EPOCH12_PROTECTED 1
#define DG_EPOCH13_HANDSHAKE 2
#define DG_EPOCH13_APPLICATION 3

#define DG_SEQUENCE48_MAX ((UINT64_C(1) << 48) - 1) // RFC 6347 4.1

// RFC 6347 4.2.2, RFC 9147 5.2: type, length, message_seq, fragment_offset, fragment_length
#define DG_HANDSHAKE_HEADER 12
enum dg_handshake_type {
    DG_HS_HELLO_REQUEST = 0,
    DG_HS_CLIENT_HELLO = 1,
    DG_HS_SERVER_HELLO = 2,
    DG_HS_HELLO_VERIFY_REQUEST = 3,
    DG_HS_NEW_SESSION_TICKET = 4,
    DG_HS_REQUEST_CONNECTION_ID = 9, // RFC 9147 9
    DG_HS_NEW_CONNECTION_ID = 10,    // RFC 9147 9
    DG_HS_CERTIFICATE = 11,
    DG_HS_SERVER_KEY_EXCHANGE = 12,
    DG_HS_CERTIFICATE_REQUEST = 13,
    DG_HS_SERVER_HELLO_DONE = 14,
    DG_HS_CERTIFICATE_VERIFY = 15,
    DG_HS_CLIENT_KEY_EXCHANGE = 16,
    DG_HS_FINISHED = 20,
    DG_HS_CERTIFICATE_STATUS = 22, // RFC 6066 8
    DG_HS_KEY_UPDATE = 24,
};

// RFC 8446 4.2 and others: extensions of a ClientHello that are looked into
enum dg_extension {
    DG_EXT_SERVER_NAME = 0,              // RFC 6066 3
    DG_EXT_SUPPORTED_GROUPS = 10,        // RFC 8446 4.2.7, RFC 8422 5.1
    DG_EXT_SIGNATURE_ALGORITHMS = 13,
    DG_EXT_SERVER_CERTIFICATE_TYPE = 20, // RFC 7250 5
    DG_EXT_EXTENDED_MASTER_SECRET = 23,  // RFC 7627 5.1
    DG_EXT_SESSION_TICKET = 35,          // RFC 5077 3.2
    DG_EXT_PRE_SHARED_KEY = 41,
    DG_EXT_SUPPORTED_VERSIONS = 43,
    DG_EXT_COOKIE = 44,
    DG_EXT_PSK_KEY_EXCHANGE_MODES = 45,
    DG_EXT_KEY_SHARE = 51,
    DG_EXT_CONNECTION_ID = 54, // RFC 9146 3
    DG_EXT_RRC = 61,           // RFC 9853 3
};

#define DG_CERTIFICATE_TYPE_X509 0 // RFC 7250 3
#define DG_CERTIFICATE_TYPE_RAW 2
#define DG_PSK_DHE_KE 1            // RFC 8446 4.2.9
#define DG_CID_LENGTH_MAX 255      // RFC 9146 3: the length is one byte

// RFC 8446 6, RFC 9147 11: alert descriptions
enum dg_alert {
    DG_ALERT_CLOSE_NOTIFY = 0,
    DG_ALERT_UNEXPECTED_MESSAGE = 10,
    DG_ALERT_BAD_RECORD_MAC = 20,
    DG_ALERT_RECORD_OVERFLOW = 22,
    DG_ALERT_HANDSHAKE_FAILURE = 40,
    DG_ALERT_ILLEGAL_PARAMETER = 47,
    DG_ALERT_ACCESS_DENIED = 49,
    DG_ALERT_DECODE_ERROR = 50,
    DG_ALERT_TOO_MANY_CIDS_REQUESTED = 52, // RFC 9147 9
    DG_ALERT_INTERNAL_ERROR = 80,
    DG_ALERT_USER_CANCELED = 90,
    DG_ALERT_NO_RENEGOTIATION = 100,
};
#define DG_ALERT_LEVEL_WARNING 1
#define DG_ALERT_LEVEL_FATAL 2

// RFC 9147 4.5.3, RFC 9325 4.4: how many records one key protects, how many forgeries it withstands
#define DG_LIMIT_SEAL_GCM UINT64_C(23726566)  // 2^24.5
#define DG_LIMIT_SEAL_CCM UINT64_C(8388608)   // 2^23
#define DG_LIMIT_OPEN_GCM13 (UINT64_C(1) << 36)
#define DG_LIMIT_OPEN_GCM12 (UINT64_C(1) << 28)
#define DG_LIMIT_OPEN_CCM UINT64_C(11863283)  // 2^23.5
#define DG_LIMIT_OPEN_CHACHA (UINT64_C(1) << 36)
// RFC 9147 4.5.3 wants an explicit limit for an 8-byte tag: 2^16 tries leave a forger a chance of 2^-48. The
// engine's pace makes it a matter of more than an hour to force the association's end.
#define DG_LIMIT_OPEN_CCM_8 UINT64_C(65536)

#define DG_MSL_TWICE_SECONDS 240 // RFC 9147 5.8.1: 2 x MSL of RFC 793

// The largest UDP payload that is read or made: a record of the largest plaintext and its expansion
#define DG_DATAGRAM_MAX 16896

#endif
