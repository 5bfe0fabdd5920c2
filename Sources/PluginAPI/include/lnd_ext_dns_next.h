/* lnd_ext_dns_next.h - limanetd.dns-next/1: a DNS plugin asks the one behind it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by the host to DNS plugins that are not the last of a list:
 *
 *     dns: {plugins: [blocklist, hostdns]}
 *
 * Guests' questions go to the first. It answers by itself, or asks the next
 * one, whose answer it completes its own op with, as it is or changed. All
 * are instances in one process. get_extension finds nothing for the last one.
 */
#ifndef LND_EXT_DNS_NEXT_H
#define LND_EXT_DNS_NEXT_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_DNS_NEXT "limanetd.dns-next/1"

typedef struct lnd_host_dns_next {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] From `start` on: asks the next plugin. The message may be another
     * than the one that was asked; who asks goes on with it, so hand over the
     * query that came. `deadline_ns` is not before the present; 0 lets the
     * host choose. What comes back is the next plugin's answer, checked to be
     * an answer to the message, as on_op_done(op, LND_OK, message, length); or
     * its failure. Never before this has returned. Returns 0 when too many
     * questions are under way, or the message is no question. What the next
     * plugin keeps private (dns-cache/1) is private in this one's answer, too,
     * if `for_op`, the op of the question that it is asked for, is given; it
     * may be 0. When that op is cancelled, the host cancels this one. */
    lnd_op (*query)(void *ctx, lnd_op for_op, const lnd_dns_query *query);

    /* [loop] Forgets the question; no on_op_done follows. Ignores a stale op. */
    void (*cancel)(void *ctx, lnd_op op);
} lnd_host_dns_next;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_DNS_NEXT_H */
