/* lnd_ext_lease.h - limanetd.lease/1: which guest has which address.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by a network plugin that gives its guests addresses. */
#ifndef LND_EXT_LEASE_H
#define LND_EXT_LEASE_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_LEASE "limanetd.lease/1"

typedef struct lnd_lease_request {
    uint32_t size;
    uint32_t reserved;
    lnd_port port;         /* the guest's port                                 */
    uint8_t mac[6];        /* zero: not known yet                              */
    uint8_t reserved1[2];
    const char *name;      /* the guest's name, or ""                          */
} lnd_lease_request;

typedef struct lnd_plugin_lease {
    uint32_t size;
    uint32_t reserved;

    /* [loop] Gives a guest that is configured by hand (`exec`, `attach`) what
     * DHCP would give it, and counts the address as taken. Writes one JSON
     * object: {"address":"192.168.5.15","prefixLength":24,
     *  "gateway":"192.168.5.2","dns":["192.168.5.3"],"mtu":1500,
     *  "search":["lan"]}; LND_ERR_LIMIT when there is none left. */
    lnd_status (*reserve)(void *self, const lnd_lease_request *request, lnd_sink sink);

    /* [loop] Writes a JSON array, an object for each lease:
     * {"address":"192.168.5.15","mac":"52:55:55:12:34:56","name":"vm",
     *  "hostname":"lima-vm","state":"bound|offered|static|declined",
     *  "expires":SECONDS_FROM_NOW or null} */
    void (*list)(void *self, lnd_sink sink);
} lnd_plugin_lease;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_LEASE_H */
