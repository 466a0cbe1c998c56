"""Say why a build failed: the step, the line of the Dockerfile, the tail of its output. Pure.

Source of the format: BuildKit's plain progress, whose last lines repeat the failing step between dashes, then the
Dockerfile's lines with ``>>>`` before the failing ones, then ``ERROR: failed to solve: …``.
"""

from __future__ import annotations

import re

import attrs
from stagecraft_hookspecs.errors import Mark, ProviderError

_STEP = re.compile(r"^ > \[(?P<step>.+?)\] ?(?P<what>.*?):?$|^ > (?P<other>.+?):?$")
_PLACE = re.compile(r"^(?P<file>\S+):(?P<line>\d+)$")
_LOG = re.compile(r"^#\d+ (?:(?:sha256|\d+\.\d+) )?")
_EXCERPT = re.compile(r"^ *\d+ \| .*\S")
_NOISE = re.compile(r" of ref \S+(?=:)")
TAIL = 20


@attrs.frozen
class Failure:
    """Hold what a build's output says about its end.

    Attributes:
        step: ``RUN npm ci``, or empty.
        line: 1-based line of the Dockerfile; 0 if it is not known.
        reason: One line.
        tail: The last lines of the failing step, or of the output.
    """

    step: str = ""
    line: int = 0
    reason: str = ""
    tail: tuple[str, ...] = ()


def read_failure(output: str) -> Failure:
    """Return what BuildKit's output says about its failure."""
    lines = output.replace("\r", "").splitlines()
    step, line, reason = "", 0, ""
    tail: list[str] = []
    excerpt: list[str] = []
    inside = False
    for text in lines:
        found = _STEP.match(text)
        if found:
            step, tail, inside = (found["what"] or found["other"] or found["step"]).strip(), [], True
        elif inside and text.startswith("------"):
            inside = False
        elif inside:
            tail.append(re.sub(r"^\d+\.\d+ ", "", text))
        elif (place := _PLACE.match(text)) and not line:
            line = int(place["line"])
        elif text.startswith(("ERROR:", "error:")):
            reason = _NOISE.sub("", text.partition(":")[2].strip().removeprefix("failed to solve: "))
        elif _EXCERPT.match(text):
            excerpt.append(text)
    tail = tail or excerpt or [_LOG.sub("", text) for text in lines if text.strip()]
    return Failure(step, line, reason or (tail[-1] if tail else "no output"), tuple(tail[-TAIL:]))


def build_error(service: str, dockerfile: str, failure: Failure) -> ProviderError:
    """Return the error for a failed build of a service's image."""
    at = f" at `{failure.step}`" if failure.step else ""
    return ProviderError(
        f"the image of {service} cannot be built: it failed{at}: {failure.reason}",
        hint=hint(failure, service),
        where=Mark(dockerfile, failure.line) if dockerfile and failure.line else None,
        detail="\n".join(failure.tail),
    )


def hint(failure: Failure, service: str) -> str:
    """Return the next step that the failure suggests."""
    text = "\n".join((failure.reason, *failure.tail)).lower()
    left_out = "COPY names a file that is not in the build context, or that .dockerignore leaves out"
    known = {
        "failed to compute cache key": left_out,
        "failed to calculate checksum": left_out,
        "pull access denied": "check the name behind FROM, or log in to its registry: docker login",
        "failed to resolve source metadata": "check the name behind FROM, and that its registry can be reached",
        "unauthorized": "log in to the registry: docker login",
        "file not found in build context": left_out,
        "no such host": "the registry's name does not resolve: check the name behind FROM, and the network",
        "unknown instruction": "correct the Dockerfile",
        "dockerfile parse error": "correct the Dockerfile",
        "no space left": "free some space: docker system df",
        "target stage": "check `target` against the stages of the Dockerfile",
        "cannot connect to the docker daemon": "start the Docker engine, and try: docker info",
        "permission denied while trying to connect": "let this user reach the Docker engine, or set DOCKER_HOST",
    }
    return next(
        (h for words, h in known.items() if words in text), f"build it alone: stagecraft build --services {service}"
    )
