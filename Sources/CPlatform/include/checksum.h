/* SPDX-License-Identifier: Apache-2.0 */
/* checksum.h - the sum of the Internet checksum (RFC 1071). */
#ifndef CPLATFORM_CHECKSUM_H
#define CPLATFORM_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The one's complement sum of `length` bytes as 16-bit words in the machine's byte order, an odd last byte
 * padded with zero; folded to 16 bits, not complemented. By RFC 1071 section 2(B) the result may be stored
 * as it is, or added to sums computed in the same way. Any alignment. */
uint16_t cplatform_checksum(const void *bytes, size_t length);

#endif
