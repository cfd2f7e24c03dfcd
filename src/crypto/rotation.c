// SPDX-License-Identifier: GPL-3.0-or-later
// The rotation of cookie secrets and ticket keys in the memory that outlives the process (RFC 9147 5.1,
// RFC 9325 3.4). A generation is odd while its secrets change; who finds it odd makes new ones. Written by the
// front thread alone.
#include "crypto/rotation.h"

#include "base/random.h"
#include "base/secret.h"
#include "core/crash_point.h"

#include <string.h>

static void begin(_Atomic uint32_t *generation)
{
    uint32_t value = atomic_load_explicit(generation, memory_order_relaxed);
    atomic_store_explicit(generation, value | 1, memory_order_relaxed);
    DG_CRASH_POINT(SECRETS_ROTATING);
}

// Never back to 0, which means that there have never been secrets.
static void end(_Atomic uint32_t *generation)
{
    uint32_t next = atomic_load_explicit(generation, memory_order_relaxed) + 1;
    DG_CRASH_POINT(SECRETS_ROTATING);
    atomic_store_explicit(generation, next != 0 ? next : 2, memory_order_release);
}

// Ticket names begin with a zero byte, which no PSK identity contains: neither can be taken for the other
// (RFC 9257 6.1.2).
static void new_ticket_key(struct dg_memory_secrets *secrets, int which)
{
    dg_random_bytes(secrets->ticket_key[which], DG_TICKET_KEY);
    dg_random_bytes(secrets->ticket_name[which], DG_TICKET_KEY_NAME);
    secrets->ticket_name[which][0] = 0;
}

static void renew_cookies(struct dg_memory_secrets *secrets)
{
    begin(&secrets->cookie_generation);
    memcpy(secrets->cookie[1], secrets->cookie[0], DG_COOKIE_SECRET);
    DG_CRASH_POINT(SECRETS_ROTATING);
    dg_random_bytes(secrets->cookie[0], DG_COOKIE_SECRET);
    end(&secrets->cookie_generation);
}

static void renew_tickets(struct dg_memory_secrets *secrets)
{
    begin(&secrets->ticket_generation);
    memcpy(secrets->ticket_key[1], secrets->ticket_key[0], DG_TICKET_KEY);
    memcpy(secrets->ticket_name[1], secrets->ticket_name[0], DG_TICKET_KEY_NAME);
    DG_CRASH_POINT(SECRETS_ROTATING);
    new_ticket_key(secrets, 0);
    end(&secrets->ticket_generation);
}

// What a half-done rotation left is a mixture nobody can name: both places are made new, at the price of the
// cookies and tickets that are out.
static void remake(struct dg_memory_secrets *secrets, bool cookies, bool tickets)
{
    if (cookies) {
        begin(&secrets->cookie_generation);
        dg_random_bytes(secrets->cookie, sizeof secrets->cookie);
        end(&secrets->cookie_generation);
    }
    if (tickets) {
        begin(&secrets->ticket_generation);
        new_ticket_key(secrets, 0);
        new_ticket_key(secrets, 1);
        end(&secrets->ticket_generation);
    }
}

static bool is_unusable(const _Atomic uint32_t *generation)
{
    uint32_t value = atomic_load_explicit(generation, memory_order_acquire);
    return value == 0 || (value & 1) != 0;
}

void dg_secrets_attach(struct dg_memory_secrets *secrets)
{
    remake(secrets, is_unusable(&secrets->cookie_generation), is_unusable(&secrets->ticket_generation));
}

// A generation is 0 until there have been secrets, and never again.
bool dg_secrets_are_attached(const struct dg_memory_secrets *secrets)
{
    return atomic_load_explicit(&secrets->cookie_generation, memory_order_relaxed) != 0 &&
           atomic_load_explicit(&secrets->ticket_generation, memory_order_relaxed) != 0;
}

static bool is_due(dg_time *rotated_at, dg_time now, dg_time period)
{
    // Never rotated, or by a clock that is not this one.
    if (*rotated_at == 0 || *rotated_at > now) {
        *rotated_at = now;
        return false;
    }
    return now - *rotated_at >= period;
}

// After two periods of standing still even the previous secret is too old to be kept.
static bool is_overdue(dg_time rotated_at, dg_time now, dg_time period) { return (now - rotated_at) / 2 >= period; }

void dg_secrets_rotate(struct dg_memory_secrets *secrets, dg_time now, dg_time cookie_period, dg_time ticket_period)
{
    if (is_due(&secrets->cookie_rotated_at, now, cookie_period)) {
        if (is_overdue(secrets->cookie_rotated_at, now, cookie_period))
            remake(secrets, true, false);
        else
            renew_cookies(secrets);
        secrets->cookie_rotated_at = now;
    }
    if (is_due(&secrets->ticket_rotated_at, now, ticket_period)) {
        if (is_overdue(secrets->ticket_rotated_at, now, ticket_period))
            remake(secrets, false, true);
        else
            renew_tickets(secrets);
        secrets->ticket_rotated_at = now;
    }
}

dg_time dg_secrets_deadline(const struct dg_memory_secrets *secrets, dg_time cookie_period, dg_time ticket_period)
{
    if (secrets->cookie_rotated_at == 0 || secrets->ticket_rotated_at == 0)
        return 0; // as soon as somebody tells the time
    return dg_time_min(secrets->cookie_rotated_at + cookie_period, secrets->ticket_rotated_at + ticket_period);
}
