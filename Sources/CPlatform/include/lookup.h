/* lookup.h - the system's name lookup, getaddrinfo, for a DNS server: one address family at a time,
 * absolute names, NXDOMAIN distinguished from NODATA.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CPLATFORM_LOOKUP_H
#define CPLATFORM_LOOKUP_H

#include <stdint.h>

#define PLAT_LOOKUP_FOUND   0
#define PLAT_LOOKUP_NO_NAME 1 /* the name does not exist                    */
#define PLAT_LOOKUP_NO_DATA 2 /* the name exists, without such addresses     */
#define PLAT_LOOKUP_AGAIN   3 /* no server answered                          */
#define PLAT_LOOKUP_FAILED  4 /* everything else                             */

/* Prepares the calling thread for plat_lookup. With glibc, whose resolver state is per thread, it disables
 * search domains, so that every name is absolute; sets the timeout and the number of attempts for each
 * server (0: those of resolv.conf); and reads resolv.conf again if `generation` has changed since the last
 * call, because glibc does not follow the file any more once the state was modified. No effect with other
 * libraries. */
void plat_lookup_prepare(uint32_t generation, uint32_t timeout_s, uint32_t attempts);

/* Looks up the addresses of a name; blocks. Writes at most `capacity` addresses of 4 bytes, or 16 with
 * ipv6, and their number. Returns PLAT_LOOKUP_*. */
int plat_lookup(const char *name, int ipv6, uint8_t *addresses, uint32_t capacity,
                uint32_t *count);

#endif /* CPLATFORM_LOOKUP_H */
