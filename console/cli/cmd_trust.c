// How far a unit is believed: accepting, quarantining and revoking it; and its keys.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "console/cli/cli.h"
#include "console/cli/connect.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_MAX 8192 // bytes

static void print_told(const json_t *unit, const char *done)
{
    DV_FREE char *hosts = cli_names(json_object_get(unit, "shared_secrets"));
    DV_FREE char *units = cli_names(json_object_get(unit, "shared_keys"));
    printf("Unit %s is %s.\n", connect_text(unit, "name"), done);
    if (*units)
        printf("It knows the pass-phrases that units share, which read and change %s, and speak "
               "for them, until these are enrolled, too: do that now: dvsan unit add --again "
               "UNIT.\n",
               units);
    if (*hosts)
        printf("It knew the one secret of %s, which opens volumes on other units, too: give such "
               "hosts others: dvsan host rekey HOST --per-unit, and --finish soon.\n",
               hosts);
}

static int tell(struct cli *cli, const char *verb, const char *done, struct dv_err *err)
{
    DV_FREE char *path = client_path("/units/", cli->in->args[0], verb);
    json_t *unit;
    if (client_request(cli->client, "POST", path, NULL, &unit, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(unit);
    else
        print_told(unit, done);
    json_decref(unit);
    return 0;
}

int unit_accept(struct cli *cli, struct dv_err *err)
{
    return tell(cli, "/accept", "accepted", err);
}

int unit_quarantine(struct cli *cli, struct dv_err *err)
{
    return tell(cli, "/quarantine",
                "quarantined: hosts go on using its volumes; dvsan unit accept ends that", err);
}

int unit_revoke(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/units/", cli->in->args[0], "");
    json_t *unit;
    if (client_request(cli->client, "GET", path, NULL, &unit, err) < 0)
        return -1;
    bool own = json_integer_value(json_object_get(unit, "key_number")) > 0;
    DV_FREE char *question = dv_printf(
        "Revoke unit %s? %s, and it comes back only with a new code that is typed on it.",
        connect_text(unit, "name"),
        own ? "Its keys open nothing any more"
            : "It knows the pass-phrases that units share, which go on opening each unit that is "
              "not enrolled");
    json_decref(unit);
    if (cli_confirm(cli, question, err) < 0)
        return -1;
    return tell(cli, "/revoke", "revoked: dvsan unit add --again gives it new keys", err);
}

int unit_rekey(struct cli *cli, struct dv_err *err)
{
    const char *name = cli->in->args[0];
    DV_FREE char *path = client_path("/units/", name, "/rekey");
    bool now = cli_flag(cli, OPT_NOW), waited;
    json_t *body = json_pack("{s:b}", "now", now);
    int rc = cli_do_task(cli, "POST", path, body, true, &waited, err);
    json_decref(body);
    if (rc < 0)
        return -1;
    if (waited && !cli->json)
        printf("Unit %s has other keys; those of before %s.\n", name,
               now ? "open nothing any more" : "are good until the next change");
    return 0;
}

static json_t *read_request(const char *path, struct dv_err *err)
{
    DV_FREE char *text = NULL;
    size_t len;
    if (file_read(path, REQUEST_MAX, &text, &len, err) < 0)
        return NULL;
    json_t *body = json_loads(text, 0, NULL);
    if (!json_is_object(body))
        (void)dv_fail(err, DV_INVALID,
                      "%s is not what dvsan-unit --identity-request prints on the unit", path);
    return body;
}

// Before the unit is let in, so that none is whose keys nobody has.
static int make_file(const char *path, struct dv_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return dv_fail_errno(err, errno, "cannot make %s as a new file for the identity", path);
    return fd;
}

static int write_identity(int fd, const char *path, const json_t *identity, struct dv_err *err)
{
    char *text = json_dumps(identity, JSON_INDENT(1));
    size_t len = strlen(text);
    ssize_t n = write(fd, text, len);
    int rc = n == (ssize_t)len && fsync(fd) == 0
                 ? 0
                 : dv_fail_errno(err, n < 0 ? errno : EIO, "cannot write %s", path);
    secret_free(text);
    return rc;
}

// The keys were in the answer alone; other ones are made for who asks again.
static void tell_lost(const struct cli *cli)
{
    if (cli_flag(cli, OPT_AGAIN))
        cli_warn("the unit may have other keys by now, which nobody has: run this command again, "
                 "and it gets others");
    else
        cli_warn("the unit may be in the pool by now, and nobody has its identity: run this "
                 "command again, with --again when it says that the unit is enrolled already");
}

int unit_import(struct cli *cli, struct dv_err *err)
{
    const char *path = cli->in->args[1];
    json_t *identity = NULL, *body = read_request(cli->in->args[0], err);
    int fd = json_is_object(body) ? make_file(path, err) : -1;
    int rc = fd < 0 ? -1
                    : client_request(cli->client, "POST",
                                     cli_flag(cli, OPT_AGAIN) ? "/units?again=true" : "/units",
                                     body, &identity, err);
    bool lost = fd >= 0 && rc < 0 && client_is_open(cli->client);
    if (rc == 0) {
        rc = write_identity(fd, path, identity, err);
        lost = rc < 0;
    }
    if (lost)
        tell_lost(cli);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && rc < 0)
        unlink(path);
    if (rc == 0)
        printf("The identity of unit %s is in %s. On the unit, while its snmpd and dvsan-unit are "
               "stopped:\n\n  dvsan-unit --identity %s\n",
               connect_text(identity, "name"), path, path);
    json_decref(body);
    json_decref(identity);
    return rc;
}
