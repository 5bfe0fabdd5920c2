/* CPlatformConfine.h - what a process gives up for good. Linux only. Each returns 0 (or the number
 * asked for), or -errno.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CPLATFORM_CONFINE_H
#define CPLATFORM_CONFINE_H

#include <stdint.h>

#ifdef __linux__

/* No program it starts has more privileges (no_new_privs), no other process of the same user may look into
 * it (dumpable 0), and it leaves no core. */
int plat_give_up_privileges(void);

/* Keeps of its capabilities those in `keep` (bit N: capability N), in the bounding set, too, where it may;
 * none inheritable or ambient. */
int plat_keep_capabilities(uint64_t keep);
/* The effective ones of this thread; 0 where they cannot be read. */
uint64_t plat_capabilities(void);

/* Refuses system calls of which a network's process needs none (confine.c has the list), in all threads.
 * After plat_give_up_privileges. -ENOSYS on architectures without a list. */
int plat_refuse_system_calls(void);

/* The kernel's version of Landlock (1 and up); -ENOSYS or -EOPNOTSUPP without. */
int plat_landlock_version(void);
/* A descriptor for rules. Nothing but what is allowed by them may be opened once they are enforced; what is
 * open stays so. From version 6 on also: no signal to processes, no connection to abstract unix sockets
 * outside of what is confined with it. */
int plat_landlock_begin(void);
/* Files of this folder and all below it, or this file, may be read, and with `writable` written, made and
 * removed (no devices). -ENOENT where there is none. */
int plat_landlock_allow(int ruleset, const char *path, int writable);
/* For this thread and those it makes. After plat_give_up_privileges. */
int plat_landlock_enforce(int ruleset);

#endif
#endif /* CPLATFORM_CONFINE_H */
