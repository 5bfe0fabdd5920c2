# SPDX-License-Identifier: Apache-2.0
"""Lines over a logarithmic axis of numbers of things, several panels beside each other, as SVG."""
import math
from xml.sax.saxutils import escape

COLORS = ["#2563eb", "#0d9488", "#d97706", "#9333ea", "#9ca3af"]
WIDTH, HEIGHT, LEFT, TOP, GAP = 430, 230, 52, 92, 36
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2937 } .small { font-size: 10.5px } .title { font-size: 15px; font-weight: 600 }
  .weak { fill: #6b7280 } .back { fill: #ffffff } .grid { stroke: #9ca3af; stroke-opacity: 0.35 } polyline { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) { text { fill: #e5e7eb } .weak { fill: #9ca3af } .back { fill: #0d1117 } }
"""


def steps(highest):
    """Places for grid lines from 0: a handful of round numbers."""
    unit = 10 ** math.floor(math.log10(highest))
    step = next(unit * factor for factor in (0.2, 0.5, 1, 2, 5) if highest / (unit * factor) <= 6)
    return [step * index for index in range(int(highest / step) + 2)]


class Panel:
    """`lines`: for each name its points (x, y), in the order of x. An x of 0 stands at the left end."""

    def __init__(self, title, x_title, unit, lines):
        self.title, self.x_title, self.unit, self.lines = title, x_title, unit, lines

    def draw(self, left):
        xs = sorted({x for points in self.lines.values() for x, _ in points})
        low, high = math.log10(max(1, xs[0])), math.log10(xs[-1])
        grid = steps(max(y for points in self.lines.values() for _, y in points))
        right, bottom = left + LEFT + WIDTH, TOP + HEIGHT
        x_of = lambda x: left + LEFT + WIDTH * (math.log10(max(1, x)) - low) / max(high - low, 1e-9)
        y_of = lambda y: bottom - HEIGHT * y / grid[-1]
        parts = [f'<text x="{left}" y="{TOP - 40}">{escape(self.title)}</text>']
        for y in grid:
            parts.append(f'<line class="grid" x1="{left + LEFT}" x2="{right}" y1="{y_of(y):.1f}" y2="{y_of(y):.1f}"/>')
            parts.append(f'<text class="small weak" text-anchor="end" x="{left + LEFT - 6}" y="{y_of(y) + 4:.1f}">{y:g}</text>')
        parts.append(f'<text class="small weak" x="{left}" y="{TOP - 12}">{escape(self.unit)}</text>')
        for x in xs:
            parts.append(f'<text class="small weak" text-anchor="middle" x="{x_of(x):.1f}" y="{bottom + 16}">{x:,}</text>')
        parts.append(f'<text class="small weak" text-anchor="middle" x="{(left + LEFT + right) / 2}" y="{bottom + 32}">{escape(self.x_title)}</text>')
        for place, (name, points) in enumerate(self.lines.items()):
            color = COLORS[place % len(COLORS)]
            path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
            parts.append(f'<polyline stroke="{color}" points="{path}"/>')
            for x, y in points:
                parts.append(f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{color}"><title>{escape(name)}: {y:.3g} at {x:,}</title></circle>')
            parts.append(f'<rect x="{left + LEFT}" y="{bottom + 46 + 16 * place}" width="9" height="9" fill="{color}"/>')
            parts.append(f'<text class="small" x="{left + LEFT + 14}" y="{bottom + 54.5 + 16 * place}">{escape(name)}</text>')
        return parts


def draw(title, panels, footers):
    """The SVG's text; `footers` are the lines below."""
    width = len(panels) * (LEFT + WIDTH + GAP) + 16
    height = TOP + HEIGHT + 46 + 16 * max(len(panel.lines) for panel in panels) + 18 + 16 * len(footers)
    parts = [part for place, panel in enumerate(panels) for part in panel.draw(16 + place * (LEFT + WIDTH + GAP))]
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">'
            f'<title>{escape(title)}</title><style>{STYLE}</style><rect class="back" width="100%" height="100%" rx="8"/>'
            f'<text x="16" y="24" class="title">{escape(title)}</text>')
    parts += [f'<text x="16" y="{height - 12 - 16 * place}" class="small weak">{escape(line)}</text>'
              for place, line in enumerate(reversed(footers))]
    return head + "\n" + "\n".join(parts) + "\n</svg>\n"
