/* landlock.c - restricts the files that a process may open (Landlock, Linux 5.13 and later).
 *
 * The constants are defined here because headers of older systems lack some of them. They are part of the
 * kernel's interface (Documentation/userspace-api/landlock.rst).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatformConfine.h"

#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same on every architecture. */
#define SYS_LANDLOCK_CREATE_RULESET 444
#define SYS_LANDLOCK_ADD_RULE 445
#define SYS_LANDLOCK_RESTRICT_SELF 446
#define CREATE_RULESET_VERSION 1
#define RULE_PATH_BENEATH 1

enum {
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_DIR = 1 << 4,
    REMOVE_FILE = 1 << 5,
    MAKE_ANY = 0x7f << 6, /* CHAR, DIR, REG, SOCK, FIFO, BLOCK, SYM */
    MAKE_CHAR = 1 << 6,
    MAKE_BLOCK = 1 << 11,
    REFER = 1 << 13,     /* since version 2 */
    TRUNCATE = 1 << 14,  /* since version 3 */
    SCOPE_ABSTRACT_UNIX = 1 << 0, /* since version 6 */
    SCOPE_SIGNAL = 1 << 1,        /* since version 6 */
};

struct ruleset {
    uint64_t files, network, scoped;
};

struct beneath {
    uint64_t allowed;
    int32_t folder;
} __attribute__((packed));

int plat_landlock_version(void) {
    long version = syscall(SYS_LANDLOCK_CREATE_RULESET, (void *)0, (size_t)0, CREATE_RULESET_VERSION);
    return version >= 0 ? (int)version : -errno;
}

static uint64_t handled(int version) {
    /* Not EXECUTE: the filter of system calls refuses execve. */
    uint64_t files = WRITE_FILE | READ_FILE | READ_DIR | REMOVE_DIR | REMOVE_FILE | MAKE_ANY;
    if (version >= 2) files |= REFER;
    if (version >= 3) files |= TRUNCATE;
    return files;
}

int plat_landlock_begin(void) {
    int version = plat_landlock_version();
    if (version < 0) return version;
    struct ruleset rules = {handled(version), 0, version >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0};
    /* Older kernels know fewer members, and return an error for others unless they are 0. */
    long fd = syscall(SYS_LANDLOCK_CREATE_RULESET, &rules, sizeof rules, 0);
    return fd >= 0 ? (int)fd : -errno;
}

int plat_landlock_allow(int ruleset, const char *path, int writable) {
    int version = plat_landlock_version();
    if (version < 0) return version;
    struct beneath rule = {READ_FILE | READ_DIR, open(path, O_PATH | O_CLOEXEC)};
    if (rule.folder < 0) return -errno;
    if (writable) rule.allowed = handled(version) & ~(uint64_t)(MAKE_CHAR | MAKE_BLOCK);
    struct stat status;
    if (fstat(rule.folder, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.allowed &= READ_FILE | WRITE_FILE | (version >= 3 ? TRUNCATE : 0);
    long result = syscall(SYS_LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0);
    int error = errno;
    close(rule.folder);
    return result == 0 ? 0 : -error;
}

int plat_landlock_enforce(int ruleset) {
    return syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0 ? 0 : -errno;
}
#else
typedef int plat_no_landlock;
#endif
