"""Every file format: what is read, and the line of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.worker.config.load import FileErrors, load_files, load_worker_file, read_files


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def problems(*paths: Path) -> list[str]:
    return [str(problem).replace(str(paths[0].parent) + "/", "") for problem in read_files(paths)[1]]


def test_yaml_nested_and_dotted_keys_mix(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "shop.yaml",
        """\
# a comment
name: shop
connector.class: PostgresSource
database:
  hostname: db.example.com
  port: 5432
  ssl.mode: "on"
database.user: me
table.include.list: [public.a, public.b]
""",
    )
    [shop] = load_files([path])
    assert shop.name == "shop"
    assert shop.raw == {
        "name": "shop", "connector.class": "PostgresSource", "database.hostname": "db.example.com",
        "database.port": "5432", "database.ssl.mode": "on", "database.user": "me",
        "table.include.list": "public.a,public.b",
    }  # fmt: skip
    assert shop.where("database.ssl.mode") == f"{path}:7"
    assert shop.where("database.password") == f"{path}:2"  # not there: the connector's first line


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1e3", "1e3"), ("0123", "0123"), ("0x1F", "0x1F"), ("1_000", "1_000"), ("True", "true"), ("FALSE", "false"),
        ("yes", "yes"), ("off", "off"), ("2024-01-01", "2024-01-01"), ("12:30:45", "12:30:45"), ("'~'", "~"),
        ("''", ""), ("[]", ""), ("[true, 2]", "true,2"), ("|\n  a\n  b", "a\nb\n"), ("${env:X}", "${env:X}"),
    ],
)  # fmt: skip
def test_yaml_scalars_keep_their_text(tmp_path: Path, written: str, read: str) -> None:
    [connector] = load_files([write(tmp_path, "a.yaml", f"name: a\nvalue: {written}\n")])
    assert connector.raw["value"] == read


@pytest.mark.parametrize("text", [
    "- name: a\n- name: b\n", "connectors:\n- name: a\n- name: b\n", "name: a\n---\nname: b\n",
    "connectors: [{name: a}, {name: b, config: {x: 1}}]",
])  # fmt: skip
def test_several_connectors_in_one_yaml_file(tmp_path: Path, text: str) -> None:
    assert [c.name for c in load_files([write(tmp_path, "a.yml", text)])] == ["a", "b"]


def test_yaml_transforms_as_a_mapping_give_their_order(tmp_path: Path) -> None:
    text = "name: a\ntransforms:\n  second: {type: X}\n  first:\n    type: Y\n    nested: {deep: 1}\n"
    [connector] = load_files([write(tmp_path, "a.yaml", text)])
    assert connector.raw["transforms"] == "second,first"
    assert connector.raw["transforms.first.nested.deep"] == "1"


def test_yaml_merge_keys_and_anchors(tmp_path: Path) -> None:
    text = "- &all\n  name: a\n  x: 1\n  deep: &d {y: 2}\n- <<: *all\n  name: b\n  other: *d\n"
    first, second = load_files([write(tmp_path, "a.yaml", text)])
    assert first.raw == {"name": "a", "x": "1", "deep.y": "2"}
    assert second.raw == {"name": "b", "x": "1", "deep.y": "2", "other.y": "2"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\nx: 1\nx: 2\n", "a.yaml:3: x: given twice, in line 2 and in line 3 "
         "(keep one; nested and dotted keys are the same)"),
        ("name: a\nx.y: 1\nx:\n  y: 2\n", "a.yaml:4: x.y: given twice, in line 2 and in line 4 "
         "(keep one; nested and dotted keys are the same)"),
        ("connector.class: X\n", "a.yaml:1: name: required and missing (every connector needs a name of its own)"),
        ("name:\n", "a.yaml:1: name: has no value (leave the option out to get its default)"),
        ("name: a\nx: null\n", "a.yaml:2: x: has no value (leave the option out to get its default)"),
        ("name: a\nx:\n- 'b,c'\n", "a.yaml:3: x: an item of a list cannot hold a comma "
         "(the items are joined by commas: write the whole list as one string)"),
        ("name: a\nx: [[1]]\n", "a.yaml:2: x: a list may hold plain values only"),
        ("name: a\nx: {}\n", "a.yaml:2: x: holds nothing (leave it out)"),
        ("- just text\n", "a.yaml:1: a connector is expected here: a mapping with name and connector.class"),
        ("name: a\nconfig: {x: 1}\nextra: 1\n", "a.yaml:3: extra: stands beside config (move it into config)"),
        ("name: a\nconfig: {name: b}\n", "a.yaml:2: name: is 'a' outside of config and 'b' in it"),
        ("name: a\nx: [1, 2\ny: 3\n", "a.yaml:3:2: expected ',' or ']', but got ':'\n    y: 3\n     ^"),
        ("name: a\n\tx: 1\n", "a.yaml:2:1: indent with spaces, not tabs\n    \tx: 1\n    ^"),
        ("", "a.yaml: the file holds no connector"),
        ("? [a]\n: 1\n", "a.yaml:1:3: a key must be a plain text\n    ? [a]\n      ^"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_yaml(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(write(tmp_path, "a.yaml", text)) == [expected]


def test_multiplying_aliases_are_refused_at_once(tmp_path: Path) -> None:
    levels = ["l0: &l0 {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1}"]
    levels += [f"l{n}: &l{n} {{{', '.join(f'{c}: *l{n - 1}' for c in 'abcdefghi')}}}" for n in range(1, 12)]
    found = problems(write(tmp_path, "a.yaml", "name: a\n" + "\n".join(levels)))
    assert len(found) == 1
    assert "more than 10000 options" in found[0]


def test_an_alias_of_itself_is_refused(tmp_path: Path) -> None:
    [found] = problems(write(tmp_path, "a.yaml", "name: a\nx: &x\n  y: *x\n"))
    assert "nested too deeply" in found


def test_kafka_connects_json(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.json",
        """\
{
\t"name": "shop",
\t"config": {"connector.class": "X", "tasks.max": 1, "ok": true,
\t\t"path": "c:\\/d \\u00e9 \\ud83d\\ude00", "rate": 1.50e2},
\t"tasks": [{"connector": "shop", "task": 0}], "type": "sink"
}
""",
    )
    [shop] = load_files([path])
    assert shop.raw == {"name": "shop", "connector.class": "X", "tasks.max": "1", "ok": "true",
                        "path": "c:/d é 😀", "rate": "1.50e2"}  # fmt: skip
    assert shop.where("rate") == f"{path}:4"


def test_flat_json_and_lists_of_it(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", '[{"name": "a", "x": {"y": "z"}}, {"name": "b", "l": ["c", "d"]}]')
    assert [c.raw for c in load_files([path])] == [{"name": "a", "x.y": "z"}, {"name": "b", "l": "c,d"}]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{\n "name": "a",\n}', "a.json:3:1: a key in double quotes is expected here"),
        ('{"name" "a"}', "a.json:1:9: a colon is expected here"),
        ('{"name": "a"', "a.json:1:13: a comma or } is expected here"),
        ('{"name": "a}', "a.json:1:10: Unterminated string"),
        ('{"name": NaN}', "a.json:1:10: a value is expected here"),
        ('{"name": "a"} x', "a.json:1:15: text after the end"),
        ('{"name": 01}', "a.json:1:11: a comma or } is expected here"),
        ('{"name": "a",\n "x": 1, "x": 2}', "a.json:2: x: given twice, in line 2 and in line 2"),
    ],
)
def test_what_is_wrong_in_json(tmp_path: Path, text: str, place: str) -> None:
    [found] = problems(write(tmp_path, "a.json", text))
    assert found.startswith(place)


def test_properties_files(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.properties",
        """\
