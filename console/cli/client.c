// Requests over libcurl.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/client.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "console/cli/login.h"
#include "console/cli/url.h"
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_URL    "http://127.0.0.1:8480"
#define CONNECT_MS     5000
#define ANSWER_MS      30000
#define ANSWER_MAX_LEN (256u << 20) // bytes

#define MAYBE_IT                                                                                   \
    " A station may have carried out the request all the same: look (dvsan event list, dvsan "     \
    "task "                                                                                        \
    "list) before you ask again"
#define MAYBE                                                                                      \
    "; it may have carried out the request all the same: look (dvsan event list, dvsan task "      \
    "list) "                                                                                       \
    "before you ask again"

struct client {
    CURL *curl;
    struct curl_slist *headers;
    char *url;              // without a slash at its end
    const char *url_source; // where a person would correct it
    struct login login;
    bool open; // as client_is_open
};

static char *base_url(const char *url)
{
    if (!url)
        url = getenv("DVSAN_URL");
    char *text = dv_strdup(url && *url ? url : DEFAULT_URL);
    for (size_t len = strlen(text); len > 0 && text[len - 1] == '/'; len--)
        text[len - 1] = '\0';
    return text;
}

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
    struct strbuf *answer = arg;
    if (answer->len + size * count > ANSWER_MAX_LEN)
        return 0;
    strbuf_addn(answer, data, size * count);
    return size * count;
}

