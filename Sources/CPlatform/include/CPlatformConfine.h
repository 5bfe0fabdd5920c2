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

/* Becomes another user, in that group and in no other, and keeps the capabilities it has (plat_keep_capabilities
 * takes them). Single-threaded. Makes the process dumpable or not as the kernel likes: plat_give_up_privileges after it. */
int plat_become_user(uint32_t uid, uint32_t gid);

/* Keeps of its capabilities those in `keep` (bit N: capability N), in the bounding set, too, where it may;
 * none inheritable or ambient. */
int plat_keep_capabilities(uint64_t keep);
/* The effective capabilities of this thread; 0 if they cannot be read. */
uint64_t plat_capabilities(void);

/* Refuses system calls that a network process does not need (listed in confine.c), in all threads. Call
 * after plat_give_up_privileges. -ENOSYS on architectures without a list. */
int plat_refuse_system_calls(void);

/* Refuses all system calls but those of a network that runs (confine_strict.c has the list), in all threads: no program,
 * process, code that was not loaded by now, unix socket, or other process's id. */
int plat_allow_needed_calls(void);

/* As plat_spawn, with mount, process and IPC namespaces of its own; with `user_namespace` also one of these, in which this
 * process's user is 0. The child is process 1 of its namespace and leads a process group. The pid here, or -errno. */
int plat_spawn_isolated(const char *path, char *const argv[], char *const envp[], const int *pairs,
                        uint32_t pair_count, int user_namespace);

/* A process that shares this one's root and working folder, and keeps the privileges that this one gives up: told to, it
 * makes `root`, a mount point, the root of both, and takes all else away. Single-threaded. A descriptor for
 * plat_root_enter, or -errno. */
int plat_root_helper(const char *root, int *pid);
/* Tells it, waits for it, and closes `helper`. */
int plat_root_enter(int helper, int pid);

/* The kernel's version of Landlock (1 and up); -ENOSYS or -EOPNOTSUPP without. */
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
