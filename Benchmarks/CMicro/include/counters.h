/* SPDX-License-Identifier: Apache-2.0 */
/* counters.h - what a piece of code costs beside its time. */
#ifndef CMICRO_COUNTERS_H
#define CMICRO_COUNTERS_H

#include <stdint.h>

/* Calls of malloc and its kin since the start; always 0 without glibc. */
uint64_t micro_allocations(void);

/* Instructions of this thread in user mode since the first call; 0 where the
 * machine does not count them. */
uint64_t micro_instructions(void);
/* CPU time of this thread, nanoseconds. */
uint64_t micro_cpu_time(void);

#endif
