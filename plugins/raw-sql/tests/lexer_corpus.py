# ruff: noqa: E501
"""Texts and the statements that they hold, by dialect: what the lexer's tests and the comparison of lexers share.

``parts`` are the exact statements. ``fault`` is a part of the message for a text that cannot be cut, ``at`` its line and column.
Cases whose parts are no valid SQL for a server are marked ``server=False``.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Case:
    dialect: str
    name: str
    text: str
    parts: tuple[str, ...] = ()
    fault: str = ""
    at: tuple[int, int] = (1, 1)
    server: bool = True


def _cases(dialect: str, *rows: tuple[str, str, list[str]], server: bool = True) -> list[Case]:
    return [Case(dialect, name, text, tuple(parts), server=server) for name, text, parts in rows]


def _faults(dialect: str, *rows: tuple[str, str, str, tuple[int, int]]) -> list[Case]:
    return [Case(dialect, name, text, fault=fault, at=at) for name, text, fault, at in rows]


def _everywhere() -> list[Case]:
    rows: list[tuple[str, str, list[str]]] = [
        ("one", "SELECT 1;", ["SELECT 1"]),
        ("no terminator", "SELECT 1", ["SELECT 1"]),
        ("two", "SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("two, last open", "SELECT 1;\nSELECT 2\n", ["SELECT 1", "SELECT 2"]),
        ("nothing", "", []),
        ("white space", " \n\t\r\n\f ", []),
        ("terminators", ";;\n; ;", []),
        ("empty statements between", "SELECT 1;; ;SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("line comment alone", "-- nothing; here\n", []),
        ("line comment without end of line", "-- nothing; here", []),
        ("block comment alone", "/* nothing; here */", []),
        ("comment before", "-- c;\n/* d; */ SELECT 1;", ["SELECT 1"]),
        ("comment after", "SELECT 1; -- c;\n", ["SELECT 1"]),
        ("comment between", "SELECT /* ; */ 1 -- ;\n + 2;", ["SELECT /* ; */ 1 -- ;\n + 2"]),
        ("comment before terminator", "SELECT 1 /* ; */;SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("line comment before terminator", "SELECT 1 -- ;\n;SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("quote in comment", "-- don't\nSELECT 1; /* it's */ SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("stars in comment", "/***; ***/ SELECT 1", ["SELECT 1"]),
        ("smallest comment", "/**/SELECT 1/**/;", ["SELECT 1"]),
        ("dashes in comment", "/* -- */ SELECT 1;", ["SELECT 1"]),
        ("comment mark in string", "SELECT '/*', 1; SELECT '*/'", ["SELECT '/*', 1", "SELECT '*/'"]),
        ("dashes in string", "SELECT '--'; SELECT 2", ["SELECT '--'", "SELECT 2"]),
        ("semicolon in string", "SELECT ';'; SELECT 2", ["SELECT ';'", "SELECT 2"]),
        ("doubled quote", "SELECT 'it''s; fine'; SELECT 2", ["SELECT 'it''s; fine'", "SELECT 2"]),
        ("only doubled quotes", "SELECT ''''; SELECT '''';", ["SELECT ''''", "SELECT ''''"]),
        ("empty string", "SELECT ''; SELECT '';", ["SELECT ''", "SELECT ''"]),
        ("line break in string", "SELECT 'a\n;\nb'; SELECT 2", ["SELECT 'a\n;\nb'", "SELECT 2"]),
        ("minus", "SELECT 3 - 1, 3-1; SELECT 2", ["SELECT 3 - 1, 3-1", "SELECT 2"]),
        ("division", "SELECT 4 / 2, 4/2; SELECT 2", ["SELECT 4 / 2, 4/2", "SELECT 2"]),
        ("case expression", "SELECT CASE WHEN 1=1 THEN 2 END; SELECT 2", ["SELECT CASE WHEN 1=1 THEN 2 END", "SELECT 2"]),
        ("letters beyond ASCII", "SELECT 'Grüße; 你好'; SELECT '🙂'", ["SELECT 'Grüße; 你好'", "SELECT '🙂'"]),
        ("percent and braces", "SELECT '%s {x} %(y)s'; SELECT 2", ["SELECT '%s {x} %(y)s'", "SELECT 2"]),
        ("create trigger as text", "SELECT 'CREATE TRIGGER t BEGIN'; SELECT 2", ["SELECT 'CREATE TRIGGER t BEGIN'", "SELECT 2"]),
        ("long chain of comments", "-- a\n-- b\n/*c*//*d*/-- e\nSELECT 1", ["SELECT 1"]),
        ("with", "WITH a AS (SELECT 1) SELECT * FROM a; SELECT 2", ["WITH a AS (SELECT 1) SELECT * FROM a", "SELECT 2"]),
    ]  # fmt: skip
    return [case for dialect in ("postgresql", "mysql", "sqlite") for case in _cases(dialect, *rows)]


POSTGRESQL = [
    *_cases(
        "postgresql",
        ("nested comment", "/* a /* b; */ c; */ SELECT 1", ["SELECT 1"]),
        ("deeply nested comment", "SELECT /* /* /* ; */ */ ; */ 1; SELECT 2", ["SELECT /* /* /* ; */ */ ; */ 1", "SELECT 2"]),
        ("dollar quote", "SELECT $$a;'b$$; SELECT 2", ["SELECT $$a;'b$$", "SELECT 2"]),
        ("tagged dollar quote", "SELECT $a$ ; $b$ ; $$ ; $a$; SELECT 2", ["SELECT $a$ ; $b$ ; $$ ; $a$", "SELECT 2"]),
        ("dollar quotes side by side", "SELECT $$;$$, $x$;$x$; SELECT 2", ["SELECT $$;$$, $x$;$x$", "SELECT 2"]),
        ("tag beyond ASCII", "SELECT $ä$;$ä$; SELECT 2", ["SELECT $ä$;$ä$", "SELECT 2"]),
        ("tags differ in case", "SELECT $a$ $A$ ; $a$; SELECT 2", ["SELECT $a$ $A$ ; $a$", "SELECT 2"]),
        ("dollar in a name", "CREATE TABLE a$b$c (x int); SELECT 2", ["CREATE TABLE a$b$c (x int)", "SELECT 2"]),
        ("do block", "DO $$ BEGIN PERFORM 1; END $$; SELECT 2", ["DO $$ BEGIN PERFORM 1; END $$", "SELECT 2"]),
        (
            "function",
            "CREATE FUNCTION f() RETURNS int AS $f$ BEGIN RETURN 1; END; $f$ LANGUAGE plpgsql; SELECT 2",
            ["CREATE FUNCTION f() RETURNS int AS $f$ BEGIN RETURN 1; END; $f$ LANGUAGE plpgsql", "SELECT 2"],
        ),
        (
            "function of dollar quotes within dollar quotes",
            "CREATE FUNCTION f() RETURNS text AS $f$ SELECT $$a;b$$; $f$ LANGUAGE sql; SELECT 2",
            ["CREATE FUNCTION f() RETURNS text AS $f$ SELECT $$a;b$$; $f$ LANGUAGE sql", "SELECT 2"],
        ),
        ("standard string keeps backslash", "SELECT 'a\\'; SELECT 'b'", ["SELECT 'a\\'", "SELECT 'b'"]),
        ("escape string", "SELECT E'a\\';b'; SELECT 2", ["SELECT E'a\\';b'", "SELECT 2"]),
        ("small escape string", "SELECT e'\\\\'; SELECT 2", ["SELECT e'\\\\'", "SELECT 2"]),
        ("escape string with doubled quote", "SELECT E'a''b\\';'; SELECT 2", ["SELECT E'a''b\\';'", "SELECT 2"]),
        ("escape string that continues", "SELECT E'a'\n  'b\\';c'; SELECT 2", ["SELECT E'a'\n  'b\\';c'", "SELECT 2"]),
        (
            "escape string that continues after a comment",
            "SELECT E'a' -- x\n 'b\\';c'; SELECT 2",
            ["SELECT E'a' -- x\n 'b\\';c'", "SELECT 2"],
        ),
        ("name that ends in e", "SELECT type'a\\'; SELECT 2", ["SELECT type'a\\'", "SELECT 2"]),
        ("national and bit strings", "SELECT N'a;', B'01', X'1F'; SELECT 2", ["SELECT N'a;', B'01', X'1F'", "SELECT 2"]),
        ("unicode string", "SELECT U&'\\0041;'; SELECT 2", ["SELECT U&'\\0041;'", "SELECT 2"]),
        ("unicode name", 'SELECT 1 AS U&"\\0041;"; SELECT 2', ['SELECT 1 AS U&"\\0041;"', "SELECT 2"]),
        ("quoted name", 'SELECT 1 AS "a;""b"; SELECT 2', ['SELECT 1 AS "a;""b"', "SELECT 2"]),
        ("quote in quoted name", "SELECT 1 AS \"it's\"; SELECT 2", ["SELECT 1 AS \"it's\"", "SELECT 2"]),
        (
            "atomic function",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3",
            ["CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END", "SELECT 3"],
        ),
        (
            "atomic function with case",
            "CREATE OR REPLACE FUNCTION f(a int) RETURNS int BEGIN ATOMIC\n SELECT CASE a WHEN 1 THEN 2 END;\n END; SELECT 3",
            ["CREATE OR REPLACE FUNCTION f(a int) RETURNS int BEGIN ATOMIC\n SELECT CASE a WHEN 1 THEN 2 END;\n END", "SELECT 3"],
        ),
        (
            "atomic procedure in small letters",
            "create procedure p() begin atomic select 1; end; select 2",
            ["create procedure p() begin atomic select 1; end", "select 2"],
        ),
        (
            "atomic function with comment in its head",
            "CREATE /* c */ OR -- d\n REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; SELECT 2",
            ["CREATE /* c */ OR -- d\n REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", "SELECT 2"],
        ),
        (
            "atomic function with locking clause after case",
            "CREATE PROCEDURE p() BEGIN ATOMIC SELECT 1 ORDER BY CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3",
            ["CREATE PROCEDURE p() BEGIN ATOMIC SELECT 1 ORDER BY CASE WHEN true THEN 1 END; SELECT 2; END", "SELECT 3"],
        ),
        (
            "rule",
            "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); SELECT 3",
            ["CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)", "SELECT 3"],
        ),
        ("array and cast", "SELECT ARRAY[1,2]::int[], 'a'::text; SELECT 2", ["SELECT ARRAY[1,2]::int[], 'a'::text", "SELECT 2"]),
        ("operators", "SELECT 1 <-> 2, '{}'::jsonb #>> '{a}', a || '-' ; SELECT 2",
         ["SELECT 1 <-> 2, '{}'::jsonb #>> '{a}', a || '-'", "SELECT 2"]),
        ("hash is an operator", "SELECT 1 # 2; SELECT 3", ["SELECT 1 # 2", "SELECT 3"]),
        ("copy to a file", "COPY t TO '/x;y'; SELECT 2", ["COPY t TO '/x;y'", "SELECT 2"]),
        ("copy from a file", "COPY t FROM '/x;y'; SELECT 2", ["COPY t FROM '/x;y'", "SELECT 2"]),
        ("stdin as a name", "SELECT 'COPY t FROM STDIN'; SELECT 2", ["SELECT 'COPY t FROM STDIN'", "SELECT 2"]),
        ("set", "SET standard_conforming_strings = on; SELECT 'a\\'", ["SET standard_conforming_strings = on", "SELECT 'a\\'"]),
        ("trigger", "CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f(); SELECT 2",
         ["CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()", "SELECT 2"]),
        ("parameter", "PREPARE p AS SELECT $1, $2; SELECT 2", ["PREPARE p AS SELECT $1, $2", "SELECT 2"]),
        ("plain function before a transaction word", "CREATE FUNCTION f() RETURNS int RETURN 1; SELECT 2",
         ["CREATE FUNCTION f() RETURNS int RETURN 1", "SELECT 2"]),
        ("begin as a column", "CREATE TABLE t (begin int, \"end\" int); SELECT 2", ["CREATE TABLE t (begin int, \"end\" int)", "SELECT 2"]),
    ),
    *_faults(
        "postgresql",
        ("open string", "SELECT 1;\n SELECT 'a;", "quote never ends", (2, 9)),
        ("open name", 'SELECT "a;', "quote never ends", (1, 8)),
        ("open escape string", "SELECT E'a\\';", "quote never ends", (1, 9)),
        ("open dollar quote", "SELECT 1;\nSELECT $x$ ; $y$", "$x$ never ends", (2, 8)),
        ("open comment", "SELECT 1; /* a", "comment never ends", (1, 11)),
        ("open nested comment", "/* a /* b */ SELECT 1;", "comment never ends", (1, 1)),
        ("meta-command", "SELECT 1;\n\\d users\n", "'\\\\d' is a command", (2, 1)),
        ("restrict of a dump", "\\restrict abc\nSELECT 1;", "'\\\\restrict' is a command", (1, 1)),
        ("meta-command within", "SELECT 1 \\gset\n", "'\\\\gset' is a command", (1, 10)),
        ("copy from stdin", "SELECT 1;\nCOPY t (a) FROM stdin;\n1\tdon't\n\\.\n", "COPY", (2, 1)),
        ("copy from stdin with options", "COPY t FROM STDIN WITH (FORMAT csv);\n", "COPY", (1, 1)),
    ),
]  # fmt: skip

MYSQL = [
    *_cases(
        "mysql",
        ("backticks", "SELECT 1 AS `a;``b`; SELECT 2", ["SELECT 1 AS `a;``b`", "SELECT 2"]),
        ("backslash in backticks", "SELECT 1 AS `a\\`; SELECT 2", ["SELECT 1 AS `a\\`", "SELECT 2"]),
        ("backslash escape", "SELECT 'a\\';b'; SELECT 2", ["SELECT 'a\\';b'", "SELECT 2"]),
        ("backslash at the end", "SELECT 'a\\\\'; SELECT 2", ["SELECT 'a\\\\'", "SELECT 2"]),
        ("double quotes", 'SELECT "a;\\";b"; SELECT 2', ['SELECT "a;\\";b"', "SELECT 2"]),
        ("hash comment", "# don't;\nSELECT 1; # it's;\nSELECT 2", ["SELECT 1", "SELECT 2"]),
        ("hash comment within", "SELECT 1 # ;\n + 1; SELECT 2", ["SELECT 1 # ;\n + 1", "SELECT 2"]),
        ("dashes without space are no comment", "SELECT 5--1; SELECT 2", ["SELECT 5--1", "SELECT 2"]),
        ("dashes before a tab", "SELECT 5 --\t1;\n+ 1; SELECT 2", ["SELECT 5 --\t1;\n+ 1", "SELECT 2"]),
        ("dashes at a line's end", "SELECT 5 --\n; SELECT 2", ["SELECT 5", "SELECT 2"]),
        ("comments do not nest", "/* a /* b */ SELECT 1;", ["SELECT 1"]),
        ("comment of slashes", "/*/ ; */ SELECT 1;", ["SELECT 1"]),
        ("executable comment", "/*!40101 SET @x = 1 */; SELECT 2", ["/*!40101 SET @x = 1 */", "SELECT 2"]),
        ("executable comment of MariaDB", "/*M!100100 SET @x = 1 */; SELECT 2", ["/*M!100100 SET @x = 1 */", "SELECT 2"]),
        ("executable comment with a string", "SELECT /*! '*/;' , */ 1; SELECT 2", ["SELECT /*! '*/;' , */ 1", "SELECT 2"]),
        ("executable comment at the end", "CREATE TABLE t (a INT) /*!50100 COMMENT='x;' */; SELECT 2",
         ["CREATE TABLE t (a INT) /*!50100 COMMENT='x;' */", "SELECT 2"]),
        ("optimizer hint", "SELECT /*+ MAX_EXECUTION_TIME(1) ; */ 1; SELECT 2", ["SELECT /*+ MAX_EXECUTION_TIME(1) ; */ 1", "SELECT 2"]),
        ("delimiter", "DELIMITER //\nSELECT 1; //\nDELIMITER ;\nSELECT 2;", ["SELECT 1;", "SELECT 2"]),
        ("delimiter in small letters", "delimiter $$\nSELECT 1$$\nSELECT 2 $$\n", ["SELECT 1", "SELECT 2"]),
        ("delimiter directly after a word",
         "DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; END$$\nDELIMITER ;\nSELECT 2;",
         ["CREATE PROCEDURE p() BEGIN SELECT 1; END", "SELECT 2"]),
        ("delimiter in a string", "DELIMITER //\nSELECT 'a//b'//\nSELECT 2//", ["SELECT 'a//b'", "SELECT 2"]),
        ("delimiter in a comment", "DELIMITER //\nSELECT 1 /* // */ + 1//\nSELECT 2//", ["SELECT 1 /* // */ + 1", "SELECT 2"]),
        ("delimiter of a word", "DELIMITER GO\nSELECT 1 GO\nSELECT 2 GO\n", ["SELECT 1", "SELECT 2"]),
        ("delimiter of two semicolons", "DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT 1; END;;\nDELIMITER ;\nSELECT 2;",
         ["CREATE PROCEDURE p() BEGIN SELECT 1; END", "SELECT 2"]),
        ("delimiter of a bar", "DELIMITER |\nSELECT 1|\nDELIMITER ;\nSELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("last statement without its delimiter", "DELIMITER //\nSELECT 1\n", ["SELECT 1"]),
        ("delimiter as a column", "SELECT 1 AS delimiter; SELECT 2", ["SELECT 1 AS delimiter", "SELECT 2"]),
        ("procedure without delimiter", "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END; SELECT 3;",
         ["CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END", "SELECT 3"]),
        ("procedure with if and loops",
         "CREATE PROCEDURE p(a INT) BEGIN IF a THEN SELECT 1; END IF; WHILE a DO SET a = 0; END WHILE; l: LOOP LEAVE l; "
         "END LOOP l; REPEAT SET a = 1; UNTIL a END REPEAT; END; SELECT 3",
         ["CREATE PROCEDURE p(a INT) BEGIN IF a THEN SELECT 1; END IF; WHILE a DO SET a = 0; END WHILE; l: LOOP LEAVE l; "
          "END LOOP l; REPEAT SET a = 1; UNTIL a END REPEAT; END", "SELECT 3"]),
        ("procedure with case statement and expression",
         "CREATE PROCEDURE p(a INT) BEGIN CASE a WHEN 1 THEN SELECT CASE WHEN a THEN 2 END; ELSE BEGIN END; END CASE; END; SELECT 3",
         ["CREATE PROCEDURE p(a INT) BEGIN CASE a WHEN 1 THEN SELECT CASE WHEN a THEN 2 END; ELSE BEGIN END; END CASE; END",
          "SELECT 3"]),
        ("procedure with nested blocks", "CREATE PROCEDURE p() BEGIN BEGIN SELECT 1; END; BEGIN SELECT 2; END; END; SELECT 3",
         ["CREATE PROCEDURE p() BEGIN BEGIN SELECT 1; END; BEGIN SELECT 2; END; END", "SELECT 3"]),
        ("procedure with locking read after case",
         "CREATE PROCEDURE p() BEGIN SELECT 1 FROM t ORDER BY CASE WHEN 1 THEN 2 END FOR UPDATE; SELECT 2; END; SELECT 3",
         ["CREATE PROCEDURE p() BEGIN SELECT 1 FROM t ORDER BY CASE WHEN 1 THEN 2 END FOR UPDATE; SELECT 2; END", "SELECT 3"]),
        ("handler", "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; SELECT 1; END; SELECT 3",
         ["CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; SELECT 1; END", "SELECT 3"]),
        ("trigger of one statement", "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.x = 1; SELECT 2",
         ["CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.x = 1", "SELECT 2"]),
        ("trigger with if function", "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.x = IF(1, 2, 3); END; SELECT 2",
         ["CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.x = IF(1, 2, 3); END", "SELECT 2"]),
        ("trigger of a dump",
         "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`h`*/ /*!50003 TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @a = 1; END */; SELECT 2",
         ["/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`h`*/ /*!50003 TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @a = 1; END */",
          "SELECT 2"]),
        ("definer by name", "CREATE DEFINER=root@localhost PROCEDURE p() BEGIN SELECT 1; END; SELECT 2",
         ["CREATE DEFINER=root@localhost PROCEDURE p() BEGIN SELECT 1; END", "SELECT 2"]),
        ("event", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN SELECT 1; END; SELECT 2",
         ["CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN SELECT 1; END", "SELECT 2"]),
        ("anonymous block", "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END; SELECT 3", ["BEGIN NOT ATOMIC SELECT 1; SELECT 2; END", "SELECT 3"]),
        ("table named event", "CREATE TABLE event (begin INT); SELECT 2", ["CREATE TABLE event (begin INT)", "SELECT 2"]),
        ("introducers", "SELECT _utf8mb4'a;', X'41', b'1', N'x'; SELECT 2", ["SELECT _utf8mb4'a;', X'41', b'1', N'x'", "SELECT 2"]),
        ("variables", "SET @a := 1, @`b;` = 2; SELECT @@version", ["SET @a := 1, @`b;` = 2", "SELECT @@version"]),
        ("dollar in a name", "SELECT 1 AS a$b, 2 AS $c; SELECT 2", ["SELECT 1 AS a$b, 2 AS $c", "SELECT 2"]),
    ),
    *_faults(
        "mysql",
        ("open string", "SELECT 'a\\';", "quote never ends", (1, 8)),
        ("open backticks", "SELECT 1;\nSELECT `a;", "quote never ends", (2, 8)),
        ("open comment", "SELECT /* a", "comment never ends", (1, 8)),
        ("open executable comment", "SELECT 1;\n/*!40101 SET @x = 1 ;\n", "comment never ends", (2, 1)),
        ("delimiter of nothing", "DELIMITER\nSELECT 1", "names no delimiter", (1, 1)),
        ("source", "SELECT 1;\nsource ./other.sql\n", "'source' is a command", (2, 1)),
        ("go vertical", "SELECT 1\\G\n", "'\\\\G' is a command", (1, 9)),
    ),
]  # fmt: skip

SQLITE = [
    *_cases(
        "sqlite",
        ("brackets", "SELECT 1 AS [a;b]; SELECT 2", ["SELECT 1 AS [a;b]", "SELECT 2"]),
        ("backticks", "SELECT 1 AS `a;``b`; SELECT 2", ["SELECT 1 AS `a;``b`", "SELECT 2"]),
        ("double quotes", 'SELECT 1 AS "a;""b"; SELECT 2', ['SELECT 1 AS "a;""b"', "SELECT 2"]),
        ("backslash is a letter", "SELECT 'a\\'; SELECT 2", ["SELECT 'a\\'", "SELECT 2"]),
        ("blob", "SELECT x'3b'; SELECT 2", ["SELECT x'3b'", "SELECT 2"]),
        ("comments do not nest", "/* a /* b */ SELECT 1;", ["SELECT 1"]),
        ("open comment ends with the text", "SELECT 1; /* a; b", ["SELECT 1"]),
        ("trigger", "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END; SELECT 2",
         ["CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END", "SELECT 2"]),
        ("trigger of two statements", "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n DELETE FROM b;\n DELETE FROM c;\nEND;\nSELECT 2",
         ["CREATE TRIGGER t AFTER INSERT ON a BEGIN\n DELETE FROM b;\n DELETE FROM c;\nEND", "SELECT 2"]),
        ("trigger with case", "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET x = CASE WHEN 1 THEN 2 END; END; SELECT 2",
         ["CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET x = CASE WHEN 1 THEN 2 END; END", "SELECT 2"]),
        ("temporary trigger", "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; SELECT 2",
         ["CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END", "SELECT 2"]),
        ("trigger in small letters", "create temporary trigger if not exists t after insert on a begin select 1; end; select 2",
         ["create temporary trigger if not exists t after insert on a begin select 1; end", "select 2"]),
        ("trigger with comments", "CREATE -- ;\n TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; /* ; */ END /* ; */; SELECT 2",
         ["CREATE -- ;\n TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; /* ; */ END", "SELECT 2"]),
        ("trigger with a column named end", "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET x = new.end; SELECT 1; END; SELECT 2",
         ["CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET x = new.end; SELECT 1; END", "SELECT 2"]),
        ("trigger of end in quotes", "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT '; END;'; SELECT \"; END;\"; END; SELECT 2",
         ["CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT '; END;'; SELECT \"; END;\"; END", "SELECT 2"]),
        ("trigger named end", "CREATE TRIGGER \"end\" AFTER INSERT ON a BEGIN SELECT 1; END; SELECT 2",
         ["CREATE TRIGGER \"end\" AFTER INSERT ON a BEGIN SELECT 1; END", "SELECT 2"]),
        ("explain trigger", "EXPLAIN CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; SELECT 2",
         ["EXPLAIN CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END", "SELECT 2"]),
        ("two triggers", "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;CREATE TRIGGER u AFTER INSERT ON a BEGIN SELECT 1; END;",
         ["CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END", "CREATE TRIGGER u AFTER INSERT ON a BEGIN SELECT 1; END"]),
        ("table named trigger", "CREATE TABLE \"trigger\" (x); SELECT 2", ["CREATE TABLE \"trigger\" (x)", "SELECT 2"]),
        ("json arrow", "SELECT '{}' -> '$.a;', '{}' ->> 'b'; SELECT 2", ["SELECT '{}' -> '$.a;', '{}' ->> 'b'", "SELECT 2"]),
    ),
    *_faults(
        "sqlite",
        ("open string", "SELECT 1;\n\nSELECT 'a;", "quote never ends", (3, 8)),
        ("open bracket", "SELECT [a;", "quote never ends", (1, 8)),
        ("dot command", "SELECT 1;\n.mode csv\n", "'.mode' is a command", (2, 1)),
    ),
]  # fmt: skip

CASES: tuple[Case, ...] = (*_everywhere(), *POSTGRESQL, *MYSQL, *SQLITE)
