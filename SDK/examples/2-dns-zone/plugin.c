/* plugin.c - a DNS plugin that answers from a zone file: the zone of zone.h behind lima-netd's ABI. Best read
 * from the bottom: the entry, the descriptor, the table of callbacks, then the callbacks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <lnd_ext_dns_cache.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zone.h"

enum { FILE_MAX = 64 << 20 };
static const uint64_t look_every = 1000000000; /* nanoseconds */

/* Identifies a version of a file. */
typedef struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec time;
} stamp;

/* One network's instance. The host's table exists as long as the instance. */
typedef struct dns_zone {
    const lnd_host *host;
    const lnd_host_dns_cache *cache; /* NULL: the host has no cache */
    char *file, *origin;
    zone *served;
    stamp read;
    lnd_handle timer;
    uint64_t questions, refused, reloads, failures;
    uint8_t answer[MESSAGE_MAX];
} dns_zone;

static void say(const lnd_host *host, uint32_t level, const char *text) {
    host->log(host->ctx, level, text, strlen(text));
}

static lnd_status fail(const lnd_host *host, lnd_status code, const char *pointer, const char *text) {
    return host->fail(host->ctx, code, pointer, text, strlen(text));
}

/* ----------------------------------------------------------------- options */

/* Converts a character "\uXXXX" to UTF-8. Characters beyond U+FFFF are never escaped by the host. Returns the
 * number of bytes. */
static size_t unescape(const char *hex, char *out) {
    unsigned long c = 0;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef", *d = hex[i] ? strchr(digits, hex[i] | 32) : NULL;
        if (!d) return 0;
        c = c * 16 + (unsigned long)(d - digits);
    }
    size_t n = 0;
    if (c < 0x80) {
        out[n++] = (char)c;
    } else if (c < 0x800) {
        out[n++] = (char)(0xc0 | c >> 6);
        out[n++] = (char)(0x80 | (c & 63));
    } else {
        out[n++] = (char)(0xe0 | c >> 12);
        out[n++] = (char)(0x80 | (c >> 6 & 63));
        out[n++] = (char)(0x80 | (c & 63));
    }
    return n;
}

/* A copy of the JSON string after its opening quote at `p`; sets `*end` to what follows it. NULL: no memory. The
 * host has checked that it is valid JSON. */
static char *json_text(const char *p, const char **end) {
    char *text = (char *)malloc(strlen(p) + 1), *out = text;
    if (!text) return NULL;
    for (; *p && *p != '"'; p++) {
        if (*p != '\\' || !p[1]) {
            *out++ = *p;
            continue;
        }
        switch (*++p) {
        case 'n': *out++ = '\n'; break;
        case 't': *out++ = '\t'; break;
        case 'r': *out++ = '\r'; break;
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'u': {
            size_t n = unescape(p + 1, out);
            out += n;
            if (n) p += 4;
            break;
        }
        default: *out++ = *p;
        }
    }
    *out = 0;
    *end = *p ? p + 1 : p;
    return text;
}

/* A copy of the string member `name` of the object `json`, all of whose members are strings by the schema; NULL
 * if it is absent. */
static char *option(const char *json, const char *name) {
    while ((json = strchr(json, '"')) != NULL) {
        char *key = json_text(json + 1, &json);
        json = key ? strchr(json, '"') : NULL;
        char *value = json ? json_text(json + 1, &json) : NULL;
        int found = key && value && strcmp(key, name) == 0;
        free(key);
        if (found) return value;
        free(value);
        if (!json) return NULL;
    }
    return NULL;
}

/* -------------------------------------------------------------------- file */

static int look(const char *file, stamp *s) {
    struct stat info;
    memset(s, 0, sizeof *s);
    if (stat(file, &info) != 0) return errno;
    s->device = info.st_dev;
    s->inode = info.st_ino;
    s->size = info.st_size;
#ifdef __APPLE__
    s->time = info.st_mtimespec;
#else
    s->time = info.st_mtim;
#endif
    return 0;
}

static int is_same(const stamp *a, const stamp *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->time.tv_sec == b->time.tv_sec && a->time.tv_nsec == b->time.tv_nsec;
}

