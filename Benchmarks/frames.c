/* frames.c - ends of QEMU stream links for Benchmarks/switch: each frame behind its length in 4
 * bytes, big-endian. SPDX-License-Identifier: Apache-2.0
 *
 *   frames pair PATH SECONDS SIZE        two guests of a network: one sends, one receives
 *   frames copy SECONDS SIZE             the same two ends, and between them a process that only
 *                                        reads from one socket and writes to the other
 *   frames mesh PATH GUESTS ACTIVE SECONDS [all]
 *                                        many guests, of which in each round ACTIVE others, chosen
 *                                        at random, send 16 frames each to the next of them (all: a
 *                                        broadcast each); a round begins when the last has arrived
 *
 * pair and copy print the Gbit/s received and the share of what was sent; mesh prints "ready",
 * waits for a line, and prints how many frames arrived; after each further line again. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, BURST = 16, MESH_SIZE = 200, MOST = 1000 };

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int guest(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) die(path);
    return fd;
}

/* A frame of `size` bytes of an experimental type (RFC 5342), its length before it. */
static size_t put(uint8_t *at, int to, int from, size_t size) {
    memset(at, 0, size + 4);
    at[2] = (uint8_t)(size >> 8);
    at[3] = (uint8_t)size;
    uint8_t *frame = at + 4;
    memcpy(frame, to < 0 ? "\xff\xff\xff\xff\xff\xff" : "\x52\x55\x55\x02\x00\x00", 6);
    if (to >= 0) frame[4] = (uint8_t)(to >> 8), frame[5] = (uint8_t)to;
    memcpy(frame + 6, "\x52\x55\x55\x02", 4);
    frame[10] = (uint8_t)(from >> 8), frame[11] = (uint8_t)from;
    frame[12] = 0x88, frame[13] = 0xb5;
    return size + 4;
}

static void write_all(int fd, const uint8_t *data, size_t length) {
    while (length > 0) {
        ssize_t n = write(fd, data, length);
        if (n < 0) {
            if (errno == EINTR) continue;
            die("write");
        }
        data += n;
        length -= (size_t)n;
    }
}

/* As QEMU does: a frame a write. */
static uint64_t send_for(int fd, double seconds, size_t size) {
    static uint8_t one[65536];
    size_t length = put(one, 1, 0, size);
    uint64_t sent = 0;
    double end = now() + seconds;
    while (now() < end)
        for (int i = 0; i < 64; i++, sent += size) write_all(fd, one, length);
    return sent;
}

/* Bytes of stream until it has been quiet for half a second; and the time of the last. */
static uint64_t receive(int fd, double *last) {
    static uint8_t buffer[BUFFER];
    uint64_t received = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (poll(&ready, 1, received ? 500 : 5000) > 0) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n <= 0) break;
        received += (uint64_t)n;
        *last = now();
    }
    return received;
}

static void measure(int from, int to, double seconds, size_t size) {
    int tell[2];
    if (pipe(tell)) die("pipe");
    double start = now(), last = start;
    pid_t child = fork();
    if (child == 0) {
        uint64_t sent = send_for(from, seconds, size);
        if (write(tell[1], &sent, sizeof sent) < 0) _exit(1);
        _exit(0);
    }
    double payload = (double)receive(to, &last) * (double)size / (double)(size + 4);
    uint64_t sent = 0;
    if (read(tell[0], &sent, sizeof sent) != sizeof sent) die("read");
    waitpid(child, NULL, 0);
    printf("%.2f %.3f\n", payload * 8 / (last - start) / 1e9, payload / (double)sent);
}

static void pair(const char *path, double seconds, size_t size) {
    int from = guest(path), to = guest(path);
    uint8_t hello[256];
    /* The switch learns where the receiver is. */
    write_all(to, hello, put(hello, -1, 1, 60));
    uint8_t seen[64];
    if (recv(from, seen, sizeof seen, MSG_WAITALL) != sizeof seen) die("hello");
    measure(from, to, seconds, size);
}

static void copy(double seconds, size_t size) {
    int a[2], b[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, a) || socketpair(AF_UNIX, SOCK_STREAM, 0, b))
        die("socketpair");
    pid_t child = fork();
    if (child == 0) {
        static uint8_t buffer[BUFFER];
        close(a[0]), close(b[1]);
        ssize_t n;
        while ((n = read(a[1], buffer, sizeof buffer)) > 0) write_all(b[0], buffer, (size_t)n);
        _exit(0);
    }
    close(a[1]), close(b[0]);
    measure(a[0], b[1], seconds, size);
    kill(child, 15);
    waitpid(child, NULL, 0);
}

