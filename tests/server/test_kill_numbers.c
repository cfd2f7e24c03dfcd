// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=300
// No key meets a nonce twice (design.md, "The nonce rule"): a real server under load is killed at random moments, again
// and again, and everything that it ever sends is opened and entered in the books of its clients. DTLSGATE_KILLS=5000
// makes it a long one; the usual size fits into all the other tests.
#include "check.h"
#include "support/random.h"
#include "support/settler.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SETTLERS 48
#define KILLS_USUAL 80
#define BURST 400 // datagrams before each kill: more than a worker takes in one turn

static struct survivor survivor;
static struct settler settlers[SETTLERS];
static struct test_random random_numbers;

static unsigned kills_wanted(void)
{
    const char *text = getenv("DTLSGATE_KILLS");
    return text != NULL && atoi(text) > 0 ? (unsigned)atoi(text) : KILLS_USUAL;
}

static void start(void)
{
    struct settler_setup setups[SETTLERS];
    for (uint32_t i = 0; i < SETTLERS; i++)
        setups[i] = (struct settler_setup){.version = i % 2 == 0 ? 12 : 13,
                                           .aead = i % 8 < 6 ? DG_AEAD_AES_128_GCM : DG_AEAD_AES_256_GCM,
                                           .has_cid = i % 4 < 2,
                                           .who = i * 7 + 1};
    survivor_prepare(&survivor, NULL);
    survivor_start(&survivor);
    survivor_hand_over(&survivor);
    settlers_plant(&survivor, settlers, setups, SETTLERS);
}

static void pause_us(uint64_t us)
{
    const struct timespec time = {.tv_nsec = (long)(us * 1000)};
    (void)nanosleep(&time, NULL);
}

// Data mostly, changes of keys, addresses that change.
static void load(unsigned datagrams)
{
    for (unsigned i = 0; i < datagrams; i++) {
        struct settler *settler = &settlers[test_random_below(&random_numbers, SETTLERS)];
        if (settler->setup.version == 13 && test_random_permille(&random_numbers, 20))
            settler_update_keys(settler);
        else if (settler->setup.has_cid && test_random_permille(&random_numbers, 5)) {
            (void)settler_listen(settler); // what waits there would be lost to the books
            settler_move(settler, &survivor);
        } else
            settler_say(settler, "load");
    }
}

static void listen_to_all(void)
{
    for (size_t i = 0; i < SETTLERS; i++)
        (void)settler_listen(&settlers[i]);
}

DG_TEST(kills_at_random_moments_use_no_record_number_twice)
{
    unsigned kills = kills_wanted();
    random_numbers.state = dg_test_seed();
    start();
    for (unsigned kill_number = 0; kill_number < kills; kill_number++) {
        survivor_set(&survivor, "workers", test_random_permille(&random_numbers, 500) ? "2" : "3");
        survivor_start(&survivor);
        unsigned bursts = (unsigned)test_random_below(&random_numbers, 3);
        for (unsigned i = 0; i < bursts; i++) { // lives of different length
            load(BURST / 4);
            listen_to_all();
        }
        load(BURST);
        pause_us(test_random_below(&random_numbers, 1500));
        survivor_kill(&survivor);
        listen_to_all();
    }
    survivor_start(&survivor);
    uint64_t records = 0, answers = 0, updates = 0;
    for (size_t i = 0; i < SETTLERS; i++) {
        CHECK_MSG(settler_converse(&settlers[i], "alive"), "settler %zu after %u kills", i, kills);
        CHECK_EQ(settlers[i].repeats, 0);
        CHECK_EQ(settlers[i].unopened, 0); // the books are whole
        records += settlers[i].records;
        answers += settlers[i].answers;
        updates += settlers[i].updates;
    }
    CHECK_EQ(survivor_associations(&survivor), SETTLERS);
    CHECK_EQ(survivor_counter(&survivor, "slots_quarantined"), 0);
    CHECK(updates > 0);
    printf("# %u kills: %llu records opened, %llu of them answers, %llu changes of keys, no number twice\n", kills,
           (unsigned long long)records, (unsigned long long)answers, (unsigned long long)updates);
    settlers_free(settlers, SETTLERS);
    survivor_free(&survivor);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(kills_at_random_moments_use_no_record_number_twice),
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
