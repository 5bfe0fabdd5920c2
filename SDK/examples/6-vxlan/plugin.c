/* plugin.c - a network plugin that connects the guests of two hosts by a tunnel (VXLAN over a UDP socket, RFC
 * 7348). The peer may be the same plugin, or the kernel's `ip link add type vxlan`.
 *
 *     guests ── the host's switch ══ an uplink of kind LND_UPLINK_PLUGIN ══ this file ── UDP ── the other host
 *
 * The network is switched: frames between guests of one host stay in lima-netd's switch. The tunnel is a port of
 * the switch (limanetd.uplink/1) that is implemented by the plugin instead of a descriptor: frames that the
 * switch sends to the port are passed to `rx`, and frames that the plugin sends to the port enter the switch
 * there. The switch learns the stations behind the tunnel as behind any port.
 *
 * Best read from the bottom: the entry, the descriptor, the table of callbacks, then the callbacks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* sendmmsg, recvmmsg */
#include <arpa/inet.h>
#include <errno.h>
#include <lnd_ext_uplink.h>
#include <lnd_options.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vxlan.h"

enum {
    BATCH = 32,                                    /* datagrams in one system call */
    DATAGRAM_MAX = 9000 + ETHERNET_HEADER + VXLAN_HEADER, /* longer ones are invalid: see `mtu` */
};

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

/* One network's instance. Several may exist in one process: there is no state outside of it. */
typedef struct tunnel {
    const lnd_host *host; /* valid as long as the instance */
    const lnd_host_uplink *uplinks;
    address remote, local;
    socklen_t address_length;
    uint32_t vni, mtu;
    int fd; /* -1: closed */
    lnd_handle watch;
    lnd_port port; /* the tunnel's, on the switch */
    int heard;
    uint64_t sent, received, lost, foreign;
    uint8_t header[VXLAN_HEADER]; /* the same for every frame */
    uint8_t datagrams[BATCH][DATAGRAM_MAX];
} tunnel;

static lnd_status fail(const lnd_host *host, lnd_status code, const char *option, const char *text) {
    return host->fail(host->ctx, code, option, text, strlen(text));
}

/* ----------------------------------------------------------------- options */

/* Parses an address. The schema has checked types and bounds; this checks what it cannot express. Returns the
 * length, or 0. */
static socklen_t parse(const char *text, uint16_t port, address *out) {
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return sizeof out->v4;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        return sizeof out->v6;
    }
    return 0;
}

static lnd_status read_options(const lnd_host *host, const lnd_instance_config *config, tunnel *t) {
    char remote[64] = "", local[64] = "";
    int64_t port = VXLAN_PORT, listen = VXLAN_PORT, vni = 1, mtu = 1450;
    lnd_option_text(config->options, "remote", remote, sizeof remote);
    lnd_option_text(config->options, "local", local, sizeof local);
    lnd_option_int(config->options, "port", &port);
    lnd_option_int(config->options, "listen", &listen);
    lnd_option_int(config->options, "vni", &vni);
    lnd_option_int(config->options, "mtu", &mtu);
    t->address_length = parse(remote, (uint16_t)port, &t->remote);
    if (!t->address_length) return fail(host, LND_ERR_INVALID_CONFIG, "/remote", "not an IP address");
    if (!*local) strcpy(local, t->remote.any.sa_family == AF_INET ? "0.0.0.0" : "::");
    /* The user reads "networks.lab.options.local: not an address of the family that `remote` has". */
    if (parse(local, (uint16_t)listen, &t->local) != t->address_length)
        return fail(host, LND_ERR_INVALID_CONFIG, "/local", "not an address of the family that `remote` has");
    t->vni = (uint32_t)vni;
    t->mtu = (uint32_t)mtu;
    vxlan_write(t->header, t->vni);
    return LND_OK;
}

static lnd_status validate(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    (void)plugin;
    tunnel *t = calloc(1, sizeof *t);
    if (!t) return fail(host, LND_ERR_SYSTEM, NULL, "out of memory");
    lnd_status status = read_options(host, config, t);
    free(t);
    return status;
}

/* -------------------------------------------------------------------- life */

/* Opens no socket: that is done by `start`. */
static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    (void)plugin;
    tunnel *t = calloc(1, sizeof *t);
    if (!t) {
        fail(host, LND_ERR_SYSTEM, NULL, "out of memory");
        return NULL;
    }
    t->host = host;
    t->fd = -1;
    t->uplinks = host->get_extension(host->ctx, LND_EXT_UPLINK); /* NULL: an older host, or an isolated network */
    if (read_options(host, config, t) != LND_OK) {
        free(t);
        return NULL;
    }
    return t;
}

