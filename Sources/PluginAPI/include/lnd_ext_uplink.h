/* lnd_ext_uplink.h - limanetd.uplink/1: a network plugin adds a port of its
 * own to the switch: a TAP, or the socket of another daemon.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by the host to plugins of switched networks. Frames between guests
 * and an uplink stay in the host and keep their offloads; those of a direct
 * uplink pass the plugin. */
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
#define LND_UPLINK_DIRECT   0x2u /* Since 1.1. No port of the switch, but one
                                  * between host and plugin: `rx` brings what
                                  * comes from it, and nothing but the plugin's
                                  * `send` goes out of it. For an uplink whose
                                  * frames the plugin has to judge. `rx` may
                                  * bring super-frames if it has VNET_HDR.      */

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

    /* [loop] Adds the port; 0 when it cannot be (see `fail`): without a
     * descriptor (-1), for one. */
    lnd_port (*add)(void *ctx, const lnd_uplink *uplink);

    /* [loop] Removes it and closes the fd. Idempotent. When the other side
     * closes it, the plugin hears of it by port_down. */
    void (*remove)(void *ctx, lnd_port port);

    /* [loop] Since 1.1. Hands on to the guests what came from a direct uplink:
     * as `send` on the switch's port, from the plugin's own Ethernet address,
     * but frames find room in a guest's queue or are dropped and counted. For
     * frames whose sender cannot be made to wait. */
    void (*relay)(void *ctx, const lnd_frame *frames, uint32_t count);
} lnd_host_uplink;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_UPLINK_H */
