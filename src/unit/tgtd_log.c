// What tgtd writes to its standard error: its messages put together, limited, and understood.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/tgtd_log.h"
#include <string.h>

static const char PREFIX[] = "tgtd: ";

// Its threads share stderr: two beginnings may come before the first text, and a pipe that is full
// takes one without the other. Then which is whose cannot be told, until both come in turn again.
enum tgtd_packet tgtd_log_take(struct tgtd_log *l, const char *data, size_t len)
{
    if (len == strlen(PREFIX) && memcmp(data, PREFIX, len) == 0) {
        l->announced = l->announced > 0 ? 2 : 1;
        return TGTD_PACKET_NONE;
    }
    bool certain = l->announced == 1;
    l->announced = 0;
    return certain ? TGTD_PACKET_MESSAGE : TGTD_PACKET_REST;
}

// ---- Refused logins -----------------------------------------------------------------------------

struct span {
    const char *at;
    size_t len;
};

static bool skip_start(struct span *s, const char *word)
{
    size_t len = strlen(word);
    if (s->len < len || memcmp(s->at, word, len) != 0)
        return false;
    s->at += len;
    s->len -= len;
    return true;
}

static bool skip_end(struct span *s, const char *word)
{
    size_t len = strlen(word);
    if (s->len < len || memcmp(s->at + s->len - len, word, len) != 0)
        return false;
    s->len -= len;
    return true;
}

static bool skip_number(struct span *s)
{
    size_t digits = 0;
    while (digits < s->len && s->at[digits] >= '0' && s->at[digits] <= '9')
        digits++;
    s->at += digits;
    s->len -= digits;
    return digits > 0;
}

static bool wrong_secret(struct span *s)
{
    return skip_start(s, "CHAP initiator auth.: authentication of ") &&
           skip_end(s, " failed (wrong secret!?)");
}

// The number is a line of tgtd's source.
static bool wrong_user(struct span *s)
{
    return skip_start(s, "chap_initiator_auth_check_response(") && skip_number(s) &&
           skip_start(s, ") No valid user/pass combination for initiator ") &&
           skip_end(s, " found\n");
}

bool tgtd_log_refusal(const char *data, size_t len, char initiator[IQN_MAX_LEN + 1])
{
    struct span a = {data, len}, b = a, *found = wrong_secret(&a) ? &a : wrong_user(&b) ? &b : NULL;
    if (!found || found->len > IQN_MAX_LEN || memchr(found->at, '\0', found->len))
        return false;
    memcpy(initiator, found->at, found->len);
    initiator[found->len] = '\0';
    return iqn_check(initiator, NULL) == 0;
}

// ---- Passing on ---------------------------------------------------------------------------------

size_t tgtd_log_text(const char *data, size_t len, char *out, size_t room)
{
    while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == ' '))
        len--;
    size_t n = len < room - 1 ? len : room - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = data[i] >= ' ' && data[i] < 0x7f ? data[i] : '?';
    out[n] = '\0';
    return n;
}

bool tgtd_log_admit(struct tgtd_log_limit *l, uint64_t now_ms, uint32_t *left_out)
{
    uint64_t paid = l->paid_ms > now_ms ? l->paid_ms : now_ms;
    if (paid - now_ms > (TGTD_LOG_BURST - 1) * TGTD_LOG_INTERVAL_MS) {
        l->left_out++;
        return false;
    }
    l->paid_ms = paid + TGTD_LOG_INTERVAL_MS;
    *left_out = l->left_out;
    l->left_out = 0;
    return true;
}