/* Ends what `start` has begun, also if it failed halfway. */
static void shut(tunnel *t) {
    if (t->port) t->uplinks->remove(t->host->ctx, t->port);
    if (t->watch) t->host->fd_remove(t->host->ctx, t->watch); /* before the descriptor is closed */
    if (t->fd >= 0) close(t->fd);
    t->port = t->watch = 0;
    t->fd = -1;
}

static lnd_status start(void *self, lnd_op op) {
    tunnel *t = self;
    const lnd_host *host = t->host;
    char text[200];
    if (!t->uplinks) return fail(host, LND_ERR_UNSUPPORTED, NULL, "this lima-netd has no limanetd.uplink/1");
    t->fd = socket(t->remote.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0 || bind(t->fd, &t->local.any, t->address_length) != 0) {
        snprintf(text, sizeof text, "cannot listen for the tunnel: %s", strerror(errno));
        fail(host, LND_ERR_SYSTEM, "/listen", text);
        shut(t);
        return LND_ERR_SYSTEM;
    }
    lnd_status status = host->fd_add(host->ctx, t->fd, LND_FD_READ, 0, &t->watch);
    /* `offloads` 0: a datagram carries one frame, so `rx` of this port needs complete frames with all checksums;
     * the switch segments GSO frames of guests. */
    lnd_uplink uplink = {.size = sizeof uplink, .transport = LND_UPLINK_PLUGIN, .fd = -1, .mtu = t->mtu, .name = "vxlan"};
    if (status == LND_OK) status = t->uplinks->add(host->ctx, &uplink, &t->port);
    if (status != LND_OK) {
        shut(t);
        return status; /* the host has reported the reason */
    }
    /* Shown in `network ls`. */
    host->report(host->ctx, LND_STATE_CONNECTING, "nothing heard from the other side yet", 37);
    return host->op_done(host->ctx, op, LND_OK, NULL, 0);
}

static void stop(void *self, lnd_op op) {
    tunnel *t = self;
    shut(t);
    t->host->op_done(t->host->ctx, op, LND_OK, NULL, 0);
}

static void destroy(void *self) {
    tunnel *t = self;
    if (t->fd >= 0) close(t->fd); /* if `stop` was never called */
    free(t);
}

/* Two ports come up: the switch's, for frames that are for the plugin itself, and the tunnel's. */
static lnd_status port_up(void *self, const lnd_port_info *info) {
    (void)self, (void)info;
    return LND_OK;
}

static void port_down(void *self, lnd_port port) {
    tunnel *t = self;
    if (port == t->port) t->port = 0;
}

/* ------------------------------------------------------------------ frames */

/* From the switch to the tunnel. Frames are borrowed for the call: those not sent before it returns are lost. */
static void rx(void *self, lnd_port port, const lnd_frame *frames, uint32_t count) {
    tunnel *t = self;
    if (port != t->port) return; /* the switch's own port: the plugin is no station */
    struct iovec pieces[BATCH][2];
    struct mmsghdr messages[BATCH];
    for (uint32_t done = 0; done < count;) {
        uint32_t n = count - done < BATCH ? count - done : BATCH;
        memset(messages, 0, sizeof messages);
        for (uint32_t i = 0; i < n; i++) {
            pieces[i][0] = (struct iovec){t->header, sizeof t->header};
            pieces[i][1] = (struct iovec){(void *)(uintptr_t)frames[done + i].data, frames[done + i].length};
            messages[i].msg_hdr.msg_name = &t->remote;
            messages[i].msg_hdr.msg_namelen = t->address_length;
            messages[i].msg_hdr.msg_iov = pieces[i];
            messages[i].msg_hdr.msg_iovlen = 2;
        }
        int sent = sendmmsg(t->fd, messages, n, 0);
        if (sent > 0) {
            t->sent += (unsigned)sent;
            done += (unsigned)sent;
        } else if (sent < 0 && errno == EINTR) {
            continue;
        } else if (sent == 0 || errno == EAGAIN) {
            /* The socket's buffer is full. Ethernet may lose frames; waiting would delay all guests. */
            t->lost += count - done;
            return;
        } else {
            t->lost++; /* No route, too long, or refused by the peer: only this one is lost. */
            done++;
        }
    }
}

