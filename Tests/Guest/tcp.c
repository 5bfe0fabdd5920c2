/* SPDX-License-Identifier: Apache-2.0
 *
 * tcp - what busybox has no tool for, in the guest of the tests.
 *
 *   tcp hold ADDRESS PORT COUNT
 *       COUNT connections to an echo server, all open at once; then each carries a block of
 *       its own there and back. Prints how many blocks came back whole.
 *   tcp relay ADDRESS PORT PATH SINK
 *       Fetches http://ADDRESS:PORT/PATH and sends the body to port SINK while it comes;
 *       prints what the sink answers. No byte passes user space: the guest is emulated. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 3000, PIPE = 1 << 20 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int connected(const char *address, const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1) fail(address);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("connect");
    return fd;
}

static void send_all(int fd, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0) fail("send");
        bytes += sent;
        count -= (size_t)sent;
    }
}

/* A block that is another for each connection. */
static void fill(char *block, int number) {
    unsigned state = 2654435761u * (unsigned)(number + 1);
    for (int i = 0; i < BLOCK; i++) {
        state = state * 1664525u + 1013904223u;
        block[i] = (char)(state >> 24);
    }
}

static int hold(const char *address, const char *port, int count) {
    struct rlimit files = {(rlim_t)count + 16, (rlim_t)count + 16};
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) fail("setrlimit");
    int *peers = calloc((size_t)count, sizeof *peers);
    char block[BLOCK], back[BLOCK + 1];
    int whole = 0;
    if (peers == NULL) fail("calloc");
    for (int i = 0; i < count; i++) peers[i] = connected(address, port);
    for (int i = 0; i < count; i++) {
        fill(block, i);
        send_all(peers[i], block, BLOCK);
        shutdown(peers[i], SHUT_WR);
    }
    for (int i = 0; i < count; i++) {
        size_t length = 0;
        ssize_t got;
        while ((got = recv(peers[i], back + length, sizeof back - length, 0)) > 0)
            length += (size_t)got;
        fill(block, i);
        whole += got == 0 && length == BLOCK && memcmp(block, back, BLOCK) == 0;
    }
    printf("%d\n", whole);
    return 0;
}

static int relay(const char *address, const char *port, const char *path, const char *sink) {
    int from = connected(address, port), to = connected(address, sink), pipes[2];
    char request[512], byte = 0;
    int length = snprintf(request, sizeof request, "GET /%s HTTP/1.0\r\n\r\n", path);
    if (length < 0 || length >= (int)sizeof request) fail("path");
    send_all(from, request, (size_t)length);
    for (unsigned end = 0; end != 0x0d0a0d0a; end = end << 8 | (unsigned char)byte)
        if (recv(from, &byte, 1, 0) != 1) fail("header");
    if (pipe(pipes) != 0) fail("pipe");
    fcntl(pipes[1], F_SETPIPE_SZ, PIPE);
    ssize_t got;
    while ((got = splice(from, NULL, pipes[1], NULL, PIPE, SPLICE_F_MOVE)) > 0) {
        while (got > 0) {
            ssize_t sent = splice(pipes[0], NULL, to, NULL, (size_t)got, SPLICE_F_MOVE | SPLICE_F_MORE);
            if (sent <= 0) fail("splice");
            got -= sent;
        }
    }
    if (got < 0) fail("splice");
    shutdown(to, SHUT_WR);
    while ((got = recv(to, request, sizeof request, 0)) > 0) fwrite(request, 1, (size_t)got, stdout);
    return got < 0;
}

int main(int count, char **words) {
    if (count == 5 && strcmp(words[1], "hold") == 0) return hold(words[2], words[3], atoi(words[4]));
    if (count == 6 && strcmp(words[1], "relay") == 0) return relay(words[2], words[3], words[4], words[5]);
    fprintf(stderr, "tcp hold ADDRESS PORT COUNT | tcp relay ADDRESS PORT PATH SINK\n");
    return 2;
}
