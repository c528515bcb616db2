"""The reference of the commands is what the commands say."""

from pathlib import Path

from farthing.cli.reference import reference

ROOT = Path(__file__).parents[3]


def test_the_page_is_printed_from_the_commands():
    committed = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert committed == reference(), "docs/reference/commands.md is out of date; run `make print`"


def test_every_command_is_on_it():
    for command in ("up", "down", "install", "uninstall", "status", "top", "explain", "devices", "spoke", "replay"):
        assert f"\n## farthing {command}\n" in reference()
    assert "\n## farthing traces fetch\n" in reference()
