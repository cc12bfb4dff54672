// Net-SNMP's table of users, and which of them it has to look through.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp/usm_table.h"

#include "base/mem.h"
#include "snmp/convert.h"
#include <string.h>
#include <uthash.h>

struct listed {
    struct sn_usm_key key;
    struct usmUser *user;
    UT_hash_handle hh;
};

static struct listed *table;   // all, by key
static struct usmUser *hidden; // the first of those that are cut off; NULL: none are

bool sn_usm_key(const char *user, const uint8_t *engine, size_t engine_len, struct sn_usm_key *out)
{
    size_t len = strlen(user);
    if (engine_len > SN_ENGINE_ID_MAX || len > SN_USER_NAME_MAX)
        return false;
    *out = (struct sn_usm_key){.engine.len = (uint8_t)engine_len};
    if (engine_len > 0)
        memcpy(out->engine.b, engine, engine_len);
    memcpy(out->user, user, len);
    return true;
}

static struct listed *find(const struct sn_usm_key *key)
{
    struct listed *l = NULL;
    HASH_FIND(hh, table, key, sizeof(*key), l);
    return l;
}

// ---- Hiding ------------------------------------------------------------------------------------

void sn_usm_table_show_all(void)
{
    struct usmUser *rest = hidden, *behind, *last;
    hidden = NULL;
    if (!rest)
        return;
    if (!usm_get_userList()) { // the one that was shown was removed: the library needs a first
        behind = rest->next;
        usm_add_user(rest);
        rest->next = behind;
        return;
    }
    for (last = usm_get_userList(); last->next;)
        last = last->next;
    last->next = rest;
    rest->prev = last;
}

static void unlink_user(const struct usmUser *user)
{
    user->prev->next = user->next;
    if (user->next)
        user->next->prev = user->prev;
}

// The first one cannot be hidden: which it is the library knows alone. Another one comes behind it.
static void show(struct usmUser *user)
{
    struct usmUser *first = usm_get_userList();
    if (!first)
        return;
    if (user && user != first)
        unlink_user(user);
    hidden = first->next;
    first->next = NULL;
    if (hidden)
        hidden->prev = NULL;
    if (!user || user == first)
        return;
    first->next = user;
    user->prev = first;
    user->next = NULL;
}

void sn_usm_table_show(const char *user, const uint8_t *engine, size_t engine_len)
{
    struct sn_usm_key key;
    const struct listed *l = sn_usm_key(user, engine, engine_len, &key) ? find(&key) : NULL;
    sn_usm_table_show_all();
    show(l ? l->user : NULL);
}

// ---- Changing ----------------------------------------------------------------------------------

static void drop(struct listed *l)
{
    sn_usm_table_show_all();
    show(l->user);
    usm_remove_user(l->user);
    usm_free_user(l->user); // wipes the keys, and writes to the neighbours that it had once more
    sn_usm_table_show_all();
    HASH_DEL(table, l);
    free(l);
}

void sn_usm_table_remove(const struct sn_usm_key *key)
{
    struct listed *l = find(key);
    if (l)
        drop(l);
}

void sn_usm_table_put(struct usmUser *user, const struct sn_usm_key *key)
{
    struct listed *l;
    sn_usm_table_remove(key);
    l = dv_calloc(1, sizeof(*l));
    l->key = *key;
    l->user = user;
    HASH_ADD(hh, table, key, sizeof(l->key), l);
    sn_usm_table_show_all();
    show(NULL);
    usm_add_user(user); // beside the first, and not by its order among all
    sn_usm_table_show_all();
}

// ---- Whose a message is ------------------------------------------------------------------------

struct bytes {
    const uint8_t *at, *end;
};

// The next element's contents, if it has that tag (BER, definite lengths of up to three octets).
static bool next(struct bytes *in, uint8_t tag, struct bytes *contents)
{
    if (in->end - in->at < 2 || in->at[0] != tag)
        return false;
    size_t len = in->at[1], more = len > 0x80 ? len - 0x80 : 0;
    in->at += 2;
    if (len == 0x80 || more > 3 || (size_t)(in->end - in->at) < more)
        return false;
    for (len = more > 0 ? 0 : len; more > 0; more--)
        len = len << 8 | *in->at++;
    if ((size_t)(in->end - in->at) < len)
        return false;
    *contents = (struct bytes){in->at, in->at + len};
    in->at += len;
    return true;
}

bool sn_usm_message_key(const uint8_t *message, size_t len, struct sn_usm_key *out)
{
    const uint8_t sequence = ASN_SEQUENCE | ASN_CONSTRUCTOR;
    struct bytes all = {message, message + len}, whole, security, parts, part, id, user;
    // RFC 3412 section 6: version, global data, security parameters; RFC 3414 section 2.4: engine,
    // boots, time, user.
    if (!next(&all, sequence, &whole) || !next(&whole, ASN_INTEGER, &part) ||
        part.end - part.at != 1 || *part.at != SNMP_VERSION_3 || !next(&whole, sequence, &part) ||
        !next(&whole, ASN_OCTET_STR, &security) || !next(&security, sequence, &parts) ||
        !next(&parts, ASN_OCTET_STR, &id) || !next(&parts, ASN_INTEGER, &part) ||
        !next(&parts, ASN_INTEGER, &part) || !next(&parts, ASN_OCTET_STR, &user) ||
        id.end - id.at > SN_ENGINE_ID_MAX || user.end - user.at > SN_USER_NAME_MAX ||
        memchr(user.at, 0, (size_t)(user.end - user.at)))
        return false;
    *out = (struct sn_usm_key){.engine.len = (uint8_t)(id.end - id.at)};
    memcpy(out->engine.b, id.at, out->engine.len);
    memcpy(out->user, user.at, (size_t)(user.end - user.at));
    return true;
}
