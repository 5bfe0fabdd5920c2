/* lnd_ext_uplink.h - limanetd.uplink/1: a network plugin adds a port of its
 * own to the switch: a TAP, or the socket of another daemon.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by the host to plugins of switched networks. Frames between guests
 * and an uplink stay in the host and keep their offloads. */
#ifndef LND_EXT_UPLINK_H
#define LND_EXT_UPLINK_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_UPLINK "limanetd.uplink/1"

/* lnd_uplink.transport */
#define LND_UPLINK_TAP    1u /* a TAP device with IFF_NO_PI                     */
#define LND_UPLINK_STREAM 2u /* SOCK_STREAM, each frame behind its length in 4
                              * bytes, big-endian (QEMU, socket_vmnet)          */
#define LND_UPLINK_DGRAM  3u /* SOCK_DGRAM, a frame a datagram                  */

/* lnd_uplink.flags */
#define LND_UPLINK_VNET_HDR 0x1u /* TAP with IFF_VNET_HDR, 12-byte header       */

typedef struct lnd_uplink {
    uint32_t size;
    uint32_t transport;
    int32_t fd;      /* the host takes it over, whatever comes of the call      */
    uint32_t flags;
    uint32_t mtu;    /* 0: not known                                            */
    uint32_t reserved;
    const char *name; /* shown to users; NUL-ended                              */
} lnd_uplink;

typedef struct lnd_host_uplink {
    uint32_t size;
    uint32_t reserved;

    /* [loop] Adds the port; 0 when it cannot be (see `fail`). */
    lnd_port (*add)(void *ctx, const lnd_uplink *uplink);

    /* [loop] Removes it and closes the fd. Idempotent. When the other side
     * closes it, the plugin hears of it by port_down. */
    void (*remove)(void *ctx, lnd_port port);
} lnd_host_uplink;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_UPLINK_H */
