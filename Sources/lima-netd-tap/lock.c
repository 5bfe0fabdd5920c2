/* lock.c - one `setup` or `unsetup` at a time on this host: two of one network
 * would see each other's half-made TAP.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Root's alone: who cannot open it cannot hold the lock. */
#define FOLDER "/run/lima-netd"
/* In steps of 50 ms. */
#define STEPS 160

void lock_host(void) {
    struct stat status;
    if (mkdir(FOLDER, 0700) < 0 && errno != EEXIST) return; /* no /run to write to */
    int fd = open(FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    if (fstat(fd, &status) < 0 || status.st_uid != 0 || (status.st_mode & 077) != 0) {
        close(fd);
        return;
    }
    struct timespec step = {0, 50 * 1000 * 1000};
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR) return;
        if (i == STEPS)
            fail(STATUS_REFUSED, "another `network setup` or `unsetup` is at work for 8 s now: try again");
        nanosleep(&step, NULL);
    }
    alarm(10); /* the wait does not count; the end of the process is the end of the lock */
}
