/* lnd_plugin.h - the lima-netd plugin ABI, version 1.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * This header and its lnd_ext_*.h siblings are the whole contract between
 * lima-netd and a plugin. It is C11 and C++11, uses only <stdint.h>, and
 * needs no macro, no variadic call and no symbol of the host: everything a
 * plugin may call reaches it in a table of function pointers (lnd_host).
 * It holds for LP64 machines, little-endian or big: int is 32 bits, pointers
 * and long are 64. Numbers are in the machine's order unless a text says
 * otherwise.
 *
 * LIFE OF A PLUGIN
 *
 *     dlopen                      once per process, never unloaded
 *       lima_netd_module_v1()     pure; any number of times
 *         create -> start -> { port_up, rx, on_fds, on_timer, ... }
 *                -> stop -> op_done -> destroy -> process exits
 *
 * A process ("network-host") serves one network, with one network plugin and
 * its DNS plugins. A crash costs that network only. Where the user asks for
 * another DNS plugin, or for other options, while the network runs, two DNS
 * instances overlap: the new one is made and started while the old one
 * answers; then the old one's questions are cancelled and asked of the new
 * one, and it is stopped and destroyed. They may come from one file. A process
 * that serves DNS without a network has DNS plugins only.
 *
 * Several instances of one plugin may live in one process, of every kind: keep
 * no state outside of them.
 *
 * THREADS
 *
 *   [loop]  called on, or to be called from, the network's one loop thread
 *   [any]   may be called from every thread
 *
 * The host calls a plugin on the loop thread only, one call at a time. All
 * instances of a process are called on one thread, unless each of them set
 * LND_PLUGIN_MULTI_LOOP; then each has one thread. A plugin may start threads
 * of its own; they may use the [any] functions, and `wake` brings work back to
 * the loop. Host functions may be called from inside a callback unless their
 * text says otherwise. A function of the host may call other instances of the
 * network before it returns, never the caller: no instance is entered twice
 * (in particular, `send` never calls the sender's `rx`, and `dns.query` never
 * completes before it has returned).
 *
 * WHEN WHAT MAY BE CALLED
 *
 *   of the host                         by an instance
 *     log, now_ns, fail                 from validate and create on
 *     get_extension                     from create on; an extension's text says
 *                                       when its functions may be called: from
 *                                       start on, if it says nothing
 *     wake, fd_*, timer_*, report       from start on
 *     send                              while the port is up: from inside its
 *                                       port_up (not after a failure of it)
 *                                       until port_down is called
 *     op_done                           while the op is open
 *     write                             while the call lasts that brought the sink
 *   Nothing may be called once destroy has returned. A call at another time is
 *   ignored, counted and, where it has a status, LND_ERR_MISUSE.
 *
 *   of the plugin                       by the host
 *     validate                          before create, without an instance
 *     start                             once, after create
 *     port_up, resolve, extensions      when start has succeeded, until stop
 *     port_down                         after its port_up, once; before stop
 *     rx, tx_ready                      while the port is up
 *     on_fds, on_timer, on_wake,        from start to the end of stop's op
 *     on_op_done, on_event, status
 *     reconfigure                       when start has succeeded, until stop
 *     stop                              once, when start has succeeded; all
 *                                       ports are down then
 *     destroy                           once: after create, or a failed start,
 *                                       or stop's op, or LND_STOP_MS after stop
 *
 * TIME
 *
 *   No callback blocks: the guests of the network wait meanwhile. One that
 *   takes longer than LND_SLOW_MS is counted and told in the log. One that has
 *   not returned after LND_HANG_MS hangs: the process may be ended and started
 *   again, as after a crash. `start` has LND_START_MS for its op, `stop`
 *   LND_STOP_MS; a plugin that misses the latter is destroyed all the same,
 *   and the process ends.
 *
 * PROCESS
 *
 *   The process is the host's. A plugin does not fork without exec, and has no
 *   child left when destroy returns. It does not change what belongs to the
 *   process as a whole: the working directory ("/"; use absolute paths),
 *   umask, environment, locale, limits, signal dispositions and the signal
 *   mask of the loop thread. SIGPIPE is ignored. Its own threads block all
 *   signals. stdin is /dev/null; stdout and stderr are the network's log,
 *   unformatted. It never exits the process; abort is a crash. The loop
 *   thread's stack has at least 1 MiB left for a callback. A descriptor is
 *   watched once at a time (LND_ERR_EXISTS). All descriptors that a plugin
 *   opens are close-on-exec.
 *   After start a plugin has sockets, its state folder, and files that its
 *   schema declares (`"format": "lnd-file"`), and nothing else of the file
 *   system: the process may be confined to that, and what it is denied fails
 *   with the kernel's error. LND_ERR_DENIED is how a plugin says so.
 *
 * OWNERSHIP
 *
 *   Arguments, in both directions, are borrowed for the call: whoever wants
 *   to keep bytes copies them. Results are handed to a sink of the host
 *   (`write`, `op_done`), never returned in allocated memory, so no allocator
 *   crosses the boundary. Exceptions are marked STATIC: they must stay valid
 *   and unchanged for the life of the process.
 *   Text is UTF-8. With a length beside it, it need not end in NUL.
 *   A pointer may be NULL only where its text says so; "a text, or NULL"
 *   comes as either. What the host hands over as a NUL-ended text is never
 *   NULL, but may be "", unless its text says otherwise. Bytes with a length
 *   of 0 may have NULL as their address.
 *   Tables, arrays of frames, slices and events are aligned as C aligns their
 *   type (8 bytes). Bytes of frames and messages have no alignment.
 *
 * GROWTH
 *
 *   Every table begins with its size in bytes as the writer knew it. New
 *   members are only ever appended, or take the place of a reserved one. The
 *   reader copies min(size) bytes into a zeroed table of its own, so an absent
 *   member reads as NULL or 0; LND_HAS asks for one member in place. Tables of
 *   functions that the host hands over are followed by LND_TABLE_TAIL zero
 *   bytes: a plugin may read members of a newer minor from them without a
 *   copy, and finds NULL. Element types that travel in arrays (lnd_frame,
 *   lnd_slice, lnd_fd_event) and lnd_endpoint are frozen for good.
 *
 *   Flags: in every word called `flags` bits 0 to 15 may be ignored by who
 *   does not know them; bits 16 to 31 must be known, or the thing is refused
 *   with LND_ERR_UNSUPPORTED: a descriptor is not loaded, a call fails, a
 *   frame is dropped.
 *   Members called `reserved` are 0, or NULL, when written. The host checks it
 *   (LND_ERR_MISUSE; a descriptor is not loaded); a plugin ignores them.
 *   Unknown enumeration values are ignored unless the text of a field says
 *   otherwise. Unknown negative statuses are LND_ERR_INTERNAL. Positive
 *   statuses are reserved: nobody returns one, and one is taken for
 *   LND_ERR_INTERNAL.
 *
 *   Everything optional beyond 1.0 is an extension, asked for by string id.
 *   Extensions that are not settled are called limanetd.draft.NAME/N: they may
 *   change or vanish with every version of lima-netd, and their headers are in
 *   the folder draft.
 */
