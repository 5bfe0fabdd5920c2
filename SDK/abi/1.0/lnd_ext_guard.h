/* lnd_ext_guard.h - limanetd.guard/1: a network plugin says whose addresses
 * are whose, and the switch sees to it that no guest takes another's.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by the host to plugins of switched networks. Frames between guests
 * never pass the plugin, so it cannot watch them itself.
 *
 * Dropped and counted, when they come from a guest (or an uplink):
 *   - ARP (RFC 826), neighbour discovery (RFC 4861, 4862) and packets of IPv4
 *     and IPv6 that put a bound address at another Ethernet address;
 *   - any frame from an Ethernet address of the plugin's own;
 *   - any frame from a bound Ethernet address while that address is in use
 *     behind another port;
 *   - what only a server says that the plugin is (`serve`).
 * Addresses that are not bound are free: a guest may configure one by hand, and
 * make IPv6 addresses of its own (SLAAC) until the plugin binds them.
 *
 * What a plugin sends from without declaring it LND_GUARD_OWN is learned as a
 * station behind the plugin, as behind any port: it ages, and moves to another
 * port when it is heard there. An address that the configuration gives a guest
 * never moves, and is never the plugin's. Addresses behind uplinks are learned
 * and move.
 */
#ifndef LND_EXT_GUARD_H
#define LND_EXT_GUARD_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_GUARD "limanetd.guard/1"

/* lnd_guard_binding.flags */
#define LND_GUARD_OWN 0x10000u /* the plugin's own (gateway, DNS): no guest may
                                * have either the address or the Ethernet address */

/* `serve` */
#define LND_GUARD_DHCP   0x1u /* DHCP: UDP to port 68 (RFC 2131)              */
#define LND_GUARD_DHCPV6 0x2u /* DHCPv6: UDP to port 546 (RFC 9915)           */
#define LND_GUARD_ROUTER 0x4u /* router advertisements and redirects (RFC 4861) */

typedef struct lnd_guard_binding {
    uint32_t size;
    uint32_t flags;       /* LND_GUARD_*                                       */
    lnd_endpoint address; /* IPv4 or IPv6; port 0, and scope 0                 */
    uint8_t mac[6];
    uint8_t reserved[2];
} lnd_guard_binding;

typedef struct lnd_host_guard {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] From `create` on. Binds an address; replaces what it was bound to
     * before. LND_ERR_INVALID_CONFIG: not an address of one station, or not
     * the Ethernet address of one; LND_ERR_LIMIT: more than 65536 bindings;
     * LND_ERR_EXISTS: LND_GUARD_OWN, and the configuration gives the Ethernet
     * address to a guest. */
    lnd_status (*bind)(void *ctx, const lnd_guard_binding *binding);

    /* [loop] The address is free again. Idempotent. */
    void (*unbind)(void *ctx, const lnd_endpoint *address);

    /* [loop] From `create` on: what the plugin is for the network (LND_GUARD_*),
     * and guests are not; 0, as in the beginning: guests may be. Replaces what
     * was said before. */
    void (*serve)(void *ctx, uint32_t services);
} lnd_host_guard;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_GUARD_H */
