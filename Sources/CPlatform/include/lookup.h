/* lookup.h - the system's name lookup, getaddrinfo, as a DNS server
 * needs it: one family at a time, absolute names, NXDOMAIN and NODATA apart.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CPLATFORM_LOOKUP_H
#define CPLATFORM_LOOKUP_H

#include <stdint.h>

#define PLAT_LOOKUP_FOUND   0
#define PLAT_LOOKUP_NO_NAME 1 /* there is no such name                      */
#define PLAT_LOOKUP_NO_DATA 2 /* there is, but without such an address       */
#define PLAT_LOOKUP_AGAIN   3 /* no server answered                          */
#define PLAT_LOOKUP_FAILED  4 /* everything else                             */

/* Readies the calling thread for plat_lookup. With glibc, whose resolver state
 * is per thread: no search domains, so that a name with dots or without means
 * just itself; time and tries for each server (0: resolv.conf's); and a fresh
 * read of resolv.conf, options and all, whenever `generation` is another than
 * last time, because glibc stops following the file for a state that was
 * changed. Elsewhere: no effect. */
void plat_lookup_prepare(uint32_t generation, uint32_t timeout_s, uint32_t attempts);

/* Looks up the addresses of a name, blocking. Writes up to `capacity` addresses
 * of 4 or, with ipv6, 16 bytes each and says how many. Returns PLAT_LOOKUP_*. */
int plat_lookup(const char *name, int ipv6, uint8_t *addresses, uint32_t capacity,
                uint32_t *count);

#endif /* CPLATFORM_LOOKUP_H */
