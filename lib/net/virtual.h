/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links that drive no device: the kernel does not find them, so those of the usual kinds are
 * made again (bridges, bonds, VLANs, dummies). All work on what "ip -json -details addr" says.
 */
#ifndef NVWA_NET_VIRTUAL_H
#define NVWA_NET_VIRTUAL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

/* VLANs in VLANs, and then some. */
#define VIRTUAL_DEEPEST	8

/* How far a link is from one that needs no other to be made, and so to be up. */
int virtual_depth(struct json_object *links, struct json_object *link);

/* Lines for "ip -batch" that make such links of the list, and put links into bridges and bonds. */
void virtual_make(FILE *batch, struct json_object *links);

/* Lines for when all links are up: what was otherwise to have them forward at once. */
void virtual_settle(FILE *batch, struct json_object *links);

/*
 * Is this link there in the next kernel before the machine's own network is set up, and its
 * addresses with it? They are not if it belongs to a VRF.
 */
bool virtual_returns(struct json_object *links, struct json_object *link);

#endif
