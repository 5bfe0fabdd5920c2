/* memory.c - returns memory to the kernel: code that an idle process does not need, and large blocks when
 * they are freed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatform.h"

#ifdef __linux__
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGE_IS_FILES (UINT64_C(1) << 61)
#define PAGE_IS_THERE (UINT64_C(3) << 62)

/* Whether a page is identical to its file and can be read from there again. A page that was written to (by
 * a debugger, or self-modifying code) is a private copy. */
static int is_clean(uint64_t page) { return (page & PAGE_IS_THERE) == 0 || (page & PAGE_IS_FILES) != 0; }

/* `pagemap` is a descriptor of this process's /proc/self/pagemap. */
static void forget_range(int pagemap, uintptr_t begin, uintptr_t end, uintptr_t size) {
    uint64_t pages[512];
    while (begin < end) {
        size_t wanted = (end - begin) / size;
        if (wanted > sizeof pages / sizeof *pages)
            wanted = sizeof pages / sizeof *pages;
        ssize_t got = pread(pagemap, pages, wanted * sizeof *pages,
                            (off_t)(begin / size * sizeof *pages));
        if (got < (ssize_t)sizeof *pages)
            return;
        size_t count = (size_t)got / sizeof *pages, from = 0;
        for (size_t at = 0; at <= count; at++) {
            if (at < count && is_clean(pages[at]))
                continue;
            if (at > from)
                (void)madvise((void *)(begin + from * size), (at - from) * size, MADV_DONTNEED);
            from = at + 1;
        }
        begin += count * size;
    }
}

static int forget(struct dl_phdr_info *object, size_t length, void *context) {
    uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)length;
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[index];
        uintptr_t begin = object->dlpi_addr + part->p_vaddr;
        uintptr_t end = (begin + part->p_memsz + size - 1) & ~(size - 1);
        if (part->p_type == PT_LOAD && !(part->p_flags & PF_W))
            forget_range(*(const int *)context, begin & ~(size - 1), end, size);
    }
    return 0;
}

void plat_map_large_blocks(void) {
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 10);
#endif
}

void plat_release_code(void) {
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0)
        return;
    dl_iterate_phdr(forget, &pagemap);
    close(pagemap);
}
#else
void plat_map_large_blocks(void) {}
void plat_release_code(void) {}
#endif
