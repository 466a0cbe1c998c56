from __future__ import annotations

from stagecraft.images.failure import build_error, read_failure

RUN_FAILS = """\
#0 building with "default" instance using docker driver
#5 [2/2] RUN npm ci
#5 0.210 npm error code ENOLOCK
#5 ERROR: process "/bin/sh -c npm ci" did not complete successfully: exit code: 1
------
 > [2/2] RUN npm ci:
0.210 npm error code ENOLOCK
0.211 npm error no lockfile
------
Dockerfile:3
--------------------
   1 |     FROM node:22-slim
   3 | >>> RUN npm ci
   4 |
--------------------
ERROR: failed to solve: process "/bin/sh -c npm ci" did not complete successfully: exit code: 1
"""

COPY_FAILS = """\
------
 > [2/2] COPY nope /x:
------
Dockerfile:2
--------------------
   1 |     FROM busybox
   2 | >>> COPY nope /x
   3 |
--------------------
ERROR: failed to solve: failed to compute cache key: failed to calculate checksum of ref 5a4b::6qrn: "/nope": not found
"""


def test_a_failing_command_is_named_with_its_line_and_its_output() -> None:
    error = build_error("api", "api/Dockerfile", read_failure(RUN_FAILS))

    assert error.message == (
        "the image of api cannot be built: it failed at `RUN npm ci`: "
        'process "/bin/sh -c npm ci" did not complete successfully: exit code: 1'
    )
    assert str(error.where) == "api/Dockerfile:3:1"
    assert error.detail == "npm error code ENOLOCK\nnpm error no lockfile"
    assert error.exit_code == 2


def test_a_missing_file_is_explained_and_the_lines_are_shown() -> None:
    error = build_error("api", "Dockerfile", read_failure(COPY_FAILS))

    assert error.message.endswith('failed to compute cache key: failed to calculate checksum: "/nope": not found')
    assert error.hint == "COPY names a file that is not in the build context, or that .dockerignore leaves out"
    assert error.detail == "   1 |     FROM busybox\n   2 | >>> COPY nope /x"


def test_output_that_says_nothing_still_gives_an_error() -> None:
    error = build_error("api", "Dockerfile", read_failure(""))

    assert error.message == "the image of api cannot be built: it failed: no output"
    assert error.hint == "build it alone: stagecraft build --services api"
