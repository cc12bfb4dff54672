// Hosts: added with a CHAP secret, listed, deleted.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "console/cli/cli.h"
#include "model/chap.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SECRET_CHARS CHAP_SECRET_MAX

// Before the host is added, so that no host is left whose secret nobody has. No newline at the
// end: qemu's secret objects take a file as it is.
static int save_secret(const char *path, const char *secret, struct dv_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return dv_fail(err, DV_EXISTS, "%s exists already; name a new file for --save-secret",
                       path);
    if (fd < 0)
        return dv_fail_errno(err, errno, "cannot make %s", path);
    ssize_t n = write(fd, secret, strlen(secret));
    int result = n == (ssize_t)strlen(secret) && fsync(fd) == 0
                     ? 0
                     : dv_fail_errno(err, n < 0 ? errno : EIO, "cannot write %s", path);
    close(fd);
    if (result < 0)
        unlink(path);
    return result;
}

// Given in a file, or made here.
static int get_secret(const struct cli *cli, char **secret, struct dv_err *err)
{
    const char *given = cli_value(cli, OPT_CHAP_SECRET_FILE);
    if (!given) {
        *secret = dv_calloc(SECRET_CHARS + 1, 1);
        secret_random_text(*secret, SECRET_CHARS);
        return 0;
    }
    if (secret_read_file(given, secret, err) < 0)
        return -1;
    if (chap_secret_check(*secret, err) == 0)
        return 0;
    secret_free(*secret);
    *secret = NULL;
    return -1;
}

// The secret is shown when it was made here and saved nowhere: this is the only time.
static void print_secret_once(const struct cli *cli, json_t *host, const char *secret,
                              const char *done)
{
    const char *name = cli->in->args[0], *saved = cli_value(cli, OPT_SAVE_SECRET);
    bool show = !saved && !cli_value(cli, OPT_CHAP_SECRET_FILE);
    if (cli->json) {
        if (show)
            json_object_set_new(host, "chap_secret", json_string(secret));
        cli_print_json(host);
        return;
    }
    printf("Host %s %s CHAP user %s.\n", name, done,
           json_string_value(json_object_get(host, "chap_user")));
    if (show)
        printf("Its CHAP secret, shown only now: %s\n", secret);
    else if (saved)
        printf("Its CHAP secret is in %s.\n", saved);
}

// Whether the host is there is not known. What could not be read any more is not thrown away.
static void tell_open(const struct cli *cli, const char *saved)
{
    const char *name = cli->in->args[0];
    if (saved)
        cli_warn("if host %s is there (dvsan host show %s), its CHAP secret is in %s", name, name,
                 saved);
    else if (!cli_value(cli, OPT_CHAP_SECRET_FILE))
        cli_warn(
            "if host %s is there (dvsan host show %s), nobody knows its CHAP secret: delete it "
            "and add it again",
            name, name);
}

int host_add(struct cli *cli, struct dv_err *err)
{
    const char *saved = cli_value(cli, OPT_SAVE_SECRET);
    char *secret = NULL;
    if (get_secret(cli, &secret, err) < 0)
        return -1;
    if (saved && save_secret(saved, secret, err) < 0) {
        secret_free(secret);
        return -1;
    }
    json_t *host = NULL;
    json_t *body = cli_body(
        cli, BIT(OPT_IQN) | BIT(OPT_CHAP_USER) | BIT(OPT_ONE_SECRET) | BIT(OPT_DESCRIPTION), err);
    json_object_set_new(body, "name", json_string(cli->in->args[0]));
    json_object_set_new(body, "chap_secret", json_string(secret));
    int result = body ? client_request(cli->client, "POST", "/hosts", body, &host, err) : -1;
    if (result == 0)
        print_secret_once(cli, host, secret, "is added, with");
    else if (client_is_open(cli->client))
        tell_open(cli, saved);
    else if (saved)
        unlink(saved);
    json_decref(body);
    json_decref(host);
    secret_free(secret);
    return result;
}

