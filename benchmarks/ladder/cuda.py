"""The same two problems on a GPU: CUDA C++ that CuPy compiles when it is first called.

A GPU is a machine of the same kind with other numbers: thousands of slow threads in place of a few fast ones, memory ten to
fifty times as fast, and a cache (shared memory) that the program fills itself. 32 threads, a warp, make the same
step at the same time, as the 16 lanes of a vector register do. Memory is fast only when the threads of a warp read
neighbouring addresses: the same rule as "walk along the rows" on the CPU, and harder.

Without a GPU these steps are not run by ``python -m benchmarks.ladder``; their results are tested wherever CuPy is.
"""

import functools

import numpy as np

SOURCE = r"""
constexpr int WARP = 32;

struct Larger { __device__ float operator()(float a, float b) const { return a > b || a != a ? a : b; } };
struct Sum { __device__ float operator()(float a, float b) const { return a + b; } };

// One number of all threads of the block, from one of each. Five exchanges within a warp, and once more between the warps.
template <class F> __device__ float together(float x, F f, float nothing) {
    __shared__ float of_warps[WARP];
    for (int away = WARP / 2; away > 0; away /= 2) x = f(x, __shfl_xor_sync(0xffffffffu, x, away));
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    if (lane == 0) of_warps[warp] = x;
    __syncthreads();
    x = lane < blockDim.x / WARP ? of_warps[lane] : nothing;
    for (int away = WARP / 2; away > 0; away /= 2) x = f(x, __shfl_xor_sync(0xffffffffu, x, away));
    __syncthreads();  // nobody writes of_warps again before all have read it
    return x;
}

// A block for each row: three passes over it.
extern "C" __global__ void softmax_block(const float* x, float* y, int columns) {
    x += (size_t)blockIdx.x * columns;
    y += (size_t)blockIdx.x * columns;
    float largest = -INFINITY;
    for (int j = threadIdx.x; j < columns; j += blockDim.x) largest = Larger()(x[j], largest);
    largest = together(largest, Larger(), -INFINITY);
    float total = 0;
    for (int j = threadIdx.x; j < columns; j += blockDim.x) total += y[j] = expf(x[j] - largest);
    total = together(total, Sum(), 0.0f);
    for (int j = threadIdx.x; j < columns; j += blockDim.x) y[j] /= total;
}

// The same with maximum and sum in one pass: a sum up to now, in units of exp(maximum up to now), changes its unit when needed.
extern "C" __global__ void softmax_online(const float* x, float* y, int columns) {
    x += (size_t)blockIdx.x * columns;
    y += (size_t)blockIdx.x * columns;
    float mine = -INFINITY, sum = 0;
    for (int j = threadIdx.x; j < columns; j += blockDim.x) {
        if (x[j] == -INFINITY) continue;  // adds nothing, and -inf - -inf would be NaN
        float larger = Larger()(x[j], mine);
        sum = (mine == -INFINITY ? 0 : sum * expf(mine - larger)) + expf(x[j] - larger);
        mine = larger;
    }
    float largest = together(mine, Larger(), -INFINITY);
    float total = together(mine == -INFINITY ? 0 : sum * expf(mine - largest), Sum(), 0.0f);
    float factor = 1 / total;
    for (int j = threadIdx.x; j < columns; j += blockDim.x) y[j] = expf(x[j] - largest) * factor;
}

// A thread for each element of C (m, n) = A (m, k) B (k, n).
extern "C" __global__ void matmul_naive(const float* a, const float* b, float* c, int m, int k, int n) {
    int i = blockIdx.y * blockDim.y + threadIdx.y, j = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= m || j >= n) return;
    float sum = 0;
    for (int l = 0; l < k; l++) sum += a[i * k + l] * b[l * n + j];
    c[i * n + j] = sum;
}

// A block of 16 x 16 threads for each square of 64 x 64 elements, 4 x 4 of them in the registers of each thread.
constexpr int SIDE = 64, DEPTH = 16, EACH = 4, THREADS = SIDE / EACH;

extern "C" __global__ void matmul_tiles(const float* a, const float* b, float* c, int m, int k, int n) {
    __shared__ float left[DEPTH][SIDE + 1], right[DEPTH][SIDE];  // + 1: columns of a transposed tile lie in different banks
    int row = blockIdx.y * SIDE, column = blockIdx.x * SIDE;
    int me = threadIdx.y * THREADS + threadIdx.x;
    float sums[EACH][EACH] = {};
    for (int first = 0; first < k; first += DEPTH) {
        for (int e = me; e < SIDE * DEPTH; e += THREADS * THREADS) {
            int i = row + e / DEPTH, l = first + e % DEPTH;
            left[e % DEPTH][e / DEPTH] = i < m && l < k ? a[i * k + l] : 0;
            l = first + e / SIDE;
            int j = column + e % SIDE;
            right[e / SIDE][e % SIDE] = l < k && j < n ? b[l * n + j] : 0;
        }
        __syncthreads();
        for (int l = 0; l < DEPTH; l++) {
            float of_a[EACH], of_b[EACH];
            for (int r = 0; r < EACH; r++) of_a[r] = left[l][threadIdx.y + r * THREADS];
            for (int s = 0; s < EACH; s++) of_b[s] = right[l][threadIdx.x + s * THREADS];
            for (int r = 0; r < EACH; r++)
                for (int s = 0; s < EACH; s++) sums[r][s] += of_a[r] * of_b[s];
        }
        __syncthreads();
    }
    for (int r = 0; r < EACH; r++)
        for (int s = 0; s < EACH; s++) {
            int i = row + threadIdx.y + r * THREADS, j = column + threadIdx.x + s * THREADS;
            if (i < m && j < n) c[i * n + j] = sums[r][s];
        }
}
"""
BLOCK, SIDE, THREADS = 256, 64, 16


