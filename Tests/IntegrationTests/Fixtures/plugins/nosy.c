/* nosy.c - a plugin that tries, each time it is asked for its status, what a network has no business with, and says
 * what came of each: 0, or the errno.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <lnd_plugin.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static const lnd_host *host_table;
static char secret[256], granted[256], state[256];

/* The text of a member of a flat object without escapes. */
static void option(const char *json, const char *name, char out[256]) {
    char key[64];
    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *at = strstr(json, key);
    out[0] = 0;
    if (at) sscanf(at + strlen(key), "%255[^\"]", out);
}

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    (void)plugin;
    host_table = host;
    option(config->options, "secret", secret);
    option(config->options, "granted", granted);
    snprintf(state, sizeof state, "%s/nosy", config->state_directory);
    return &host_table;
}
static lnd_status start(void *self, lnd_op op) {
    (void)self;
    return host_table->op_done(host_table->ctx, op, LND_OK, NULL, 0);
}
static void stop(void *self, lnd_op op) {
    (void)self;
    host_table->op_done(host_table->ctx, op, LND_OK, NULL, 0);
}
static void destroy(void *self) { (void)self; }
static lnd_status port_up(void *self, const lnd_port_info *info) { (void)self, (void)info; return LND_OK; }
static void port_down(void *self, lnd_port port) { (void)self, (void)port; }
static void rx(void *self, lnd_port port, const lnd_frame *frames, uint32_t count) {
    (void)self, (void)port, (void)frames, (void)count;
}

static int closed(int fd) {
    if (fd < 0) return errno;
    close(fd);
    return 0;
}
static int said(long result) { return result < 0 ? errno : 0; }
static void *nothing(void *argument) { return argument; }

static int read_parent(void) {
    char byte;
    struct iovec own = {&byte, 1}, other = {(void *)(uintptr_t)0x400000, 1};
    return said(process_vm_readv(getppid(), &own, 1, &other, 1, 0));
}
static int open_parents_environment(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)getppid());
    return closed(open(path, O_RDONLY));
}
/* 0: it could; in a child, for it does not come back. */
static int run_program(void) {
    char *const arguments[] = {"true", NULL};
    volatile int error = 0; /* vfork: the child writes this one */
    pid_t child = vfork();
    if (child == 0) {
        execve("/bin/true", arguments, NULL);
        error = errno;
        _exit(0);
    }
    if (child < 0) return errno;
    waitpid(child, NULL, 0);
    return error;
}
static int make_thread(void) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, nothing, NULL);
    return error ? error : pthread_join(thread, NULL);
}
static int find_name(void) {
    struct addrinfo *found = NULL;
    int error = getaddrinfo("localhost", NULL, NULL, &found);
    if (error == 0) freeaddrinfo(found);
    return error ? 255 : 0;
}

/* Whether a folder outside is reached: by what is open, or as the root's parent. */
static int leave(void) {
    if (closed(open("/../usr", O_RDONLY | O_DIRECTORY)) == 0) return 0;
    for (int fd = 0; fd < 256; fd++)
        if (closed(openat(fd, "..", O_RDONLY | O_DIRECTORY)) == 0) return 0;
    return ENOENT;
}
static int make_process(void) {
    pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
    return 0;
}
static int map_code(void) {
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) return errno;
    munmap(code, 4096);
    return 0;
}

static void status(void *self, lnd_sink sink) {
    (void)self;
    char text[2048];
    int n = snprintf(
        text, sizeof text,
        "{\"execve\":%d,\"ptrace\":%d,\"readParent\":%d,\"parentsEnvironment\":%d,\"signalParent\":%d,"
        "\"unshare\":%d,\"mount\":%d,\"rawSocket\":%d,\"packetSocket\":%d,\"keyctl\":%d,\"userfaultfd\":%d,"
        "\"proc\":%d,\"etc\":%d,\"programs\":%d,\"root\":%d,\"leave\":%d,\"process\":%d,\"code\":%d,\"unixSocket\":%d,"
        "\"crypto\":%d,\"writeEtc\":%d,"
        "\"secret\":%d,\"writeSecret\":%d,\"token\":%d,"
        "\"granted\":%d,\"state\":%d,\"resolvConf\":%d,\"thread\":%d,\"name\":%d,\"socket\":%d}",
        run_program(), said(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)), read_parent(),
        open_parents_environment(), said(kill(getppid(), 0)), said(unshare(CLONE_NEWUSER)),
        said(mount("none", "/no/such/folder", "tmpfs", 0, NULL)), closed(socket(AF_INET, SOCK_RAW, 1)),
        closed(socket(AF_PACKET, SOCK_RAW, 0)), said(syscall(SYS_keyctl, 0, -3, 0, 0, 0)),
        closed((int)syscall(SYS_userfaultfd, 0)), closed(open("/proc/self/status", O_RDONLY)),
        closed(open("/etc/passwd", O_RDONLY)), closed(open("/usr/bin/env", O_RDONLY)),
        closed(open("/", O_RDONLY | O_DIRECTORY)), leave(), make_process(), map_code(),
        closed(socket(AF_UNIX, SOCK_STREAM, 0)), closed(socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0)),
        closed(open("/etc/hosts", O_WRONLY)), closed(open(secret, O_RDONLY)),
        closed(open(secret, O_WRONLY)), getenv("NOSY_TOKEN") == NULL ? ENOENT : 0,
        closed(open(granted, O_RDONLY)), closed(open(state, O_RDWR | O_CREAT, 0600)),
        closed(open("/etc/resolv.conf", O_RDONLY)), make_thread(), find_name(),
        closed(socket(AF_INET, SOCK_STREAM, 0)));
    host_table->write(host_table->ctx, sink, (const uint8_t *)text, (size_t)n);
}

static const lnd_network_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy, .status = status},
    .port_up = port_up, .port_down = port_down, .rx = rx,
};
static const char *const modes[] = {"nosy", NULL};
static const lnd_plugin plugin = {
    .size = sizeof plugin, .flags = LND_NETWORK_ISOLATED, .kind = LND_KIND_NETWORK, .name = "nosy",
    .summary = "Tries what it should not", .modes = modes, .ops = &ops,
    .options_schema = "{\"type\":\"object\",\"properties\":{\"secret\":{\"type\":\"string\"},"
                      "\"granted\":{\"type\":\"string\",\"x-path\":\"read\"}}}",
};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {
    .size = sizeof module, .abi_minor = LND_ABI_MINOR, .id = "io.lima-vm.test.nosy", .version = "1.0.0",
    .license = "Apache-2.0", .plugin_count = 1, .plugins = plugins,
};
const lnd_module *lima_netd_module_v1(const lnd_host_info *host) { (void)host; return &module; }
