/* SPDX-License-Identifier: GPL-2.0-only */
/* The order of kernel releases, as "uname -r" prints them. */
#ifndef NVWA_KEXEC_RELEASE_H
#define NVWA_KEXEC_RELEASE_H

/*
 * Which of two releases is the newer one, by the rules for the versions of Debian's packages
 * (deb-version(7)): less than, equal to or greater than 0, as strcmp(3). The flavour at the end
 * ("-amd64", "-cloud-amd64") is no part of the version.
 */
int release_compare(const char *a, const char *b);

#endif
