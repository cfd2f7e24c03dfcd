// SPDX-License-Identifier: GPL-3.0-or-later
// Steering: the table of first bytes, lengths before loads, and that addresses and ports spread evenly.
// That the socket filter computes the same is shown where the filter is.
#include "check.h"
#include "core/cid.h"
#include "core/steer.h"
#include "support/random.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct dg_steer steer = {.shard_count = 64, .seed = 0x12345678, .cid_size = DG_CID_SIZE_DEFAULT};

static struct dg_address ipv4(uint32_t ip, uint16_t port)
{
    struct dg_address ret = {.port = port};

    ret.ip[10] = ret.ip[11] = 0xff;
    for (unsigned i = 0; i < 4; i++)
        ret.ip[12 + i] = (uint8_t)(ip >> (24 - 8 * i));
    return ret;
}

// The formula once more, from the words of steer.h, for IPv4.
static uint32_t formula_ipv4(uint32_t seed, uint32_t ip, uint16_t port)
{
    uint64_t h = seed;
    const uint32_t words[] = {ip, port};

    for (size_t i = 0; i < COUNT(words); i++) {
        h ^= words[i];
        h = h * 0x9e3779b1u % (UINT64_C(1) << 32);
        h ^= h >> 15;
        h = h * 0x85a3f4cdu % (UINT64_C(1) << 32);
        h ^= h >> 14;
    }
    return (uint32_t)h;
}

DG_TEST(steer_hash_is_the_formula_of_the_header)
{
    struct test_random random = {.state = dg_test_seed()};

    for (unsigned round = 0; round < 10000; round++) {
        uint32_t ip = (uint32_t)test_random_next(&random);
        uint16_t port = (uint16_t)test_random_next(&random);
        struct dg_steer any = {.shard_count = 1u << test_random_below(&random, 9),
                               .seed = (uint32_t)test_random_next(&random)};
        struct dg_address peer = ipv4(ip, port);

        CHECK_EQ(dg_steer_address_shard(&any, &peer), formula_ipv4(any.seed, ip, port) % any.shard_count);
    }
}

DG_TEST(steer_hash_does_not_see_the_scope)
{
    struct dg_address a = {.ip = {0xfe, 0x80, [15] = 1}, .port = 5, .scope = 2}, b = a;

    b.scope = 3;
    CHECK_EQ(dg_steer_address_shard(&steer, &a), dg_steer_address_shard(&steer, &b));
}

// Chi-square with 63 degrees of freedom: above 150 is less likely than 10^-8. Repeated for several seeds,
// of which the kernel would draw one.
static void spreads(struct dg_address (*make)(uint32_t number), const char *what)
{
    for (uint32_t seed = 0; seed < 8; seed++) {
        struct dg_steer any = {.shard_count = 64, .seed = seed * 0x51ed270bu + 1};
        uint32_t counts[64] = {0};
        const uint32_t samples = 100000;
        double chi = 0;

        for (uint32_t number = 0; number < samples; number++) {
            struct dg_address peer = make(number);

            counts[dg_steer_address_shard(&any, &peer)]++;
        }
        for (unsigned i = 0; i < 64; i++) {
            double expected = samples / 64.0, off = counts[i] - expected;

            chi += off * off / expected;
        }
        CHECK_MSG(chi < 150, "%s, seed %u: chi-square %.1f", what, seed, chi);
    }
}

static struct dg_address counting_hosts(uint32_t number) { return ipv4(0x0a000000 + number, 5684); }
static struct dg_address counting_networks(uint32_t number) { return ipv4(number << 12, 5684); }
static struct dg_address counting_ports(uint32_t number)
{
    return ipv4(0xc0000201 + number / 50000, (uint16_t)(1024 + number % 50000));
}
static struct dg_address host_and_port(uint32_t number)
{
    return ipv4(0xc0a80000 + number / 256, (uint16_t)(40000 + number % 256));
}
static struct dg_address ipv6_interface(uint32_t number)
{
    struct dg_address ret = {.ip = {0x20, 0x01, 0x0d, 0xb8}, .port = 5684};

    for (unsigned i = 0; i < 4; i++)
        ret.ip[12 + i] = (uint8_t)(number >> (24 - 8 * i));
    return ret;
}
static struct dg_address ipv6_prefix(uint32_t number)
{
    struct dg_address ret = {.ip = {0x20, 0x01, [15] = 1}, .port = 5684};

    for (unsigned i = 0; i < 4; i++)
        ret.ip[4 + i] = (uint8_t)(number >> (24 - 8 * i));
    return ret;
}