#ifndef LND_PLUGIN_H
#define LND_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The major version is part of the entry's name; an incompatible future has
 * another symbol. The minor version grows whenever something is added. */
#define LND_ABI_MAJOR 1
#define LND_ABI_MINOR 0

/* Zero bytes behind every table of functions of the host's. */
#define LND_TABLE_TAIL 256u

/* Whether the writer of a table, given by its address, knew a member, and set
 * it: LND_HAS(host, report). For C and C++; nothing else needs it. */
#define LND_HAS(table, member)                                                                  \
    ((table)->size >= (uint64_t)((const char *)(&(table)->member + 1) - (const char *)(table)) && \
     (table)->member)

/* Milliseconds; see TIME above. */
#define LND_ENTRY_MS 100u
#define LND_SLOW_MS  10u
#define LND_HANG_MS  10000u
#define LND_START_MS 30000u
#define LND_STOP_MS  5000u

/* ------------------------------------------------------------------ status */

/* What a call came to. 0 is success, negative values are failures. */
typedef int32_t lnd_status;

#define LND_OK                 0
#define LND_ERR_INVALID_CONFIG (-1)  /* options or addresses that cannot work   */
#define LND_ERR_UNSUPPORTED    (-2)  /* not offered here, now or on this system */
#define LND_ERR_NOT_FOUND      (-3)
#define LND_ERR_EXISTS         (-4)  /* name, address or port is taken          */
#define LND_ERR_BUSY           (-5)  /* try again later                         */
#define LND_ERR_LIMIT          (-6)  /* a configured or built-in bound          */
#define LND_ERR_TIMEOUT        (-7)
#define LND_ERR_SYSTEM         (-8)  /* the kernel said no: put errno's text in `fail` */
#define LND_ERR_INTERNAL       (-9)
#define LND_ERR_CANCELLED      (-10)
#define LND_ERR_REFUSED        (-11) /* the other side said no                  */
#define LND_ERR_DENIED         (-12) /* not allowed: by policy or confinement   */
#define LND_ERR_MISUSE         (-13) /* a call that this header forbids: by when,
                                      * or by a NULL, or by what is reserved    */

