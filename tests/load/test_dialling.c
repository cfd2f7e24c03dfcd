// SPDX-License-Identifier: GPL-3.0-or-later
// The end of a handshake of a thread of load. A handshake that the first record ends stands in for a real one, the null
// AEAD for the server's; time is an argument; nothing leaves.
#include "check.h"

#include "core/record12.h"
#include "load/thread.h"

#include <stdlib.h>
#include <string.h>

#define OVERTOOK 3 // records that came before the handshake's end

struct dg_dial {
    struct dg_path path;
    unsigned taken; // of what overtook
    uint8_t record[256];
};

static unsigned freed;

static struct dg_dial *fake_start(void *dialer, dg_time now, const struct dg_path *path, struct dg_bytes cid,
                                  const struct dg_output *output)
{
    (void)dialer;
    (void)now;
    (void)cid;
    (void)output;
    struct dg_dial *dial = calloc(1, sizeof *dial);
    if (dial)
        dial->path = *path;
    return dial;
}

static enum dg_dial_step fake_receive(struct dg_dial *dial, dg_time now, const uint8_t *record, size_t size,
                                      const struct dg_output *output)
{
    (void)dial;
    (void)now;
    (void)record;
    (void)size;
    (void)output;
    return DG_DIAL_DONE;
}

static dg_time fake_deadline(const struct dg_dial *dial)
{
    (void)dial;
    return DG_NEVER;
}

static bool fake_take(struct dg_dial *dial, struct dg_handover *ret)
{
    *ret = (struct dg_handover){.version = 12, .aead = DG_AEAD_AES_128_GCM, .is_client = 1, .path = dial->path};
    return true;
}

// The server's record of this number.
static size_t seal(uint64_t number, uint8_t *record, size_t capacity)
{
    static const struct dg_key_material none;
    const struct dg_key_view view = {.aead = DG_AEAD_AES_128_GCM, .key = none.key, .iv = none.iv};
    return dg_record12_seal(&dg_null_aead, &view, DG_EPOCH12_PROTECTED, number, DG_CONTENT_APPLICATION_DATA, NULL, 0,
                            "early", 5, record, capacity);
}

static size_t fake_kept(struct dg_dial *dial, uint8_t **ret_record)
{
    if (dial->taken == OVERTOOK)
        return 0;
    *ret_record = dial->record;
    return seal(dial->taken++, dial->record, sizeof dial->record);
}

static void fake_free(struct dg_dial *dial)
{
    freed++;
    free(dial);
}

static const struct dg_dial_ops fake_dial = {.start = fake_start,
                                             .receive = fake_receive,
                                             .deadline = fake_deadline,
                                             .take = fake_take,
                                             .kept = fake_kept,
                                             .free = fake_free};

static void *dialer_new(void *context, char *error, size_t error_size)
{
    (void)error;
    (void)error_size;
    return context;
}

static void dialer_free(void *dialer)
{
    (void)dialer;
}

// RFC 9147 5.8.1: what came before the handshake's end reaches the association too.
DG_TEST(load_reads_the_records_that_overtook_the_end_of_a_handshake)
{
    static int dialer;
    char error[256] = "";
    struct dg_load_shared shared = {0};
    struct dg_load_config config = {.dial = &fake_dial,
                                    .aead = &dg_null_aead,
                                    .dialer_new = dialer_new,
                                    .dialer_free = dialer_free,
                                    .dialer_context = &dialer,
                                    .kind = DG_LOAD_IDLE,
                                    .threads = 1,
                                    .cid_size = DG_CID_SIZE_DEFAULT,
                                    .associations = 1,
                                    .handshakes_at_once = 1,
                                    .message_bytes = 64,
                                    .handshake_timeout = DG_SECOND,
                                    .answer_timeout = DG_SECOND,
                                    .retransmit = DG_SECOND,
                                    .datagram_max = 1200};
    REQUIRE(dg_address_parse("127.0.0.1:9", &config.server));
    struct dg_load_thread *thread = dg_load_thread_new(&config, &shared, 0, error, sizeof error);
    CHECK_MSG(thread != NULL, "%s", error);
    REQUIRE(thread != NULL);
    const dg_time now = 100 * DG_SECOND;
    for (int i = 0; i < 10; i++) // its engine looks at its memory first
        dg_engine_advance(thread->engine, now, 0);
    struct dg_load_schedule once = {.start = now, .step = 1, .limit = 1, .end = DG_NEVER};
    CHECK_EQ(dg_load_dialling_begin(thread, now, &once), DG_NEVER);
    CHECK_EQ(thread->dialling, 1);
    const uint32_t place = thread->dials[0].place;
    uint8_t last[256];
    size_t size = seal(OVERTOOK, last, sizeof last);
    CHECK(dg_load_dialling_receive(thread, now, place, last, size));
    CHECK_EQ(thread->dialling, 0);
    CHECK_EQ(thread->live, 1);
    CHECK_EQ(freed, 1);
    CHECK_EQ(dg_counter_read(thread->counters, DG_COUNT_PLAINTEXT_DELIVERED), OVERTOOK + 1);
    dg_load_thread_free(thread);
    CHECK_EQ(freed, 1);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(load_reads_the_records_that_overtook_the_end_of_a_handshake),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
