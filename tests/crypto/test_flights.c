// SPDX-License-Identifier: GPL-3.0-or-later
//
// The server's flights with the TLS library's own timer: how many records go out at once, when they are repeated,
// under which numbers, and for how long.

#include "check.h"
#include "core/record.h"
#include "core/wire_constants.h"
#include "support/gate_rig.h"
#include "support/sim_clock.h"

#include <string.h>

static struct rig rig;
static struct dg_handover handover;

static const struct rig_options everything = {
    .with_psk = true, .with_certificate = true, .with_client_ca = true, .profile = DG_PROFILE_IOT};

static struct wolf_client_config certificate_client(int version)
{
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .certificate = rig_pki()->client.certificate,
                                       .key = rig_pki()->client.key,
                                       .groups = {WOLF_GROUP_X25519}};
}

struct sent {
    unsigned datagrams, records;
    size_t largest;
    uint64_t plain_first, plain_last; // record numbers of epoch 0, first and last
    bool rises;
};

// Takes off the queue all that the server has sent.
static struct sent take_sent(void)
{
    struct sent sent = {.rises = true};
    uint8_t datagram[RIG_DATAGRAM_MAX];
    size_t size;
    bool any = false;
    while ((size = rig_queue_get(&rig.to_client, datagram, sizeof datagram)) > 0) {
        sent.datagrams++;
        sent.largest = size > sent.largest ? size : sent.largest;
        for (size_t at = 0; at < size;) {
            struct dg_record record;
            bool parses = dg_record_parse(datagram + at, size - at, DG_CID_SIZE_DEFAULT, &record).outcome == DG_OK;
            CHECK(parses);
            if (!parses)
                break;
            at += record.size;
            sent.records++;
            if (record.is_unified || record.epoch != 0)
                continue;
            if (!any)
                sent.plain_first = record.sequence;
            else
                sent.rises = sent.rises && record.sequence > sent.plain_last;
            sent.plain_last = record.sequence;
            any = true;
        }
    }
    return sent;
}

// Up to the server's flight, which lies in the queue.
static bool begin(const struct wolf_client_config *config)
{
    if (!rig_client(&rig, config))
        return false;
    (void)wolf_client_connect(rig.client);
    rig_give_all(&rig);
    (void)wolf_client_connect(rig.client);
    rig_give_all(&rig);
    return rig.handshake != NULL && rig.step == DG_STEP_GOES_ON;
}

// The library asks for the time too (it repeats nothing within a second).
static void set_now(dg_time now)
{
    rig.now = now;
    sim_clock_set(now);
}

// RFC 9147 5.8.3: ten records in one transmission at most; RFC 9147 4.3: each datagram within the size.
DG_TEST(flights_have_ten_records_at_most)
{
    static struct dg_pki_pem chains[3];
    chains[0] = rig_pki()->server;
    chains[1] = rig_pki()->server;
    strcat(chains[1].certificate, rig_pki()->ca.certificate);
    chains[2] = chains[1];
    if (strlen(chains[2].certificate) + strlen(rig_pki()->ca.certificate) < sizeof chains[2].certificate)
        strcat(chains[2].certificate, rig_pki()->ca.certificate); // which has issued itself
    static const uint16_t sizes[] = {1200, 800, 600};
    for (size_t c = 0; c < 3; c++)
        for (size_t s = 0; s < 3; s++) {
            struct rig_options options = everything;
            options.server = &chains[c];
            options.datagram_max = sizes[s];
            REQUIRE(rig_new(&rig, &options));
            for (int version = 12; version <= 13; version++) {
                struct wolf_client_config config = certificate_client(version);
                REQUIRE(begin(&config));
                struct sent flight = take_sent();
                CHECK(flight.records >= 5);
                CHECK_MSG(flight.records <= 10, "1.%d, chain %zu, size %u: %u records", version - 10, c, sizes[s],
                          flight.records);
                CHECK_MSG(flight.largest <= sizes[s], "%zu bytes", flight.largest);
                rig_hang_up(&rig);
            }
            rig_free(&rig);
        }
}