/* ----------------------------------------------------------------- handles */

/* All handles carry a generation: one that is used after its end is ignored
 * and counted, never mistaken for a newer one. 0 means none. A guest has the
 * same lnd_port wherever it is named: on its port, in limanetd.guests/1 and
 * lease/1, and in lnd_dns_query. */
typedef uint64_t lnd_handle; /* a watched fd or a timer                     */
typedef uint64_t lnd_port;   /* a guest's link, an uplink, or the switch    */
typedef uint64_t lnd_op;     /* an operation that completes later           */
typedef uint64_t lnd_sink;   /* where `write` puts bytes; valid for the call
                              * that brought it                             */

/* --------------------------------------------------------------- addresses */

/* An IP address with, perhaps, a port. Frozen at 24 bytes. */
typedef struct lnd_endpoint {
    uint8_t address[16]; /* IPv6; IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so
                          * that 0.0.0.0 is ::ffff:0.0.0.0. All zero: ::, or, as
                          * a text says, none                                 */
    uint16_t port;       /* TCP or UDP; 0: none, or any                        */
    uint16_t reserved;
    uint32_t scope;      /* of a link-local address of the host's: the index of
                          * its interface. Otherwise 0                        */
} lnd_endpoint;

/* ------------------------------------------------------------------ frames */

/* A piece of memory. Laid out as struct iovec. Frozen at 16 bytes. */
typedef struct lnd_slice {
    const uint8_t *data; /* NULL only with length 0 */
    uint64_t length;     /* bytes                   */
} lnd_slice;

/* lnd_frame.flags */
#define LND_FRAME_NEEDS_CSUM 0x1u /* The transport checksum is not complete: the
                                   * field at csum_start + csum_offset holds the
                                   * folded sum of the pseudo header, and the sum
                                   * from csum_start to the end is still due
                                   * (VIRTIO_NET_HDR_F_NEEDS_CSUM).            */
#define LND_FRAME_CSUM_VALID 0x2u /* No checksum of the frame is wrong: all were
                                   * verified, or the frame never left this
                                   * machine's memory. With NEEDS_CSUM: the frame
                                   * is intact, and the sum is due all the same. */
#define LND_FRAME_SLICES 0x10000u /* `data` points to an array of `slices`
                                   * lnd_slice, whose lengths add up to `length`.
                                   * In `send`; in `rx` only to a plugin that set
                                   * LND_NETWORK_RX_SLICES.                    */
#define LND_FRAME_SHARED 0x20000u /* In `rx`, with LND_FRAME_SLICES: all slices
                                   * but slice 0 are in memory that the guest can
                                   * change meanwhile. Slice 0 is a private copy
                                   * of the headers. Only to a plugin that set
                                   * LND_NETWORK_RX_SLICES. No port of 1.0 does. */

#define LND_FRAME_MAX_SLICES 64u

/* lnd_frame.gso_type: the values of struct virtio_net_hdr */
#define LND_GSO_NONE   0u
#define LND_GSO_TCPV4  1u
#define LND_GSO_TCPV6  4u
#define LND_GSO_UDP_L4 5u

/* The largest frame: a 64 KiB IP packet and an Ethernet header with a tag. */
#define LND_FRAME_MAX 65553u
/* The smallest gso_size that `send` takes. `rx` may bring one of 1. */
#define LND_GSO_SIZE_MIN 32u

