"""Split `command: "text"` into words as Docker Compose does.

Not shlex: compose drops everything from an unquoted `;`, `&`, `|`, `<` or `>` on, treats a backslash inside double
quotes as an escape for every character, knows `$(...)` and backticks as quotes, and has no comments.
"""

from __future__ import annotations


def split(line: str) -> list[str]:
    """Return the words of `line`; raise ValueError when a quote is not closed."""
    words: list[str] = []
    word = ""
    some = escaped = single = double = backtick = dollar = False
    for character in line:
        if escaped:
            word, escaped, some = word + character, False, True
            continue
        if character == "\\" and not single:
            escaped = True
            continue
        if character in " \t\r\n":
            if single or double or backtick or dollar:
                word += character
            elif some:
                words.append(word)
                word, some = "", False
            continue
        if character == '"' and not (single or dollar):
            some, double = some or double, not double
            continue
        if character == "'" and not (double or dollar):
            some, single = some or single, not single
            continue
        if character == "`" and not (single or double or dollar):
            backtick = not backtick
        elif character == ")" and not (single or double or backtick):
            dollar = not dollar
        elif character == "(" and not (single or double or backtick):
            if dollar or not word.endswith("$"):
                raise ValueError("`(` needs quotes")
            dollar, word = True, word + "("
            continue
        elif character in ";&|<>" and not (single or double or backtick or dollar):
            if character == ">" and "0" <= word[:1] <= "9":
                some = False
            break
        some = True
        word += character
    if some:
        words.append(word)
    if escaped or single or double or backtick or dollar:
        raise ValueError("a quote or backslash has no end")
    return words