int host_list(struct cli *cli, struct dv_err *err)
{
    static const struct table_column columns[] = {
        {"NAME", "name", COLUMN_TEXT},
        {"IQN", "iqn", COLUMN_TEXT},
        {"CHAP USER", "chap_user", COLUMN_TEXT},
        {"VOLUMES", "volumes", COLUMN_LIST},
    };
    return cli_list(cli, "hosts", "/hosts", columns, DV_COUNT(columns), err);
}

// Of what is valid beside what the host has; of no units, too, null.
static json_t *of_previous(const json_t *host, const char *which, const char *key)
{
    json_t *value = json_object_get(json_object_get(host, which), key);
    bool none = !value || (json_is_array(value) && json_array_size(value) == 0);
    return none ? json_null() : json_incref(value);
}

static int print_host(struct cli *cli, json_t *host, struct dv_err *err)
{
    static const struct table_column columns[] = {
        {"Name", "name", COLUMN_TEXT},
        {"Description", "description", COLUMN_NOTE},
        {"UUID", "uuid", COLUMN_TEXT},
        {"IQN", "iqn", COLUMN_TEXT},
        {"CHAP user", "chap_user", COLUMN_TEXT},
        {"CHAP secret known", "secret_known", COLUMN_YES},
        {"One secret for all units", "one_secret", COLUMN_YES},
        {"Previous CHAP user, also valid", "previous_user", COLUMN_NOTE},
        {"Since there is another one", "user_since", COLUMN_SINCE},
        {"Units without that one yet", "user_awaited", COLUMN_NOTE},
        {"Previous IQN, also valid", "iqn_before", COLUMN_NOTE},
        {"Since there is another IQN", "iqn_since", COLUMN_SINCE},
        {"Units without that IQN yet", "iqn_awaited", COLUMN_NOTE},
        {"Units that take what has ended", "outdated_units", COLUMN_NOTE},
    };
    static const struct table_column assignments[] = {
        {"VOLUME", "volume", COLUMN_TEXT},    {"UNIT", "unit", COLUMN_TEXT},
        {"STATE", "state", COLUMN_STATE},     {"AS OF", "as_of", COLUMN_TIME},
        {"ERROR", "last_error", COLUMN_NOTE},
    };
    json_object_set_new(host, "previous_user", of_previous(host, "previous", "chap_user"));
    json_object_set_new(host, "user_since", of_previous(host, "previous", "since"));
    json_object_set_new(host, "user_awaited", of_previous(host, "previous", "awaited_units"));
    json_object_set_new(host, "iqn_before", of_previous(host, "previous_iqn", "iqn"));
    json_object_set_new(host, "iqn_since", of_previous(host, "previous_iqn", "since"));
    json_object_set_new(host, "iqn_awaited", of_previous(host, "previous_iqn", "awaited_units"));
    if (json_array_size(json_object_get(host, "outdated_units")) == 0)
        json_object_set_new(host, "outdated_units", json_null());
    table_print_record(stdout, columns, DV_COUNT(columns), host, &cli->style);
    bool known = json_is_true(json_object_get(host, "secret_known"));
    if (!known)
        printf("\nNo unit is told anything of the host until it is added again with its secret: "
               "dvsan host add %s --iqn %s%s --chap-secret-file FILE\n",
               cli->in->args[0], json_string_value(json_object_get(host, "iqn")),
               json_is_true(json_object_get(host, "one_secret")) ? " --one-secret" : "");
    if (known && json_is_object(json_object_get(host, "previous")))
        printf(
            "\nOnce the host has logged in anew, end the previous user with: dvsan host rekey %s "
            "--finish\n",
            cli->in->args[0]);
    if (json_is_object(json_object_get(host, "previous_iqn")))
        printf(
            "\nOnce the host has logged in by its new IQN, end the previous one with: dvsan host "
            "change %s --finish\n",
            cli->in->args[0]);
    if (json_array_size(json_object_get(host, "volumes")) == 0)
        return 0;
    printf("\n");
    DV_FREE char *path = client_path("/assignments?host=", cli->in->args[0], "");
    return cli_list(cli, "volumes", path, assignments, DV_COUNT(assignments), err);
}

