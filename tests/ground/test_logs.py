import json

import structlog

from glue.logs import configure, redact


def test_secrets_never_reach_a_log():
    event = redact(
        None,
        "info",
        {"event": "x", "authorization": "Bearer abc", "client_secret": "s", "note": "sent License KEY-12345678 along", "tenant": "t1"},
    )
    text = json.dumps(event)
    assert "abc" not in text
    assert "KEY-12345678" not in text
    assert event["tenant"] == "t1"


def test_a_line_is_one_json_object_on_standard_error(capsys):
    configure("json")
    structlog.get_logger().info("request", tenant="t1")
    structlog.reset_defaults()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["tenant"] == "t1"