// All that is the same for every request. The login goes to this station alone: there are no
// redirects, and no proxy in between.
static void set_up(struct client *c)
{
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(c->curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "dvsan/" DVSAN_VERSION);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
    if (c->login.is_token) {
        curl_easy_setopt(c->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(c->curl, CURLOPT_XOAUTH2_BEARER, c->login.secret);
    } else {
        curl_easy_setopt(c->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(c->curl, CURLOPT_USERNAME, "admin");
        curl_easy_setopt(c->curl, CURLOPT_PASSWORD, c->login.secret);
    }
}

struct client *client_new(const char *url, struct dv_err *err)
{
    struct client *c = dv_calloc(1, sizeof(*c));
    curl_global_init(CURL_GLOBAL_DEFAULT);
    c->url = base_url(url);
    c->url_source = url ? "--url" : "DVSAN_URL";
    c->curl = curl_easy_init();
    c->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (!c->curl || !c->headers) {
        dv_fail(err, DV_INTERNAL, "libcurl does not start");
        client_free(c);
        return NULL;
    }
    if (url_check(c->url, err) < 0 ||
        login_read(&c->login, strcmp(c->url, DEFAULT_URL) == 0, err) < 0) {
        client_free(c);
        return NULL;
    }
    set_up(c);
    return c;
}

void client_free(struct client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    curl_slist_free_all(c->headers);
    curl_global_cleanup();
    login_free(&c->login);
    free(c->url);
    free(c);
}

// What asked for a change went out, and the station's answer is missing; a proxy before it says so
// by 502 or 504 (RFC 9110 sections 15.6.3 and 15.6.5).
static bool is_open(const struct client *c, const char *method, CURLcode code)
{
    long sent = 0, status = 0;
    curl_easy_getinfo(c->curl, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    bool lost = code == CURLE_OK ? status == 502 || status == 504 : sent > 0;
    return lost && strcmp(method, "GET") != 0;
}

bool client_is_open(const struct client *c)
{
    return c->open;
}

static int transport_error(const struct client *c, CURLcode code, struct dv_err *err)
{
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return dv_fail(err, DV_UNREACHABLE,
                       "nothing answers at %s; start dvsan-cms there, or name the right address "
                       "in %s",
                       c->url, c->url_source);
    case CURLE_COULDNT_RESOLVE_HOST:
        return dv_fail(err, DV_UNREACHABLE, "the host in %s is not known; correct %s", c->url,
                       c->url_source);
    case CURLE_OPERATION_TIMEDOUT:
        return dv_fail(err, DV_TIMEOUT, "the station at %s did not answer in time%s", c->url,
                       c->open ? MAYBE : "; try again");
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return dv_fail(err, DV_INVALID,
                       "\"%s\" is not a URL of the station; set %s to one such as " DEFAULT_URL,
                       c->url, c->url_source);
    case CURLE_SSL_CONNECT_ERROR:
        return dv_fail(
            err, DV_UNREACHABLE,
            "what answers at %s speaks no TLS that this program can use: dvsan-cms itself "
            "speaks plain HTTP, so without a server for TLS in front of it write http:// "
            "in %s",
            c->url, c->url_source);
    case CURLE_PEER_FAILED_VERIFICATION:
        return dv_fail(
            err, DV_DENIED,
            "the certificate of %s is not one that this machine trusts: add its authority "
            "to those of this machine, or correct the name in %s",
            c->url, c->url_source);
    case CURLE_GOT_NOTHING:
        return dv_fail(err, DV_UNREACHABLE,
                       "what is at %s ends the connection without an answer; is %s right, and is "
                       "it http or https?%s",
                       c->url, c->url_source, c->open ? MAYBE_IT : "");
    default:
        return dv_fail(err, DV_UNREACHABLE, "cannot talk to the station at %s: %s%s", c->url,
                       curl_easy_strerror(code), c->open ? MAYBE : "");
    }
}

static enum dv_code class_by_name(const char *name)
{
    for (int code = 0; name && code < DV_CODES; code++)
        if (strcmp(dv_code_name((enum dv_code)code), name) == 0)
            return (enum dv_code)code;
    return DV_INTERNAL;
}

static int problem(const struct client *c, long status, const json_t *answer, struct dv_err *err)
{
    const char *detail = json_string_value(json_object_get(answer, "detail"));
    const char *code = json_string_value(json_object_get(answer, "code"));
    if (!detail || !code)
        return dv_fail(err, DV_INTERNAL,
                       "%s answered with status %ld, not as a station does; is %s right?", c->url,
                       status, c->url_source);
    if (status == 401)
        return dv_fail(err, DV_DENIED, "%s; check %s%s", detail, c->login.source,
                       c->login.of_station ? ": a station that was started with a new store has "
                                             "another password, and dvsan-cms --init says where"
                                           : "");
    return dv_fail(err, class_by_name(code), "%s", detail);
}

// What a station tells may come from its peers: no character of it steers a terminal.
static void make_printable(json_t *value)
{
    size_t i;
    const char *key;
    json_t *item;
    if (json_is_string(value)) {
        DV_FREE char *text = dv_strdup(json_string_value(value));
        text_make_printable(text);
        json_string_set(value, text);
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, item) make_printable(item);
    } else if (json_is_object(value)) {
        json_object_foreach(value, key, item) make_printable(item);
    }
}

static int read_answer(const struct client *c, const struct strbuf *text, json_t **answer,
                       struct dv_err *err)
{
    long status = 0;
    json_error_t e;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *value = text->len ? json_loadb(text->text, text->len, 0, &e) : NULL;
    int result = 0;
    make_printable(value);
    if (status < 200 || status > 299 || (text->len && !value))
        result = problem(c, status, value, err);
    if (result == 0 && answer)
        *answer = value;
    else
        json_decref(value);
    return result;
}

static int perform(struct client *c, const char *method, const char *path, const char *body,
                   long timeout_ms, json_t **answer, struct dv_err *err)
{
    DV_FREE char *url = dv_printf("%s/api/v1%s", c->url, path);
    struct strbuf text = {0};
    if (answer)
        *answer = NULL;
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &text);
    if (strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0) {
        curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body ? body : "");
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, body ? (long)strlen(body) : 0L);
    } else {
        curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    CURLcode code = curl_easy_perform(c->curl);
    c->open = is_open(c, method, code);
    int result =
        code == CURLE_OK ? read_answer(c, &text, answer, err) : transport_error(c, code, err);
    if (text.text)
        secret_wipe(text.text, text.len);
    strbuf_free(&text);
    return result;
}

int client_request(struct client *c, const char *method, const char *path, const json_t *body,
                   json_t **answer, struct dv_err *err)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    int result = perform(c, method, path, text, ANSWER_MS, answer, err);
    secret_free(text);
    return result;
}

int client_wait(struct client *c, const char *path, uint32_t wait_ms, json_t **answer,
                struct dv_err *err)
{
    return perform(c, "GET", path, NULL, ANSWER_MS + (long)wait_ms, answer, err);
}

char *client_path(const char *before, const char *name, const char *after)
{
    char *escaped = curl_easy_escape(NULL, name, 0);
    char *path = dv_printf("%s%s%s", before, escaped ? escaped : "", after);
    curl_free(escaped);
    return path;
}
