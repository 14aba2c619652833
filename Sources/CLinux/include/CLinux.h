// What Glibc's Swift module lacks or hides: epoll, eventfd, signalfd, and calls behind feature macros.
#ifndef CLINUX_H
#define CLINUX_H
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netdb.h>
#include <fcntl.h>
#include <unistd.h>

/// accept4(2), hidden from Swift behind a feature macro.
int clinux_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);

/// recv(2), send(2) and epoll_wait(2) as plain system calls. In a process with threads, the C library wraps these three
/// in bookkeeping for pthread_cancel, which costs 1 % of a forwarded transaction and serves nobody here.
ssize_t clinux_receive(int socket, void *bytes, size_t count, int flags);
ssize_t clinux_send(int socket, const void *bytes, size_t count, int flags);
int clinux_wait(int poll, struct epoll_event *events, int count, int milliseconds);

/// getrandom(2) without flags.
ssize_t clinux_random(void *bytes, size_t count);

/// Names the calling thread for top and gdb; at most 15 bytes.
void clinux_name_thread(const char *name);

/// malloc_trim(3) without padding.
void clinux_release_memory(void);

#endif
