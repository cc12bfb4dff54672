// Setting up the machine of a unit.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/init.h"

#include "base/address.h"
#include "base/mem.h"
#include "base/random.h"
#include "snmp-agents/unit/init_parts.h"
#include <ctype.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MEDIA_FOLDER "/srv/dvsan"
#define FIRST_FOLDER MEDIA_FOLDER "/pool0"
#define GIB          (UINT64_C(1) << 30)
#define MIB          (UINT64_C(1) << 20)

// ---- The configuration ------------------------------------------------------------------------

static int check_medium(const char *path, struct dv_err *err)
{
    if (*path != '/')
        return dv_fail(err, DV_INVALID,
                       "\"%s\" is neither a folder nor a disk: write a path that begins with /, "
                       "such as " FIRST_FOLDER,
                       path);
    for (const char *c = path; *c; c++)
        if (iscntrl((unsigned char)*c))
            return dv_fail(err, DV_INVALID,
                           "\"%s\" cannot be a medium: its path has a control character", path);
    return 0;
}

static bool is_disk(const struct setup *s, const char *path)
{
    DV_FREE char *at = setup_path(s, path);
    struct stat st;
    return stat(at, &st) == 0 && (S_ISBLK(st.st_mode) || S_ISREG(st.st_mode));
}

// Nine tenths of what is free where the folder is, or will be.
static void guess_size(const struct setup *s, const char *folder, char out[SIZE_TEXT_ROOM])
{
    DV_FREE char *at = setup_path(s, folder);
    struct statvfs fs;
    while (statvfs(at, &fs) != 0 && strcmp(at, "/") != 0)
        dirname(at);
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize / 10 * 9;
    bytes -= bytes % (bytes > 4 * GIB ? GIB : MIB);
    size_format(bytes > MIB ? bytes : MIB, out, SIZE_TEXT_ROOM);
}

static int check_size(const char *text, struct dv_err *err)
{
    uint64_t bytes;
    return size_parse(text, &bytes, err);
}

static int add_medium(const struct setup *s, const struct unit_answers *a, struct strbuf *xml,
                      size_t at, const char *path, struct dv_err *err)
{
    DV_FREE char *quoted = setup_quote(path);
    strbuf_add(xml, "    <medium index=\"%zu\" name=\"pool%zu\" ", at + 1, at);
    if (is_disk(s, path)) {
        strbuf_add(xml, "kind=\"disk\" path=\"%s\" initialise=\"yes\"/>\n", quoted);
        return 0;
    }
    char guess[SIZE_TEXT_ROOM];
    DV_FREE char *text = dv_printf("How much of %s is for volumes", path);
    DV_FREE char *size = NULL;
    guess_size(s, path, guess);
    struct setup_question q = {.option = "--size",
                               .text = text,
                               .given = a->size,
                               .guess = *s->root ? NULL : guess,
                               .check = check_size};
    if (setup_ask(s, &q, &size, err) < 0)
        return -1;
    strbuf_add(xml, "kind=\"dir\" path=\"%s\" size=\"%s\"/>\n", quoted, size);
    return 0;
}

static int add_media(const struct setup *s, const struct unit_answers *a, struct strbuf *xml,
                     struct dv_err *err)
{
    if (a->media_count == 0) {
        DV_FREE char *path = NULL;
        struct setup_question q = {.option = "--media",
                                   .text =
                                       "The folder or disk (/dev/disk/by-id/...) where volumes lie",
                                   .guess = FIRST_FOLDER,
                                   .check = check_medium};
        return setup_ask(s, &q, &path, err) < 0 ? -1 : add_medium(s, a, xml, 0, path, err);
    }
    for (size_t i = 0; i < a->media_count; i++)
        if (check_medium(a->media[i], err) < 0 || add_medium(s, a, xml, i, a->media[i], err) < 0)
            return -1;
    return 0;
}

