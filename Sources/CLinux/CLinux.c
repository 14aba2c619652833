// See CLinux.h.
#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/syscall.h>

int clinux_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
    return accept4(listener, address, length, flags);
}

// The C library's `syscall` lies on a page of its own and is reached through a table, both of which a proxy that has just
// slept must first get into its caches.
static inline long call(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    long result;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    register long sixth __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    if ((unsigned long)result < -4095UL) return result;
    errno = (int)-result;
    return -1;
#else
    return syscall(number, a, b, c, d, e, f);
#endif
}

ssize_t clinux_receive(int socket, void *bytes, size_t count, int flags) {
    return call(SYS_recvfrom, socket, (long)bytes, (long)count, flags, 0, 0);
}

ssize_t clinux_send(int socket, const void *bytes, size_t count, int flags) {
    return call(SYS_sendto, socket, (long)bytes, (long)count, flags, 0, 0);
}

int clinux_wait(int poll, struct epoll_event *events, int count, int milliseconds) {
    return (int)call(SYS_epoll_pwait, poll, (long)events, count, milliseconds, 0, 0);
}

ssize_t clinux_random(void *bytes, size_t count) { return getrandom(bytes, count, 0); }

void clinux_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

void clinux_release_memory(void) { malloc_trim(0); }