# Kafka Connect standalone
name=file-source
connector.class : FileStreamSource
topics a,\\
       b
! another comment
pattern=a\\\\.b\\u00e9
""",
    )
    [connector] = load_files([path])
    assert connector.raw == {"name": "file-source", "connector.class": "FileStreamSource", "topics": "a,b",
                             "pattern": "a\\.bé"}  # fmt: skip
    assert connector.where("pattern") == f"{path}:7"
    assert problems(write(tmp_path, "b.properties", "name=a\nname=b\n"))[0].startswith(
        "b.properties:2: name: given twice"
    )
    assert problems(write(tmp_path, "c.properties", "name=a\nx=\\u12\n"))[0].startswith(
        "c.properties:2:1: a \\u escape"
    )


def test_names_are_unique_over_all_files(tmp_path: Path) -> None:
    first, second = write(tmp_path, "a.yaml", "name: x\n"), write(tmp_path, "b.json", '{"name":\n "x"}')
    [found] = problems(first, second)
    assert found == "b.json:1: name: 'x' is also the name of the connector at " + (
        f"{first}:1 (give one of them another name)".replace(f"{tmp_path}/", "")
    )


def test_everything_wrong_in_all_files_is_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "x: 1\n")
    write(tmp_path, "b.json", "{")
    write(tmp_path, "ignored.txt", "")
    with pytest.raises(FileErrors) as caught:
        load_files([tmp_path, tmp_path / "gone.yaml", tmp_path / "ignored.txt"])
    texts = [str(p).replace(f"{tmp_path}/", "") for p in caught.value.problems]
    assert [text.partition(" ")[0] for text in texts] == ["a.yaml:1:", "b.json:1:2:", "gone.yaml:", "ignored.txt:"]
    assert texts[2] == "gone.yaml: there is no such file"
    assert texts[3] == "ignored.txt: unknown kind of file '.txt' (config files end in .yaml, .yml, .json, .properties)"


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    assert problems(tmp_path / "gone") == ["gone: there is no such file"]


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"name: a\nx: \xff\n")
    [found] = problems(path)
    assert found.startswith("a.yaml:2:1: not UTF-8")


def test_worker_files(tmp_path: Path) -> None:
    yaml = load_worker_file(write(tmp_path, "w.yaml", "bootstrap.servers: a:9092\noffset: {storage.topic: o}\n"))
    assert yaml.raw == {"bootstrap.servers": "a:9092", "offset.storage.topic": "o"}
    assert load_worker_file(write(tmp_path, "w.properties", "group.id=x\n")).raw == {"group.id": "x"}
    assert load_worker_file(write(tmp_path, "empty.yaml", "# nothing\n")).raw == {}
    with pytest.raises(FileErrors, match=r"w2\.yaml:1: a worker's file holds options"):
        load_worker_file(write(tmp_path, "w2.yaml", "- a\n"))