/* Reads the file. NULL: `error` has the reason. */
static zone *load(const dns_zone *self, char error[ZONE_ERROR_MAX]) {
    char *text = NULL;
    zone *made = NULL;
    off_t size = 0;
    ssize_t got = 0, n;
    int fd = open(self->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        snprintf(error, ZONE_ERROR_MAX, "%.200s: %s", self->file, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        snprintf(error, ZONE_ERROR_MAX, "%.200s: not a file", self->file);
    } else if ((size = info.st_size) > FILE_MAX) {
        snprintf(error, ZONE_ERROR_MAX, "%.200s: more than %d MiB", self->file, FILE_MAX >> 20);
    } else if ((text = (char *)malloc((size_t)size + 1)) == NULL) {
        snprintf(error, ZONE_ERROR_MAX, "%.200s: out of memory", self->file);
    } else {
        while (got < size && (n = read(fd, text + got, (size_t)(size - got))) > 0) got += n;
        made = zone_parse(text, (size_t)got, self->file, self->origin, error);
    }
    free(text);
    if (fd >= 0) close(fd);
    return made;
}

/* Reads the file again if it has changed. An invalid file leaves the zone as it is. */
static void refresh(dns_zone *self) {
    char error[ZONE_ERROR_MAX];
    stamp now;
    look(self->file, &now);
    if (is_same(&now, &self->read)) return;
    self->read = now; /* also if it is invalid: it is reported once */
    zone *made = load(self, error);
    if (!made) {
        self->failures++;
        say(self->host, LND_LOG_ERROR, error);
        say(self->host, LND_LOG_WARN, "the zone stays as it was");
        return;
    }
    zone_free(self->served);
    self->served = made;
    self->reloads++;
    if (self->cache) self->cache->flush(self->host->ctx); /* cached answers are from the old file */
    say(self->host, LND_LOG_INFO, "the zone file has changed and was read anew");
}

/* --------------------------------------------------------------- callbacks */

static void zone_destroy(void *opaque) {
    dns_zone *self = (dns_zone *)opaque;
    zone_free(self->served);
    free(self->file);
    free(self->origin);
    free(self);
}

static void *zone_create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    (void)plugin;
    dns_zone *self = (dns_zone *)calloc(1, sizeof *self);
    if (!self) {
        fail(host, LND_ERR_SYSTEM, NULL, "out of memory");
        return NULL;
    }
    self->host = host;
    self->cache = (const lnd_host_dns_cache *)host->get_extension(host->ctx, LND_EXT_DNS_CACHE);
    self->file = option(config->options, "file");
    self->origin = option(config->options, "origin");
    if (!self->origin) self->origin = (char *)calloc(1, 1);
    if (!self->file || !self->origin) {
        fail(host, LND_ERR_INVALID_CONFIG, "/file", "missing: the absolute path of a zone file");
        zone_destroy(self);
        return NULL;
    }
    return self;
}

static lnd_status zone_start(void *opaque, lnd_op op) {
    dns_zone *self = (dns_zone *)opaque;
    char error[ZONE_ERROR_MAX];
    look(self->file, &self->read);
    self->served = load(self, error);
    if (!self->served) return fail(self->host, LND_ERR_INVALID_CONFIG, "/file", error);
    self->timer = self->host->timer_at(self->host->ctx, self->host->now_ns(self->host->ctx) + look_every, 0);
    return self->host->op_done(self->host->ctx, op, LND_OK, NULL, 0);
}

static void zone_stop(void *opaque, lnd_op op) {
    dns_zone *self = (dns_zone *)opaque;
    self->host->timer_cancel(self->host->ctx, self->timer);
    self->host->op_done(self->host->ctx, op, LND_OK, NULL, 0);
}

static void zone_resolve(void *opaque, lnd_op op, const lnd_dns_query *query) {
    dns_zone *self = (dns_zone *)opaque;
    uint32_t length = zone_answer(self->served, query->message, query->length, self->answer);
    self->questions++;
    if (length && (self->answer[3] & 15) == 5) self->refused++;
    self->host->op_done(self->host->ctx, op, length ? LND_OK : LND_ERR_INVALID_CONFIG, self->answer, length);
}

static void zone_timer(void *opaque, lnd_handle timer, uint64_t user) {
    dns_zone *self = (dns_zone *)opaque;
    (void)timer, (void)user;
    refresh(self);
    self->timer = self->host->timer_at(self->host->ctx, self->host->now_ns(self->host->ctx) + look_every, 0);
}

static void zone_event(void *opaque, uint32_t event) {
    if (event == LND_EVENT_NETWORK_CHANGED) refresh((dns_zone *)opaque);
}

static void zone_status(void *opaque, lnd_sink sink) {
    const dns_zone *self = (const dns_zone *)opaque;
    char text[256];
    int n = snprintf(text, sizeof text,
                     "{\"records\":%u,\"questions\":%llu,\"refused\":%llu,\"reloads\":%llu,\"failures\":%llu}",
                     self->served ? (unsigned)self->served->count : 0, (unsigned long long)self->questions,
                     (unsigned long long)self->refused, (unsigned long long)self->reloads,
                     (unsigned long long)self->failures);
    self->host->write(self->host->ctx, sink, (const uint8_t *)text, (uint64_t)n);
}

/* -------------------------------------------------------------- descriptor */

static const lnd_dns_ops ops = {
    .instance = {
        .size = sizeof(lnd_dns_ops),
        .create = zone_create,
        .start = zone_start,
        .stop = zone_stop,
        .destroy = zone_destroy,
        .on_timer = zone_timer,
        .on_event = zone_event,
        .status = zone_status,
    },
    .resolve = zone_resolve,
};

static const char schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"file\"],\"properties\":{"
    "\"file\":{\"type\":\"string\",\"pattern\":\"^/\",\"x-path\":\"read\",\"description\":\"The zone file, an absolute path\"},"
    "\"origin\":{\"type\":\"string\",\"default\":\"\","
    "\"description\":\"What relative names are relative to before the first $ORIGIN\"}}}";

static const lnd_plugin dns = {
    .size = sizeof(lnd_plugin),
    .flags = 0,
    .kind = LND_KIND_DNS,
    .name = "zone",
    .summary = "Answers from a zone file; an example",
    .modes = NULL,
    .options_schema = schema,
    .user = NULL,
    .ops = &ops,
    .get_extension = NULL,
};

static const lnd_plugin *const plugins[] = {&dns};

static const lnd_module module = {
    .size = sizeof(lnd_module),
    .abi_minor = LND_ABI_MINOR,
    .id = "io.lima-vm.example.zone",
    .version = "1.0.0",
    .license = "Apache-2.0",
    .url = NULL,
    .plugin_count = 1,
    .plugins = plugins,
};

const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
