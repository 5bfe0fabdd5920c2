/* prefetch.h - prefetches memory into the processor's cache. Inline: a call would cost as much as it
 * saves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CPLATFORM_PREFETCH_H
#define CPLATFORM_PREFETCH_H

/* Any address is allowed; an unmapped one has no effect. */
static inline void plat_prefetch(const void *address) { __builtin_prefetch(address); }

#endif /* CPLATFORM_PREFETCH_H */
