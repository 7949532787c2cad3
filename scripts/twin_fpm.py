"""php-fpm for scripts/twin: one static worker on a socket in a temporary folder, and a client that asks it for pages."""
import os
import socket
import struct
import subprocess
import time

BEGIN, PARAMS, STDIN, STDOUT, STDERR, END = 1, 4, 5, 6, 7, 3
WARM_UP_REQUESTS = 5
START_SECONDS = 20

CONFIGURATION = """[global]
error_log = {folder}/fpm.log
daemonize = no
process_control_timeout = 10s
[twin]
{user}
listen = {folder}/fpm.sock
pm = static
pm.max_children = 1
php_admin_value[memory_limit] = 512M
"""


class FpmError(Exception):
    pass


def record(kind, content):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def parameters(values):
    encoded = b""
    for name, value in values.items():
        name, value = name.encode(), value.encode()
        encoded += b"".join(
            struct.pack(">B", len(part)) if len(part) < 128 else struct.pack(">I", len(part) | 0x80000000)
            for part in (name, value)
        )
        encoded += name + value
    return encoded


def receive(connection, count):
    content = b""
    while len(content) < count:
        piece = connection.recv(min(65536, count - len(content)))
        if not piece:
            raise FpmError("php-fpm closed the connection")
        content += piece
    return content


class Server:
    def __init__(self, program, script, folder, arguments=(), warm_up_requests=WARM_UP_REQUESTS):
        self.script = script
        self.folder = folder
        self.requests = 0
        user = "user = root\ngroup = root" if os.geteuid() == 0 else ""
        with open(f"{folder}/fpm.conf", "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(folder=folder, user=user))
        root = ["-R"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [program, "-F", "-y", f"{folder}/fpm.conf", *root, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self.worker = self.wait_for_worker()
            for _ in range(warm_up_requests):
                self.request()
        except BaseException:
            self.stop()
            raise

    def wait_for_worker(self):
        deadline = time.monotonic() + START_SECONDS
        master = self.process.pid
        while time.monotonic() < deadline and self.process.poll() is None:
            with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as file:
                children = file.read().split()
            if len(children) == 1 and os.path.exists(f"{self.folder}/fpm.sock"):
                return int(children[0])
            time.sleep(0.05)
        raise FpmError(f"php-fpm did not start; see {self.folder}/fpm.log")

    def request(self):
        """One page; returns its body."""
        self.requests += 1
        values = {
            "SCRIPT_FILENAME": self.script,
            "REQUEST_METHOD": "GET",
            "QUERY_STRING": f"request={self.requests}",
            "SCRIPT_NAME": "/fpm_page.php",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "GATEWAY_INTERFACE": "CGI/1.1",
        }
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{self.folder}/fpm.sock")
            connection.sendall(
                record(BEGIN, struct.pack(">HB5x", 1, 0))
                + record(PARAMS, parameters(values))
                + record(PARAMS, b"")
                + record(STDIN, b"")
            )
            return self.response(connection)

    def response(self, connection):
        output = []
        while True:
            _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", receive(connection, 8))
            content = receive(connection, length + padding)[:length]
            if kind == STDOUT:
                output.append(content)
            elif kind == STDERR and content:
                raise FpmError(content.decode(errors="replace").strip())
            elif kind == END:
                head, _, body = b"".join(output).partition(b"\r\n\r\n")
                if b"</html>" not in body[-40:]:
                    raise FpmError(f"not a page: {head.decode(errors='replace').splitlines()[:1]}")
                return body

    def cpu_ns(self):
        """Of the worker: to the nanosecond where the kernel keeps it, otherwise in clock ticks."""
        try:
            with open(f"/proc/{self.worker}/schedstat", encoding="ascii") as file:
                return int(file.read().split()[0])
        except (OSError, IndexError, ValueError):
            with open(f"/proc/{self.worker}/stat", encoding="ascii") as file:
                fields = file.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def cpu_ns_of_requests(self, count):
        before = self.cpu_ns()
        for _ in range(count):
            self.request()
        return self.cpu_ns() - before

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
