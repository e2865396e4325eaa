/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network over the jump: addresses and routes; the packet lock that
 * keeps TCP silent between the snapshot of a socket and its restore, so that
 * nothing is acknowledged that the snapshot does not hold and no peer is reset; and the guard,
 * which stands in for the machine's packet filter in the new kernel.
 */
#ifndef NVWA_NET_NET_H
#define NVWA_NET_NET_H

#include <stdint.h>
#include "lib/base/error.h"

/*
 * Drop all TCP in and out, on every interface, IPv4 and IPv6. 0 if locked already. The lock ends
 * with this process, however that ends, or with net_unlock() in it; no other can lift it.
 */
int net_lock(struct error *err);

/*
 * Drop the TCP of these local ports only, a list with commas: those who have the others are
 * restored, and what was dropped on those is sent again.
 */
int net_lock_ports(const char *ports, struct error *err);

/*
 * The same in the new kernel, where the lock outlives who calls this; and from now on the first
 * packet of TCP or UDP that leaves the machine is noted.
 */
int net_lock_again(struct error *err);

/*
 * When that was, as a TSC of that frequency, to some ms; -ENODATA, there was none. The note
 * is removed.
 */
int net_first_packet(uint32_t tsc_khz, uint64_t *tsc);

/* Remove the lock. 0 if there is none. */
int net_unlock(struct error *err);

/*
 * Drop whatever comes in, goes out or is forwarded, of all protocols, but on the loopback
 * interface, and but for what finds neighbours and multicast listeners. 0 if it is done already.
 */
int net_guard(struct error *err);

/* Remove the guard. 0 if there is none. */
int net_unguard(struct error *err);

/* Is there a packet filter: any rule, or a chain that drops, not of nvwa's own? 1 or 0. */
int net_has_rules(struct error *err);

/*
 * Addresses that are not there when programs are restored, as what makes their link is not nvwa's
 * to start: lines "ADDRESS LINK", malloc()ed. Each such link has a line "- LINK" as well.
 */
int net_late_addresses(char **text, struct error *err);

/* The addresses that the machine has, in such lines. */
int net_addresses(char **text, struct error *err);

/* Those lines of before whose address the machine has no more, on no link. */
int net_addresses_gone(const char *before, char **gone, struct error *err);

/* Save links, addresses and routes as files into <dir>/net/. */
int net_save(const char *dir, struct error *err);

/*
 * Bring the saved links up (waiting up to deadline_ms for each to appear) and
 * put back addresses and routes that are missing.
 */
int net_restore(const char *dir, int deadline_ms, struct error *err);

#endif
