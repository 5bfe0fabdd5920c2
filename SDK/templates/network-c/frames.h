/* frames.h - this network's answers: pure functions from a frame to a frame, independent of the host, so that a
 * test can call them. */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdint.h>

enum { FRAME_MAX = 1514, LEASE_SECONDS = 86400 };

typedef struct network {
    uint8_t mac[6];     /* of the gateway */
    uint8_t gateway[4]; /* the address that answers ping */
    uint8_t guest[4];   /* the address of a guest */
} network;

/* Converts "10.99.0.2" to four bytes. 0 if it is no address. */
int parse_ipv4(const char *text, uint8_t address[4]);

/* Chooses the guest's address in the gateway's /24. */
void choose_guest(network *net);

/* The answer to a frame of `length` bytes: ARP, DHCP or ping. Writes it to `out` and returns its length; 0 if
 * there is none. */
uint32_t answer(const network *net, const uint8_t *frame, uint32_t length, uint8_t out[FRAME_MAX]);

#endif
