/* lnd_ext_tap.h - limanetd.tap/1: a TAP device of the host's, made for the
 * network before its plugin starts.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * On Linux. Making an interface of the host takes a privilege, and so is
 * neither the plugin's nor its process's affair: a network plugin whose
 * descriptor has LND_NETWORK_TAP gets one from the supervisor, which makes it
 * of the network's own options and of nothing the plugin says:
 *   - `socket`: no TAP. The supervisor connects to that unix socket, whose
 *     daemon speaks as LND_UPLINK_STREAM does, and again whenever it has to;
 *     the connection is a port of the switch that the plugin does not see, and
 *     `describe` finds nothing. The network runs while nobody answers, too;
 *   - else `interface`: the name of a Linux bridge; the TAP is a port of it;
 *   - else `gateway` and `netmask`: the TAP has that address;
 *   - `mtu`, if there is such an option.
 * A network whose TAP cannot be had does not start, and its user is told what
 * is missing. The TAP outlives the network's process while the network runs.
 */
#ifndef LND_EXT_TAP_H
#define LND_EXT_TAP_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_TAP "limanetd.tap/1"

typedef struct lnd_tap {
    uint32_t size;
    uint32_t flags;   /* LND_UPLINK_VNET_HDR, for information                  */
    uint32_t mtu;     /* bytes of IP packet                                    */
    uint32_t reserved;
    uint8_t mac[6];   /* of the host's end: the interface                      */
    uint8_t reserved1[2];
    const char *name; /* of the interface; NUL-ended, lives as long as the
                       * instance                                              */
} lnd_tap;

typedef struct lnd_host_tap {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] From `create` on: what TAP there is. The caller sets `tap->size`.
     * LND_ERR_NOT_FOUND: none was asked for. */
    lnd_status (*describe)(void *ctx, lnd_tap *tap);

    /* [loop] Once: makes it an uplink (lnd_ext_uplink.h), with `flags` as of
     * lnd_uplink: LND_UPLINK_DIRECT or 0. After a failure (see `fail`) *port is
     * 0. port_down says that somebody took the interface away. */
    lnd_status (*add)(void *ctx, uint32_t flags, lnd_port *port);
} lnd_host_tap;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_TAP_H */
