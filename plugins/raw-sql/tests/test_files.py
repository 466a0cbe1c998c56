"""What is refused before a database is asked: names, encodings, directives, transactions."""

from __future__ import annotations

import pytest
from rawsql_harness import Project
from stagecraft_hookspecs.errors import ConfigError, UserError
from stagecraft_raw_sql.files import MAX_BYTES, parse


def problems(project: Project) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        project.discover()
    assert all(p.hint for p in caught.value.problems)
    return [str(p) for p in caught.value.problems]


def test_what_is_no_migration_is_left_alone(project: Project) -> None:
    for name in ("README.md", ".001_hidden.sql", "._002_resource_fork.sql", "001_a.down.sql", "schema.txt"):
        project.write(name, "nonsense '")
    (project.root / "migrations" / "003_folder.sql").mkdir()
    project.write("001_a.up.sql", "SELECT 1;")
    assert [m.name for m in project.discover()] == ["001_a.up.sql"]


@pytest.mark.parametrize("name", ["create_users.sql", "v1_create.sql", "001.sql", "1-", "_1_x.sql"])
def test_name_without_a_number(project: Project, name: str) -> None:
    project.write(name if name.endswith(".sql") else f"{name}.SQL", "SELECT 1;")
    (problem,) = problems(project)
    assert "begins with a number and an underscore" in problem


def test_same_number_twice(project: Project) -> None:
    project.write("1_a.sql", "SELECT 1;")
    project.write("001_b.sql", "SELECT 1;")
    assert problems(project) == ["migrations/1_a.sql:1:1: '001_b.sql' and '1_a.sql' have the same number 1"]


def test_no_such_folder(tmp_path: object, project: Project) -> None:
    (project.root / "migrations").rmdir()
    assert problems(project) == ["there is no migrations folder './migrations'"]


def test_empty_folder_has_no_migrations(project: Project) -> None:
    assert project.discover() == ()


def test_folder_of_the_project_itself(project: Project) -> None:
    root = Project(project.root, path=".")
    (project.root / "001_a.sql").write_text("SELECT 1;")
    assert [m.path for m in root.discover()] == ["001_a.sql"]


def test_link_out_of_the_project(project: Project) -> None:
    (project.root / "migrations" / "001_a.sql").symlink_to("/etc/hostname")
    with pytest.raises(UserError, match="outside"):
        project.discover()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "1:1: the file has no statement"),
        (b"-- only a comment\n/* and another */ ;", "1:1: the file has no statement"),
        ("SELECT 1;".encode("utf-16"), "1:1: the file is UTF-16"),
        (b"SELECT 1;\n\x00\x01", "2:1: the file is binary: it has a NUL"),
        ("SELECT 1;\nSELECT 'Grüße'".encode("latin-1"), "2:11: the byte 0xfc is not UTF-8"),
        (b"SELECT 'a", "1:8: a ' quote never ends"),
        (
            b"SELECT 1;\n\nBEGIN;\nSELECT 2; COMMIT;",
            "3:1: 'BEGIN' begins or ends a transaction, which a migration must not",
        ),
    ],
)
def test_content_that_cannot_be_right(project: Project, data: bytes, problem: str) -> None:
    project.write("001_a.sql", data)
    assert problems(project)[0] == f"migrations/001_a.sql:{problem}"


@pytest.mark.parametrize(
    ("dialect", "sql", "refused"),
    [
        ("postgresql", "start transaction", True),
        ("postgresql", "END", True),
        ("postgresql", "ROLLBACK TO SAVEPOINT a", False),
        ("postgresql", "SAVEPOINT a", False),
        ("postgresql", "PREPARE p AS SELECT 1", False),
        ("sqlite", "BEGIN IMMEDIATE", True),
        ("sqlite", "ROLLBACK TO a", False),
        ("mysql", "/* x */ COMMIT", True),
        ("mysql", "BEGIN NOT ATOMIC SELECT 1; END", False),
        ("mysql", "SAVEPOINT a", True),
    ],
)
def test_transactions_are_the_engines(project: Project, dialect: str, sql: str, refused: bool) -> None:
    project.write("001_a.sql", sql)
    known = Project(project.root, dialect=dialect)
    if refused:
        assert "begins or ends a transaction" in problems(known)[0]
    else:
        assert len(known.discover()) == 1


def test_too_large() -> None:
    data = b"SELECT 1;\n" * (50 * 2**20 // 10)
    with pytest.raises(ConfigError, match=r"the file has 50 MiB; a migration may have 16 MiB"):
        parse("migrations/001_a.sql", data)
    assert len(parse("001_a.sql", b"SELECT '" + b"x" * (MAX_BYTES - 10) + b"'").statements) == 1


def test_every_fault_of_every_file_in_one_run(project: Project) -> None:
    project.write("001_a.sql", "-- stagecraft: psot\n-- stagecraft: no-transactoin\nSELECT 1;")
    project.write("002_b.sql", "SELECT 'a")
    assert problems(project) == [
        "migrations/001_a.sql:1:16: no directive 'psot'; did you mean 'post'?",
        "migrations/001_a.sql:2:16: no directive 'no-transactoin'; did you mean 'no-transaction'?",
        "migrations/002_b.sql:1:8: a ' quote never ends",
    ]


def test_directives(project: Project) -> None:
    project.write(
        "001_a.sql", "-- Stagecraft:  irreversible, post-deploy\n/* c */ -- stagecraft:no-transaction\nSELECT 1;"
    )
    project.write(
        "002_b.sql",
        "\n  --stagecraft: no-transaction\n-- stagecraft runs this after the rest\nSELECT '\n-- stagecraft: nonsense';",
    )
    one, two = project.discover()
    assert (one.irreversible, one.post) == (True, True)
    assert (two.irreversible, two.post) == (False, False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SELECT 1;\n-- stagecraft: post\n", "2:16: directives stand above the first statement"),
        ("-- stagecraft post\nSELECT 1;", "1:15: a directive needs a colon"),
        ("-- stagecraft:\nSELECT 1;", "1:15: a directive is missing after the colon"),
        ("-- stagecraft: post, xyz\nSELECT 1;", "1:22: no directive 'xyz'"),
    ],
)
def test_directive_that_cannot_be_right(project: Project, text: str, problem: str) -> None:
    project.write("001_a.sql", text)
    assert problems(project) == [f"migrations/001_a.sql:{problem}"]


def test_statements_are_counted_where_all_dialects_agree(project: Project) -> None:
    project.write("001_a.sql", "SELECT 1; SELECT ';';")
    project.write("002_b.sql", "SELECT $$;$$;")
    one, two = project.discover()
    assert (one.statements, two.statements) == (2, 0)
    assert [m.statements for m in Project(project.root, dialect="postgresql").discover()] == [2, 1]


def test_checksum_is_of_the_text(project: Project) -> None:
    project.write("001_a.sql", "SELECT 1;\n")
    project.write("002_b.sql", b"\xef\xbb\xbfSELECT 1;\r\n")
    project.write("003_c.sql", "SELECT 1; \n")
    a, b, c = (m.checksum for m in project.discover())
    assert a == b != c
    assert a.startswith("sha256:") and len(a) == 71