/* One Ethernet frame, from destination address to the end of the payload (no
 * preamble, no FCS). Frozen at 64 bytes.
 *
 * In `rx` it is one piece, which does not change during the call, and whose
 * offsets the host has checked: all that stands below holds. In `send` the
 * host checks it; a frame that breaks a rule is malformed: taken, dropped,
 * counted, and told in the log, once for each rule.
 *
 *  F1. `length` is 14 to LND_FRAME_MAX, `data` is not NULL.
 *  F2. With LND_FRAME_SLICES there are 1 to LND_FRAME_MAX_SLICES slices, and
 *      their lengths add up to `length`. Without it `slices` is 0.
 *  F3. With LND_FRAME_NEEDS_CSUM, or gso_type, the checksum field is in the
 *      frame: csum_start is 14 at least, csum_start + csum_offset + 2 at most
 *      `length`. Without either both mean nothing.
 *  F4. With gso_type the frame is a super-frame: one header and up to 64 KiB
 *      of payload, to be cut into segments of gso_size payload bytes each. It
 *      is one of LND_GSO_*; the transport header at csum_start is TCP's, or
 *      UDP's. gso_size is LND_GSO_SIZE_MIN at least. LND_FRAME_NEEDS_CSUM is
 *      implied: who does not set it means it. `length` may be that of a single
 *      segment, or less.
 *  F5. hdr_len, with gso_type, is the bytes of all headers: what each segment
 *      repeats. The host fills it in before `rx`, and looks at the transport
 *      header itself in `send`, where it may be 0.
 *  F6. All members called reserved are 0, and flags are known ones.
 *
 * A plugin may always send a super-frame, and a frame whose checksum is due:
 * the host's port passes it down where the link can carry it, and cuts and
 * completes it where not. In `rx` such frames come only from ports whose
 * lnd_port_info.offloads says so, none if the plugin set LND_NETWORK_PLAIN. */
typedef struct lnd_frame {
    const uint8_t *data;
    uint32_t length;      /* bytes of frame                                    */
    uint32_t slices;      /* with LND_FRAME_SLICES; otherwise 0                */
    uint32_t flags;       /* LND_FRAME_*                                       */
    uint16_t gso_type;    /* LND_GSO_*                                         */
    uint16_t gso_size;    /* payload bytes per segment                         */
    uint16_t csum_start;  /* offset of the transport header from the start     */
    uint16_t csum_offset; /* offset of the checksum field from csum_start      */
    uint16_t hdr_len;     /* bytes of all headers                              */
    uint16_t reserved;
    lnd_port source;      /* `rx` on a switch: the guest or uplink that it came
                           * from. 0: the same as the port, or not known. `send`:
                           * 0                                                 */
    uint32_t mark;        /* for extensions to come; 0                         */
    uint32_t hash;        /* for extensions to come; 0                         */
    uint64_t lease;       /* for extensions to come; 0                         */
    uint64_t reserved1;
} lnd_frame;

/* ------------------------------------------------------------------- ports */

/* lnd_port_info.kind */
#define LND_PORT_GUEST  1u /* one guest's link                                */
#define LND_PORT_SWITCH 2u /* the host's learning switch, behind which all
                            * guests of a switched network sit               */
#define LND_PORT_UPLINK 3u /* a port the plugin added (lnd_ext_uplink.h)      */

/* lnd_port_info.offloads: what `rx` may bring from the port while it is up.
 * What is sent to it may have every offload: the host adapts it. */
#define LND_OFFLOAD_CSUM  0x1u
#define LND_OFFLOAD_TSO4  0x2u
#define LND_OFFLOAD_TSO6  0x4u
#define LND_OFFLOAD_UDP_SEGMENT 0x8u

typedef struct lnd_port_info {
    uint32_t size;
    uint32_t flags;     /* none yet                                            */
    lnd_port port;
    uint64_t link;      /* a number of the guest's link that stays the same when
                         * the process is started again; 0: it has none        */
    uint32_t kind;      /* LND_PORT_*                                          */
    uint32_t mtu;       /* bytes of IP packet the link carries; 0: not known,
                         * the guest decides (a QEMU socket)                   */
    uint32_t offloads;  /* LND_OFFLOAD_*                                       */
    uint32_t queues;    /* of the link; 1 at least                             */
    uint8_t mac[6];     /* the guest's, if known; otherwise zero               */
    uint8_t reserved[2];
    const char *name;   /* the guest's name, or "" if it has none; NUL-ended   */
} lnd_port_info;

/* --------------------------------------------------------------------- fds */

/* lnd_fd_event.events and `fd_add`. Level-triggered. */
#define LND_FD_READ   0x1u
#define LND_FD_WRITE  0x2u
#define LND_FD_ERROR  0x4u /* always reported: error or both ends closed       */
#define LND_FD_HANGUP 0x8u /* the peer will send no more                       */

/* Frozen at 16 bytes. */
typedef struct lnd_fd_event {
    uint64_t user;   /* as given to fd_add */
    uint32_t events; /* LND_FD_*           */
    uint32_t reserved;
} lnd_fd_event;

/* -------------------------------------------------------------------- host */

