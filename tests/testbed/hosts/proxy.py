"""A bad network before one host: it delays, and it cuts.

proxy.py PORT HOST DELAY_MS CUT: listens on PORT, passes connections on to HOST:22, each byte DELAY_MS later each way, and
cuts a connection hard once CUT bytes went towards the host (0: never). At its end a connection's count of bytes towards
the host is printed.
"""

import asyncio
import socket
import struct
import sys

port, host, delay, cut = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]) / 1000, int(sys.argv[4])


def reset(writer):
    """Ends a connection at once, as a power cut of a switch does: nothing that waits is sent."""
    try:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass  # the other end was quicker
    writer.transport.abort()


async def pump(reader, writer, limit):
    """Passes bytes on; gives how many went, and whether the limit ended it."""
    queue = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def send():
        while True:
            due, data = await queue.get()
            if data is None:
                return
            await asyncio.sleep(max(0, due - loop.time()))
            try:
                writer.write(data)
                await writer.drain()
            except ConnectionError:
                return

    sender = asyncio.create_task(send())
    sent, was_cut = 0, False
    try:
        while data := await reader.read(4096):
            if limit and sent + len(data) >= limit:
                data, was_cut = data[: limit - sent], True
            sent += len(data)
            queue.put_nowait((loop.time() + delay, data))
            if was_cut:
                break
    except ConnectionError:
        pass
    queue.put_nowait((0, None))
    await sender
    return sent, was_cut


async def serve(reader, writer):
    try:
        far_reader, far_writer = await asyncio.open_connection(host, 22)
    except OSError:
        reset(writer)
        return
    towards = asyncio.create_task(pump(reader, far_writer, cut))
    back = asyncio.create_task(pump(far_reader, writer, 0))
    await asyncio.wait({towards, back}, return_when=asyncio.FIRST_COMPLETED)
    if towards.done():
        print(towards.result()[0], flush=True)
    reset(writer)
    reset(far_writer)
    towards.cancel()
    back.cancel()


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", port)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
