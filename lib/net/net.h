/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network over the jump: addresses and routes, and the packet lock that
 * keeps TCP silent between the snapshot of a socket and its restore, so that
 * nothing is acknowledged that the snapshot does not hold and no peer is reset.
 */
#ifndef NVWA_NET_NET_H
#define NVWA_NET_NET_H

#include <stdint.h>
#include "lib/base/error.h"

/* Drop all TCP in and out, on every interface, IPv4 and IPv6. 0 if locked already. */
int net_lock(struct error *err);

/*
 * Drop the TCP of these local ports only, a list with commas: those who have the others are
 * restored, and what was dropped on those is sent again.
 */
int net_lock_ports(const char *ports, struct error *err);

/*
 * The same as net_lock() in the new kernel; and from now on the first packet of TCP or UDP that
 * leaves the machine is noted.
 */
int net_lock_again(struct error *err);

/*
 * When that was, as a TSC of that frequency, to some ms; -ENODATA, there was none. The note
 * is removed.
 */
int net_first_packet(uint32_t tsc_khz, uint64_t *tsc);

/* Remove the lock; also CRIU's own nftables tables if any were left. 0 if there is none. */
int net_unlock(struct error *err);

/*
 * Addresses that are not there when programs are restored, as what makes their link is not nvwa's
 * to start: lines "ADDRESS LINK", malloc()ed.
 */
int net_late_addresses(char **text, struct error *err);

/* Save links, addresses and routes as files into <dir>/net/. */
int net_save(const char *dir, struct error *err);

/*
 * Bring the saved links up (waiting up to deadline_ms for each to appear) and
 * put back addresses and routes that are missing.
 */
int net_restore(const char *dir, int deadline_ms, struct error *err);

#endif
