/* lnd_draft_handover.h - limanetd.draft.handover/1: an instance hands its
 * state to the one that follows it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * DRAFT: may change or vanish with every version of lima-netd. No host of 1.0
 * asks for it. Offered by plugins of any kind whose connections shall outlive a
 * restart of the process by request (an update of lima-netd, or of the plugin):
 * the host freezes the old instance, thaws the new one from what it gave, and
 * lets it go on where the other stopped.
 */
#ifndef LND_DRAFT_HANDOVER_H
#define LND_DRAFT_HANDOVER_H

#include "../lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_DRAFT_HANDOVER "limanetd.draft.handover/1"

typedef struct lnd_draft_handover {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] After port_down of all ports, instead of `stop`: writes the state
     * to the sink, in a form of the plugin's own that begins with its version,
     * and names the descriptors that go with it with `pass`, in order. `op` is
     * completed when all is written; the instance does nothing more but
     * `resume` or `destroy`. */
    void (*freeze)(void *self, lnd_op op, lnd_sink sink,
                   void (*pass)(void *ctx, lnd_sink sink, int32_t fd));

    /* [loop] In place of `start`: begins with the state of another instance.
     * The descriptors are the plugin's. A failure other than LND_ERR_LIMIT
     * means that the state is not understood: `start` follows. */
    lnd_status (*thaw)(void *self, lnd_op op, const uint8_t *state, uint64_t length,
                       const int32_t *fds, uint32_t fd_count);

    /* [loop] Nobody took the state: the old instance goes on as before. */
    lnd_status (*resume)(void *self);
} lnd_draft_handover;

#ifdef __cplusplus
}
#endif

#endif /* LND_DRAFT_HANDOVER_H */
