// The rules for sizes, numbers, names, iSCSI names and CHAP secrets.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/text.h"

#include "base/mem.h"
#include "base/uuid.h"
#include <stdio.h>
#include <string.h>

// ctype.h would follow the locale; these rules do not.
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alnum(char c)
{
    return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

#define FRACTION_SCALE 1000000000      // nine digits behind the point; more would overflow
static const char units[] = "BKMGTPE"; // the nth is 1024 to the power of n

// What stands behind the number: "G", "g", "GiB", " GiB", "B". Gives the power of 1024, or -1.
static int parse_unit(const char *text)
{
    if (*text == ' ')
        text++;
    char letter = is_lower(*text) ? (char)(*text - 'a' + 'A') : *text;
    const char *unit = letter ? strchr(units, letter) : NULL;
    if (!unit)
        return -1;
    bool plain = text[1] == '\0';
    bool binary = strcmp(text + 1, "iB") == 0 && unit != units;
    return plain || binary ? (int)(unit - units) : -1;
}

static char upper(char c)
{
    return is_lower(c) ? (char)(c - 'a' + 'A') : c;
}

// "GB", "gb": elsewhere a power of 1000, or of 1024.
static bool is_decimal_unit(const char *text)
{
    return upper(text[0]) != 'B' && parse_unit((const char[]){text[0], '\0'}) > 0 &&
           upper(text[1]) == 'B' && text[2] == '\0';
}

int size_parse(const char *text, uint64_t *bytes, struct dv_err *err)
{
    const char *p = text;
    unsigned __int128 whole = 0, fraction = 0, scale = 1;
    bool too_large = false, fractional = false;
    if (text[0] == '-' && is_digit(text[1]))
        return dv_fail(err, DV_INVALID, "\"%.40s\" is negative; a size is more than zero", text);
    for (; is_digit(*p); p++) {
        whole = whole * 10 + (unsigned)(*p - '0');
        too_large |= whole > INT64_MAX;
        if (too_large)
            whole = 0;
    }
    bool number = p > text;
    if (number && *p == '.') {
        for (p++; is_digit(*p) && scale < FRACTION_SCALE; p++, scale *= 10)
            fraction = fraction * 10 + (unsigned)(*p - '0');
        fractional = true;
        number = scale > 1;
    }
    if (number && *p == '\0')
        return dv_fail(err, DV_INVALID,
                       "\"%.40s\" has no unit; write a number and its unit: K, M, G, T or P, or B "
                       "for bytes",
                       text);
    int power = number ? parse_unit(p) : -1;
    if (number && is_decimal_unit(p))
        return dv_fail(err, DV_INVALID,
                       "\"%.40s\" is not a size, since units are powers of 1024 here; write "
                       "%.*s%c or %.*s%ciB",
                       text, (int)(p - text), text, upper(*p), (int)(p - text), text, upper(*p));
    if (power < 0 || (fractional && power == 0))
        return dv_fail(
            err, DV_INVALID,
            "\"%.40s\" is not a size; write a number and its unit: K, M, G, T or P, or B "
            "for bytes",
            text);
    unsigned __int128 unit = (unsigned __int128)1 << (10 * power);
    unsigned __int128 total = whole * unit + fraction * unit / scale;
    if (too_large || total > INT64_MAX)
        return dv_fail(err, DV_INVALID,
                       "\"%.40s\" is too large; a size is less than 8E (2^63 bytes)", text);
    if (total == 0)
        return dv_fail(err, DV_INVALID, "\"%.40s\" is zero; a size is more than zero", text);
    *bytes = (uint64_t)total;
    return 0;
}

// Whether bytes / unit has at most three decimals; those are *thousandths.
static bool is_exact(uint64_t bytes, uint64_t unit, unsigned *thousandths)
{
    unsigned __int128 rest = (unsigned __int128)(bytes % unit) * 1000;
    *thousandths = (unsigned)(rest / unit);
    return rest % unit == 0;
}

const char *size_format(uint64_t bytes, char *out, size_t room)
{
    unsigned power = 6, thousandths = 0;
    while (power > 0 && (bytes >> (10 * power) == 0 ||
                         !is_exact(bytes, UINT64_C(1) << (10 * power), &thousandths)))
        power--;
    if (power == 0)
        thousandths = 0;
    char decimals[8] = "";
    if (thousandths > 0)
        snprintf(decimals, sizeof(decimals), ".%03u", thousandths % 1000);
    for (size_t len = strlen(decimals); len > 0 && decimals[len - 1] == '0'; len--)
        decimals[len - 1] = '\0';
    snprintf(out, room, "%llu%s%c%s", (unsigned long long)(bytes >> (10 * power)), decimals,
             units[power], power ? "iB" : "");
    return out;
}

int number_parse(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                 struct dv_err *err)
{
    uint64_t value = 0;
    bool good = *text != '\0';
    for (const char *p = text; *p && good; p++)
        good = is_digit(*p) && !__builtin_mul_overflow(value, 10, &value) &&
               !__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
    if (!good || value < min || value > max)
        return dv_fail(err, DV_INVALID, "%s \"%.40s\" is not a number from %llu to %llu", what,
                       text, (unsigned long long)min, (unsigned long long)max);
    *out = value;
    return 0;
}

int duration_parse(const char *text, uint32_t *ms, struct dv_err *err)
{
    static const struct {
        const char *name;
        uint32_t ms;
    } scales[] = {{"ms", 1},
                  {"s", 1000},
                  {"m", 60 * 1000},
                  {"h", 60 * 60 * 1000},
                  {"d", 24 * 60 * 60 * 1000}};
    const char *unit = text;
    uint64_t value = 0;
    bool small = true;
    for (; is_digit(*unit) && small; unit++) {
        value = value * 10 + (unsigned)(*unit - '0');
        small = value <= UINT32_MAX;
    }
    for (size_t i = 0; i < DV_COUNT(scales) && unit > text && small; i++)
        if (strcmp(unit, scales[i].name) == 0 && value * scales[i].ms <= UINT32_MAX) {
            *ms = (uint32_t)value * scales[i].ms;
            return 0;
        }
    return dv_fail(err, DV_INVALID,
                   "\"%.40s\" is not a duration; write a whole number and ms, s, m, h or d, "
                   "49d at most",
                   text);
}

int name_check(const char *what, const char *name, struct dv_err *err)
{
    size_t len = strlen(name);
    if (len == 0)
        return dv_fail(err, DV_INVALID, "%s name is empty; give it 1 to %d characters", what,
                       NAME_MAX_LEN);
    if (len > NAME_MAX_LEN)
        return dv_fail(err, DV_INVALID, "%s name \"%.20s...\" has %zu bytes; %d is the most", what,
                       name, len, NAME_MAX_LEN);
    if (!is_alnum(name[0]))
        return dv_fail(err, DV_INVALID, "%s name \"%s\" must start with a letter or a digit", what,
                       name);
    for (const char *p = name; *p; p++)
        if (!is_alnum(*p) && !strchr("._-", *p))
            return dv_fail(err, DV_INVALID,
                           "%s name \"%s\" may have only A-Z, a-z, 0-9, \".\", \"_\" and \"-\"",
                           what, name);
    return 0;
}

int new_name_check(const char *what, const char *name, struct dv_err *err)
{
    struct dv_uuid uuid;
    if (name_check(what, name, err) < 0)
        return -1;
    if (uuid_parse(name, &uuid))
        return dv_fail(err, DV_INVALID, "%s name \"%s\" reads as a UUID; choose another name", what,
                       name);
    return 0;
}

int description_check(const char *what, const char *text, struct dv_err *err)
{
    size_t len = strlen(text);
    if (len > DESCRIPTION_MAX_LEN)
        return dv_fail(err, DV_INVALID,
                       "the description of a %s may have %d octets, and this one has %zu: make it "
                       "shorter",
                       what, DESCRIPTION_MAX_LEN, len);
    char printable[DESCRIPTION_MAX_LEN + 1];
    dv_copy(printable, sizeof(printable), text);
    text_make_printable(printable);
    if (strcmp(printable, text) != 0)
        return dv_fail(err, DV_INVALID,
                       "the description of a %s must be one line of text in UTF-8 that can be "
                       "shown; each character that cannot be is a ? here: \"%.120s\"",
                       what, printable);
    return 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void iqn_canonical(const char *iqn, char out[IQN_MAX_LEN + 1])
{
    size_t n = 0;
    for (; iqn[n] && n < IQN_MAX_LEN; n++)
        out[n] = lower(iqn[n]);
    out[n] = '\0';
}

bool iqn_is_canonical(const char *iqn)
{
    while (*iqn && *iqn == lower(*iqn))
        iqn++;
    return *iqn == '\0';
}

int iqn_compare(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return (int)(unsigned char)lower(*a) - (int)(unsigned char)lower(*b);
}

bool iqn_equal(const char *a, const char *b)
{
    return iqn_compare(a, b) == 0;
}

static bool hex_only(const char *text, size_t digits)
{
    if (strlen(text) != digits)
        return false;
    while (is_hex(*text))
        text++;
    return *text == '\0';
}

// "2026-11." and a reversed domain name, then perhaps ":" and anything that is allowed.
static bool iqn_form(const char *p)
{
    static const char form[] = "dddd-dd.";
    for (const char *f = form; *f; f++, p++)
        if (*f == 'd' ? !is_digit(*p) : *p != *f)
            return false;
    int month = (p[-3] - '0') * 10 + p[-2] - '0';
    if (month < 1 || month > 12)
        return false;
    char last = '.'; // labels are not empty, and neither start nor end with "-"
    for (; *p && *p != ':'; last = *p++)
        if ((last == '.' && (*p == '.' || *p == '-')) || (last == '-' && *p == '.'))
            return false;
    return last != '.' && last != '-';
}

int iqn_check(const char *spelled, struct dv_err *err)
{
    char iqn[IQN_MAX_LEN + 1];
    size_t len = strlen(spelled);
    if (len > IQN_MAX_LEN)
        return dv_fail(err, DV_INVALID, "iSCSI name \"%.40s...\" has %zu bytes; %d is the most",
                       spelled, len, IQN_MAX_LEN);
    iqn_canonical(spelled, iqn);
    if (strncmp(iqn, "eui.", 4) == 0) {
        if (!hex_only(iqn + 4, 16))
            return dv_fail(err, DV_INVALID, "iSCSI name \"%s\" must have 16 hex digits after eui.",
                           spelled);
        return 0;
    }
    if (strncmp(iqn, "naa.", 4) == 0) {
        if (!hex_only(iqn + 4, 16) && !hex_only(iqn + 4, 32))
            return dv_fail(err, DV_INVALID,
                           "iSCSI name \"%s\" must have 16 or 32 hex digits after naa.", spelled);
        return 0;
    }
    for (const char *p = iqn; *p; p++)
        if (!is_lower(*p) && !is_digit(*p) && !strchr("-.:", *p))
            return dv_fail(err, DV_INVALID,
                           "iSCSI name \"%s\" may have only letters, digits, \"-\", \".\" and "
                           "\":\"",
                           spelled);
    if (strncmp(iqn, "iqn.", 4) != 0 || !iqn_form(iqn + 4))
        return dv_fail(err, DV_INVALID,
                       "iSCSI name \"%s\" is not of the form iqn.2026-11.org.example:name, "
                       "eui. or naa.",
                       spelled);
    return 0;
}

bool chap_user_is_own(const char *user)
{
    return strncmp(user, CHAP_USER_OWN, strlen(CHAP_USER_OWN)) == 0;
}

int chap_user_check(const char *user, struct dv_err *err)
{
    size_t len = strlen(user);
    if (len == 0 || len > CHAP_USER_MAX)
        return dv_fail(err, DV_INVALID, "a CHAP user name has 1 to %d characters, this one has %zu",
                       CHAP_USER_MAX, len);
    for (const char *p = user; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("\"'\\`$,;", *p))
            return dv_fail(err, DV_INVALID,
                           "the CHAP user name \"%s\" has a character that is not allowed: use "
                           "ASCII characters other than white space, quotes and \\ ` $ , ;",
                           user);
    if (chap_user_is_own(user))
        return dv_fail(err, DV_INVALID,
                       "CHAP user names that begin with " CHAP_USER_OWN " are reserved");
    return 0;
}

int chap_secret_check(const char *secret, struct dv_err *err)
{
    size_t len = strlen(secret);
    if (len < CHAP_SECRET_MIN || len > CHAP_SECRET_MAX)
        return dv_fail(err, DV_INVALID, "a CHAP secret has %d to %d characters, this one has %zu",
                       CHAP_SECRET_MIN, CHAP_SECRET_MAX, len);
    for (const char *p = secret; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("\"'`", *p))
            return dv_fail(err, DV_INVALID,
                           "a CHAP secret may have only printable ASCII characters, no white "
                           "space and no quotes");
    return 0;
}
