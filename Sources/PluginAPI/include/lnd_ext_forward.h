/* lnd_ext_forward.h - limanetd.forward/1: sockets of the host that lead into
 * the guest, added and removed while the network runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by a network plugin. The host keeps the list and gives it again
 * after a restart.
 */
#ifndef LND_EXT_FORWARD_H
#define LND_EXT_FORWARD_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_FORWARD "limanetd.forward/1"

/* lnd_forward.protocol */
#define LND_FORWARD_TCP  1u
#define LND_FORWARD_UDP  2u
#define LND_FORWARD_UNIX 3u /* a unix stream socket on the host, TCP in the guest */

/* lnd_forward.flags, one of these at most: under which address the guest sees
 * the clients. Without them the plugin chooses, or its options do. */
#define LND_FORWARD_FROM_CLIENT  0x10000u /* their own, where an answer would come back */
#define LND_FORWARD_FROM_GATEWAY 0x20000u /* the gateway's, whoever they are            */

/* lnd_forward.flags, TCP and UDP, `host` is [::]: listens to IPv4 as well as
 * IPv6 (IPV6_V6ONLY is 0). Without it [::] is IPv6 alone. With and without it
 * are two forwards. `list` says "*:8080". */
#define LND_FORWARD_DUAL_STACK   0x40000u

typedef struct lnd_forward {
    uint32_t size;
    uint32_t flags;     /* LND_FORWARD_FROM_*, LND_FORWARD_DUAL_STACK          */
    uint32_t protocol;  /* LND_FORWARD_*; of an unknown one: LND_ERR_UNSUPPORTED */
    int32_t listener;   /* UNIX, in `expose`: a stream socket that listens at
                         * `path` already, non-blocking. The host's: duplicate it
                         * (F_DUPFD_CLOEXEC) and close the duplicate in
                         * `unexpose`. The host made the file and removes it; a
                         * confined process could not. -1: the plugin makes both */
    lnd_endpoint host;  /* TCP, UDP: where to listen                           */
    const char *path;   /* UNIX: an absolute path, NUL-ended; otherwise NULL   */
    lnd_endpoint guest; /* where it leads; all zero in `unexpose`              */
    const char *guest_name; /* which guest of an isolated network; "": the only
                         * one, or the one that came first. NUL-ended          */
} lnd_forward;

typedef struct lnd_plugin_forward {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] Listens at `host` and leads each client to `guest`. Completes
     * `op`: LND_OK; LND_ERR_EXISTS with the reason as text when the address
     * is taken; LND_ERR_INVALID_CONFIG, LND_ERR_SYSTEM, LND_ERR_LIMIT. The
     * same forward twice is LND_ERR_EXISTS. The guest need not be there yet. */
    void (*expose)(void *self, lnd_op op, const lnd_forward *forward);

    /* [loop] Stops listening; connections that exist go on. LND_OK, too, when
     * there is no such forward. */
    void (*unexpose)(void *self, lnd_op op, const lnd_forward *forward);

    /* [loop] Writes a JSON array, an object for each forward, in any order;
     * addresses as RFC 5952 writes them:
     * {"protocol":"tcp"|"udp"|"unix",
     *  "host":"127.0.0.1:8080" | "[::1]:8080" | "*:8080" | "/path",
     *  "guest":"192.168.5.15:80","guestName":"","connections":3} */
    void (*list)(void *self, lnd_sink sink);
} lnd_plugin_forward;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_FORWARD_H */
