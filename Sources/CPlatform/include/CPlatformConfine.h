/* CPlatformConfine.h - permanently gives up privileges. Linux only. Each function returns 0 (or the
 * requested number), or -errno.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CPLATFORM_CONFINE_H
#define CPLATFORM_CONFINE_H

#include <stdint.h>

#ifdef __linux__

/* Programs started from now on gain no privileges (no_new_privs); other processes of the same user cannot
 * read its memory (dumpable 0); and it writes no core file. */
int plat_give_up_privileges(void);

/* Keeps the capabilities in `keep` (bit N: capability N) and drops all others, in the bounding set too
 * where permitted; none stay inheritable or ambient. */
int plat_keep_capabilities(uint64_t keep);
/* The effective capabilities of this thread; 0 if they cannot be read. */
uint64_t plat_capabilities(void);

/* Refuses system calls that a network process does not need (listed in confine.c), in all threads. Call
 * after plat_give_up_privileges. -ENOSYS on architectures without a list. */
int plat_refuse_system_calls(void);

/* The kernel's Landlock version (1 and up); -ENOSYS or -EOPNOTSUPP without Landlock. */
int plat_landlock_version(void);
/* Returns the descriptor of a rule set. When it is enforced only files allowed by its rules can be opened;
 * open ones stay open. From version 6 on it also prevents signals to processes, and connections to
 * abstract Unix sockets, outside of the confined domain. */
int plat_landlock_begin(void);
/* Allows reading the directory and everything below it, or the file; with `writable` also writing,
 * creating and removing (no devices). -ENOENT if it does not exist. */
int plat_landlock_allow(int ruleset, const char *path, int writable);
/* Enforces the rules for this thread and those it creates. Call after plat_give_up_privileges. */
int plat_landlock_enforce(int ruleset);

#endif
#endif /* CPLATFORM_CONFINE_H */
