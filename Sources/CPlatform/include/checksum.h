/* SPDX-License-Identifier: Apache-2.0 */
/* checksum.h - the Internet checksum's sum (RFC 1071). */
#ifndef CPLATFORM_CHECKSUM_H
#define CPLATFORM_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The one's complement sum of `length` bytes taken as 16-bit words in the
 * machine's own byte order, an odd last byte padded with zero: folded to 16
 * bits, not complemented. RFC 1071 section 2(B) lets the result be stored as
 * it is, or added to sums made the same way. Any alignment. */
uint16_t cplatform_checksum(const void *bytes, size_t length);

#endif