int host_show(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/hosts/", cli->in->args[0], "");
    json_t *host;
    if (client_request(cli->client, "GET", path, NULL, &host, err) < 0)
        return -1;
    int result = 0;
    if (cli->json)
        cli_print_json(host);
    else
        result = print_host(cli, host, err);
    json_decref(host);
    return result;
}

// What is made of another file's secret opens nothing, and looks as good.
static int check_secret(const struct cli *cli, const char *secret, struct dv_err *err)
{
    DV_FREE char *path = client_path("/hosts/", cli->in->args[0], "/check-secret");
    json_t *answer, *body = json_pack("{s:s}", "chap_secret", secret);
    int result = client_request(cli->client, "POST", path, body, &answer, err);
    json_decref(body);
    if (result < 0)
        return -1;
    if (json_is_false(json_object_get(answer, "matches")))
        result = dv_fail(err, DV_DENIED,
                         "%s does not hold the CHAP secret of host %s: what is made of it would "
                         "open nothing",
                         cli_value(cli, OPT_CHAP_SECRET_FILE), cli->in->args[0]);
    json_decref(answer);
    return result;
}

// The station knows the secret as well and never tells it: this is computed here.
static int print_secret(const struct cli *cli, const json_t *host, const char *uuid,
                        struct dv_err *err)
{
    char *own = NULL, derived[CHAP_SECRET_MAX + 1];
    struct dv_uuid unit;
    if (!uuid_parse(uuid, &unit))
        return dv_fail(err, DV_INTERNAL, "the station names the unit's UUID as \"%.40s\"", uuid);
    if (secret_read_file(cli_value(cli, OPT_CHAP_SECRET_FILE), &own, err) < 0)
        return -1;
    chap_unit_secret(own, &unit, derived);
    const char *secret = json_is_true(json_object_get(host, "one_secret")) ? own : derived;
    int result = chap_secret_check(own, err);
    if (result == 0)
        result = check_secret(cli, own, err);
    if (result == 0 && cli->json) {
        json_t *o = json_pack("{s:s}", "chap_secret", secret);
        cli_print_json(o);
        json_decref(o);
    } else if (result == 0) {
        printf("%s\n", secret);
    }
    secret_wipe(derived, sizeof(derived));
    secret_free(own);
    return result;
}

int host_secret(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *host_path = client_path("/hosts/", cli->in->args[0], "");
    DV_FREE char *unit_path = client_path("/units/", cli_value(cli, OPT_UNIT), "");
    json_t *host = NULL, *unit = NULL;
    int result = client_request(cli->client, "GET", host_path, NULL, &host, err);
    if (result == 0)
        result = client_request(cli->client, "GET", unit_path, NULL, &unit, err);
    const char *uuid = json_string_value(json_object_get(unit, "uuid"));
    if (result == 0)
        result = print_secret(cli, host, uuid ? uuid : "", err);
    json_decref(host);
    json_decref(unit);
    return result;
}

// Where who knows what has ended gets in until the unit has been told.
static void print_untold(const struct cli *cli, const json_t *host)
{
    DV_FREE char *units = cli_names(json_object_get(host, "untold_units"));
    if (*units)
        cli_warn("what has ended opens volumes of %s as before, until it is back, since it cannot "
                 "be told now: dvsan host show %s names such units",
                 units, cli->in->args[0]);
}

static int finish_rekey(struct cli *cli, struct dv_err *err)
{
    bool now = cli_flag(cli, OPT_NOW);
    if (cli_flag(cli, OPT_PER_UNIT) || cli_value(cli, OPT_CHAP_SECRET_FILE) ||
        cli_value(cli, OPT_SAVE_SECRET))
        return dv_fail(err, DV_INVALID,
                       "--finish gives no new secret: leave out --per-unit, --chap-secret-file and "
                       "--save-secret");
    DV_FREE char *question =
        dv_printf("End the previous CHAP user of host %s also where a unit does "
                  "not have the new one? Its sessions there end.",
                  cli->in->args[0]);
    if (now && cli_confirm(cli, question, err) < 0)
        return -1;
    DV_FREE char *path = client_path("/hosts/", cli->in->args[0], "/finish-rekey");
    json_t *host = NULL, *body = cli_body(cli, BIT(OPT_NOW), err);
    int result = client_request(cli->client, "POST", path, body, &host, err);
    if (result == 0 && cli->json)
        cli_print_json(host);
    else if (result == 0)
        printf("Host %s has CHAP user %s alone.\n", cli->in->args[0],
               json_string_value(json_object_get(host, "chap_user")));
    if (result == 0)
        print_untold(cli, host);
    json_decref(body);
    json_decref(host);
    return result;
}

