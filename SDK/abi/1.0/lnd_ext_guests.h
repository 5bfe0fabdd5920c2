/* lnd_ext_guests.h - limanetd.guests/1: who is on a switched network.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by the plugin of a switched network, which otherwise has one port,
 * the switch, and does not see its guests come and go. A plugin that publishes
 * names, or gives addresses, wants to know. Frames still travel through the
 * one port; the ports named here are not for `send`. They are what
 * lnd_frame.source, lnd_lease_request.port and lnd_dns_query.port name.
 */
#ifndef LND_EXT_GUESTS_H
#define LND_EXT_GUESTS_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_GUESTS "limanetd.guests/1"

/* lnd_plugin_guests.flags */
#define LND_GUESTS_SELECTIVE 0x1u /* After a short `send` on the switch's port the
                                   * plugin holds back only what is for the
                                   * destination of the first frame not taken,
                                   * until the next tx_ready. Without it the host
                                   * drops frames for a guest that has not moved
                                   * for a while, so that the others go on.     */

/* All members are optional. None is called from inside a function of the host,
 * and all after the port of the switch is up. */
typedef struct lnd_plugin_guests {
    uint32_t size;
    uint32_t flags; /* LND_GUESTS_* */

    /* [loop] A guest's link (LND_PORT_GUEST) joined the switch; before its
     * first frame. */
    void (*guest_up)(void *self, const lnd_port_info *info);

    /* [loop] The link is gone, and with it the addresses behind it that have
     * not moved to another. An unknown port is no error. */
    void (*guest_down)(void *self, lnd_port port);

    /* [loop] The switch learned that an Ethernet address (6 bytes) is behind
     * a guest's port: for the first time, again after it was forgotten, or
     * because it moved there from another port. Before the frame that taught
     * it reaches `rx`. There may be several behind one port. Also for a guest
     * whose address was known when it joined, when it is first heard. */
    void (*station)(void *self, lnd_port port, const uint8_t *mac);

    /* [loop] What guest_up said has changed: the guest's name, mtu, offloads or
     * queues. */
    void (*guest_changed)(void *self, const lnd_port_info *info);
} lnd_plugin_guests;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_GUESTS_H */