/* One guest of the mesh: a byte stream in, cut into frames. */
struct link {
    int fd;
    uint8_t head[4];
    unsigned have;    /* bytes of head      */
    uint32_t skip;    /* bytes of the frame */
};

static uint64_t cut(struct link *link, const uint8_t *data, size_t length) {
    uint64_t frames = 0;
    while (length > 0) {
        if (link->skip > 0) {
            size_t n = link->skip < length ? link->skip : length;
            link->skip -= (uint32_t)n, data += n, length -= n;
            if (link->skip == 0) frames++;
            continue;
        }
        link->head[link->have++] = *data++, length--;
        if (link->have == 4) {
            link->have = 0;
            link->skip = (uint32_t)link->head[2] << 8 | link->head[3];
        }
    }
    return frames;
}

struct mesh {
    struct link links[MOST];
    int order[MOST]; /* the first `active` of it are the round's */
    int count, active, poll_fd;
};

/* Frames that arrived within some milliseconds. */
static uint64_t gather(struct mesh *mesh, int timeout) {
    static uint8_t buffer[BUFFER];
    struct epoll_event events[64];
    uint64_t received = 0;
    int n = epoll_wait(mesh->poll_fd, events, 64, timeout);
    for (int i = 0; i < n; i++) {
        struct link *link = &mesh->links[events[i].data.u32];
        ssize_t length = read(link->fd, buffer, sizeof buffer);
        if (length > 0) received += cut(link, buffer, (size_t)length);
    }
    return received;
}

/* Waits for `expected` frames until nothing comes for a while, in ms; how many came. */
static uint64_t await(struct mesh *mesh, uint64_t expected, int patience) {
    uint64_t received = 0, more = 1;
    while (received < expected && more > 0) received += more = gather(mesh, patience);
    return received;
}

static void join_all(struct mesh *mesh, const char *path) {
    uint8_t hello[256];
    mesh->poll_fd = epoll_create1(0);
    for (int i = 0; i < mesh->count; i++) {
        mesh->order[i] = i;
        mesh->links[i].fd = guest(path);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        epoll_ctl(mesh->poll_fd, EPOLL_CTL_ADD, mesh->links[i].fd, &event);
    }
    /* Until the first is heard by all, some are not joined; then each is learned. */
    uint64_t others = (uint64_t)mesh->count - 1;
    size_t length = put(hello, -1, 0, 60);
    do write_all(mesh->links[0].fd, hello, length);
    while (await(mesh, others, 200) < others);
    for (int i = 1; i < mesh->count; i++) {
        write_all(mesh->links[i].fd, hello, put(hello, -1, i, 60));
        await(mesh, others, 5000);
    }
}

static uint64_t round_of(struct mesh *mesh, int to_all) {
    static uint8_t burst[BURST * (MESH_SIZE + 4)];
    uint64_t expected = 0;
    for (int i = 0; i < mesh->active; i++) {
        int other = i + rand() % (mesh->count - i), chosen = mesh->order[other];
        mesh->order[other] = mesh->order[i], mesh->order[i] = chosen;
    }
    for (int i = 0; i < mesh->active; i++) {
        int from = mesh->order[i], to = mesh->order[(i + 1) % mesh->active];
        size_t length = 0;
        if (to_all) {
            length = put(burst, -1, from, 60);
            expected += (uint64_t)mesh->count - 1;
        } else {
            for (int k = 0; k < BURST; k++) length += put(burst + length, to, from, MESH_SIZE);
            expected += BURST;
        }
        write_all(mesh->links[from].fd, burst, length);
    }
    return await(mesh, expected, 2000);
}

static void mesh(const char *path, int count, int active, double seconds, int to_all) {
    static struct mesh mesh;
    char line[16];
    if (active < 2 || count < active || count > MOST) exit(2);
    mesh.count = count, mesh.active = active;
    srand(1);
    join_all(&mesh, path);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        uint64_t received = 0;
        double end = now() + seconds;
        while (now() < end) received += round_of(&mesh, to_all);
        printf("%llu\n", (unsigned long long)received);
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "pair"))
        pair(argv[2], atof(argv[3]), (size_t)atoi(argv[4]));
    else if (argc == 4 && !strcmp(argv[1], "copy"))
        copy(atof(argv[2]), (size_t)atoi(argv[3]));
    else if (argc >= 6 && !strcmp(argv[1], "mesh"))
        mesh(argv[2], atoi(argv[3]), atoi(argv[4]), atof(argv[5]),
             argc == 7 && !strcmp(argv[6], "all"));
    else
        return 2;
    return 0;
}