/* lnd_host.log levels */
#define LND_LOG_TRACE 0u
#define LND_LOG_DEBUG 1u
#define LND_LOG_INFO  2u
#define LND_LOG_WARN  3u
#define LND_LOG_ERROR 4u

/* lnd_host.report states */
#define LND_STATE_OK         1u /* all is well, as after `start`                */
#define LND_STATE_CONNECTING 2u /* something it needs is not there yet          */
#define LND_STATE_DEGRADED   3u /* it works, but not in full                    */
#define LND_STATE_FAILED     4u /* it cannot do its work until somebody helps   */

/* Bounds. */
#define LND_MAX_TIMERS 65536u      /* the least number of timers, all together  */
#define LND_MAX_LOG    8192u       /* bytes of a line; of a longer one the rest
                                    * is cut off                                */
#define LND_MAX_REASON 512u        /* bytes of a text for users (`fail`, `report`,
                                    * a failed op); of a longer one the rest is
                                    * cut off                                   */
#define LND_MAX_WRITE  (4u << 20)  /* bytes in one sink                         */
#define LND_MAX_RESULT (4u << 20)  /* bytes of one op_done                      */
#define LND_MAX_STATUS (64u << 10) /* bytes of `status`                         */

/* What the host offers an instance. The table and everything it points to
 * live until `destroy` has returned; ctx is the first argument of each call.
 * In 1.0 no function is NULL, but for `send` of kinds that have no ports. */
typedef struct lnd_host {
    uint32_t size;
    uint32_t abi_minor; /* the host's */
    void *ctx;

    /* [any] Writes a line to the network's log. `level` as LND_LOG_*. */
    void (*log)(void *ctx, uint32_t level, const char *text, uint64_t length);

    /* [any] Makes the host call `on_wake` on the loop thread soon. Calls that
     * come before that call are folded into one. Ignored after `destroy`
     * began, so threads must be joined there. */
    void (*wake)(void *ctx);

    /* [any] Monotonic time in nanoseconds; the clock of every deadline. */
    uint64_t (*now_ns)(void *ctx);

    /* [loop] Watches fd, level-triggered, for `events` (LND_FD_READ and
     * LND_FD_WRITE; may be 0), and stores the watch. `user` comes back in
     * lnd_fd_event. The fd stays the plugin's: remove the watch before closing
     * it. LND_ERR_MISUSE: no descriptor (-1), or `watch` is NULL;
     * LND_ERR_EXISTS: it is watched already; LND_ERR_UNSUPPORTED: it is of a
     * kind that cannot be waited for (a plain file); LND_ERR_LIMIT;
     * LND_ERR_SYSTEM. After a failure *watch is 0. */
    lnd_status (*fd_add)(void *ctx, int32_t fd, uint32_t events, uint64_t user, lnd_handle *watch);

    /* [loop] Changes what is watched. LND_ERR_NOT_FOUND for a stale handle. */
    lnd_status (*fd_modify)(void *ctx, lnd_handle watch, uint32_t events);

    /* [loop] Ends a watch. Events already collected in this turn of the loop
     * are not delivered any more. Ignores a stale handle. */
    void (*fd_remove)(void *ctx, lnd_handle watch);

    /* [loop] Calls on_timer once, at deadline_ns (of now_ns) or soon after. A
     * deadline in the past fires on the next turn of the loop. 0: too many
     * timers (LND_MAX_TIMERS at least). */
    lnd_handle (*timer_at)(void *ctx, uint64_t deadline_ns, uint64_t user);

    /* [loop] Ignores a stale handle, and one that has fired. */
    void (*timer_cancel)(void *ctx, lnd_handle timer);

    /* [loop] Network plugins: sends frames out of a port, in order. Returns
     * how many were taken, from the first on; the rest stays the plugin's, and
     * `tx_ready` says when to try again. A port that is gone takes all and
     * drops them; so are malformed frames (see lnd_frame). `frames` and all
     * they point to may be reused when the call returns. */
    uint32_t (*send)(void *ctx, lnd_port port, const lnd_frame *frames, uint32_t count);

    /* [loop] Says why the current callback fails; returns `code`, so that a
     * failure is one line: `return host->fail(...)`. A code that is no failure
     * becomes LND_ERR_INTERNAL. `json_pointer` (RFC 6901) names the option at
     * fault, as "/gateway", or is NULL. The user reads
     * "networks.lab.options.gateway: TEXT (plugin NAME)". */
    lnd_status (*fail)(void *ctx, lnd_status code, const char *json_pointer, const char *text,
                       uint64_t length);

    /* [loop] Completes an operation the host asked for, exactly once, from
     * inside the call that brought it or later. `bytes` is the result, or the
     * reason of a failure as text. LND_ERR_NOT_FOUND: a stale op, ignored and
     * counted; LND_ERR_LIMIT: more than LND_MAX_RESULT bytes: the op fails. */
    lnd_status (*op_done)(void *ctx, lnd_op op, lnd_status status, const uint8_t *bytes,
                          uint64_t length);

    /* [loop] Appends to the sink of the current call. LND_ERR_NOT_FOUND: it is
     * not open; LND_ERR_LIMIT: it would hold more than LND_MAX_WRITE: nothing
     * of these bytes is taken, and the answer is refused as a whole. */
    lnd_status (*write)(void *ctx, lnd_sink sink, const uint8_t *bytes, uint64_t length);

    /* [loop] The host's side of an extension, or NULL. The same answer each time,
     * valid as long as the instance. */
    const void *(*get_extension)(void *ctx, const char *id);

    /* [loop] Tells users how it goes: `network ls` shows state (LND_STATE_*)
     * and text, one line, until the next report. LND_STATE_FAILED does not end
     * the network. Allowed at any rate; the log has changes of state only. */
    void (*report)(void *ctx, uint32_t state, const char *text, uint64_t length);
} lnd_host;