// Whether the host has the new user is not known. With --now that is all that it has.
static void tell_open_rekey(const struct cli *cli, const char *secret)
{
    const char *name = cli->in->args[0], *saved = cli_value(cli, OPT_SAVE_SECRET);
    const char *given = cli_value(cli, OPT_CHAP_SECRET_FILE);
    if (saved || given)
        cli_warn("if host %s has another CHAP user now (dvsan host show %s), the secret of that is "
                 "in %s",
                 name, name, saved ? saved : given);
    else
        cli_warn("if host %s has another CHAP user now (dvsan host show %s), the secret of that, "
                 "shown only now, is: %s",
                 name, name, secret);
}

static int give_secret(struct cli *cli, const char *secret, struct dv_err *err)
{
    bool now = cli_flag(cli, OPT_NOW);
    const char *name = cli->in->args[0], *saved = cli_value(cli, OPT_SAVE_SECRET);
    DV_FREE char *path = client_path("/hosts/", name, "/rekey");
    json_t *host = NULL;
    json_t *body = cli_body(cli, BIT(OPT_NOW) | BIT(OPT_PER_UNIT), err);
    json_object_set_new(body, "chap_secret", json_string(secret));
    int result = client_request(cli->client, "POST", path, body, &host, err);
    json_decref(body);
    if (result < 0) {
        if (client_is_open(cli->client))
            tell_open_rekey(cli, secret);
        else if (saved)
            unlink(saved);
        return -1;
    }
    const json_t *previous = json_object_get(json_object_get(host, "previous"), "chap_user");
    print_secret_once(cli, host, secret, "has another secret now, as");
    if (!cli->json && !now)
        printf("CHAP user %s stays valid beside it. Let the host log in anew with what dvsan host "
               "connect-info %s prints, then end that: dvsan host rekey %s --finish\n",
               json_string_value(previous), name, name);
    print_untold(cli, host);
    json_decref(host);
    return 0;
}

int host_rekey(struct cli *cli, struct dv_err *err)
{
    const char *saved = cli_value(cli, OPT_SAVE_SECRET);
    char *secret = NULL;
    if (cli_flag(cli, OPT_FINISH))
        return finish_rekey(cli, err);
    DV_FREE char *question =
        dv_printf("Give host %s another CHAP user at once? Its sessions end, and "
                  "it must log in with the new secret.",
                  cli->in->args[0]);
    if (cli_flag(cli, OPT_NOW) && cli_confirm(cli, question, err) < 0)
        return -1;
    if (get_secret(cli, &secret, err) < 0)
        return -1;
    int result = saved ? save_secret(saved, secret, err) : 0;
    if (result == 0)
        result = give_secret(cli, secret, err);
    secret_free(secret);
    return result;
}

int host_delete(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/hosts/", cli->in->args[0], "");
    json_t *host;
    if (client_request(cli->client, "GET", path, NULL, &host, err) < 0)
        return -1;
    DV_FREE char *volumes = cli_names(json_object_get(host, "volumes"));
    DV_FREE char *question =
        dv_printf("Delete host %s%s%s? Its CHAP secret is gone then.", cli->in->args[0],
                  *volumes ? ", which has the volumes " : "", volumes);
    int result = cli_confirm(cli, question, err) < 0
                     ? -1
                     : client_request(cli->client, "DELETE", path, NULL, NULL, err);
    if (result == 0 && cli->json)
        cli_print_json(host);
    else if (result == 0)
        printf("Host %s is deleted.\n", cli->in->args[0]);
    json_decref(host);
    return result;
}
