// Setting a machine up: what is asked, what is guessed, and texts with places to fill in.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/setup.h"

#include "base/address.h"
#include "base/mem.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// One line, without blanks at its ends; NULL when input ended.
static char *read_answer(void)
{
    char line[1024];
    if (!fgets(line, sizeof(line), stdin))
        return NULL;
    char *start = line + strspn(line, " \t\n");
    size_t len = strlen(start);
    while (len && strchr(" \t\n", start[len - 1]))
        start[--len] = '\0';
    return dv_strdup(start);
}

static int ask_person(const struct setup_question *q, char **out, struct dv_err *err)
{
    struct dv_err why;
    for (;;) {
        if (q->guess)
            printf("%s [%s]: ", q->text, q->guess);
        else
            printf("%s: ", q->text);
        fflush(stdout);
        char *answer = read_answer();
        if (!answer)
            return dv_fail(err, DV_INVALID, "input ended before %s was answered", q->option);
        if (!*answer && q->guess) {
            free(answer);
            answer = dv_strdup(q->guess);
        }
        if (*answer && (!q->check || q->check(answer, &why) == 0)) {
            *out = answer;
            return 0;
        }
        if (*answer)
            printf("No: %s.\n", why.text);
        free(answer);
    }
}

int setup_ask(const struct setup *s, const struct setup_question *q, char **out, struct dv_err *err)
{
    struct dv_err why;
    *out = NULL;
    if (!q->given && s->asks)
        return ask_person(q, out, err);
    const char *answer = q->given ? q->given : q->guess;
    if (!answer)
        return dv_fail(err, DV_INVALID, "%s is missing, and cannot be guessed: %s", q->option,
                       q->text);
    if (q->check && q->check(answer, &why) < 0)
        return dv_fail(err, why.code, "%s: %s", q->option, why.text);
    *out = dv_strdup(answer);
    return 0;
}

// Nothing is sent by that.
static char *address_towards(const char *station)
{
    DV_FREE char *udp = dv_printf(strchr(station, '[') ? "udp6:%s" : "udp:%s", station);
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *list = NULL;
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    char text[NI_MAXHOST] = "";
    struct transport t;
    if (transport_check(udp, ADDRESS_OF_HOST, NULL) < 0)
        return NULL;
    transport_split(udp, &t);
    if (getaddrinfo(t.host, *t.port ? t.port : "1162", &hints, &list) != 0)
        return NULL;
    int fd = socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && connect(fd, list->ai_addr, list->ai_addrlen) == 0 &&
                getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
                getnameinfo((struct sockaddr *)&own, len, text, sizeof(text), NULL, 0,
                            NI_NUMERICHOST) == 0 &&
                setup_check_address(text, NULL) == 0;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(list);
    return good ? dv_strdup(text) : NULL;
}

char *setup_guess_address(const struct setup *s, const char *station, char **all)
{
    struct ifaddrs *list = NULL;
    struct strbuf found = {0};
    char text[INET6_ADDRSTRLEN];
    size_t count = 0;
    if (*s->root || getifaddrs(&list) != 0)
        list = NULL;
    for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
        int family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;
        if ((family != AF_INET && family != AF_INET6) || a->ifa_flags & IFF_LOOPBACK)
            continue;
        const void *raw =
            family == AF_INET
                ? (const void *)&((const struct sockaddr_in *)a->ifa_addr)->sin_addr
                : (const void *)&((const struct sockaddr_in6 *)a->ifa_addr)->sin6_addr;
        if (address_wrong(raw, family == AF_INET ? 4 : 16, ADDRESS_OF_HOST) ||
            !inet_ntop(family, raw, text, sizeof(text)))
            continue;
        strbuf_add(&found, "%s%s", count++ ? ", " : "", text);
    }
    if (list)
        freeifaddrs(list);
    *all = found.text ? found.text : dv_strdup("");
    char *towards = station && !*s->root ? address_towards(station) : NULL;
    return towards ? towards : count == 1 ? dv_strdup(*all) : NULL;
}

char *setup_guess_name(const struct setup *s)
{
    char name[256];
    if (*s->root || gethostname(name, sizeof(name)) != 0)
        return NULL;
    name[sizeof(name) - 1] = '\0';
    name[strcspn(name, ".")] = '\0';
    return setup_check_name(name, NULL) == 0 ? dv_strdup(name) : NULL;
}

int setup_check_address(const char *text, struct dv_err *err)
{
    char usual[INET6_ADDRSTRLEN];
    return address_check(text, ADDRESS_OF_HOST, usual, err);
}

int setup_check_name(const char *text, struct dv_err *err)
{
    return new_name_check("the", text, err); // "the name ..."
}

void setup_differs(struct strbuf *told, const char *option, const char *given, const char *has)
{
    strbuf_add(told, "%s%s %s (the file says %s)", told->len ? ", " : "", option, given, has);
}

int setup_judge_kept(const struct strbuf *told, const char *path, struct dv_err *err)
{
    if (told->len == 0)
        return 0;
    return dv_fail(
        err, DV_CONFLICT,
        "not applied: %s. --init changes no file that is there: leave these options out, "
        "or change %s",
        told->text, path);
}

// Appends a line with its words filled in; false when one is not known.
static bool fill_line(struct strbuf *out, const char *line, size_t len,
                      const struct setup_word *words, size_t count)
{
    const char *end = line + len;
    while (line < end) {
        const char *at = memchr(line, '@', (size_t)(end - line));
        const char *close = at ? memchr(at + 1, '@', (size_t)(end - at - 1)) : NULL;
        strbuf_addn(out, line, (size_t)((close ? at : end) - line));
        if (!close)
            return true;
        size_t i = 0, word = (size_t)(close - at - 1);
        while (i < count &&
               (strlen(words[i].word) != word || strncmp(words[i].word, at + 1, word) != 0))
            i++;
        if (i < count) {
            strbuf_add(out, "%s", words[i].value);
            line = close + 1;
        } else if (word > 0 && strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == word) {
            return false;
        } else { // no word at all, as in "the words between @ signs"
            strbuf_addn(out, at, 1);
            line = at + 1;
        }
    }
    return true;
}

char *setup_fill(const char *text, const struct setup_word *words, size_t count)
{
    struct strbuf out = {0};
    strbuf_add(&out, "%s", "");
    while (*text) {
        size_t len = strcspn(text, "\n") + (strchr(text, '\n') ? 1 : 0), before = out.len;
        if (!fill_line(&out, text, len, words, count)) {
            out.len = before;
            out.text[before] = '\0';
        }
        text += len;
    }
    return out.text;
}

char *setup_quote(const char *text)
{
    struct strbuf out = {0};
    strbuf_add(&out, "%s", "");
    for (; *text; text++) {
        const char *as = *text == '&'   ? "&amp;"
                         : *text == '<' ? "&lt;"
                         : *text == '"' ? "&quot;"
                                        : NULL;
        if (as)
            strbuf_add(&out, "%s", as);
        else
            strbuf_addn(&out, text, 1);
    }
    return out.text;
}
