"""Waiting for a server that has not yet its port."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from glue.ops.keycloak_process import Process


def _server(port, status):
    asked = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept alive, also by a server that listens no more

        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            asked.set()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server, asked


def test_program_that_had_the_port_for_a_moment_is_not_asked_for_ever(tmp_path):
    stranger, asked = _server(0, 404)
    port = stranger.server_address[1]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as popen, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Process(popen, tmp_path, port, port).wait_until_ready, "glue")
        assert asked.wait(10)
        stranger.shutdown()
        stranger.server_close()
        awaited, _ = _server(port, 200)
        try:
            waiting.result(timeout=20)
        finally:
            popen.kill()
            awaited.shutdown()
            awaited.server_close()
