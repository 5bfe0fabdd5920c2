/* lnd_ext_lease.h - limanetd.lease/1: which guest has which address.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by a network plugin that gives its guests addresses.
 *
 * JSON: addresses as text, IPv6 as RFC 5952 writes it; a member that has no
 * value is left out, if it is not said to be null. Readers ignore members they
 * do not know.
 */
#ifndef LND_EXT_LEASE_H
#define LND_EXT_LEASE_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_LEASE "limanetd.lease/1"

typedef struct lnd_lease_request {
    uint32_t size;
    uint32_t flags;        /* none yet                                         */
    lnd_port port;         /* the guest's port                                 */
    uint8_t mac[6];        /* zero: not known yet                              */
    uint8_t reserved[2];
    const char *name;      /* the guest's name, or ""; NUL-ended               */
} lnd_lease_request;

typedef struct lnd_plugin_lease {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] Gives a guest that is configured by hand (`exec`, `attach`) what
     * DHCP, DHCPv6 and router advertisements would give it, and counts the
     * addresses as taken until `release`, or until the guest has gone. The
     * same guest (port and mac) gets the same again. Writes one JSON object:
     * {"address":"192.168.5.15","prefixLength":24,"gateway":"192.168.5.2",
     *  "dns":["192.168.5.3"],"mtu":1500,"search":["lan"],
     *  "ipv6":{"address":"fd00::15","prefixLength":64,"gateway":"fe80::2",
     *          "hasRoute":true,"dns":["fd00::3"]}}
     * `address` and `prefixLength` are required, and IPv4; `gateway`, where it
     * leads outside. `ipv6` is left out, or null, where the network has none;
     * its `gateway` is the router's link-local address, and `hasRoute` says
     * whether that is a default route now.
     * LND_ERR_LIMIT when there is none left. */
    lnd_status (*reserve)(void *self, const lnd_lease_request *request, lnd_sink sink);

    /* [loop] The guest (port and mac) does not use what `reserve` gave it any
     * more. Idempotent. May be NULL: the addresses are taken until the guest
     * has gone. */
    void (*release)(void *self, const lnd_lease_request *request);

    /* [loop] Writes a JSON array, an object for each address of each station, of
     * either family, link-local ones aside:
     * {"address":"192.168.5.15","mac":"52:55:55:12:34:56","name":"vm",
     *  "hostname":"lima-vm",
     *  "state":"bound"|"offered"|"static"|"declined"|"auto",
     *  "expires":SECONDS_FROM_NOW or null}
     * `name` is the guest's, `hostname` what it calls itself; both may be "".
     * "auto" is an IPv6 address that the station made itself (RFC 4862). */
    void (*list)(void *self, lnd_sink sink);
} lnd_plugin_lease;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_LEASE_H */
