// See CLinux.h.
#define _GNU_SOURCE
#include "CLinux.h"
#include <malloc.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/syscall.h>

int clinux_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
    return accept4(listener, address, length, flags);
}

int clinux_peer_credentials(int socket, unsigned *user, unsigned *process) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
    *user = credentials.uid;
    *process = (unsigned)credentials.pid;
    return 0;
}

ssize_t clinux_receive(int socket, void *bytes, size_t count, int flags) {
    return syscall(SYS_recvfrom, socket, bytes, count, flags, NULL, NULL);
}

ssize_t clinux_send(int socket, const void *bytes, size_t count, int flags) {
    return syscall(SYS_sendto, socket, bytes, count, flags, NULL, 0);
}

int clinux_wait(int poll, struct epoll_event *events, int count, int milliseconds) {
    return (int)syscall(SYS_epoll_pwait, poll, events, count, milliseconds, NULL, 0);
}

ssize_t clinux_random(void *bytes, size_t count) { return getrandom(bytes, count, 0); }

void clinux_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

void clinux_release_memory(void) { malloc_trim(0); }
