/* names.c - symbolic names of errno values and signals.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatform.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define NAME(symbol) \
    case symbol:     \
        return #symbol;

const char *plat_errno_name(int number) {
    switch (number) {
        NAME(EPERM) NAME(ENOENT) NAME(ESRCH) NAME(EINTR) NAME(EIO) NAME(ENXIO) NAME(E2BIG)
        NAME(ENOEXEC) NAME(EBADF) NAME(ECHILD) NAME(EAGAIN) NAME(ENOMEM) NAME(EACCES)
        NAME(EFAULT) NAME(EBUSY) NAME(EEXIST) NAME(EXDEV) NAME(ENODEV) NAME(ENOTDIR)
        NAME(EISDIR) NAME(EINVAL) NAME(ENFILE) NAME(EMFILE) NAME(ENOTTY) NAME(ETXTBSY)
        NAME(EFBIG) NAME(ENOSPC) NAME(ESPIPE) NAME(EROFS) NAME(EMLINK) NAME(EPIPE) NAME(EDOM)
        NAME(ERANGE) NAME(EDEADLK) NAME(ENAMETOOLONG) NAME(ENOLCK) NAME(ENOSYS)
        NAME(ENOTEMPTY) NAME(ELOOP) NAME(ENOTSOCK) NAME(EDESTADDRREQ) NAME(EMSGSIZE)
        NAME(EPROTOTYPE) NAME(ENOPROTOOPT) NAME(EPROTONOSUPPORT) NAME(EOPNOTSUPP)
        NAME(EPFNOSUPPORT) NAME(EAFNOSUPPORT) NAME(EADDRINUSE) NAME(EADDRNOTAVAIL)
        NAME(ENETDOWN) NAME(ENETUNREACH) NAME(ENETRESET) NAME(ECONNABORTED) NAME(ECONNRESET)
        NAME(ENOBUFS) NAME(EISCONN) NAME(ENOTCONN) NAME(ETOOMANYREFS) NAME(ETIMEDOUT)
        NAME(ECONNREFUSED) NAME(EHOSTDOWN) NAME(EHOSTUNREACH) NAME(EALREADY) NAME(EINPROGRESS)
        NAME(ESTALE) NAME(EDQUOT) NAME(EPROTO) NAME(EBADMSG) NAME(EOVERFLOW) NAME(EILSEQ)
        NAME(ECANCELED)
        default: return 0;
    }
}

/* strerror_r has two signatures; these overloads accept the result of either. */
static void take_text(char *result, char *buffer, uint64_t size) {
    if (result != buffer) snprintf(buffer, size, "%s", result);
}
static void take_code(int result, int number, char *buffer, uint64_t size) {
    if (result != 0) snprintf(buffer, size, "error %d", number);
}

void plat_errno_text(int number, char *buffer, uint64_t size) {
    if (size == 0) return;
    buffer[0] = 0;
#if defined(__GLIBC__)
    take_text(strerror_r(number, buffer, size), buffer, size);
    (void)take_code;
#else
    take_code(strerror_r(number, buffer, size), number, buffer, size);
    (void)take_text;
#endif
}

const char *plat_signal_name(int number) {
    switch (number) {
        NAME(SIGHUP) NAME(SIGINT) NAME(SIGQUIT) NAME(SIGILL) NAME(SIGTRAP) NAME(SIGABRT)
        NAME(SIGBUS) NAME(SIGFPE) NAME(SIGKILL) NAME(SIGUSR1) NAME(SIGSEGV) NAME(SIGUSR2)
        NAME(SIGPIPE) NAME(SIGALRM) NAME(SIGTERM) NAME(SIGXCPU) NAME(SIGXFSZ) NAME(SIGSYS)
        default: return 0;
    }
}
