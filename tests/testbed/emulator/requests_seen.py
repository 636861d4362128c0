"""A line a request: `service Action`. What a caller did is told by who was called, not by the caller."""

import json
import re
from urllib.parse import parse_qs

import ministack.app


def name(scope, body):
    headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
    service = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", headers.get("authorization", ""))
    service = service.group(1) if service else "-"
    target = headers.get("x-amz-target", "")
    if target:
        return f"{service} {target.split('.')[-1]}"
    action = parse_qs(body.decode(errors="replace")).get("Action") or parse_qs(scope["query_string"].decode()).get("Action")
    return f"{service} {action[0] if action else scope['method']}"


def install(path):
    served = ministack.app.app

    async def app(scope, receive, send):
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            return await served(scope, receive, send)
        messages = []
        while True:
            message = await receive()
            messages.append(message)
            if message["type"] != "http.request" or not message.get("more_body"):
                break
        body = b"".join(message.get("body", b"") for message in messages)
        with open(path, "a", encoding="utf-8") as log:
            log.write(name(scope, body) + "\n")

        async def again():
            return messages.pop(0) if messages else await receive()

        return await served(scope, again, send)

    ministack.app.app = app
