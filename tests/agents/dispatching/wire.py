"""A local server that speaks just enough of the three wire protocols: streams, tool calls, rate limits, cut streams, counts."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = "# Fractions\n\nA fraction is a part of a whole. Cut a cake in two. Each part is one half.\n"
TOOL = {"name": "fractions.md", "title": "Fractions", "content": TEXT}


class WireServer:
    """``plan`` is a list of turns: "text", "tool", "busy" (429), "cut", "refuse" (400), "long"; usage is 100 in, 50 out each.

    ``midway`` is called when half of a stream was sent.
    """

    def __init__(self, plan, *, midway=lambda: None):
        self.plan, self.requests = list(plan), []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((self.path, dict(self.headers), body))
                turn = outer.plan.pop(0) if outer.plan else "text"
                if turn in {"busy", "refuse"}:
                    self.answer_error(429 if turn == "busy" else 400)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                chunks = list(stream(self.path, turn))
                if turn == "cut":
                    chunks = chunks[: max(1, len(chunks) // 2)]
                for number, chunk in enumerate(chunks):
                    if number == len(chunks) // 2:
                        midway()
                    self.wfile.write(chunk.encode())
                    self.wfile.flush()
                self.close_connection = True

            def answer_error(self, status):
                content = json.dumps(
                    {"type": "error", "error": {"type": "error", "message": "no", "code": status, "status": "NO"}}
                ).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def stream(path, turn):
    if "chat/completions" in path:
        return openai(turn)
    return google(turn) if "streamGenerateContent" in path else anthropic(turn)


def event(data, name=None):
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"


def halves():
    middle = len(TEXT) // 2
    return TEXT[:middle], TEXT[middle:]


def openai(turn):
    def chunk(delta, finish=None, **more):
        return event(
            {
                "id": "c1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
                **more,
            }
        )

    yield chunk({"role": "assistant", "content": ""})
    if turn == "tool":
        yield chunk(
            {
                "tool_calls": [
                    {"index": 0, "id": "t1", "type": "function", "function": {"name": "write_file", "arguments": json.dumps(TOOL)}}
                ]
            }
        )
        yield chunk({}, "tool_calls")
    else:
        for half in halves():
            yield chunk({"content": half})
        yield chunk({}, "length" if turn == "long" else "stop")
    yield event(
        {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [],
            "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
        }
    )
    yield "data: [DONE]\n\n"


def anthropic(turn):
    yield event(
        {
            "type": "message_start",
            "message": {
                "id": "m1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 100, "output_tokens": 1},
            },
        },
        "message_start",
    )
    if turn == "tool":
        yield event(
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "tool_use", "id": "t1", "name": "write_file", "input": {}},
            },
            "content_block_start",
        )
        yield event(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": json.dumps(TOOL)}},
            "content_block_delta",
        )
    else:
        yield event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, "content_block_start")
        for half in halves():
            yield event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": half}}, "content_block_delta")
    yield event({"type": "content_block_stop", "index": 0}, "content_block_stop")
    reason = {"tool": "tool_use", "long": "max_tokens"}.get(turn, "end_turn")
    yield event(
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 50}}, "message_delta"
    )
    yield event({"type": "message_stop"}, "message_stop")


def google(turn):
    def chunk(parts, finish=None):
        found = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            found["finishReason"] = finish
        usage = (
            {"promptTokenCount": 100, "candidatesTokenCount": 50, "totalTokenCount": 150}
            if finish
            else {"promptTokenCount": 100, "totalTokenCount": 100}
        )
        return event({"candidates": [found], "usageMetadata": usage, "modelVersion": "m", "responseId": "r1"})

    if turn == "tool":
        yield chunk([{"functionCall": {"name": "write_file", "args": TOOL}}], "STOP")
    else:
        first, second = halves()
        yield chunk([{"text": first}])
        yield chunk([{"text": second}], "MAX_TOKENS" if turn == "long" else "STOP")
