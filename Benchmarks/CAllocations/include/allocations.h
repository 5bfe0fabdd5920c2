/* allocations.h - counts the calls of malloc in a process that links this.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOCATIONS_H
#define ALLOCATIONS_H

#include <stdint.h>

/* Calls of malloc, calloc, realloc and the aligned ones so far, by this thread. */
uint64_t allocations_so_far(void);

#endif /* ALLOCATIONS_H */
