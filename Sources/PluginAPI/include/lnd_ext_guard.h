/* lnd_ext_guard.h - limanetd.guard/1: a network plugin says whose addresses
 * are whose, and the switch sees to it that no guest takes another's.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Since ABI 1.1. Offered by the host to plugins of switched networks. Frames
 * between guests never pass the plugin, so it cannot watch them itself.
 *
 * Dropped and counted, when they come from a guest (or an uplink):
 *   - ARP (RFC 826) that puts a bound address at another Ethernet address;
 *   - any frame from an Ethernet address of the plugin's own;
 *   - any frame from a bound Ethernet address while that address is in use
 *     behind another port;
 *   - with `serve_dhcp`: what only a DHCP server says (UDP to port 68).
 * Addresses that are not bound are free: a guest may configure one by hand.
 *
 * What a plugin sends from without declaring it LND_GUARD_OWN is learned as a
 * station behind the plugin, as behind any port: it ages, and moves to another
 * port when it is heard there. An address that the configuration gives a guest
 * never moves. */
#ifndef LND_EXT_GUARD_H
#define LND_EXT_GUARD_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_GUARD "limanetd.guard/1"

/* lnd_guard_binding.flags */
#define LND_GUARD_OWN 0x1u /* the plugin's own (gateway, DNS): no guest may have
                            * either the address or the Ethernet address       */

typedef struct lnd_guard_binding {
    uint32_t size;
    uint32_t flags;      /* LND_GUARD_*                                        */
    const char *address; /* "192.168.104.3"; NUL-ended                         */
    uint8_t mac[6];
    uint8_t reserved[2];
} lnd_guard_binding;

typedef struct lnd_host_guard {
    uint32_t size;
    uint32_t reserved;

    /* [loop] Binds an address; replaces what it was bound to before.
     * LND_ERR_INVALID_CONFIG: not an address, or not the Ethernet address of
     * one station; LND_ERR_UNSUPPORTED: IPv6, for which there is no guard yet;
     * LND_ERR_LIMIT: more than 65536 bindings; LND_ERR_EXISTS: LND_GUARD_OWN,
     * and the configuration gives the Ethernet address to a guest. */
    lnd_status (*bind)(void *ctx, const lnd_guard_binding *binding);

    /* [loop] The address is free again. Idempotent. */
    void (*unbind)(void *ctx, const char *address);

    /* [loop] 1: the plugin is the network's DHCP server, and guests are none;
     * 0, as in the beginning: guests may be. */
    void (*serve_dhcp)(void *ctx, uint32_t on);
} lnd_host_guard;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_GUARD_H */
