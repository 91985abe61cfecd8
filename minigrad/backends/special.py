"""Special functions as words: SciPy's and CuPy's under PyTorch's names, and recurrences that both libraries run."""

# our word -> the function of scipy.special and cupyx.scipy.special
SCIPY = dict(
    i0="i0", i0e="i0e", i1="i1", i1e="i1e", bessel_j0="j0", bessel_j1="j1", bessel_y0="y0", bessel_y1="y1",
    modified_bessel_k0="k0", modified_bessel_k1="k1", scaled_modified_bessel_k0="k0e", scaled_modified_bessel_k1="k1e",
    erfcx="erfcx", ndtri="ndtri", log_ndtr="log_ndtr", igamma="gammainc", igammac="gammaincc", zeta="zeta",
)  # fmt: skip

# The orthogonal polynomials by their first two members and the step to the next: P1 = f(x), P(k+1) = step(x, k, P(k), P(k-1)).
_CHEBYSHEV = lambda x, k, p, q: 2 * x * p - q
_POLYNOMIALS = {
    "chebyshev_t": (lambda x: x, _CHEBYSHEV),
    "chebyshev_u": (lambda x: 2 * x, _CHEBYSHEV),
    "chebyshev_v": (lambda x: 2 * x - 1, _CHEBYSHEV),
    "chebyshev_w": (lambda x: 2 * x + 1, _CHEBYSHEV),
    "hermite_h": (lambda x: 2 * x, lambda x, k, p, q: 2 * (x * p - k * q)),
    "hermite_he": (lambda x: x, lambda x, k, p, q: x * p - k * q),
    "laguerre_l": (lambda x: 1 - x, lambda x, k, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1)),
    "legendre_p": (lambda x: x, lambda x, k, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1)),
}


class SpecialWords:
    """What ``Words`` knows of special functions; ``special`` is each backend's way to call its library."""

    def airy_ai(self, x):
        return self.np.where(x > 200, self.np.zeros_like(x), self.special("airy", x)[0])  # far out the library gives NaN

    def polynomial(self, x, n, *, kind):
        """The polynomial of degree ``n``, an array or a number whose fraction is cut off, at ``x``; 0 for a negative degree."""
        like = x if hasattr(x, "dtype") else n
        x, n = self.np.asarray(x, like.dtype), self.np.asarray(n, like.dtype)
        n = self.np.trunc(n)
        if kind.startswith("shifted_"):
            kind, x = kind.removeprefix("shifted_"), 2 * x - 1
        first, step = _POLYNOMIALS[kind]
        x, n = self.np.broadcast_arrays(x, n)
        before, p = self.np.ones_like(x), first(x)
        out = self.np.where(n == 0, before, self.np.where(n == 1, p, self.np.zeros_like(x)))
        for k in range(1, int(n.max()) if n.size else 0):
            before, p = p, step(x, k, p, before)
            out = self.np.where(n == k + 1, p, out)
        return out

    def whole_power(self, x, y):
        """Powers of whole numbers are whole: with a negative exponent they are 0, unless ``x`` is 1 or -1."""
        inverse = self.np.where(x == 1, 1, self.np.where(x == -1, 1 - 2 * (y & 1), 0))
        return self.np.where(y < 0, inverse.astype(y.dtype), self.np.power(x, self.np.maximum(y, 0)))

    def frexp(self, x):
        """Mantissa and exponent; of what is not finite, the exponent is 0."""
        return self.np.frexp(x)


def _word(name):
    return lambda self, *args: self.special(name, *args)


for _name, _theirs in SCIPY.items():
    setattr(SpecialWords, _name, _word(_theirs))
