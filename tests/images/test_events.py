"""What engines and registries send while they build and push, read without one."""

from __future__ import annotations

from stagecraft.images import classic, engine, push

ID = "sha256:" + "ab" * 32


def test_the_classic_builder_tells_the_images_id() -> None:
    lines: list[str] = []
    events = [
        {"stream": "Step 1/1 : FROM busybox\n"},
        {"aux": {"ID": ID}},
        {"stream": f"Successfully built {ID[7:19]}"},
    ]

    assert classic.read_events(events, lines.append) == (ID, None)
    assert lines[0] == "Step 1/1 : FROM busybox"


def test_the_classic_builder_tells_which_step_failed() -> None:
    events = [
        {"stream": "Step 1/2 : FROM busybox\n"},
        {"stream": "Step 2/2 : RUN make\n"},
        {"stream": " ---> Running in 12ab\n"},
        {"stream": "\x1b[91mno rule\n\x1b[0m"},
        {"errorDetail": {"code": 2, "message": "The command '/bin/sh -c make' returned a non-zero code: 2"}},
    ]
    digest, failure = classic.read_events(events)

    assert digest == ""
    assert failure is not None
    assert (failure.step, failure.tail) == ("RUN make", ("no rule",))


def test_a_push_tells_the_digest_or_the_problem() -> None:
    assert push.read_events([{"status": "Pushed"}, {"aux": {"Tag": "1", "Digest": ID, "Size": 5}}]) == (ID, "")
    assert push.read_events([{"errorDetail": {}, "error": "denied: no"}]) == ("", "denied: no")


def test_a_refusal_names_the_registry_to_log_in_to() -> None:
    assert engine.hint("no basic auth credentials", "r.example.com/a/b:1").endswith("docker login r.example.com")
    assert engine.hint("http: server gave HTTP response to HTTPS client", "10.0.0.1:5000/a") == (
        "the registry speaks HTTP: add 10.0.0.1:5000 to the engine's insecure-registries"
    )