@functools.cache
def kernel(name):
    import cupy

    return cupy.RawModule(code=SOURCE, options=("--std=c++17",)).get_function(name)


def softmax_text(x):
    """NumPy's text on CuPy's arrays: every word is a kernel that goes through the GPU's memory.

    As on the CPU, and for the same reason, it moves several times what it must. Each call of a kernel also takes some
    microseconds before it begins, which is all that counts for small arrays.
    """
    import cupy

    powers = cupy.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def softmax_block(x):
    """A kernel of our own: a block of 256 threads takes a row, each thread every 256th number.

    Neighbouring threads read neighbouring numbers. The maximum and the sum of a row are found by exchanging numbers between
    the registers of a warp (__shfl_xor_sync), then between the warps through shared memory. The row comes from memory once;
    the second and third pass find it in the cache.
    """
    import cupy

    y = cupy.empty_like(x)
    kernel("softmax_block")((len(x),), (BLOCK,), (x, y, np.int32(x.shape[1])))
    return y


def softmax_online(x):
    """Maximum and sum in one pass, so that a row is read twice and written once.

    Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018: when a larger maximum turns up, the sum so
    far is multiplied by exp(old - new). More arithmetic, less traffic: a good trade for rows that no cache holds. The same
    idea, carried on through a matrix product, is FlashAttention.
    """
    import cupy

    y = cupy.empty_like(x)
    kernel("softmax_online")((len(x),), (BLOCK,), (x, y, np.int32(x.shape[1])))
    return y


def _product(name, a, b, block, side):
    import cupy

    (m, k), n = a.shape, b.shape[1]
    c = cupy.empty((m, n), a.dtype)
    kernel(name)((-(-n // side), -(-m // side)), block, (a, b, c, *map(np.int32, (m, k, n))))
    return c


def matmul_naive(a, b):
    """A thread for every element of the result: the loop over k of the first step, a quarter of a million times at once.

    The threads of a warp read 32 neighbours in a row of b, which is well, and one number of a, which all get at once. But
    each multiplication needs two numbers from the cache, so the arithmetic waits for it: some per cent of what the GPU can do.
    """
    return _product("matmul_naive", a, b, (THREADS, THREADS), THREADS)


def matmul_tiles(a, b):
    """Blocks in shared memory, sums in registers: steps "blocks" and "vector tiles" at once.

    256 threads fetch 64 x 16 numbers of a and 16 x 64 of b together, and each thread keeps 4 x 4 sums in registers: 8 numbers
    are read for 16 multiplications in place of 2 for 1, and each number fetched from memory is used 64 times.
    """
    return _product("matmul_tiles", a, b, (THREADS, THREADS), SIDE)


def matmul_library(a, b):
    """cuBLAS: the same with larger tiles, copies that overlap with arithmetic, and where it may, the tensor cores."""
    return a @ b
