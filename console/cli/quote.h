// Words and values put into other languages: shells, XML, options of qemu.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_QUOTE_H
#define DVSAN_CLI_QUOTE_H

// Each returns a text that the caller frees. What they are given may hold anything but NUL; control
// characters never come out as they are.

// One word of a POSIX shell: as it is, or in single quotes.
char *quote_shell(const char *text);
// One word of PowerShell: in single quotes, of which one inside is doubled.
char *quote_powershell(const char *text);
// Text or an attribute's value in XML.
char *quote_xml(const char *text);
// A field of /etc/fstab, see fstab(5).
char *quote_fstab(const char *text);
// A value inside qemu's comma separated options, where a comma is doubled.
char *quote_qemu(const char *text);

#endif