static int is_from_remote(const tunnel *t, const address *from) {
    if (from->any.sa_family != t->remote.any.sa_family) return 0;
    /* Any source port: the kernel's vxlan uses a different one for each flow (RFC 7348 section 5). */
    return from->any.sa_family == AF_INET
               ? from->v4.sin_addr.s_addr == t->remote.v4.sin_addr.s_addr
               : memcmp(&from->v6.sin6_addr, &t->remote.v6.sin6_addr, sizeof from->v6.sin6_addr) == 0;
}

/* From the tunnel to the switch. The watch is level-triggered: remaining datagrams are reported again in the
 * next iteration, so one system call is enough, and a flood does not block the loop. */
static void on_fds(void *self, const lnd_fd_event *events, uint32_t event_count) {
    tunnel *t = self;
    (void)events, (void)event_count;
    if (t->fd < 0) return; /* events of a removed watch may still arrive */
    struct iovec pieces[BATCH];
    struct mmsghdr messages[BATCH];
    address from[BATCH];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){t->datagrams[i], DATAGRAM_MAX};
        messages[i].msg_hdr.msg_name = &from[i];
        messages[i].msg_hdr.msg_namelen = sizeof from[i];
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(t->fd, messages, BATCH, 0, NULL);
    lnd_frame frames[BATCH];
    uint32_t n = 0;
    memset(frames, 0, sizeof frames);
    for (int i = 0; i < count; i++) {
        size_t length = 0;
        const uint8_t *frame = vxlan_frame(t->datagrams[i], messages[i].msg_len, t->vni, &length);
        if (!frame || messages[i].msg_hdr.msg_flags & MSG_TRUNC || !is_from_remote(t, &from[i])) {
            t->foreign++;
            continue;
        }
        frames[n].data = frame;
        frames[n++].length = (uint32_t)length;
    }
    if (n && !t->heard) {
        t->heard = 1;
        t->host->report(t->host->ctx, LND_STATE_OK, "", 0);
    }
    if (!n || !t->port) return;
    uint32_t taken = t->host->send(t->host->ctx, t->port, frames, n);
    t->received += taken;
    t->lost += n - taken; /* the switch has no room: lost, as in `rx` */
}

static void status(void *self, lnd_sink sink) {
    const tunnel *t = self;
    char text[200];
    int length = snprintf(text, sizeof text, "{\"sent\":%llu,\"received\":%llu,\"lost\":%llu,\"foreign\":%llu}",
                          (unsigned long long)t->sent, (unsigned long long)t->received, (unsigned long long)t->lost,
                          (unsigned long long)t->foreign);
    t->host->write(t->host->ctx, sink, (const uint8_t *)text, (uint64_t)length);
}

/* -------------------------------------------------------------- descriptor */

static const char schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"remote\"],\"properties\":{"
    "\"remote\":{\"type\":\"string\",\"format\":\"ipv4-or-6\",\"description\":\"The address of the other host\"},"
    "\"local\":{\"type\":\"string\",\"default\":\"\",\"description\":\"The address to listen at; empty: any\"},"
    "\"port\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535,\"default\":4789,"
    "\"description\":\"The UDP port of the other host\"},"
    "\"listen\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":65535,\"default\":4789,"
    "\"description\":\"The UDP port to listen at; 0: a free one\"},"
    "\"vni\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":16777215,\"default\":1,"
    "\"description\":\"The number that both sides have\"},"
    "\"mtu\":{\"type\":\"integer\",\"minimum\":576,\"maximum\":9000,\"default\":1450,"
    "\"description\":\"Bytes of IP packet the tunnel carries: 50 less than the wire below, 70 over IPv6\"}}}";

static const lnd_network_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy,
                 .on_fds = on_fds, .validate = validate, .status = status},
    .port_up = port_up, .port_down = port_down, .rx = rx,
};
static const char *const modes[] = {"vxlan", NULL};
static const lnd_plugin plugin = {
    .size = sizeof plugin, .kind = LND_KIND_NETWORK, .name = "vxlan",
    .summary = "Joins the guests of two hosts by VXLAN", .modes = modes, .options_schema = schema, .ops = &ops,
};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {
    .size = sizeof module, .abi_minor = LND_ABI_MINOR, .id = "org.example.vxlan", .version = "0.1.0",
    .license = "Apache-2.0", .plugin_count = 1, .plugins = plugins,
};

const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
