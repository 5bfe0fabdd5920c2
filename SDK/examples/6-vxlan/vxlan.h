/* vxlan.h - the VXLAN header (RFC 7348 section 5), separate from the plugin so that test.c can test it.
 *
 *      0                   1                   2                   3
 *     |R|R|R|R|I|R|R|R|            reserved                           |
 *     |                VXLAN network identifier (VNI) |   reserved    |
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VXLAN_H
#define VXLAN_H

#include <stddef.h>
#include <stdint.h>

enum {
    VXLAN_HEADER = 8,   /* bytes */
    VXLAN_PORT = 4789,  /* assigned by IANA */
    VXLAN_VNI_MAX = 0xffffff,
    ETHERNET_HEADER = 14,
    /* Overhead of a tunnel over IPv4, to be subtracted from the MTU of the underlying network: outer IP, UDP,
     * VXLAN and inner Ethernet header. IPv6 needs 20 bytes more. */
    VXLAN_OVERHEAD = 20 + 8 + VXLAN_HEADER + ETHERNET_HEADER,
};

/* Writes the 8 bytes before each frame. */
static inline void vxlan_write(uint8_t *to, uint32_t vni) {
    to[0] = 0x08; /* flag I: the VNI is valid */
    to[1] = to[2] = to[3] = to[7] = 0;
    to[4] = (uint8_t)(vni >> 16);
    to[5] = (uint8_t)(vni >> 8);
    to[6] = (uint8_t)vni;
}

/* The frame in a datagram of `length` bytes, or NULL if it is not of this VNI. Reserved bits are ignored, as the
 * RFC requires. */
static inline const uint8_t *vxlan_frame(const uint8_t *datagram, size_t length, uint32_t vni, size_t *frame_length) {
    if (length < VXLAN_HEADER + ETHERNET_HEADER || !(datagram[0] & 0x08)) return NULL;
    uint32_t theirs = (uint32_t)datagram[4] << 16 | (uint32_t)datagram[5] << 8 | datagram[6];
    if (theirs != vni) return NULL;
    *frame_length = length - VXLAN_HEADER;
    return datagram + VXLAN_HEADER;
}

#endif
