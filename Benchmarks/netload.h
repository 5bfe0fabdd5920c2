/* SPDX-License-Identifier: Apache-2.0 */
/* netload.h - what the files of netload share. */
#ifndef NETLOAD_H
#define NETLOAD_H

/* Ends the program with `what` and the text of errno. */
void fail(const char *what);

/* Gives a socket the largest buffers that it may have. */
void enlarge(int fd);

/* Plays QEMU (relay.c) until the stream ends. */
void relay(const char *name, int mtu, const char *path);

#endif