// RFC 9147 7.1: after a quarter of the interval only acknowledgements are due in DTLS 1.3, and here there are none.
static void wait_for_acks(int version, unsigned seconds)
{
    if (version == 12)
        return;
    struct dg_output output = rig_output(&rig);
    dg_time due = dg_wolf_handshake.deadline(rig.handshake);
    CHECK_EQ(due - rig.now, seconds * DG_SECOND / 4);
    set_now(due);
    CHECK_EQ(dg_wolf_handshake.advance(rig.handshake, rig.now, &output), DG_STEP_GOES_ON);
    CHECK_EQ(rig.to_client.count, 0);
}

// RFC 6347 4.2.4.1, RFC 9147 5.8.2: one second, doubled each time, to 60 s and more; whole flights under new record numbers.
DG_TEST(flights_are_repeated_at_doubling_intervals)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = certificate_client(version);
        set_now(rig.now + DG_MINUTE);
        REQUIRE(begin(&config));
        struct sent last = take_sent();
        struct dg_output output = rig_output(&rig);
        wait_for_acks(version, 1);
        for (unsigned i = 0; i < 7; i++) {
            dg_time due = dg_wolf_handshake.deadline(rig.handshake);
            CHECK_EQ(due - rig.now, (1u << i) * DG_SECOND);
            set_now(due - 1);
            CHECK_EQ(dg_wolf_handshake.advance(rig.handshake, rig.now, &output), DG_STEP_GOES_ON);
            CHECK_EQ(rig.to_client.count, 0); // not before its time
            set_now(due);
            CHECK_EQ(dg_wolf_handshake.advance(rig.handshake, rig.now, &output), DG_STEP_GOES_ON);
            struct sent again = take_sent();
            CHECK_MSG(again.records >= 5 && again.records <= 10, "%u records", again.records);
            CHECK(again.rises && again.plain_first > last.plain_last);
            CHECK(again.largest <= 1200);
            last = again;
        }
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// How long a handshake may take is the front's to say (--handshake-timeout, 600 s at most): the library repeats its flight
// for as long.
DG_TEST(flights_are_repeated_until_the_front_gives_up)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = certificate_client(version);
        set_now(rig.now + DG_MINUTE);
        REQUIRE(begin(&config));
        struct dg_output output = rig_output(&rig);
        dg_time end = rig.now + 600 * DG_SECOND;
        for (unsigned i = 0; i < 100 && dg_wolf_handshake.deadline(rig.handshake) <= end; i++) {
            set_now(dg_wolf_handshake.deadline(rig.handshake));
            rig.step = dg_wolf_handshake.advance(rig.handshake, rig.now, &output);
            REQUIRE(rig.step == DG_STEP_GOES_ON);
        }
        CHECK(rig.now > end - 300 * DG_SECOND);
        CHECK(rig_take(&rig, &handover)); // and the client is still let in
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// RFC 9147 5.8.2: the interval is an option; RFC 7925 11 wants 9 seconds for slow networks.
DG_TEST(first_interval_is_the_configured_one)
{
    REQUIRE(rig_new(&rig, &everything));
    struct dg_gate_config config = {.credentials = rig.credentials,
                                    .authenticate_clients = true,
                                    .secrets = rig.secrets,
                                    .datagram_max = 1200,
                                    .cookie_period = 30 * DG_SECOND,
                                    .ticket_period = 24 * DG_HOUR,
                                    .retransmit_seconds = 9};
    dg_gate_put(rig.gate);
    rig.gate = dg_gate_new(&config, rig.error, sizeof rig.error);
    REQUIRE(rig.gate != NULL);
    dg_wolf_handshake.gate_advance(rig.gate, rig.now);
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config client = certificate_client(version);
        REQUIRE(begin(&client));
        (void)take_sent();
        wait_for_acks(version, 9);
        CHECK_EQ(dg_wolf_handshake.deadline(rig.handshake) - rig.now, 9 * DG_SECOND);
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(flights_have_ten_records_at_most),
        DG_CASE(flights_are_repeated_at_doubling_intervals),
        DG_CASE(flights_are_repeated_until_the_front_gives_up),
        DG_CASE(first_interval_is_the_configured_one),
    };
    sim_clock_start(dg_test_seed()); // before the certificates are made
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
