// Setting a machine up (--init): answers, and files that are made once and then a person's.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CONFIG_SETUP_H
#define DVSAN_CONFIG_SETUP_H

#include "base/err.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Files that are part of the program; their text ends with a NUL.
struct setup_text {
    const char *name;
    const unsigned char *text;
    size_t len; // without it
};
extern const struct setup_text setup_text_snmpd_conf, setup_text_snmpd_service, setup_text_disks;

// All paths that are given to these functions begin with / and lie below root.
struct setup {
    const char *root; // "": this machine itself; else the folder of an image
    bool asks;        // a person is there to answer
};

// ---- Answers (setup.c) ------------------------------------------------------------------------

// What is to be known of the machine: the option's value when there is one, else what the person
// types, who may take the guess by typing nothing, else the guess. Without any of them an error
// that names the option ("--address"). check may be NULL.
struct setup_question {
    const char *option, *text; // "--address", "The address of this machine for hosts"
    const char *given, *guess; // NULL: there is none
    int (*check)(const char *answer, struct dv_err *err);
};
int setup_ask(const struct setup *s, const struct setup_question *q, char **out,
              struct dv_err *err);

// The address by which others reach this machine: the one that reaches the station (HOST,
// HOST:PORT or [IPv6]:PORT; NULL: not known), or the only one; NULL when there are none or several,
// which are written into all, separated by ", ". Of an image nothing is guessed by the machine on
// which it is made. The caller frees both.
char *setup_guess_address(const struct setup *s, const char *station, char **all);
// That of the host; NULL when it is none for a member.
char *setup_guess_name(const struct setup *s);
// Of a configuration that is there: what an option says and it does not. Each is noted in told; in
// the end they are an error. "--name unit2 (the file says unit1)".
void setup_differs(struct strbuf *told, const char *option, const char *given, const char *has);
int setup_judge_kept(const struct strbuf *told, const char *path, struct dv_err *err);
int setup_check_address(const char *text, struct dv_err *err);
int setup_check_name(const char *text, struct dv_err *err);

// The text with each @WORD@ replaced, less the lines that hold a word which is not known.
struct setup_word {
    const char *word, *value; // "ADDRESS"
};
char *setup_fill(const char *text, const struct setup_word *words, size_t count);
// For an attribute of XML.
char *setup_quote(const char *text);

// ---- The machine (setup_system.c) -------------------------------------------------------------

char *setup_path(const struct setup *s, const char *path); // below root
bool setup_has(const struct setup *s, const char *path);
// A file that is not there is made, with all folders above, and told: 1. One that is there is
// somebody's and stays, which is told, too: 0. owner NULL: root. Only root can give files away, so
// for anybody else both are ignored.
int setup_make(const struct setup *s, const char *path, const char *text, mode_t mode,
               const char *owner, const char *group, struct dv_err *err);
// The same for a folder, and nothing is said of one that is there.
int setup_folder(const struct setup *s, const char *path, mode_t mode, const char *owner,
                 struct dv_err *err);
// A secret of random text in a file of mode 0600, or what is there; the caller frees it with
// secret_free.
int setup_secret(const struct setup *s, const char *path, char **secret, struct dv_err *err);
// Whether the machine has this user.
int setup_check_user(const struct setup *s, const char *user, struct dv_err *err);

// Whether this is root of a machine that systemd runs, so that services can be started.
bool setup_runs_services(const struct setup *s);
// Runs a program by its words, the last of which is NULL; whether it ended with 0. What it says is
// dropped: it is tried whether the machine can do something.
bool setup_try(const char *const *words);
// Runs systemctl with these words, the last of which is NULL.
int setup_systemctl(const struct setup *s, const char *const *words, struct dv_err *err);

#endif
