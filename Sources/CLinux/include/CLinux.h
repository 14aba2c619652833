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

/// The user and process at the other end of a unix socket (SO_PEERCRED). Returns 0, or -1 with errno set.
int clinux_peer_credentials(int socket, unsigned *user, unsigned *process);

/// getrandom(2) without flags.
ssize_t clinux_random(void *bytes, size_t count);

/// Names the calling thread for top and gdb; at most 15 bytes.
void clinux_name_thread(const char *name);

#endif