DG_TEST(steer_addresses_spread_evenly)
{
    spreads(counting_hosts, "hosts of one network");
    spreads(counting_networks, "one host in many networks");
    spreads(host_and_port, "hosts and ports");
    spreads(ipv6_interface, "IPv6 interfaces");
    spreads(ipv6_prefix, "IPv6 prefixes");
}

DG_TEST(steer_ports_spread_evenly)
{
    spreads(counting_ports, "ports");
}

// The oracle: steer.h's rules as one expression a first byte. Where a rule needs more bytes than there are,
// the front gets the datagram.
static uint32_t oracle(const uint8_t *data, size_t size, size_t cid_size, uint32_t address_shard)
{
    if (size < 1)
        return DG_STEER_FRONT;
    if (data[0] == 25)
        return size >= 11 + cid_size ? data[11] % 64u : DG_STEER_FRONT;
    if (data[0] == 21 || data[0] == 23)
        return size >= 13 && (data[3] | data[4]) != 0 ? address_shard : DG_STEER_FRONT;
    if (data[0] < 32 || data[0] > 63 || data[0] % 4 == 2)
        return DG_STEER_FRONT;
    if ((data[0] & 16) == 0)
        return address_shard;
    return size >= 1 + cid_size ? data[1] % 64u : DG_STEER_FRONT;
}

// R1: all first bytes, all short lengths, several epochs
static void sorts_as_the_oracle(size_t cid_size)
{
    const struct dg_steer any = {.shard_count = 64, .seed = 0x12345678, .cid_size = (uint32_t)cid_size};
    struct dg_address peer = ipv4(0xc0000207, 40000);
    uint32_t address_shard = dg_steer_address_shard(&any, &peer);

    CHECK_EQ(DG_CID_SHARD_BYTE, 0);
    for (unsigned first = 0; first < 256; first++) {
        for (size_t size = 0; size <= 40; size++) {
            for (unsigned epoch = 0; epoch < 4; epoch++) {
                static const uint16_t epochs[] = {0, 1, 0x0100, 0xffff};
                uint8_t *data = malloc(size + (size == 0)); // so that the sanitizer sees a load past the end
                uint8_t full[40];

                REQUIRE(data != NULL);
                for (unsigned i = 0; i < sizeof full; i++)
                    full[i] = (uint8_t)(i * 37 + 5);
                full[0] = (uint8_t)first;
                full[3] = (uint8_t)(epochs[epoch] >> 8);
                full[4] = (uint8_t)epochs[epoch];
                memcpy(data, full, size);
                CHECK_MSG(dg_steer_datagram(&any, &peer, data, size) == oracle(data, size, cid_size, address_shard),
                          "IDs of %zu, first byte %u, size %zu, epoch %u", cid_size, first, size, epochs[epoch]);
                free(data);
            }
        }
    }
}

DG_TEST(steer_datagram_table)
{
    CHECK_EQ(DG_CID_SIZE_DEFAULT, 8);
    sorts_as_the_oracle(8);
}

DG_TEST(steer_datagram_table_of_every_connection_id_length)
{
    for (size_t cid_size = DG_CID_SIZE_MIN; cid_size <= DG_CID_SIZE_MAX; cid_size++)
        sorts_as_the_oracle(cid_size);
}

// A client's handshake goes to the front whole: hello, key exchange, ChangeCipherSpec, Finished of either version
DG_TEST(steer_handshakes_reach_the_front)
{
    static const uint8_t datagrams[][16] = {
        {22, 0xfe, 0xff, 0, 0}, {22, 0xfe, 0xfd, 0, 0}, {20, 0xfe, 0xfd, 0, 0}, {22, 0xfe, 0xfd, 0, 1},
        {21, 0xfe, 0xfd, 0, 0}, {0x2e}, {0x3e}, {0x22}, {26, 0xfe, 0xfd, 0, 0}, {23, 0xfe, 0xfd, 0, 0},
    };
    struct dg_address peer = ipv4(0xc0000207, 40000);

    for (size_t i = 0; i < COUNT(datagrams); i++)
        CHECK_EQ(dg_steer_datagram(&steer, &peer, datagrams[i], 16), DG_STEER_FRONT);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(steer_hash_is_the_formula_of_the_header), DG_CASE(steer_hash_does_not_see_the_scope),
    DG_CASE(steer_addresses_spread_evenly),           DG_CASE(steer_ports_spread_evenly),
    DG_CASE(steer_datagram_table),                    DG_CASE(steer_handshakes_reach_the_front),
    DG_CASE(steer_datagram_table_of_every_connection_id_length),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