/* -------------------------------------------------------- plugin descriptor */

#define LND_KIND_NETWORK "network"
#define LND_KIND_DNS     "dns"

/* lnd_plugin.flags, all kinds */
#define LND_PLUGIN_MULTI_LOOP 0x1u /* each instance may have a thread of its own
                                    * (see THREADS); for hosts to come         */

/* lnd_plugin.flags, network plugins */
#define LND_NETWORK_ISOLATED 0x10000u /* each guest is alone with the plugin, as
                                   * a port of its own. Otherwise the network is
                                   * switched: guests share one L2, and the
                                   * plugin is one more port of the switch.    */
#define LND_NETWORK_TAP 0x20000u  /* needs a TAP device of the host's
                                   * (lnd_ext_tap.h)                           */
#define LND_NETWORK_PLAIN 0x40000u /* `rx` brings plain frames only: no super-
                                   * frames, all checksums complete. Ports have
                                   * no offloads then. The host cuts and
                                   * completes, which costs time.              */
#define LND_NETWORK_RX_SLICES 0x2u /* `rx` may bring LND_FRAME_SLICES and
                                   * LND_FRAME_SHARED                          */

/* What a plugin is. STATIC. `plugin ls` and `plugin info` need nothing else:
 * reading it must not require an instance. */
typedef struct lnd_plugin {
    uint32_t size;
    uint32_t flags;
    const char *kind;           /* LND_KIND_*; a host skips kinds it does not know */
    const char *name;           /* [a-z][a-z0-9-]{0,31}                            */
    const char *summary;        /* one line                                        */
    const char *const *modes;   /* network: the `mode:` values it serves,
                                 * NULL-ended; otherwise NULL                      */
    const char *options_schema; /* JSON Schema (2020-12) of `options:`, or NULL:
                                 * takes none. The host checks options against it
                                 * and fills in defaults before `create`.          */
    void *user;                 /* the plugin's own; may be NULL                   */
    const void *ops;            /* lnd_network_ops or lnd_dns_ops, by kind         */

    /* [any] The plugin's side of an extension, or NULL. May be NULL itself.
     * Static and pure: the same STATIC table each time, whatever instances
     * there are; also before the first one. */
    const void *(*get_extension)(const struct lnd_plugin *plugin, const char *id);
} lnd_plugin;

/* What a file holds. STATIC. */
typedef struct lnd_module {
    uint32_t size;
    uint32_t abi_minor;  /* LND_ABI_MINOR when the plugin was built: the host
                          * behaves towards it as that version says           */
    const char *id;      /* reverse DNS, as "org.example.vpn"                  */
    const char *version; /* semantic version                                   */
    const char *license; /* SPDX expression                                    */
    const char *url;     /* or NULL                                            */
    uint32_t plugin_count;
    uint32_t flags;      /* none yet                                           */
    const lnd_plugin *const *plugins; /* plugin_count pointers                 */
    const char *requires_host; /* the lima-netd it needs, as "1.2.0", or NULL: a
                          * host that knows none of its kinds, or not its flags,
                          * says so to the user                                */
} lnd_module;

