#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chart.py RESULT.json > CHART.svg - what Benchmarks/run --json wrote, as bars: a panel for each link, a
group for each cell, the longest bar of a group being its largest number. Light and dark by the reader's choice."""
import json, sys
from xml.sax.saxutils import escape

COLORS = {"lima-netd": "#2563eb", "pasta": "#d97706", "passt": "#d97706", "slirp4netns": "#9ca3af"}
PANEL, LABEL, VALUE, BAR, GAP, TOP = 490, 208, 62, 9, 8, 66
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2937 } .small { font-size: 10.5px } .title { font-size: 15px; font-weight: 600 }
  .weak { fill: #6b7280 } .back { fill: #ffffff }
  @media (prefers-color-scheme: dark) { text { fill: #e5e7eb } .weak { fill: #9ca3af } .back { fill: #0d1117 } }
"""


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def draw(result):
    """The SVG's text."""
    parts, height = [], 0
    links = list(dict.fromkeys(row["link"] for row in result["rows"]))
    for place, link in enumerate(links):
        left, y = place * (PANEL + 24) + 16, TOP
        peers = list(dict.fromkeys(row["peer"] for row in result["rows"] if row["link"] == link))
        parts.append(f'<text x="{left}" y="{y - 12}" class="title">{escape(link)}</text>')
        legend = left + LABEL
        for peer in peers:
            parts.append(f'<rect x="{legend}" y="{y - 21}" width="9" height="9" fill="{COLORS.get(peer, "#10b981")}"/>')
            parts.append(f'<text x="{legend + 13}" y="{y - 12.5}" class="small">{escape(peer)}</text>')
            legend += 24 + 6.2 * len(peer)
        for mtu in sorted({row["mtu"] for row in result["rows"]}):
            for cell in result["cells"]:
                rows = {row["peer"]: row["value"] for row in result["rows"]
                        if (row["link"], row["mtu"], row["cell"]) == (link, mtu, cell["title"])}
                largest = max(rows.values(), default=0)
                if not largest:
                    continue
                middle = y + len(rows) * BAR / 2 + 3.5
                title = cell["title"] + (f", MTU {mtu}" if cell["unit"] == "Gbit/s" else "")
                parts.append(f'<text x="{left}" y="{middle:.1f}" class="small">{escape(title)}</text>')
                note = cell["unit"] + (", less is better" if cell["better"] == "less" else "")
                for peer in peers:
                    if peer not in rows:
                        continue
                    width = max(1.5, (PANEL - LABEL - VALUE - 40) * rows[peer] / largest)
                    parts.append(f'<rect x="{left + LABEL}" y="{y}" width="{width:.1f}" height="{BAR - 1.5}" '
                                 f'fill="{COLORS.get(peer, "#10b981")}"><title>{escape(peer)}: {number(rows[peer])} {escape(note)}</title></rect>')
                    unit = f" {cell['unit']}" + (" ↓" if cell["better"] == "less" else "") if peer == peers[0] else ""
                    parts.append(f'<text x="{left + LABEL + width + 4:.1f}" y="{y + BAR - 1.5}" class="small weak" '
                                 f'style="font-size:9.5px">{number(rows[peer])}{escape(unit)}</text>')
                    y += BAR
                y += GAP
        height = max(height, y)
    total = len(links) * (PANEL + 24) + 8
    footer = f"{result['machine']}; medians of {result['rounds']} × {result['seconds']} s. ↓: less is better."
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{height + 34}" viewBox="0 0 {total} {height + 34}" '
            f'role="img"><title>lima-netd beside its peers</title><style>{STYLE}</style>'
            f'<rect class="back" width="100%" height="100%" rx="8"/>'
            f'<text x="16" y="26" class="title">lima-netd beside its peers</text>')
    return head + "\n" + "\n".join(parts) + f'\n<text x="16" y="{height + 16}" class="small weak">{escape(footer)}</text>\n</svg>\n'


if __name__ == "__main__":
    sys.stdout.write(draw(json.load(open(sys.argv[1]))))
