"""A site's mirror: files over HTTP, among them the manifests of container images.

    mirror.py FOLDER ADDRESS PORT
"""
import hashlib
import http.server
import sys


class Mirror(http.server.SimpleHTTPRequestHandler):
    def guess_type(self, path):
        if "/manifests/" in path:
            return "application/vnd.oci.image.manifest.v1+json"
        return super().guess_type(path)

    def end_headers(self):
        if "/manifests/" in self.path:
            with open(self.translate_path(self.path), "rb") as file:
                self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(file.read()).hexdigest())
        super().end_headers()

    def do_GET(self):
        if self.path == "/v2/":
            self.send_response(200)
            self.send_header("Content-Length", "0")
            http.server.BaseHTTPRequestHandler.end_headers(self)
            return
        super().do_GET()

    def log_message(self, *arguments):
        pass


folder, address, port = sys.argv[1:]
Mirror.protocol_version = "HTTP/1.1"
http.server.ThreadingHTTPServer((address, int(port)), lambda *a: Mirror(*a, directory=folder)).serve_forever()
