"""Draws a command and what it prints as a terminal, in SVG: terminal.py TITLE OUT.svg < TEXT. Needs rich."""

import pathlib
import re
import sys

from rich.console import Console
from rich.text import Text

title, out = sys.argv[1:]
lines = sys.stdin.read().rstrip("\n").split("\n")
console = Console(record=True, width=max(map(len, lines)) + 2, file=open("/dev/null", "w"))
for line in lines:
    text = Text(line)
    if line.startswith("$ "):
        text.stylize("bold")
    for word, style in [("info:", "green"), ("warn:", "yellow"), ("right", "green")]:
        text.highlight_words([word], style)
    console.print(text)
svg = console.export_svg(title=title)
# The reader's own monospaced font: a picture in a README fetches nothing.
svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S).replace("Fira Code, ", "")
svg = re.sub(r"<!--.*?-->", "", svg, flags=re.S)
pathlib.Path(out).write_text(svg)
