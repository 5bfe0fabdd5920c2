/* test.c - tests the header by RFC 7348 section 5, and truncated datagrams. `make test` runs it with the
 * sanitizers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "vxlan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int holds, const char *claim) {
    if (holds) return;
    fprintf(stderr, "not so: %s\n", claim);
    exit(1);
}

int main(void) {
    static const uint8_t expected[VXLAN_HEADER] = {0x08, 0, 0, 0, 0x12, 0x34, 0x56, 0};
    uint8_t datagram[64] = {0};
    size_t length = 0;
    vxlan_write(datagram, 0x123456);
    check(memcmp(datagram, expected, sizeof expected) == 0, "flags 0x08, and the VNI in bytes 4 to 6");
    check(vxlan_frame(datagram, 64, 0x123456, &length) == datagram + 8 && length == 56, "the frame stands behind it");
    check(!vxlan_frame(datagram, 64, 0x123457, &length), "another VNI is not ours");
    datagram[1] = datagram[3] = datagram[7] = 0xff;
    check(vxlan_frame(datagram, 64, 0x123456, &length) != NULL, "what is reserved is ignored");
    datagram[0] = 0xf7;
    check(!vxlan_frame(datagram, 64, 0x123456, &length), "without the flag I there is no VNI");
    for (size_t n = 0; n < VXLAN_HEADER + ETHERNET_HEADER; n++) {
        uint8_t *exact = malloc(n + 1); /* the sanitizer detects a read beyond its end */
        memcpy(exact, expected, n < sizeof expected ? n : sizeof expected);
        check(!vxlan_frame(exact, n, 0x123456, &length), "too short for a frame");
        free(exact);
    }
    puts("ok");
    return 0;
}
