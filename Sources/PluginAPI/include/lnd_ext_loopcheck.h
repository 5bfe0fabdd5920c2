/* lnd_ext_loopcheck.h - limanetd.loopcheck/1: am I on the loop thread?
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by every host: for assertions in plugins and SDKs.
 */
#ifndef LND_EXT_LOOPCHECK_H
#define LND_EXT_LOOPCHECK_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_LOOPCHECK "limanetd.loopcheck/1"

typedef struct lnd_host_loopcheck {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [any] From `create` on: 1 on the loop thread of this instance, 0
     * elsewhere. */
    int32_t (*on_loop)(void *ctx);
} lnd_host_loopcheck;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_LOOPCHECK_H */