typedef struct lnd_host_info {
    uint32_t size;
    uint32_t abi_minor;
    const char *name;    /* "lima-netd" */
    const char *version;
} lnd_host_info;

/* THE ENTRY: the one symbol a plugin exports.
 * [any] Returns the module; NULL refuses the host. Must be pure and quick: no
 * thread, no I/O, no fd, below LND_ENTRY_MS. May be called more than once and
 * then returns the same pointer. Called in a throw-away process, too, to list
 * plugins. */
#ifdef __GNUC__
__attribute__((visibility("default")))
#endif
const lnd_module *lima_netd_module_v1(const lnd_host_info *host);

typedef const lnd_module *(*lnd_entry_v1)(const lnd_host_info *host);

#define LND_ENTRY_SYMBOL "lima_netd_module_v1"

/* ------------------------------------------------- what all kinds have alike */

/* What an instance is to be. A kind that adds something does so behind it. */
typedef struct lnd_instance_config {
    uint32_t size;
    uint32_t flags;           /* none yet                                      */
    const char *network;      /* name of the network; NUL-ended                */
    const char *mode;         /* network: the mode it was chosen for; otherwise
                               * "". NUL-ended                                 */
    const char *instance;     /* a name that no other instance of the network
                               * has, as in the log; NUL-ended                 */
    const char *options;      /* one JSON object, checked against the schema and
                               * with its defaults filled in; NUL-ended. The
                               * keys of networks.yaml that have meaning for every
                               * network (gateway, netmask, dhcpEnd, interface)
                               * are members, too, if the schema names them.   */
    uint64_t options_length;  /* bytes, without the NUL                        */
    const char *state_directory; /* a folder that is this network's alone, where
                               * the plugin may keep what shall outlive its
                               * process, from `start` on; an absolute path,
                               * NUL-ended. "": there is none. Other files in it
                               * belong to others: keep to names that begin with
                               * the instance's name.                          */
    uint64_t reserved[4];
} lnd_instance_config;

/* on_event */
#define LND_EVENT_NETWORK_CHANGED 1u /* resolv.conf or the host's network changed:
                                      * read it anew                         */

/* The callbacks of every kind; each kind's table begins with them. All [loop].
 * create, start, stop and destroy are required, now and for ever; all others
 * may be NULL. `self` is what create returned. */
typedef struct lnd_instance_ops {
    uint32_t size;  /* of the whole table, with what the kind adds             */
    uint32_t flags; /* none yet                                                */

    /* Makes an instance. Copies what it keeps of `config`; keeps `host`. On
     * failure calls host->fail and returns NULL; nothing of it may stay
     * behind. Must not touch the network or the file system yet. */
    void *(*create)(const lnd_plugin *plugin, const lnd_host *host,
                    const lnd_instance_config *config);

    /* Opens what it needs. LND_OK: `op` was completed with op_done, or will be;
     * a failure (say why with `fail`) ends it. Ports and questions come once
     * it was completed with LND_OK; after a failure of either kind `destroy`
     * follows. */
    lnd_status (*start)(void *self, lnd_op op);

    /* Winds down: no new work; complete `op` with op_done when quiet. All
     * ports have been taken down before. */
    void (*stop)(void *self, lnd_op op);

    /* Frees the instance. Legal after create, after a failed start and after
     * stop. */
    void (*destroy)(void *self);

    /* Watched fds are ready: all of one turn of the loop, at most 256. An
     * event for a watch removed earlier in the same array may still come:
     * compare `user` with what you keep. */
    void (*on_fds)(void *self, const lnd_fd_event *events, uint32_t count);

    /* A timer fired; its handle is spent. */
    void (*on_timer)(void *self, lnd_handle timer, uint64_t user);

    /* `wake` was called. */
    void (*on_wake)(void *self);

    /* An operation this plugin asked of the host (an extension's call that
     * returned an lnd_op) is complete. Exactly once per op unless cancelled. */
    void (*on_op_done)(void *self, lnd_op op, lnd_status status, const uint8_t *bytes,
                       uint64_t length);

    /* Something the plugin may care for changed: LND_EVENT_*. */
    void (*on_event)(void *self, uint32_t event);

    /* Checks rules between options that the schema cannot say, without making
     * an instance. Fails like create. */
    lnd_status (*validate)(const lnd_plugin *plugin, const lnd_host *host,
                           const lnd_instance_config *config);

    /* The options changed while it runs; all else of `config` is as in create.
     * LND_OK: they hold. LND_ERR_UNSUPPORTED: not these, not while it runs: the
     * user restarts the network, as if this were NULL. Another failure: as of
     * create. After a failure it goes on with the options it has. */
    lnd_status (*reconfigure)(void *self, const lnd_instance_config *config);

    /* Writes one JSON object of at most LND_MAX_STATUS bytes to the sink:
     * counters and state worth showing. */
    void (*status)(void *self, lnd_sink sink);

    void (*reserved[4])(void);
} lnd_instance_ops;

