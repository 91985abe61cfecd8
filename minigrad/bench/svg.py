"""Line plots on logarithmic axes as SVG, which a page can hold as it is."""

import html
import math

COLOURS = {"text": "#888888", "kernel": "#1f77b4", "compiled": "#d62728", "cupy": "#2ca02c"}
WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 42


class Plot:
    """A plot of positive numbers. ``x`` and ``y``: (smallest, largest) of an axis, widened to decades where they are close."""

    def __init__(self, title, x_label, y_label, x, y):
        self.x, self.y = _range(x), _range(y)
        middle = f'transform="translate(13 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle"'
        self.parts = [
            f'<text x="{WIDTH / 2}" y="16" text-anchor="middle" font-weight="bold">{html.escape(title)}</text>',
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{html.escape(x_label)}</text>',
            f"<text {middle}>{html.escape(y_label)}</text>",
        ]
        self._axes()

    def place(self, x, y):
        """Where a point lies in the picture."""
        (x0, x1), (y0, y1) = self.x, self.y
        across, up = math.log(x / x0) / math.log(x1 / x0), math.log(y / y0) / math.log(y1 / y0)
        return round(LEFT + across * (WIDTH - LEFT - RIGHT), 1), round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1)

    def _axes(self):
        for n in decades(*self.x):
            x, low = self.place(n, self.y[0])
            _, high = self.place(n, self.y[1])
            self.parts.append(f'<path d="M{x} {low}V{high}" stroke="#ddd"/>')
            self.parts.append(f'<text x="{x}" y="{low + 14}" text-anchor="middle">{short(n)}</text>')
        for n in decades(*self.y):
            left, y = self.place(self.x[0], n)
            right, _ = self.place(self.x[1], n)
            self.parts.append(f'<path d="M{left} {y}H{right}" stroke="#ddd"/>')
            self.parts.append(f'<text x="{left - 5}" y="{y + 4}" text-anchor="end">{short(n)}</text>')

    def line(self, points, colour, dashed=False, dots=True):
        """A line through points, with a dot at each."""
        placed = [self.place(*p) for p in points]
        path = "M" + "L".join(f"{x} {y}" for x, y in placed)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>')
        if dots:
            self.parts += [f'<circle cx="{x}" cy="{y}" r="2.6" fill="{colour}"/>' for x, y in placed]

    def dot(self, point, colour, label):
        """A point that names itself when the pointer rests on it."""
        x, y = self.place(*point)
        self.parts.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"><title>{html.escape(label)}</title></circle>')

    def legend(self, names, line=0):
        """Names in their colours, in the upper left corner."""
        for i, name in enumerate(names):
            y = TOP + 14 * (i + line + 1)
            colour = COLOURS.get(name, "#444")
            self.parts.append(f'<text x="{LEFT + 8}" y="{y}" fill="{colour}">{html.escape(name)}</text>')

    def __str__(self):
        size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{"".join(self.parts)}</svg>'


def _range(pair):
    """At least a decade, and some room at both ends."""
    low, high = pair
    middle = math.sqrt(low * high)
    low, high = min(low, middle / math.sqrt(10)), max(high, middle * math.sqrt(10))
    return low / 1.3, high * 1.3


def decades(low, high):
    """The powers of ten between two numbers, every second or third where there are many.

    >>> from minigrad.bench.svg import decades
    >>> decades(0.5, 200)
    [1.0, 10.0, 100.0]
    """
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    step = 1 + (last - first) // 7
    return [10.0**k for k in range(first, last + 1, step)]


def short(number):
    """
    >>> from minigrad.bench.svg import short
    >>> short(1e6), short(100.0), short(0.01), short(1e-6)
    ('1M', '100', '0.01', '1e-06')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"
