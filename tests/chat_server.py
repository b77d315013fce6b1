"""A chat server on this machine that misbehaves as told, and remembers what it was asked."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections import Counter, defaultdict, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ChatServer:
    """Answers ``POST /v1/chat/completions``.

    `plans` holds for each action what to do with its next questions, one after the other; after them, and for actions
    without any, `reply` is asked for the text. A plan is a function that is given the handler and the question.
    """

    def __init__(self, reply):
        self.reply = reply
        self.plans = defaultdict(deque)
        self.asked = []  # (action, payload, headers), in the order of their coming
        self.answered = []  # actions, in the order of their answers
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                server._take(self)

            def do_GET(self):
                with server.lock:
                    server.asked.append((None, self.path, dict(self.headers)))
                self.send_error(404)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *arguments: None
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def _take(self, handler):
        payload = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        action = action_of(payload)
        with self.lock:
            self.asked.append((action, payload, dict(handler.headers)))
            plan = self.plans[action].popleft() if self.plans[action] else None
        if handler.path != "/v1/chat/completions":
            send(handler, 404, {"error": {"message": f"no {handler.path} here"}})
        elif plan:
            plan(handler, payload)
        else:
            says(self.reply(payload))(handler, payload)
        with self.lock:
            self.answered.append(action)

    @property
    def counts(self):
        """How often each action was asked about."""
        with self.lock:
            return Counter(action for action, _, _ in self.asked)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def action_of(payload):
    """The action of a question: the first user message names it."""
    first = next(message["content"] for message in payload["messages"] if message["role"] == "user")
    return re.match(r"Action: (.*)", first)[1]


def completion(text, **choice):
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop", **choice}], "usage": usage}


def send(handler, status, content, headers=(), length=None):
    body = (content if isinstance(content, str) else json.dumps(content)).encode()
    handler.send_response(status)
    for name, value in dict(headers).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(length or len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def says(text, **choice):
    """A reply of the model."""
    return lambda handler, payload: send(handler, 200, completion(text, **choice))


def fails(status, content="", **headers):
    """An error, or another answer that is no reply."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, payload: send(handler, status, content, named)


def late(seconds, text):
    """A reply that takes its time."""

    def act(handler, payload):
        time.sleep(seconds)
        send(handler, 200, completion(text))

    return act


def drips(handler, payload):
    """An answer that comes byte by byte and never ends."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def drops(handler, payload):
    """No answer at all: the connection is closed."""
    handler.close_connection = True


def breaks_off(handler, payload):
    """Half an answer."""
    send(handler, 200, '{"choices": [{"mess', length=5000)


def refuses_schema(handler, payload):
    """What an older server says to a JSON schema."""
    if "response_format" in payload:
        send(handler, 400, {"error": {"message": "response_format is not supported"}})
    else:
        send(handler, 200, completion(tear_reply(action_of(payload))))


def tear_reply(action, **other):
    """A right reply to the recipe "tear", which says in every text whose it is."""
    reply = {
        "steps": [f"{part} of {action}" for part in ("beginning", "middle", "end")],
        "description": f"a figure shows {action} in a yard",
        "context": f"a yard made for {action}",
        "objects": [f"{action} shoe", f"{action} hat"],
    }
    return json.dumps(reply | other)


def askg_reply(payload):
    """A right reply to either stage of the recipe "askg"."""
    user = payload["messages"][-1]["content"]
    counts = dict(re.findall(r"^(\w+) \((\d+)\):$", user, re.MULTILINE))
    if counts:
        kinds = {"object": "object_relations", "action": "action_objects", "step": "step_order"}
        return json.dumps(
            {
                f"{name}_completions": [f"where {name} {i} is" for i in range(int(counts[kind]))]
                for name, kind in kinds.items()
            }
        )
    return json.dumps(
        {
            "objects": ["rope", "wall"],
            "object_relations": [{"from": "rope", "relation": "hangs on", "to": "wall"}],
            "action_objects": [{"relation": "needs", "object": "rope"}, {"relation": "uses", "object": "wall"}],
            "steps": ["gripping the rope", "leaning back", "walking down"],
        }
    )


def slowly(*pieces, gap_s=0.03, times=200):
    """An answer whose last piece comes again and again, each time before anyone would call it late."""

    def act(handler, payload):
        for piece in (*pieces, *[pieces[-1]] * times):
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(gap_s)

    return act


HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPPED = {
    "status line": slowly(b"HTTP/1.1 200 O"[:1], b"H"),
    "headers": slowly(HEAD, b"X"),
    "many headers": slowly(HEAD, b"X-A: b\r\n", times=90),
    "100 Continue": slowly(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunks": slowly(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a chunk's length": slowly(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers": slowly(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "body": slowly(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "an error's body": slowly(b"HTTP/1.1 500 no\r\n\r\n", b" "),
}
"""Answers that never end and never fall silent."""


def raw(content, **headers):
    """A body as it is, whatever it is."""

    def act(handler, payload):
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return act


def with_tokens(words):
    """A good reply with an odd number of tokens."""

    def act(handler, payload):
        text = json.dumps(completion(tear_reply(action_of(payload))))
        raw(text.replace('"prompt_tokens": 100', f'"prompt_tokens": {words}').encode())(handler, payload)

    return act


ODD = {
    "endless tokens": with_tokens("1e999"),
    "no tokens": with_tokens("NaN"),
    "negative tokens": with_tokens("-5"),
    "worded tokens": with_tokens('"many"'),
    "listed tokens": with_tokens("[1]"),
    "digits": with_tokens("9" * 5000),
    "deep": raw(b'{"choices":' + b"[" * 900 + b"]" * 900 + b"}"),
    "deeper": raw(b"[" * 100_000),
    "deep content": says("{" + '"a": {' * 900 + "}" * 901),
    "no UTF-8": raw(b'{"choices": [{"message": {"content": "\xff\xfe"}}]}'),
    "surrogates": raw(b'{"choices": [{"message": {"content": "{\\"steps\\": [\\"\\ud800\\"]}"}}]}'),
    "types": raw(b'{"choices": {"message": 3}}'),
    "more types": raw(b'{"choices": [{"message": {"content": {"a": 1}}}]}'),
    "strange usage": raw(b'{"choices": [{"message": {"content": "{}"}}], "usage": 7}'),
    "strange parts": raw(b'{"choices": [{"message": {"content": [1, {"text": 2}]}}]}'),
    "compressed": raw(gzip.compress(bytes(1 << 20)), Content_Encoding="gzip"),
    "huge": raw(b" " * (9 << 20)),
    "no length": raw(b"{}", Content_Length="9" * 5000),
    "come back never": fails(503, "later", Retry_After="9" * 400),
    "come back in a word": fails(503, "later", Retry_After="Fri, 99 Foo 99999 99:99:99 XXX"),
}
"""Answers that no server should give."""