/* --------------------------------------------------------- network plugins */

/* The callbacks of a network plugin. All [loop]. port_up, port_down and rx are
 * required, now and for ever; tx_ready and port_changed may be NULL. */
typedef struct lnd_network_ops {
    lnd_instance_ops instance;

    /* A port is there. A switched network has exactly one, of kind
     * LND_PORT_SWITCH, before the first frame; an isolated one has a port for
     * each guest. Each uplink that the plugin adds is one more, told after
     * the callback that added it and before its first frame; `send` takes
     * frames for it already. A failure (say why with `fail`) disconnects the
     * guest, and removes the uplink. */
    lnd_status (*port_up)(void *self, const lnd_port_info *info);

    /* A port is gone. Idempotent: an unknown port is no error. */
    void (*port_down)(void *self, lnd_port port);

    /* Frames from a port, 1..256 at a time, each of at least 14 bytes. */
    void (*rx)(void *self, lnd_port port, const lnd_frame *frames, uint32_t count);

    /* The port takes frames again after a short `send`. */
    void (*tx_ready)(void *self, lnd_port port);

    /* What port_up said of a port has changed: a guest's name, the mtu of the
     * switch (another option of the network's, after `reconfigure`), offloads or
     * queues. Of a switch's guests limanetd.guests/1 tells. */
    void (*port_changed)(void *self, const lnd_port_info *info);
} lnd_network_ops;

/* ------------------------------------------------------------- DNS plugins */

/* lnd_dns_query.transport: how the client asked. For information; the host
 * does truncation and TCP framing. */
#define LND_DNS_UDP 1u
#define LND_DNS_TCP 2u

/* A question (RFC 1035 section 4). The host has checked that it is a query of
 * opcode 0 with exactly one question and well-formed sections.
 *
 * Who asks is for policies. The host asks once for all who ask the same at one
 * time, and keeps answers: a plugin whose answers depend on who asks says so of
 * each (limanetd.dns-cache/1, keep_private). */
typedef struct lnd_dns_query {
    uint32_t size;
    uint32_t flags;         /* none yet                                       */
    const uint8_t *message; /* the whole message, id included                 */
    uint32_t length;        /* 12..65535                                      */
    uint32_t transport;     /* LND_DNS_*                                      */
    uint64_t deadline_ns;   /* of now_ns: later answers are of no use         */
    lnd_port port;          /* of the guest that asks. 0: no guest (the host,
                             * `dns query`, `dns serve`), or not known        */
    uint8_t mac[6];         /* of the station that asks; zero: not known      */
    uint8_t reserved[2];
    const char *name;       /* the guest's, or ""; NULL only in dns.query     */
    lnd_endpoint client;    /* whence it came; address zero: not known        */
    lnd_endpoint server;    /* where it was sent; address zero: not known     */
} lnd_dns_query;

/* The callbacks of a DNS plugin. All [loop]. resolve is required, now and for
 * ever; cancel may be NULL. Neither create nor start may fail because the
 * machine is offline. */
typedef struct lnd_dns_ops {
    lnd_instance_ops instance;

    /* Turns a question into an answer: op_done(op, LND_OK, message, length)
     * with a whole DNS message of up to 65535 bytes that answers the message
     * given: QR set, its id, and its question (letters need not be the same
     * case). The host puts the client's own id, letters, RD and CD in their
     * place, adds or takes off OPT, and cuts the message to what the client
     * can take; another id or question, and what is no answer at all, becomes
     * SERVFAIL, and so does a failure. The host gives up at the deadline,
     * answers SERVFAIL itself, and calls `cancel`. */
    void (*resolve)(void *self, lnd_op op, const lnd_dns_query *query);

    /* The answer is not wanted any more. op_done must not, but may, follow. */
    void (*cancel)(void *self, lnd_op op);
} lnd_dns_ops;

#ifdef __cplusplus
}
#endif

#endif /* LND_PLUGIN_H */
