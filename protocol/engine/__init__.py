"""Endpoints that execute the machines: bytes in, bytes and events out; no socket, no thread, no clock."""
