/* lnd_ext_connect.h - limanetd.connect/1: a connection to a port of a guest,
 * whose host end is a descriptor somebody already holds.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by a network plugin. A forward (lnd_ext_forward.h) listens; this is
 * for a host program that wants one connection now, as gvproxy's /tunnel and a
 * wait for a guest's port do.
 */
#ifndef LND_EXT_CONNECT_H
#define LND_EXT_CONNECT_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_CONNECT "limanetd.connect/1"

typedef struct lnd_connect {
    uint32_t size;
    uint32_t flags;         /* none yet                                        */
    lnd_endpoint guest;
    const char *guest_name; /* which guest of an isolated network; "": the only
                             * one, or the one that came first. NUL-ended      */
} lnd_connect;

typedef struct lnd_plugin_connect {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] Opens a TCP connection to `guest` and carries bytes between it
     * and `fd`, a connected, non-blocking stream socket. The plugin takes `fd`
     * over, whatever comes of the call, and closes it when the connection
     * ends. Completes `op` when it is known whether the guest accepts: LND_OK;
     * LND_ERR_REFUSED: it said no; LND_ERR_NOT_FOUND: nobody has the address;
     * LND_ERR_TIMEOUT: no answer; LND_ERR_INVALID_CONFIG: not an address of
     * this network; LND_ERR_LIMIT. All with the reason as text. After a
     * failure `fd` is closed. */
    void (*connect)(void *self, lnd_op op, int32_t fd, const lnd_connect *connect);
} lnd_plugin_connect;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_CONNECT_H */
