/* prefetch.h - asks the processor for memory that will be needed soon. Inline:
 * a call would cost what it saves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CPLATFORM_PREFETCH_H
#define CPLATFORM_PREFETCH_H

/* Any address will do: one that is not mapped has no effect. */
static inline void plat_prefetch(const void *address) { __builtin_prefetch(address); }

#endif /* CPLATFORM_PREFETCH_H */
