"""An agent that tries its gateway for a way out and for others' secrets; one line a try: `refused NAME` or `GOT NAME detail`."""

import base64
import json
import os
import socket
import sys
import urllib.request

TOKEN = os.environ["ANTHROPIC_API_KEY"]
FOLDER = "/run/orchestrate"
GATEWAY = FOLDER + "/gateway.sock"


def tried(name, attempt):
    try:
        got = attempt()
    except OSError as error:
        print("refused", name, error.errno or error)
        return
    print("refused" if got is None else "GOT", name, "" if got is None else got)


def ask(request, through=GATEWAY):
    """Status of the answer; None where it says no (4xx, 5xx) or nothing."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(through)
        connection.sendall(request.encode())
        status = connection.recv(4096).split(b"\r\n")[0].decode()
    return None if status == "" or status.split(" ")[1][0] in "45" else status


def read(path):
    with open(path, "rb") as file:
        return file.read(1) or None


def environments():
    """Of all processes that can be read: a secret that is not ours."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/environ") as file:
                if "toolbox" in file.read().lower():
                    return process
        except OSError:
            pass
    return None


def write(path):
    with open(path, "w") as file:
        file.write("x")
    return "written"


def bind(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    return "bound"


for entry in ("environ", "mem", "fd/0", "root/etc/passwd", "maps", "auxv"):
    tried(f"/proc/1/{entry}", lambda: read(f"/proc/1/{entry}"))
tried("environments", environments)

tried("remove the socket", lambda: os.remove(GATEWAY) or "removed")
tried("rename the socket", lambda: os.rename(GATEWAY, FOLDER + "/other") or "renamed")
tried("rename its folder", lambda: os.rename(FOLDER, "/run/other") or "renamed")
tried("replace the socket", lambda: bind(FOLDER + "/mine.sock"))
tried("fill the volume", lambda: write(FOLDER + "/full"))
tried("the mode of the socket", lambda: os.chmod(GATEWAY, 0o777) or "changed")
tried("the control socket", lambda: ask("GET / HTTP/1.1\r\n\r\n", "/run/control/control.sock"))

UPGRADE = "Connection: Upgrade\r\nUpgrade: orchestrate-toolbox\r\n"
for secret in (TOKEN, "0" * 64, ""):
    for header in (f"Authorization: Bearer {secret}", f"x-api-key: {secret}"):
        tried(f"toolbox with {header[:20]}", lambda: ask(f"GET /toolbox HTTP/1.1\r\nHost: x\r\n{header}\r\n{UPGRADE}\r\n"))

proxy = "Proxy-Authorization: Basic " + base64.b64encode(f"agent:{TOKEN}".encode()).decode()
for host in (
    "127.0.0.1 0.0.0.0 localhost 169.254.169.254 2130706433 0x7f000001 0177.0.0.1 127.1 [::1] [::ffff:127.0.0.1] "
    "[::ffff:169.254.169.254] [fd00:ec2::254] metadata.google.internal host.docker.internal gateway 172.17.0.1 "
    "allowed.invalid.example.org allowed.invalid@example.org 127.0.0.1.nip.io"
).split():
    for port in (80, 443, 47821, 2375):
        tried(f"connect {host}:{port}", lambda: ask(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{proxy}\r\n\r\n"))
    tried(f"get {host}", lambda: ask(f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{proxy}\r\n\r\n"))
for smuggled in ("allowed.invalid:443\r\nHost: x\r\n\r\nCONNECT 127.0.0.1:80", "allowed.invalid:443 127.0.0.1:80", ":443", "*:443"):
    tried(f"connect {smuggled!r}", lambda: ask(f"CONNECT {smuggled} HTTP/1.1\r\nHost: x\r\n{proxy}\r\n\r\n"))
tried("DNS", lambda: socket.getaddrinfo("example.org", 443))
tried("an address", lambda: socket.create_connection(("1.1.1.1", 53), 2) and "connected")

BODY = {"model": "claude-sonnet-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hold"}]}
OWN = {"x-api-key": TOKEN, "anthropic-version": "2023-06-01", "content-type": "application/json"}
# What it may: the tries would see it.
fields = "".join(f"{name}: {value}\r\n" for name, value in OWN.items())
text = json.dumps(BODY).replace("hold", "hello")
may = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {len(text)}\r\n\r\n{text}"
tried("its own model", lambda: ask(may))

# Without end: half of them silent, half with headers that never end.
held = []
for n in range(5000):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    held.append(connection)
    try:
        connection.connect(GATEWAY)
        if n % 2:
            connection.sendall(b"POST /v1/messages HTTP/1.1\r\nx-slow: ")
    except OSError:
        pass
sys.stdout.flush()
# Answered when the others are done.
url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
urllib.request.urlopen(urllib.request.Request(url, json.dumps(BODY).encode(), OWN), timeout=100).read()
