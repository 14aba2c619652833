// See CLinux.h.
#define _GNU_SOURCE
#include "CLinux.h"

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
