"""What is read from Dockerfiles as people write them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stagecraft_process.dockerfile import instructions, read


def test_a_usual_file():
    recipe = read(
        """
        # syntax=docker/dockerfile:1
        ARG VERSION=3.11
        FROM python:${VERSION}-slim
        ENV PYTHONUNBUFFERED=1 \\
            # a comment inside
            NAME="two words"
        ENV LEGACY some value
        WORKDIR /app
        COPY requirements.txt .
        RUN pip install \\
            -r requirements.txt
        COPY --chown=app:app . .
        VOLUME ["/data"]
        EXPOSE 8000 9000/tcp 53/udp
        STOPSIGNAL SIGQUIT
        HEALTHCHECK --interval=5s --retries=2 CMD ["curl", "x"]
        CMD ["python", "app.py"]
        """
    )
    assert recipe.command == ("python", "app.py")
    assert recipe.env == {"PYTHONUNBUFFERED": "1", "NAME": "two words", "LEGACY": "some value"}
    assert (recipe.workdir, recipe.ports, recipe.volumes, recipe.stop_signal) == (
        "/app",
        (8000, 9000),
        ("/data",),
        "SIGQUIT",
    )
    assert recipe.health == {"test": ["CMD", "curl", "x"], "interval": "5s", "retries": 2}
    assert recipe.runs == 1
    assert recipe.copies == (("requirements.txt", "/app/."), (".", "/app/."))


def test_last_stage_counts_with_what_it_inherits():
    text = """
        FROM a AS base
        ENV A=1
        WORKDIR /x
        FROM a AS dev
        CMD dev
        FROM base
        ENV B=$A-2
        COPY --from=dev /y /z
        CMD ["run"]
    """
    recipe = read(text)
    assert (recipe.env, recipe.workdir, recipe.command, recipe.copies) == ({"A": "1", "B": "1-2"}, "/x", ("run",), ())
    assert read(text, target="dev").command == ("/bin/sh", "-c", "dev")


def test_arguments_and_defaults():
    text = "ARG A=1\nFROM x\nARG B\nENV C=${A}${B:-none}${D:+set} E=\\$A\n"
    assert read(text).env == {"C": "1none", "E": "$A"}
    assert read(text, args={"A": "2", "B": "b"}).env["C"] == "2b"


def test_entrypoint_clears_the_command_before_it():
    assert read('FROM x\nCMD ["a"]\nENTRYPOINT ["b"]\n').command == ()
    assert read('FROM x\nENTRYPOINT ["b"]\nCMD ["a"]\n').command == ("a",)


def test_heredocs_are_no_instructions():
    text = "FROM x\nRUN <<EOF\nCMD no\nEOF\nCOPY <<-'END' /f\nCMD no\nEND\nCMD yes\n"
    assert [word for word, _ in instructions(text)] == ["FROM", "RUN", "COPY", "CMD"]
    assert read(text).command == ("/bin/sh", "-c", "yes")


def test_healthcheck_none():
    assert read("FROM x\nHEALTHCHECK NONE\n").health == {"disable": True}


@given(st.text(alphabet="FROMENVCDx =$\\{}[]\"'#\n<:-1", max_size=120))
def test_no_text_makes_it_fail(text):
    read(text)
    read("FROM x\n" + text)
