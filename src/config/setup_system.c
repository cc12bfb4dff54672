// Setting a machine up: its files, users and services.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/setup.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET_LEN 24 // characters of 6 bits

char *setup_path(const struct setup *s, const char *path)
{
    return dv_printf("%s%s", s->root, path);
}

bool setup_has(const struct setup *s, const char *path)
{
    DV_FREE char *at = setup_path(s, path);
    return access(at, F_OK) == 0;
}

// ---- Owners -----------------------------------------------------------------------------------

// By the files of the machine that is set up, which may be an image.
static bool find_user(const struct setup *s, const char *name, uid_t *out)
{
    DV_FREE char *path = setup_path(s, "/etc/passwd");
    FILE *file = fopen(path, "re");
    bool found = false;
    for (const struct passwd *p; file && !found && (p = fgetpwent(file));)
        if ((found = strcmp(p->pw_name, name) == 0))
            *out = p->pw_uid;
    if (file)
        fclose(file);
    return found;
}

static bool find_group(const struct setup *s, const char *name, gid_t *out)
{
    DV_FREE char *path = setup_path(s, "/etc/group");
    FILE *file = fopen(path, "re");
    bool found = false;
    for (const struct group *g; file && !found && (g = fgetgrent(file));)
        if ((found = strcmp(g->gr_name, name) == 0))
            *out = g->gr_gid;
    if (file)
        fclose(file);
    return found;
}

int setup_check_user(const struct setup *s, const char *user, struct dv_err *err)
{
    uid_t uid;
    if (geteuid() != 0 || find_user(s, user, &uid))
        return 0;
    return dv_fail(err, DV_NOT_FOUND,
                   "this machine has no user %s: install the package that makes it", user);
}

// As chown(2) wants them, for whom -1 is to leave it.
struct owners {
    uid_t user;
    gid_t group;
};

static int find_owners(const struct setup *s, const char *user, const char *group,
                       struct owners *out, struct dv_err *err)
{
    bool gives = geteuid() == 0;
    *out = gives ? (struct owners){0, 0} : (struct owners){(uid_t)-1, (gid_t)-1};
    if (gives && user && !find_user(s, user, &out->user))
        return setup_check_user(s, user, err);
    if (gives && group && !find_group(s, group, &out->group))
        return dv_fail(err, DV_NOT_FOUND,
                       "this machine has no group %s: install the package that makes it", group);
    return 0;
}

// ---- Files ------------------------------------------------------------------------------------

int setup_make(const struct setup *s, const char *path, const char *text, mode_t mode,
               const char *owner, const char *group, struct dv_err *err)
{
    DV_FREE char *at = setup_path(s, path);
    DV_FREE char *above = dv_strdup(at);
    DV_FREE char *fresh = dv_printf("%s.new", at);
    struct owners to;
    if (access(at, F_OK) == 0) {
        printf("kept %s\n", at);
        return 0;
    }
    // Complete, and its owner's, before it has its name.
    if (file_make_dirs(dirname(above), 0755, err) < 0 ||
        file_write_atomic(fresh, text, strlen(text), mode, err) < 0 ||
        find_owners(s, owner, group, &to, err) < 0)
        return -1;
    if (lchown(fresh, to.user, to.group) != 0)
        return dv_fail_errno(err, errno, "cannot give %s to its owner", fresh);
    if (rename(fresh, at) != 0)
        return dv_fail_errno(err, errno, "cannot make %s", at);
    if (file_sync_dir(at, err) < 0)
        return -1;
    printf("made %s\n", at);
    return 1;
}

int setup_folder(const struct setup *s, const char *path, mode_t mode, const char *owner,
                 struct dv_err *err)
{
    DV_FREE char *at = setup_path(s, path);
    DV_FREE char *above = dv_strdup(at);
    if (access(at, F_OK) == 0)
        return 0;
    struct owners to;
    if (file_make_dirs(dirname(above), 0755, err) < 0 || find_owners(s, owner, owner, &to, err) < 0)
        return -1;
    if (mkdir(at, mode) != 0)
        return dv_fail_errno(err, errno, "cannot make the folder %s", at);
    // The folder above may be somebody's who puts a link there meanwhile.
    DV_CLOSE int fd = open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, mode) != 0 || fchown(fd, to.user, to.group) != 0)
        return dv_fail_errno(err, errno, "cannot give the folder %s to its owner", at);
    printf("made %s/\n", at);
    return 1;
}

int setup_secret(const struct setup *s, const char *path, char **secret, struct dv_err *err)
{
    char text[SECRET_LEN + 1];
    DV_FREE char *at = setup_path(s, path);
    if (!setup_has(s, path)) {
        secret_random_text(text, SECRET_LEN);
        char *line = dv_printf("%s\n", text);
        secret_wipe(text, sizeof(text));
        int rc = setup_make(s, path, line, 0600, NULL, NULL, err);
        secret_free(line);
        if (rc < 0)
            return -1;
    }
    return secret_read_file(at, secret, err);
}

// ---- Services ---------------------------------------------------------------------------------

bool setup_runs_services(const struct setup *s)
{
    return !*s->root && geteuid() == 0 && access("/run/systemd/system", F_OK) == 0;
}

static bool run(const char *const *words, bool silent)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int null = silent ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
        for (int fd = STDIN_FILENO; silent && fd <= STDERR_FILENO; fd++)
            dup2(null, fd);
        execvp(words[0], (char *const *)words);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

bool setup_try(const char *const *words)
{
    return run(words, true);
}

int setup_systemctl(const struct setup *s, const char *const *words, struct dv_err *err)
{
    const char *argv[32] = {"systemctl", "--quiet"};
    size_t count = 2;
    DV_FREE char *root = dv_printf("--root=%s", s->root);
    if (*s->root)
        argv[count++] = root;
    for (size_t i = 0; words[i] && count + 1 < DV_COUNT(argv); i++)
        argv[count++] = words[i];
    if (run(argv, false))
        return 0;
    struct strbuf names = {0};
    strbuf_add(&names, "%s", "");
    for (size_t i = 1; words[i]; i++)
        strbuf_add(&names, " %s", words[i]);
    (void)dv_fail(err, DV_IO, "systemctl %s%s failed; systemctl status%s tells more", words[0],
                  names.text, names.text);
    strbuf_free(&names);
    return -1;
}
