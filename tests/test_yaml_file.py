"""YAML that would grow without end is refused in one sentence, at every door through which YAML comes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from afanet.errors import InputError
from afanet.recipe.load import dump_recipe, load_recipe
from afanet.yaml_file import DEEPEST, LONGEST, MOST_BYTES, MOST_NODES, parse_yaml, read_yaml

LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
BOUNDED = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)); "

letters = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | letters,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(letters, inner, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_what_a_person_may_write_is_read_as_it_is(value: object) -> None:
    assert parse_yaml(yaml.dump(value, Dumper=NoAlias), "it") == yaml.safe_load(yaml.safe_dump(value))


class NoAlias(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, r"^it, line 2, column \d+ has the alias '\*a': write out its value$"),
        ("a: &a [*a]", r"^it, line 1, column \d+ has the alias '\*a'"),
        ("a: &a {b: 1}\nc:\n  <<: *a", r"^it, line 3, column \d+ has the alias '\*a'"),
        ("[" * 5000, rf"^it, line 1, column \d+ is nested more than {DEEPEST} deep"),
        (
            "a:\n" + "\n".join(" " * depth + "a:" for depth in range(500)),
            r"^it, line \d+, column \d+ is nested more than",
        ),
        ("[" + "1," * MOST_NODES + "]", rf"^it, line 1, column \d+ has more than {MOST_NODES:,} values"),
        ("a: '" + "x" * LONGEST + "y'", rf"^it, line 1, column \d+ has a value of {LONGEST + 1} characters"),
        ("b: 1\na: 1\nb: 2", r"^it, line 3, column \d+ has the key 'b' twice: keep one$"),
        ("a: " + "1:" * 30_000 + "1", "has a value of 60001 characters"),
        ("a: 1\nb: " + "1" * 4090 + "\nc: " + "0x" + "f" * 4090 + "\nd: [", "not valid YAML"),
        ("b: 2\na: 0x" + "f" * 4000, r"^it, line 2, column \d+ has a number of 16000 bits, expected 64$"),
        (
            "a: 2024-13-45",
            "^it, line 1, column 4 has '2024-13-45' of type timestamp, expected text.*put text in quotes$",
        ),
        ("a: 2024-12-24", "^it, line 1, column 4 has '2024-12-24' of type timestamp"),
        ("a: !!int ''", "^it, line 1, column 4 has '', which is not a valid int: correct it, or put text in quotes$"),
        ("a:\n  !!bool maybe", "^it, line 2, column 3 has 'maybe', which is not a valid bool"),
        ("a: !!float abc", "^it, line 1, column 4 has 'abc', which is not a valid float"),
        ("[!!int 0x]", "^it, line 1, column 2 has '0x', which is not a valid int"),
        ("a: !!timestamp x", "^it, line 1, column 4 has 'x' of type timestamp"),
        ("a: !!set {b}", "^it, line 1, column 4 has the type set, expected text"),
        ("a: !!python/object/apply:os.getcwd []", "^it, line 1, column 4 has the type python/object/apply:os.getcwd"),
        ("a: \0", "^it, line 1, column 4 has the character 0x0000, which no YAML may hold: remove it$"),
        ("a: b\nc: \ud800", "^it, line 2, column 4 has the character 0xd800, which no YAML may hold"),
        ('a: "\\0"', "^it, line 1, column 4 has the character 0x0000, which no text or file name may hold"),
        ('a: "\\udfff"', "^it, line 1, column 4 has the character 0xdfff, which no text or file name may hold"),
        ('a: "\\U00110000"', "^it, line 1, column 7 is not valid YAML: it escapes a character that does not exist$"),
        ("{[1]: 2}", r"^it, line 1, column \d+ is not valid YAML: "),
    ],
)
def test_what_would_grow_or_is_no_value_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_yaml(text, "it")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_file_of_too_many_bytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    file.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(
        InputError, match=rf"^it cannot be used: .*big\.yaml has .* bytes, expected at most {MOST_BYTES:,}$"
    ):
        read_yaml(file, "it")


DOORS = """
from afanet.cli.main import main
for words in (
    ["train", sys.argv[1], "--print-config"],
    ["train", "rooms", "--print-config", "--losses.depth", open(sys.argv[2]).read()],
    ["compare", "rooms", "--jobs", "--variants", sys.argv[2]],
    ["data", "check", sys.argv[1]],
):
    assert main(words) == 2, words
"""


def test_every_door_refuses_nested_aliases_at_once(tmp_path: Path) -> None:
    variants, recipe = tmp_path / "variants.yaml", tmp_path / "recipe.yaml"
    variants.write_text(LAUGHS)
    recipe.write_text(LAUGHS + "data: *i\nepochs: *i\n")
    command = [sys.executable, "-c", BOUNDED + DOORS, str(recipe), str(variants)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(lines) == 4
    assert all("line 2, column 8 has the alias '*a'" in line and len(line) < 300 for line in lines), lines


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", "0x" + "f" * 4000),
        ("epochs", "[" * 9 + "]" * 9),
        ("device", "[" + "x, " * 9000 + "]"),
        ("x" * 4000, "1"),
    ],
)
def test_a_value_in_a_message_is_cut_short(key: str, value: str, tmp_path: Path) -> None:
    recipe = yaml.safe_load(dump_recipe(load_recipe("rooms")))
    recipe.pop(key, None)
    file = tmp_path / "mine.yaml"
    file.write_text(f"{yaml.safe_dump(recipe)}{key if len(key) < 99 else '? ' + key + chr(10)}: {value}")
    with pytest.raises(InputError) as caught:
        load_recipe(file)
    assert len(str(caught.value)) < 600 + len(str(file))


def test_a_run_never_writes_an_alias() -> None:
    shared = {"kind": "classification", "classes": ["a", "b"]}
    options = {"tasks": {"one": shared, "two": shared}, "more": [shared["classes"], shared["classes"]]}
    recipe = load_recipe("rooms", {"data.options": options})
    assert parse_yaml(dump_recipe(recipe), "it")["data"]["options"] == options


def test_a_flag_of_thousands_of_sections_is_refused() -> None:
    with pytest.raises(InputError, match="sections"):
        load_recipe("rooms", {"losses." + "a." * 20_000 + "b": 1})
