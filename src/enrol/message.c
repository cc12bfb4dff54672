// The messages of an enrolment as JSON.
// SPDX-License-Identifier: BSD-2-Clause
#include "enrol/message.h"

#include "base/address.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include <assert.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define ENGINE_ID_MIN_LEN 5 // RFC 3411 section 5, SnmpEngineID; all zeros or ones is none, too
#define KEYS_TEXT         (2 * (KEYS_AUTH + KEYS_PRIV))

bool message_engine_id_parse(const char *hex, struct engine_id *out)
{
    size_t len = 0;
    if (strncmp(hex, "0x", 2) == 0)
        hex += 2;
    memset(out, 0, sizeof(*out));
    if (sodium_hex2bin(out->b, sizeof(out->b), hex, strlen(hex), NULL, &len, NULL) != 0 ||
        len < ENGINE_ID_MIN_LEN)
        return false;
    size_t same = 1;
    while (same < len && out->b[same] == out->b[0])
        same++;
    if (same == len && (out->b[0] == 0 || out->b[0] == 0xff))
        return false;
    out->len = (uint8_t)len;
    return true;
}

void message_engine_id_format(const struct engine_id *id, char out[2 * ENGINE_ID_MAX_LEN + 1])
{
    sodium_bin2hex(out, 2 * ENGINE_ID_MAX_LEN + 1, id->b, id->len);
}

// ---- Fields ---------------------------------------------------------------------------------

static json_t *parse(const char *text, size_t len, struct dv_err *err)
{
    json_error_t why;
    json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(object))
        return object;
    json_decref(object);
    (void)dv_fail(err, DV_INVALID, "that is no JSON object of an enrolment");
    return NULL;
}

static int bad(const char *key, struct dv_err *err)
{
    return dv_fail(err, DV_INVALID, "its \"%s\" is missing or is not one", key);
}

static const char *get_text(const json_t *object, const char *key, struct dv_err *err)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text)
        (void)bad(key, err);
    return text;
}

static int get_uuid(const json_t *object, struct dv_uuid *out, struct dv_err *err)
{
    const char *text = get_text(object, "uuid", err);
    if (!text)
        return -1;
    return uuid_parse(text, out) && !uuid_is_zero(out) ? 0 : bad("uuid", err);
}

static int get_engine(const json_t *object, struct engine_id *out, struct dv_err *err)
{
    const char *text = get_text(object, "engine_id", err);
    if (!text)
        return -1;
    return message_engine_id_parse(text, out) ? 0 : bad("engine_id", err);
}

static int get_name(const json_t *object, char out[NAME_MAX_LEN + 1], struct dv_err *err)
{
    const char *text = get_text(object, "name", err);
    if (!text || new_name_check("a member", text, err) < 0)
        return -1;
    dv_copy(out, NAME_MAX_LEN + 1, text);
    return 0;
}

static int get_address(const json_t *object, char out[ADDRESS_MAX_LEN + 1], struct dv_err *err)
{
    const char *text = get_text(object, "address", err);
    if (!text || (*text && transport_check(text, ADDRESS_OF_HOST, err) < 0))
        return -1;
    dv_copy(out, ADDRESS_MAX_LEN + 1, text);
    if (*out)
        transport_usual(out, out);
    return 0;
}

static int get_keys(const json_t *value, const char *key, struct member_keys *out,
                    struct dv_err *err)
{
    const char *text = json_string_value(value);
    uint8_t both[KEYS_AUTH + KEYS_PRIV];
    size_t len = 0;
    bool good = text && strlen(text) == KEYS_TEXT &&
                sodium_hex2bin(both, sizeof(both), text, KEYS_TEXT, NULL, &len, NULL) == 0 &&
                len == sizeof(both);
    if (good) {
        memcpy(out->auth, both, KEYS_AUTH);
        memcpy(out->priv, both + KEYS_AUTH, KEYS_PRIV);
    }
    secret_wipe(both, sizeof(both));
    return good ? 0 : bad(key, err);
}

static json_t *keys_json(const struct member_keys *keys)
{
    char text[KEYS_TEXT + 1];
    sodium_bin2hex(text, sizeof(text), keys->auth, KEYS_AUTH);
    sodium_bin2hex(text + 2 * (size_t)KEYS_AUTH, 2 * KEYS_PRIV + 1, keys->priv, KEYS_PRIV);
    json_t *value = json_string(text);
    secret_wipe(text, sizeof(text));
    return value;
}

// Takes object. Jansson does not wipe its own copies of secrets. The member's are gone with the
// process, which is a command's; the station has the key in memory of which they all are made.
static char *finish(json_t *object)
{
    char *text = json_dumps(object, JSON_INDENT(1));
    json_decref(object);
    assert(text); // all texts were checked before, so only memory can be missing
    return text;
}

// ---- The request ----------------------------------------------------------------------------

