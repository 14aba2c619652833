/*
 * A library for LD_PRELOAD that counts calls of the allocator.
 *
 * The count is the first 8 bytes of the file named by ALLOCATION_COUNT_FILE, so that another process reads it at
 * any moment. With ALLOCATION_COUNT_INJECT=1 the process also allocates whenever it reads the clock, which pgbraid does once
 * in every turn of its event loop: a check that stays silent then would be blind.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static uint64_t before_open;
static volatile uint64_t *count = (volatile uint64_t *)&before_open;
static int inject;
/* Kept where the compiler cannot see that nobody reads it. */
static void *volatile injected;
static int (*next_clock)(clockid_t, struct timespec *);

static void note(void) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); }

__attribute__((constructor)) static void open_count(void)
{
    const char *path = getenv("ALLOCATION_COUNT_FILE");
    const char *wanted = getenv("ALLOCATION_COUNT_INJECT");
    inject = wanted != NULL && wanted[0] == '1';
    next_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
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

int clock_gettime(clockid_t clock, struct timespec *result)
{
    if (inject) {
        injected = malloc(24);
        free(injected);
    }
    return next_clock(clock, result);
}
