/* lnd_ext_names.h - limanetd.names/1: a network plugin publishes names that
 * the network's DNS answers before any DNS plugin is asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by the host. Names are absolute, without the final dot, compared
 * without case. A published name is owned: every type that is not published
 * for it is answered with NODATA, and nothing about it leaves the machine.
 * Reverse lookups of the addresses are answered, too.
 */
#ifndef LND_EXT_NAMES_H
#define LND_EXT_NAMES_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_NAMES "limanetd.names/1"

typedef struct lnd_host_names {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] From `create` on. Adds an address (without a port) to a name.
     * Adding it twice is no error. LND_ERR_INVALID_CONFIG: not a name or an
     * address; LND_ERR_LIMIT: more than 65536 entries. */
    lnd_status (*publish)(void *ctx, const char *name, const lnd_endpoint *address);

    /* [loop] Takes an address off a name, or all of them with address NULL.
     * Idempotent. */
    lnd_status (*withdraw)(void *ctx, const char *name, const lnd_endpoint *address);
} lnd_host_names;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_NAMES_H */