static int add_place(const struct setup *s, const struct unit_answers *a, struct strbuf *xml,
                     struct dv_err *err)
{
    char engine[2 * 12 + 1];
    uint8_t random[12];
    DV_FREE char *all = NULL;
    DV_FREE char *guess = setup_guess_address(s, a->station, &all);
    DV_FREE char *address = NULL;
    DV_FREE char *text = dv_printf(*all && !guess ? "The address of this machine for hosts and the "
                                                    "station, one of %s"
                                                  : "The address of this machine for hosts and the "
                                                    "station",
                                   all);
    struct setup_question q = {.option = "--address",
                               .text = text,
                               .given = a->address,
                               .guess = guess,
                               .check = setup_check_address};
    if (setup_ask(s, &q, &address, err) < 0)
        return -1;
    random_fill(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(engine + 2 * i, 3, "%02x", random[i]);
    bool six = strchr(address, ':') != NULL;
    strbuf_add(xml,
               "  <portals>\n"
               "    <portal index=\"1\" address=\"%s\"/>\n"
               "  </portals>\n"
               "  <tgtd socket=\"/run/dvsan/tgtd\"/>\n"
               "  <snmp agentx=\"/run/agentx/master\" management-address=\"%s%s%s:161\"\n"
               "        engine-id=\"80001f8805%s\"/>\n",
               address, six ? "udp6:[" : "udp:", address, six ? "]" : "", engine);
    return 0;
}

static const struct medium_config *medium_at(const struct unit_config *config, const char *path)
{
    for (size_t i = 0; i < config->media_count; i++)
        if (strcmp(config->media[i].path, path) == 0)
            return &config->media[i];
    return NULL;
}

static bool has_address(const struct unit_config *config, const char *address)
{
    for (size_t i = 0; i < config->portal_count; i++)
        if (strcmp(config->portals[i].address, address) == 0)
            return true;
    return false;
}

static void judge_media(const struct unit_config *config, const struct unit_answers *a,
                        uint64_t bytes, struct strbuf *told)
{
    char size[SIZE_TEXT_ROOM];
    for (size_t i = 0; i < a->media_count; i++)
        if (!medium_at(config, a->media[i]))
            setup_differs(told, "--media", a->media[i], "nothing of it");
    for (size_t i = 0; a->size && i < config->media_count; i++)
        if (config->media[i].bytes > 0 && config->media[i].bytes != bytes) {
            size_format(config->media[i].bytes, size, sizeof(size));
            setup_differs(told, "--size", a->size, size);
            break;
        }
}

// A configuration that is there stays, so what the options say must be what it says.
static int check_kept(const struct unit_config *config, const char *path,
                      const struct unit_answers *a, struct dv_err *err)
{
    struct strbuf told = {0};
    char usual[INET6_ADDRSTRLEN];
    uint64_t bytes = 0;
    if ((a->name && setup_check_name(a->name, err) < 0) ||
        (a->address && address_check(a->address, ADDRESS_OF_HOST, usual, err) < 0) ||
        (a->size && size_parse(a->size, &bytes, err) < 0))
        return -1;
    for (size_t i = 0; i < a->media_count; i++)
        if (check_medium(a->media[i], err) < 0)
            return -1;
    if (a->name && strcmp(a->name, config->member.name) != 0)
        setup_differs(&told, "--name", a->name, config->member.name);
    if (a->address && !has_address(config, usual))
        setup_differs(&told, "--address", a->address,
                      *config->portals[0].address ? config->portals[0].address
                                                  : config->portals[0].interface);
    judge_media(config, a, bytes, &told);
    int rc = setup_judge_kept(&told, path, err);
    strbuf_free(&told);
    return rc;
}

static int make_config(const struct setup *s, const char *path, const struct unit_answers *a,
                       struct dv_err *err)
{
    struct strbuf xml = {0};
    DV_FREE char *guess = setup_guess_name(s);
    DV_FREE char *name = NULL;
    struct setup_question q = {.option = "--name",
                               .text = "The name of this unit",
                               .given = a->name,
                               .guess = guess,
                               .check = setup_check_name};
    int rc = setup_ask(s, &q, &name, err);
    strbuf_add(&xml,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<!-- Made by dvsan-unit, and yours to change: dvsan-unit.xml of the examples "
               "in\n     /usr/share/doc/dvsan explains all that can be said here. -->\n"
               "<unit name=\"%s\" state-dir=\"/var/lib/dvsan/unit\">\n  <media>\n",
               name ? name : "");
    if (rc == 0)
        rc = add_media(s, a, &xml, err);
    strbuf_add(&xml, "  </media>\n");
    if (rc == 0)
        rc = add_place(s, a, &xml, err);
    strbuf_add(&xml, "</unit>\n");
    if (rc == 0)
        rc = setup_make(s, path, xml.text, 0640, NULL, INIT_USER, err);
    strbuf_free(&xml);
    return rc < 0 ? -1 : 0;
}

// ---- systemd ----------------------------------------------------------------------------------

static bool is_elsewhere(const char *path)
{
    return strncmp(path, MEDIA_FOLDER "/", sizeof(MEDIA_FOLDER)) != 0;
}

// systemd splits at blanks, and takes % for the beginning of a specifier.
static void add_path(struct strbuf *out, const char *path)
{
    strbuf_add(out, "ReadWritePaths=\"-");
    for (const char *c = path; *c; c++)
        strbuf_add(out, "%s%c", *c == '%' ? "%" : strchr("\"\\", *c) ? "\\" : "", *c);
    strbuf_add(out, "\"\n");
}

// What the services' sandboxes must let through to the media.
static int make_drop_ins(const struct setup *s, const struct unit_config *config,
                         struct dv_err *err)
{
    static const char *const services[] = {"dvsan-unit", "dvsan-tgtd@"};
    struct strbuf folders = {0};
    bool disks = false;
    strbuf_add(&folders, "# Media that are not below " MEDIA_FOLDER ".\n[Service]\n");
    size_t none = folders.len;
    for (size_t i = 0; i < config->media_count; i++) {
        const struct medium_config *m = &config->media[i];
        disks = disks || m->kind == MEDIUM_DISK || m->kind == MEDIUM_DEVICE;
        if (m->kind != MEDIUM_RBD && is_elsewhere(m->path) && strncmp(m->path, "/dev/", 5) != 0)
            add_path(&folders, m->path);
    }
    int rc = setup_make(s, INIT_UNITS "/snmpd.service.d/dvsan.conf",
                        (const char *)setup_text_snmpd_service.text, 0644, NULL, NULL, err);
    for (size_t i = 0; rc >= 0 && i < DV_COUNT(services); i++) {
        DV_FREE char *media = dv_printf(INIT_UNITS "/%s.service.d/media.conf", services[i]);
        DV_FREE char *disk = dv_printf(INIT_UNITS "/%s.service.d/disks.conf", services[i]);
        if (folders.len > none)
            rc = setup_make(s, media, folders.text, 0644, NULL, NULL, err);
        if (rc >= 0 && disks)
            rc = setup_make(s, disk, (const char *)setup_text_disks.text, 0644, NULL, NULL, err);
    }
    strbuf_free(&folders);
    return rc < 0 ? -1 : 0;
}

// The services that the unit has, in the order in which they start.
static size_t services_of(const struct unit_config *config, const char *verb,
                          char names[UNIT_GROUPS_MAX][32], const char **words)
{
    size_t count = 0;
    words[count++] = verb;
    words[count++] = "snmpd.service";
    for (uint32_t i = 0; !config->tgtd.supervise && i < config->tgtd.instances; i++) {
        snprintf(names[i], sizeof(names[i]), "dvsan-tgtd@%u.service",
                 unit_config_control_port(config, i + 1));
        words[count++] = names[i];
    }
    words[count++] = "dvsan-unit.service";
    words[count] = NULL;
    return count;
}

static int systemctl_all(const struct setup *s, const struct unit_config *config, const char *verb,
                         struct dv_err *err)
{
    char names[UNIT_GROUPS_MAX][32];
    const char *words[UNIT_GROUPS_MAX + 4];
    services_of(config, verb, names, words);
    return setup_systemctl(s, words, err);
}

int init_hold_services(const struct setup *s, struct dv_err *err)
{
    return setup_systemctl(
        s, (const char *const[]){"stop", "dvsan-unit.service", "snmpd.service", NULL}, err);
}

int init_start_services(const struct setup *s, const struct unit_config *config, struct dv_err *err)
{
    return systemctl_all(s, config, "start", err);
}

// Debian's tgt.service listens at every address; its snmpd has other files until it is restarted.
static int prepare_services(const struct setup *s, const struct unit_config *config,
                            struct dv_err *err)
{
    if (setup_runs_services(s)) {
        if (setup_systemctl(s, (const char *const[]){"daemon-reload", NULL}, err) < 0)
            return -1;
        if (setup_has(s, "/lib/systemd/system/tgt.service") &&
            setup_systemctl(s, (const char *const[]){"disable", "--now", "tgt.service", NULL},
                            err) < 0)
            return -1;
        return systemctl_all(s, config, "enable", err);
    }
    return 0;
}

void init_print_start(const struct unit_config *config)
{
    printf("Start it, with snmpd as its own user and the others as " INIT_USER ":\n"
           "  snmpd -LOw -f &\n");
    for (uint32_t i = 1; !config->tgtd.supervise && i <= config->tgtd.instances; i++)
        printf("  TGT_IPC_SOCKET=%s tgtd -f -C %u -t %u --iscsi portal=127.0.0.1:0 &\n",
               config->tgtd.socket, unit_config_control_port(config, i), config->tgtd.threads);
    printf("  dvsan-unit &\n");
}

// ---- All of it --------------------------------------------------------------------------------

static int make_folders(const struct setup *s, const struct unit_config *config, struct dv_err *err)
{
    DV_FREE char *above = dv_strdup(config->member.state_dir);
    if (setup_folder(s, dirname(above), 0755, NULL, err) < 0 ||
        setup_folder(s, config->member.state_dir, 0700, INIT_USER, err) < 0)
        return -1;
    for (size_t i = 0; i < config->media_count; i++) {
        const struct medium_config *m = &config->media[i];
        if (m->kind != MEDIUM_DIR)
            continue;
        if (!is_elsewhere(m->path) && setup_folder(s, MEDIA_FOLDER, 0700, INIT_USER, err) < 0)
            return -1;
        if (setup_folder(s, m->path, 0700, INIT_USER, err) < 0)
            return -1;
    }
    return 0;
}

// Without them nothing could be started; told before anything is made.
static int check_programs(const struct setup *s, struct dv_err *err)
{
    if (setup_has(s, "/usr/sbin/snmpd") && setup_has(s, "/usr/sbin/tgtd"))
        return setup_check_user(s, INIT_USER, err) < 0 ? -1
                                                       : setup_check_user(s, INIT_SNMP_USER, err);
    return dv_fail(err, DV_NOT_FOUND,
                   "a unit needs snmpd and tgtd, and this machine has not both: install the "
                   "packages snmpd and tgt");
}

int init_unit(const struct setup *s, const char *path, const struct unit_answers *answers,
              struct unit_config **config, struct dv_err *err)
{
    DV_FREE char *at = setup_path(s, path);
    *config = NULL;
    if (check_programs(s, err) < 0)
        return -1;
    bool kept = setup_has(s, path);
    if (kept)
        printf("kept %s, so the unit stays as it says\n", at);
    else if (make_config(s, path, answers, err) < 0)
        return -1;
    *config = unit_config_load(at, err);
    if (*config && (!kept || check_kept(*config, at, answers, err) == 0) &&
        make_folders(s, *config, err) == 0 && init_make_snmpd(s, *config, err) == 0 &&
        make_drop_ins(s, *config, err) == 0 && init_make_key(s, *config, err) == 0 &&
        prepare_services(s, *config, err) == 0)
        return 0;
    unit_config_free(*config);
    *config = NULL;
    return -1;
}

bool init_is_member(const struct setup *s, const struct unit_config *config)
{
    DV_FREE char *identity = dv_printf("%s/identity", config->member.state_dir);
    return setup_has(s, identity) || config->member.notify.name[0];
}
