// What Glibc's Swift module lacks or hides: epoll, eventfd, accept4.
#ifndef CLINUX_H
#define CLINUX_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/epoll.h>
#include <sys/eventfd.h>
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

#endif
