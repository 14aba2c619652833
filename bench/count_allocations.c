/*
 * A library for LD_PRELOAD that counts calls of the allocator.
 *
 * The count is the first 8 bytes of the file named by ALLOCATION_COUNT_FILE, so that another process reads it at any
 * moment. With ALLOCATION_COUNT_INJECT=1 every recv of the process also allocates once: a check that stays silent then
 * would be blind.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static uint64_t before_open;
static volatile uint64_t *count = (volatile uint64_t *)&before_open;
static int inject;
static ssize_t (*next_recv)(int, void *, size_t, int);

static void note(void) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); }

__attribute__((constructor)) static void open_count(void)
{
    const char *path = getenv("ALLOCATION_COUNT_FILE");
    const char *wanted = getenv("ALLOCATION_COUNT_INJECT");
    inject = wanted != NULL && wanted[0] == '1';
    next_recv = (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
    if (path == NULL) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) count = page;
}

void *malloc(size_t size)
{
    note();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    note();
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size)
{
    note();
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
    note();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    note();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size)
{
    note();
    *result = __libc_memalign(alignment, size);
    return *result == NULL ? 12 : 0;
}

ssize_t recv(int file, void *buffer, size_t size, int flags)
{
    if (inject) free(malloc(24));
    return next_recv(file, buffer, size, flags);
}