char *enrol_request_write(const struct enrol_request *r)
{
    char uuid[UUID_TEXT_LEN], engine[2 * ENGINE_ID_MAX_LEN + 1];
    message_engine_id_format(&r->engine, engine);
    return finish(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "kind", member_kind_name(r->kind),
                            "uuid", uuid_format(&r->uuid, uuid), "name", r->name, "engine_id",
                            engine, "address", r->address, "software", r->software));
}

static int read_request(const json_t *object, struct enrol_request *out, struct dv_err *err)
{
    const char *kind = get_text(object, "kind", err);
    const char *software = get_text(object, "software", err);
    if (!kind || !software)
        return -1;
    for (enum member_kind k = MEMBER_UNIT; k <= MEMBER_HOST; k++)
        if (strcmp(kind, member_kind_name(k)) == 0)
            out->kind = k;
    if (out->kind == 0)
        return bad("kind", err);
    dv_copy(out->software, sizeof(out->software), software);
    text_make_printable(out->software);
    if (get_uuid(object, &out->uuid, err) < 0 || get_name(object, out->name, err) < 0 ||
        get_engine(object, &out->engine, err) < 0)
        return -1;
    return get_address(object, out->address, err);
}

int enrol_request_read(const char *text, size_t len, struct enrol_request *out, struct dv_err *err)
{
    memset(out, 0, sizeof(*out));
    json_t *object = parse(text, len, err);
    int rc = object ? read_request(object, out, err) : -1;
    json_decref(object);
    return rc;
}

// ---- The grant ------------------------------------------------------------------------------

void grant_wipe(struct grant *grant)
{
    secret_wipe(grant, sizeof(*grant));
}

char *grant_write(const struct grant *g)
{
    char uuid[UUID_TEXT_LEN], station[UUID_TEXT_LEN], engine[2 * ENGINE_ID_MAX_LEN + 1];
    message_engine_id_format(&g->station.engine, engine);
    json_t *object = json_pack(
        "{s:s, s:s, s:I, s:{s:s, s:s, s:s, s:s}, s:o}", "uuid", uuid_format(&g->uuid, uuid), "name",
        g->name, "number", (json_int_t)g->number, "station", "uuid",
        uuid_format(&g->station.uuid, station), "name", g->station.name, "engine_id", engine,
        "address", g->station.address, "notify_keys", keys_json(&g->notify));
    if (g->has_station_keys)
        json_object_set_new(
            object, "station_keys",
            json_pack("[o, o]", keys_json(&g->station_keys[0]), keys_json(&g->station_keys[1])));
    return finish(object);
}

static int read_station(const json_t *object, struct grant *out, struct dv_err *err)
{
    const char *name = get_text(object, "name", err);
    if (!name || get_uuid(object, &out->station.uuid, err) < 0 ||
        get_engine(object, &out->station.engine, err) < 0 ||
        get_address(object, out->station.address, err) < 0)
        return -1;
    if (!*out->station.address)
        return bad("address", err);
    dv_copy(out->station.name, sizeof(out->station.name), name);
    text_make_printable(out->station.name);
    return 0;
}

static int read_grant(const json_t *object, struct grant *out, struct dv_err *err)
{
    json_int_t number = json_integer_value(json_object_get(object, "number"));
    const json_t *station = json_object_get(object, "station");
    const json_t *keys = json_object_get(object, "station_keys");
    if (number < 1 || number > UINT32_MAX)
        return bad("number", err);
    out->number = (uint32_t)number;
    if (get_uuid(object, &out->uuid, err) < 0 || get_name(object, out->name, err) < 0 ||
        read_station(station, out, err) < 0)
        return -1;
    out->has_station_keys = keys != NULL;
    for (size_t place = 0; keys && place < DV_COUNT(out->station_keys); place++)
        if (get_keys(json_array_get(keys, place), "station_keys", &out->station_keys[place], err) <
            0)
            return -1;
    return get_keys(json_object_get(object, "notify_keys"), "notify_keys", &out->notify, err);
}

int grant_read(const char *text, size_t len, struct grant *out, struct dv_err *err)
{
    memset(out, 0, sizeof(*out));
    json_t *object = parse(text, len, err);
    int rc = object ? read_grant(object, out, err) : -1;
    json_decref(object);
    if (rc < 0)
        grant_wipe(out);
    return rc;
}

// ---- The refusal ----------------------------------------------------------------------------

char *enrol_refusal_write(const struct dv_err *why)
{
    return finish(
        json_pack("{s:{s:s, s:s}}", "error", "code", dv_code_name(why->code), "detail", why->text));
}

bool enrol_refusal_read(const char *text, size_t len, struct dv_err *why)
{
    json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *error = json_object_get(object, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *detail = json_string_value(json_object_get(error, "detail"));
    if (error) {
        enum dv_code class = DV_DENIED;
        for (enum dv_code c = DV_INVALID; code && c < DV_CODES; c++)
            if (strcmp(code, dv_code_name(c)) == 0)
                class = c;
        (void)dv_fail(why, class, "%s", detail ? detail : "it does not say why");
        text_make_printable(why->text); // it may be anybody's
    }
    json_decref(object);
    return error != NULL;
}
