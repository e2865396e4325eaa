/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ifupdown, Debian's own way to set up the network: it takes an address that is there already
 * for an error, stops there, and its unit has failed.
 */
#ifndef NVWA_APPS_IFUPDOWN_H
#define NVWA_APPS_IFUPDOWN_H

/*
 * For the generator, in its directory early: in this boot ifup(8) goes on after such an error,
 * with all that the machine's owner has it do besides. root is "" but for tests.
 */
int ifupdown_generate(const char *root, const char *early);

#endif
