"""A line a request: `service Action`. What a caller did is told by who was called, not by the caller.

THROTTLE is how many requests a second CloudFormation answers, from a bucket of twice as many: more are refused as AWS does
(https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html)."""

import os
import re
import time
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


class Bucket:
    """A token bucket."""

    def __init__(self, rate):
        self.rate, self.tokens, self.filled = rate, 2 * rate, time.monotonic()

    def takes(self):
        now = time.monotonic()
        self.tokens = min(2 * self.rate, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


REFUSED = (
    b'<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type><Code>Throttling</Code>'
    b"<Message>Rate exceeded</Message></Error></ErrorResponse>"
)


def install(path):
    served = ministack.app.app
    bucket = Bucket(float(rate)) if (rate := os.environ.get("THROTTLE")) else None

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
        request = name(scope, body)
        throttled = bucket and request.startswith("cloudformation ") and not bucket.takes()
        with open(path, "a", encoding="utf-8") as log:
            log.write(request + (" throttled" if throttled else "") + "\n")
        if throttled:
            await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"text/xml")]})
            return await send({"type": "http.response.body", "body": REFUSED})

        async def again():
            return messages.pop(0) if messages else await receive()

        return await served(scope, again, send)

    ministack.app.app = app
