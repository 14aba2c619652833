"""Memory of idle clients: how much the proxy grows by clients that asked one query each and then say nothing."""

import resource
import time

from clients import Client, point_query
from processes import resident_kilobytes


def kilobytes_per_client(target, count, scale, tls=False):
    """Growth of resident memory in kB for each idle client.

    It is counted from the first fifth of the clients on: what the allocator still had free from the start is then used.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    warm = [Client(target, tls) for _ in range(10)]
    for _ in range(50):
        for client in warm:
            client.query(point_query(scale))
    clients = []
    before = None
    for number in range(count):
        if number == count // 5:
            before = resident_kilobytes(target.pid)
        client = Client(target, tls)
        client.query(point_query(scale))
        clients.append(client)
    # The last answers have left the proxy's buffers.
    time.sleep(1)
    after = resident_kilobytes(target.pid)
    for client in clients + warm:
        client.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return (after - before) / (count - count // 5)
