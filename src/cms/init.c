// Setting up the machine of the station.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/init.h"

#include "base/address.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "cms/cms.h"
#include "cms/core/auth.h"
#include "config/cms_config.h"
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#define USER     "dvsan"
#define PASSWORD "/etc/dvsan/admin-password" // also where dvsan(1) looks for it

static int make_config(const struct setup *s, const char *path, const struct station_answers *a,
                       struct dv_err *err)
{
    DV_FREE char *all = NULL;
    DV_FREE char *guess_name = setup_guess_name(s);
    DV_FREE char *guess = setup_guess_address(s, NULL, &all);
    DV_FREE char *name = NULL;
    DV_FREE char *address = NULL;
    DV_FREE char *text = dv_printf(*all && !guess ? "The address of this machine for units, one of "
                                                    "%s"
                                                  : "The address of this machine for units",
                                   all);
    struct setup_question of_name = {.option = "--name",
                                     .text = "The name of the station",
                                     .given = a->name,
                                     .guess = guess_name,
                                     .check = setup_check_name};
    struct setup_question of_address = {.option = "--address",
                                        .text = text,
                                        .given = a->address,
                                        .guess = guess,
                                        .check = setup_check_address};
    if (setup_ask(s, &of_name, &name, err) < 0 || setup_ask(s, &of_address, &address, err) < 0)
        return -1;
    bool six = strchr(address, ':') != NULL;
    DV_FREE char *xml =
        dv_printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                  "<!-- Made by dvsan-cms, and yours to change: dvsan-cms.xml of the examples in\n"
                  "     /usr/share/doc/dvsan explains all that can be said here. -->\n"
                  "<cms name=\"%s\" state-dir=\"/var/lib/dvsan/cms\">\n"
                  "  <http address=\"127.0.0.1\" port=\"8480\"/>\n"
                  "  <snmp listen=\"%s%s%s:1162\"/>\n"
                  "</cms>\n",
                  name, six ? "udp6:[" : "udp:", address, six ? "]" : "");
    return setup_make(s, path, xml, 0640, NULL, USER, err) < 0 ? -1 : 0;
}

// A configuration that is there stays, so what the options say must be what it says.
static int check_kept(const struct cms_config *config, const char *path,
                      const struct station_answers *a, struct dv_err *err)
{
    struct strbuf told = {0};
    struct transport t;
    char usual[INET6_ADDRSTRLEN];
    transport_split(config->snmp.listen, &t);
    if ((a->name && setup_check_name(a->name, err) < 0) ||
        (a->address && address_check(a->address, ADDRESS_OF_HOST, usual, err) < 0))
        return -1;
    if (a->name && strcmp(a->name, config->name) != 0)
        setup_differs(&told, "--name", a->name, config->name);
    if (a->address && strcmp(usual, t.host) != 0)
        setup_differs(&told, "--address", a->address, config->snmp.listen);
    int rc = setup_judge_kept(&told, path, err);
    strbuf_free(&told);
    return rc;
}

static bool is_password(const struct setup *s, const char *file)
{
    DV_FREE char *at = setup_path(s, PASSWORD);
    char *given = NULL, *has = NULL;
    bool same = secret_read_file(file, &given, NULL) == 0 &&
                secret_read_file(at, &has, NULL) == 0 && secret_equal(given, has);
    secret_free(given);
    secret_free(has);
    return same;
}

// A station that was started without a password drew one, as with a new store in the place of a
// lost one; root must not take it over unasked from a folder that is not root's.
static void tell_drawn(const struct setup *s, const struct cms_config *config)
{
    DV_FREE char *drawn = dv_printf("%s/" AUTH_DRAWN_PASSWORD, config->state_dir);
    DV_FREE char *at = setup_path(s, drawn);
    DV_FREE char *to = setup_path(s, PASSWORD);
    if (setup_has(s, drawn))
        printf("The station drew a password when it was started without one. If dvsan says that "
               "the password is wrong:\n  install -m 600 %s %s && rm %s\n",
               at, to, at);
}

// The same password for root, who types commands, and for the station, which takes it at its first
// start and removes its file.
static int make_password(const struct setup *s, const struct cms_config *config,
                         const char *password_file, struct dv_err *err)
{
    DV_FREE char *store = dv_printf("%s/pool.db", config->state_dir);
    DV_FREE char *first = dv_printf("%s/" AUTH_FIRST_PASSWORD, config->state_dir);
    char *password = NULL;
    if (setup_has(s, store)) {
        if (password_file && setup_has(s, PASSWORD) && !is_password(s, password_file))
            return dv_fail(err, DV_CONFLICT,
                           "not applied: --password-file. The station has a password already, "
                           "which is in " PASSWORD ": leave the option out");
        printf("kept the admin's password, as the station was started before\n");
        tell_drawn(s, config);
        return 0;
    }
    int rc;
    if (password_file && !setup_has(s, PASSWORD))
        rc = secret_read_file(password_file, &password, err);
    else
        rc = setup_secret(s, PASSWORD, &password, err);
    char *line = rc == 0 ? dv_printf("%s\n", password) : NULL;
    if (rc == 0 && password_file)
        rc = setup_make(s, PASSWORD, line, 0600, NULL, NULL, err);
    if (rc >= 0)
        rc = setup_make(s, first, line, 0600, USER, USER, err);
    secret_free(line);
    secret_free(password);
    return rc < 0 ? -1 : 0;
}

static int start(const struct setup *s, struct dv_err *err)
{
    if (*s->root)
        return 0;
    if (!setup_runs_services(s)) {
        printf("Start it as the user " USER ":\n  dvsan-cms &\n");
        return 0;
    }
    if (setup_systemctl(s, (const char *const[]){"daemon-reload", NULL}, err) < 0 ||
        setup_systemctl(s, (const char *const[]){"enable", "dvsan-cms.service", NULL}, err) < 0 ||
        setup_systemctl(s, (const char *const[]){"start", "dvsan-cms.service", NULL}, err) < 0)
        return -1;
    printf("The station runs.\n");
    return 0;
}

int init_station(const struct setup *s, const char *path, const struct station_answers *answers,
                 struct dv_err *err)
{
    DV_FREE char *at = setup_path(s, path);
    if (setup_check_user(s, USER, err) < 0)
        return -1;
    bool kept = setup_has(s, path);
    if (kept)
        printf("kept %s, so the station stays as it says\n", at);
    else if (make_config(s, path, answers, err) < 0)
        return -1;
    struct cms_config *config = cms_config_load(at, err);
    if (!config)
        return -1;
    DV_FREE char *above = dv_strdup(config->state_dir);
    int rc = (kept && check_kept(config, at, answers, err) < 0) ||
                     setup_folder(s, dirname(above), 0755, NULL, err) < 0 ||
                     setup_folder(s, config->state_dir, 0700, USER, err) < 0
                 ? -1
                 : make_password(s, config, answers->password_file, err);
    if (rc == 0)
        rc = start(s, err);
    if (rc == 0)
        printf("Next, for each unit: dvsan unit add NAME, and on the unit the line that this "
               "prints.\n");
    cms_config_free(config);
    return rc;
}
