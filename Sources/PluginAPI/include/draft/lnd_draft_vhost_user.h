/* lnd_draft_vhost_user.h - an uplink, or a guest's link, whose frames are in the
 * other side's memory (vhost-user).
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * DRAFT: may change or vanish with every version of lima-netd. A host of 1.0
 * answers LND_ERR_UNSUPPORTED. lnd_uplink.transport is LND_UPLINK_VHOST_USER and
 * fd a connected unix socket on which the other side is the front-end
 * (vhost-user protocol, QEMU's docs/interop/vhost-user.rst). `rx` brings frames
 * with LND_FRAME_SLICES and LND_FRAME_SHARED to plugins that set
 * LND_NETWORK_RX_SLICES, and whole copies to others.
 */
#ifndef LND_DRAFT_VHOST_USER_H
#define LND_DRAFT_VHOST_USER_H

#include "../lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_DRAFT_VHOST_USER "limanetd.draft.vhost-user/1"

/* The host's side: what has become of an uplink's memory. */
typedef struct lnd_draft_host_vhost_user {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] Queue pairs that the other side has set up; 0: none yet. */
    uint32_t (*queues)(void *ctx, lnd_port port);
} lnd_draft_host_vhost_user;

#ifdef __cplusplus
}
#endif

#endif /* LND_DRAFT_VHOST_USER_H */
