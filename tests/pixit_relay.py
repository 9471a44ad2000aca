"""The program of a relay: `python pixit_relay.py PORT attach` has the gateway of tests/pixit_gateway.py do it."""

import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) as gateway:
    gateway.sendall(" ".join(sys.argv[2:]).encode())
    sys.exit(gateway.recv(100) != b"done\n")
