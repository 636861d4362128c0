"""A classic load balancer as its back ends see it: health checks with its own static list of cipher suites, and TCP listeners.

    elb.py check TARGET ADDRESS [--timeout SECONDS]
        carries out one health check (`TCP:6443`, `SSL:443`, `HTTP:80/healthz`, `HTTPS:6443/readyz`); exits with 0 if the
        back end passes it, else with 1 and the reason
    elb.py serve --health TARGET --listen ADDRESS:PORT:BACKEND_PORT … BACKEND …
        passes connections on to the back ends that are in service, and prints each change: `10.20.4.10 InService`

Nothing is verified: a classic load balancer takes any certificate of a back end unless a policy names its key.
"""

import argparse
import asyncio
import contextlib
import itertools
import ssl
import sys

# The section "Cipher suite for back-end connections" of
# https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-ssl-security-policy.html: key exchange by RSA and by
# finite-field Diffie-Hellman, TLS 1.2 at most, no elliptic curves (concourse/concourse#2223 has the ClientHello,
# kubernetes-sigs/cluster-api-provider-aws#5139 its effect on API servers). OpenSSL passes over those that it was built without.
SUITES = [
    "AES256-GCM-SHA384", "AES256-SHA256", "AES256-SHA", "CAMELLIA256-SHA",
    "AES128-GCM-SHA256", "AES128-SHA256", "AES128-SHA", "CAMELLIA128-SHA",
    "RC4-SHA", "DES-CBC3-SHA", "DES-CBC-SHA",
    *[
        f"DHE-{signature}-{cipher}"
        for cipher in ["AES256-GCM-SHA384", "AES256-SHA256", "AES256-SHA", "CAMELLIA256-SHA", "AES128-GCM-SHA256", "AES128-SHA256", "AES128-SHA", "CAMELLIA128-SHA"]
        for signature in ["RSA", "DSS"]
    ],
    "EDH-RSA-DES-CBC3-SHA", "EDH-DSS-DES-CBC3-SHA",
]  # fmt: skip


def backend_tls():
    """What the load balancer offers to back ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join([*SUITES, "@SECLEVEL=0"]))
    return context


async def check(target, address, timeout):
    """Carries out a health check; gives why it fails, or nothing
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-healthchecks.html)."""
    protocol, _, rest = target.partition(":")
    port, slash, path = rest.partition("/")
    if protocol not in ("TCP", "SSL", "HTTP", "HTTPS") or (protocol in ("HTTP", "HTTPS")) != bool(slash):
        raise ValueError(f"{target} is no target of a health check")
    tls = backend_tls() if protocol in ("SSL", "HTTPS") else None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address, int(port), ssl=tls)
            with contextlib.closing(writer):
                if slash:
                    request = f"GET /{path} HTTP/1.1\r\nHost: {address}:{port}\r\nUser-Agent: ELB-HealthChecker/1.0\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"
                    writer.write(request.encode())
                    status = (await reader.readline()).split(b" ")
                    if status[1:2] != [b"200"]:
                        return f"{target}: the answer is {b' '.join(status).decode(errors='replace').strip() or 'empty'}, not 200"
    except TimeoutError:
        return f"{target}: no answer within {timeout} s"
    except (OSError, EOFError) as error:
        return f"{target}: {error}"
    return None


class Balancer:
    """Back ends, which of them are in service, and the connections to them."""

    def __init__(self, options):
        self.options = options
        self.in_service = dict.fromkeys(options.backends, False)
        self.turn = itertools.count()
        self.connections = {backend: set() for backend in options.backends}

    async def watch(self, backend):
        """Checks one back end for ever. A new one is in service after the first checks that it passes."""
        options, alike, last = self.options, 0, None
        while True:
            why = await check(options.health, backend, options.timeout)
            alike = alike + 1 if (why is None) == last else 1
            last = why is None
            if last != self.in_service[backend] and alike >= (options.healthy if last else options.unhealthy):
                self.in_service[backend] = last
                print(backend, "InService" if last else f"OutOfService {why}", flush=True)
                if not last:
                    for task in self.connections[backend]:
                        task.cancel()
            await asyncio.sleep(options.interval)

    async def serve(self, port, reader, writer):
        """Passes a connection on to the next back end in service; without one it is closed."""
        with contextlib.closing(writer):
            well = [backend for backend, in_service in self.in_service.items() if in_service]
            if not well:
                return
            backend = well[next(self.turn) % len(well)]
            task = asyncio.current_task()
            self.connections[backend].add(task)
            try:
                there, back = await asyncio.open_connection(backend, port)
                with contextlib.closing(back):
                    ways = [asyncio.ensure_future(pipe(reader, back)), asyncio.ensure_future(pipe(there, writer))]
                    try:
                        await asyncio.wait(ways)
                    finally:
                        for way in ways:
                            way.cancel()
            except (OSError, asyncio.CancelledError):
                pass
            finally:
                self.connections[backend].discard(task)

    async def run(self):
        servers = []
        for listener in self.options.listen:
            address, port, backend_port = listener.rsplit(":", 2)
            servers.append(await asyncio.start_server(lambda r, w, to=int(backend_port): self.serve(to, r, w), address, int(port)))
        async with contextlib.AsyncExitStack() as stack:
            for server in servers:
                await stack.enter_async_context(server)
            await asyncio.gather(*map(self.watch, self.options.backends))


async def pipe(reader, writer):
    """Passes one direction of a connection on, and its end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    once = commands.add_parser("check")
    once.add_argument("target")
    once.add_argument("address")
    serve = commands.add_parser("serve")
    serve.add_argument("--health", required=True)
    serve.add_argument("--listen", action="append", required=True)
    serve.add_argument("--interval", type=float, default=10)
    serve.add_argument("--healthy", type=int, default=2)
    serve.add_argument("--unhealthy", type=int, default=3)
    serve.add_argument("backends", nargs="+")
    for command in (once, serve):
        command.add_argument("--timeout", type=float, default=5)
    options = parser.parse_args()
    if options.command == "serve":
        return asyncio.run(Balancer(options).run())
    why = asyncio.run(check(options.target, options.address, options.timeout))
    print(why or "passes")
    return 1 if why else 0


sys.exit(main())
