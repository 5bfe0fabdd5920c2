/* lnd_ext_uplink.h - limanetd.uplink/1: a network plugin adds a port of its
 * own to the switch: a TAP, the socket of another daemon, or itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by the host to plugins of switched networks. Frames between guests
 * and an uplink of the switch stay in the host and keep their offloads; those
 * of a direct uplink pass the plugin. Stations behind an uplink of the switch
 * are learned there like any other, and move. Each uplink has its port_up
 * (LND_PORT_UPLINK), and its port_down when the other side is gone, or it was
 * removed.
 */
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
#define LND_UPLINK_DGRAM  3u /* SOCK_DGRAM, connected, a frame a datagram. A
                              * datagram that nobody receives (ECONNREFUSED) is
                              * lost, and the uplink goes on                    */
#define LND_UPLINK_PLUGIN 4u /* no descriptor: the other side is the plugin.
                              * `rx` of the port brings what the switch sends out
                              * of it; what the plugin sends to the port comes
                              * into the switch there, as from any guest. For
                              * tunnels (VXLAN, WireGuard), AF_XDP, vmnet       */
#define LND_UPLINK_VHOST_USER 5u /* draft: draft/lnd_draft_vhost_user.h         */

/* lnd_uplink.flags */
#define LND_UPLINK_VNET_HDR 0x10000u /* TAP with IFF_VNET_HDR, 12-byte header    */
#define LND_UPLINK_DIRECT   0x20000u /* No port of the switch, but one between
                              * host and plugin: `rx` brings what comes from it,
                              * and nothing but the plugin's `send` goes out of
                              * it. For an uplink whose frames the plugin has to
                              * judge. `rx` may bring super-frames if it has
                              * VNET_HDR. Not of LND_UPLINK_PLUGIN.             */

typedef struct lnd_uplink {
    uint32_t size;
    uint32_t flags;     /* LND_UPLINK_VNET_HDR, LND_UPLINK_DIRECT               */
    uint32_t transport; /* LND_UPLINK_*                                         */
    int32_t fd;         /* the host takes it over, whatever comes of the call.
                         * LND_UPLINK_PLUGIN: -1                                */
    uint32_t mtu;       /* 0: not known                                         */
    uint32_t offloads;  /* LND_UPLINK_PLUGIN: LND_OFFLOAD_* that `rx` of this
                         * port may bring; otherwise 0                          */
    const char *name;   /* shown to users; NUL-ended                            */
} lnd_uplink;

typedef struct lnd_host_uplink {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] Adds the port and stores it. After a failure (see `fail`) *port is
     * 0. LND_ERR_MISUSE: without a descriptor where one is needed, or with one
     * where none is; LND_ERR_UNSUPPORTED: an unknown transport or flag;
     * LND_ERR_LIMIT; LND_ERR_SYSTEM. */
    lnd_status (*add)(void *ctx, const lnd_uplink *uplink, lnd_port *port);

    /* [loop] Removes it and closes the fd. Idempotent. */
    void (*remove)(void *ctx, lnd_port port);

    /* [loop] Hands on to the guests what came from a direct uplink: as `send`
     * on the switch's port, from the plugin's own Ethernet address, but frames
     * find room in a guest's queue or are dropped and counted. For frames whose
     * sender cannot be made to wait. */
    void (*relay)(void *ctx, const lnd_frame *frames, uint32_t count);
} lnd_host_uplink;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_UPLINK_H */
