/* sha256.h - shared by sha256.c and its variants for certain processors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

extern const uint32_t plat_sha256_constants[64];

/* Whether this processor can run plat_sha256_compress_x86. */
int plat_sha256_has_x86(void);
/* Adds `count` blocks of 64 bytes to the state. */
void plat_sha256_compress_x86(uint32_t state[8], const uint8_t *blocks, uint64_t count);
