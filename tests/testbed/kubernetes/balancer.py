"""What stands in front of the API: passes each connection on to the first of some members that takes it.

    balancer.py ADDRESS PORT MEMBER …
"""
import socket
import sys
import threading


def pipe(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    for end in (one, other):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, members, port):
    for member in members:
        try:
            upstream = socket.create_connection((member, port), timeout=2)
        except OSError:
            continue
        upstream.settimeout(None)
        threading.Thread(target=pipe, args=(client, upstream), daemon=True).start()
        pipe(upstream, client)
        return
    client.close()


address, port, *members = sys.argv[1:]
listener = socket.create_server((address, int(port)), backlog=256)
while True:
    client, _ = listener.accept()
    threading.Thread(target=serve, args=(client, members, int(port)), daemon=True).start()
