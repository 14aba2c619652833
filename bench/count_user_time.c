/*
 * A library for LD_PRELOAD that measures what a proxy runs between its system calls.
 *
 * The kernel's own figure for user time is a sample: who was interrupted at each tick. A tick that falls due while the kernel has
 * interrupts off is delivered when they are on again, often on return to user mode, and then counts as user time. So this
 * library reads the processor's clock at the end of each recv, send and epoll_wait and at the beginning of the next.
 * Whoever was away longer than CUT_MICROSECONDS had lost the processor to somebody else: such gaps are counted apart.
 *
 * pgbraid makes these calls itself, without the C library: there the code of clinux_receive, clinux_send and clinux_wait is
 * overwritten with jumps to the functions here.
 *
 * Reading the clock takes time itself. What is measured when nothing lies between two calls, the least of many tries, is told as well,
 * so that it can be taken off.
 *
 * The file named by USER_TIME_FILE holds five numbers of 8 bytes: clock steps between calls, calls, gaps cut, clock steps a second, and
 * clock steps of EMPTY_CALLS gaps with nothing in them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum { CUT_MICROSECONDS = 50, CALIBRATION_NANOSECONDS = 50000000, CALLS_TOLD_TOGETHER = 64, EMPTY_CALLS = 1000, EMPTY_TRIES = 100 };

struct figures {
    uint64_t steps, calls, cuts, steps_per_second, steps_of_empty_calls;
};

static struct figures before_open;
static struct figures *figures = &before_open;
static uint64_t cut = UINT64_MAX;
static __thread uint64_t returned, steps, calls;
static ssize_t (*next_recv)(int, void *, size_t, int);
static ssize_t (*next_send)(int, const void *, size_t, int);
static int (*next_wait)(int, struct epoll_event *, int, int);

static void divert_own_calls(void);
static uint64_t steps_of_empty_calls(void);

static uint64_t nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

__attribute__((constructor)) static void open_figures(void)
{
    next_recv = (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
    next_send = (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
    next_wait = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    const char *path = getenv("USER_TIME_FILE");
    if (path == NULL) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page == MAP_FAILED) return;
    uint64_t begin = nanoseconds(), first = __rdtsc();
    while (nanoseconds() - begin < CALIBRATION_NANOSECONDS) {}
    uint64_t per_second = (__rdtsc() - first) * 1000000000u / (nanoseconds() - begin);
    cut = per_second / 1000000u * CUT_MICROSECONDS;
    uint64_t empty = steps_of_empty_calls();
    figures = page;
    figures->steps_per_second = per_second;
    figures->steps_of_empty_calls = empty;
    divert_own_calls();
}

static int note_base(struct dl_phdr_info *object, size_t size, void *base)
{
    (void)size;
    *(uintptr_t *)base = object->dlpi_addr;
    return 1; /* The first object is the program. */
}

/* Overwrites the beginning of a function of the program by a jump; a program without that function stays as it is. */
static void divert(const char *image, uintptr_t base, const char *name, const void *target)
{
    const Elf64_Ehdr *header = (const void *)image;
    const Elf64_Shdr *sections = (const void *)(image + header->e_shoff);
    for (int section = 0; section < header->e_shnum; section++) {
        if (sections[section].sh_type != SHT_SYMTAB) continue;
        const Elf64_Sym *symbols = (const void *)(image + sections[section].sh_offset);
        const char *names = image + sections[sections[section].sh_link].sh_offset;
        for (size_t number = 0; number < sections[section].sh_size / sizeof *symbols; number++) {
            if (strcmp(names + symbols[number].st_name, name) != 0 || symbols[number].st_value == 0) continue;
            /* mov rax, target; jmp rax */
            unsigned char jump[12] = {0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xE0};
            memcpy(jump + 2, &target, sizeof target);
            uintptr_t place = base + symbols[number].st_value, page = place & ~(uintptr_t)4095;
            size_t bytes = place + sizeof jump - page;
            if (mprotect((void *)page, bytes, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) abort();
            memcpy((void *)place, jump, sizeof jump);
            if (mprotect((void *)page, bytes, PROT_READ | PROT_EXEC) != 0) abort();
        }
    }
}

static void divert_own_calls(void)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) abort();
    const char *image = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (image == MAP_FAILED) abort();
    uintptr_t base = 0;
    dl_iterate_phdr(note_base, &base);
    divert(image, base, "clinux_receive", (const void *)recv);
    divert(image, base, "clinux_send", (const void *)send);
    divert(image, base, "clinux_wait", (const void *)epoll_wait);
    munmap((void *)image, (size_t)status.st_size);
}

static void tell(void)
{
    __atomic_fetch_add(&figures->steps, steps, __ATOMIC_RELAXED);
    __atomic_fetch_add(&figures->calls, calls, __ATOMIC_RELAXED);
    steps = calls = 0;
}

static inline void leave(void)
{
    uint64_t spent = __rdtsc() - returned;
    if (++calls == CALLS_TOLD_TOGETHER) tell();
    if (spent <= cut) {
        steps += spent;
    } else if (returned != 0) {
        __atomic_fetch_add(&figures->cuts, 1, __ATOMIC_RELAXED);
    }
}

ssize_t recv(int file, void *buffer, size_t size, int flags)
{
    leave();
    ssize_t result = next_recv(file, buffer, size, flags);
    returned = __rdtsc();
    return result;
}

ssize_t send(int file, const void *buffer, size_t size, int flags)
{
    leave();
    ssize_t result = next_send(file, buffer, size, flags);
    returned = __rdtsc();
    return result;
}

int epoll_wait(int poll, struct epoll_event *events, int maximum, int timeout)
{
    leave();
    int result = next_wait(poll, events, maximum, timeout);
    returned = __rdtsc();
    return result;
}

/* With real system calls, which fail at once: what follows a call costs more than what follows an ordinary function. */
static uint64_t steps_of_empty_calls(void)
{
    ssize_t (*volatile call)(int, void *, size_t, int) = recv;
    uint64_t least = UINT64_MAX;
    for (int number = 0; number < EMPTY_TRIES; number++) {
        returned = __rdtsc();
        before_open.steps = steps = calls = 0;
        for (int count = 0; count < EMPTY_CALLS; count++) call(-1, NULL, 0, 0);
        tell();
        if (before_open.steps < least) least = before_open.steps;
    }
    returned = 0;
    return least;
}
