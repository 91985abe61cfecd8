// Stand-in for libcublas: matrix products, matrix times vector, dot. float32, float64, float16, bfloat16;
// and products of complex64 and of complex128.
// The functions CuPy links and this file lacks become stubs that return CUBLAS_STATUS_NOT_SUPPORTED (mathlibs.py).
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <complex>
#include <cstddef>
#include <vector>

extern "C" long hc_stats[];

namespace {

constexpr int GEMMS = 7;  // HC_GEMMS of hostcuda.h

typedef int Status;
constexpr Status SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15;

// cudaDataType
constexpr int F32 = 0, F64 = 1, F16 = 2, C64 = 4, C128 = 5, BF16 = 14;

struct Handle {
    int math_mode, pointer_mode;
    void* stream;
};

// A column-major matrix whose element type is known at run time only.
struct Matrix {
    void* data;
    int type;
    int ld;
};

bool known(int type) { return type == F32 || type == F64 || type == F16 || type == BF16; }

size_t item_size(int type) { return type == F64 ? 8 : type == F32 ? 4 : 2; }

double widen(double value) { return value; }
float widen(float value) { return value; }
float widen(__half value) { return __half2float(value); }
float widen(__nv_bfloat16 value) { return __bfloat162float(value); }

template <class Acc> void narrow(double* to, Acc value) { *to = value; }
template <class Acc> void narrow(float* to, Acc value) { *to = (float)value; }
template <class Acc> void narrow(__half* to, Acc value) { *to = __float2half_rn((float)value); }
template <class Acc> void narrow(__nv_bfloat16* to, Acc value) { *to = __float2bfloat16_rn((float)value); }

// op(source), rows x columns, packed column by column in the accumulator's type.
template <class Acc, class T> std::vector<Acc> pack(const T* source, int ld, int transposed, int rows, int columns) {
    std::vector<Acc> packed((size_t)rows * columns);
    for (size_t j = 0; j < (size_t)columns; j++) {
        for (size_t i = 0; i < (size_t)rows; i++) {
            packed[i + j * rows] = widen(transposed ? source[j + i * ld] : source[i + j * ld]);
        }
    }
    return packed;
}

template <class Acc> std::vector<Acc> pack(const Matrix& source, int transposed, int rows, int columns) {
    switch (source.type) {
        case F64: return pack<Acc>((double*)source.data, source.ld, transposed, rows, columns);
        case F32: return pack<Acc>((float*)source.data, source.ld, transposed, rows, columns);
        case F16: return pack<Acc>((__half*)source.data, source.ld, transposed, rows, columns);
        default: return pack<Acc>((__nv_bfloat16*)source.data, source.ld, transposed, rows, columns);
    }
}

// column = alpha * product + beta * column. With beta == 0 the old values, which may be NaN, are not read.
template <class Acc, class T> void store(T* column, const std::vector<Acc>& product, Acc alpha, Acc beta) {
    for (size_t i = 0; i < product.size(); i++) {
        narrow(column + i, beta == 0 ? alpha * product[i] : alpha * product[i] + beta * (Acc)widen(column[i]));
    }
}

template <class Acc> void store(const Matrix& to, int j, const std::vector<Acc>& product, Acc alpha, Acc beta) {
    size_t start = (size_t)j * to.ld;
    switch (to.type) {
        case F64: store((double*)to.data + start, product, alpha, beta); break;
        case F32: store((float*)to.data + start, product, alpha, beta); break;
        case F16: store((__half*)to.data + start, product, alpha, beta); break;
        default: store((__nv_bfloat16*)to.data + start, product, alpha, beta);
    }
}

template <class Acc>
void multiply(int trans_a, int trans_b, int m, int n, int k, Acc alpha, Matrix a, Matrix b, Acc beta, Matrix c) {
    std::vector<Acc> left = pack<Acc>(a, trans_a, m, k), right = pack<Acc>(b, trans_b, k, n), column(m);
    for (int j = 0; j < n; j++) {
        column.assign(m, 0);
        for (int p = 0; p < k; p++) {
            const Acc* from = &left[(size_t)p * m];
            Acc factor = right[p + (size_t)j * k];
            for (int i = 0; i < m; i++) column[i] += from[i] * factor;
        }
        store(c, j, column, alpha, beta);
    }
}

// C = alpha * op(A) @ op(B) + beta * C, with cuBLAS's own checks of its arguments. float64 results are
// accumulated in float64, all others in float32.
Status gemm(int trans_a, int trans_b, int m, int n, int k, double alpha, Matrix a, Matrix b, double beta, Matrix c) {
    if (m < 0 || n < 0 || k < 0) return INVALID_VALUE;
    if (a.ld < (trans_a ? k : m) || b.ld < (trans_b ? n : k) || c.ld < m) return INVALID_VALUE;
    if (!known(a.type) || !known(b.type) || !known(c.type)) return NOT_SUPPORTED;
    if (m == 0 || n == 0) return SUCCESS;
    if (c.type == F64) multiply<double>(trans_a, trans_b, m, n, k, alpha, a, b, beta, c);
    else multiply<float>(trans_a, trans_b, m, n, k, (float)alpha, a, b, (float)beta, c);
    return SUCCESS;
}

Status count(Status status) {
    if (status == SUCCESS) hc_stats[GEMMS]++;
    return status;
}

double scalar(const void* pointer, int type) { return type == F64 ? *(const double*)pointer : *(const float*)pointer; }

Matrix advance(Matrix matrix, long long elements) {
    matrix.data = (char*)matrix.data + elements * (long long)item_size(matrix.type);
    return matrix;
}

Status gemm_strided(int trans_a, int trans_b, int m, int n, int k, double alpha, Matrix a, long long stride_a, Matrix b,
                    long long stride_b, double beta, Matrix c, long long stride_c, int batch) {
    for (int i = 0; i < batch; i++) {
        Status status = gemm(trans_a, trans_b, m, n, k, alpha, advance(a, i * stride_a), advance(b, i * stride_b), beta,
                             advance(c, i * stride_c));
        if (status != SUCCESS) return status;
    }
    return SUCCESS;
}

// The same for complex numbers, all operands of one type; a transposition of 2 conjugates.
template <class C> C element(const C* from, int ld, int transposed, int i, int j) {
    C value = transposed ? from[j + (size_t)i * ld] : from[i + (size_t)j * ld];
    return transposed == 2 ? std::conj(value) : value;
}

template <class C>
Status complex_gemm(int trans_a, int trans_b, int m, int n, int k, const void* alpha, const void* a, int lda, const void* b,
                    int ldb, const void* beta, void* c, int ldc) {
    if (m < 0 || n < 0 || k < 0) return INVALID_VALUE;
    if (lda < (trans_a ? k : m) || ldb < (trans_b ? n : k) || ldc < m) return INVALID_VALUE;
    const C scale = *(const C*)alpha, keep = *(const C*)beta;
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < m; i++) {
            C sum = 0;
            for (int p = 0; p < k; p++) sum += element((const C*)a, lda, trans_a, i, p) * element((const C*)b, ldb, trans_b, p, j);
            C& to = ((C*)c)[i + (size_t)j * ldc];
            to = keep == C(0) ? scale * sum : scale * sum + keep * to;
        }
    }
    return SUCCESS;
}

template <class C>
Status complex_strided(int trans_a, int trans_b, int m, int n, int k, const void* alpha, void* a, int lda, long long stride_a,
                       void* b, int ldb, long long stride_b, const void* beta, void* c, int ldc, long long stride_c, int batch) {
    for (int i = 0; i < batch; i++) {
        Status status = complex_gemm<C>(trans_a, trans_b, m, n, k, alpha, (C*)a + i * stride_a, lda, (C*)b + i * stride_b, ldb,
                                        beta, (C*)c + i * stride_c, ldc);
        if (status != SUCCESS) return status;
    }
    return SUCCESS;
}

template <class T>
Status gemv(int transposed, int m, int n, const T* alpha, const T* a, int ld, const T* x, int step_x, const T* beta, T* y,
            int step_y) {
    int rows = transposed ? n : m, columns = transposed ? m : n;
    for (int i = 0; i < rows; i++) {
        T sum = 0;
        for (int j = 0; j < columns; j++) {
            sum += (transposed ? a[j + (size_t)i * ld] : a[i + (size_t)j * ld]) * x[(size_t)j * step_x];
        }
        T& to = y[(size_t)i * step_y];
        to = *beta == T(0) ? *alpha * sum : *alpha * sum + *beta * to;
    }
    return SUCCESS;
}

template <class T> Status dot(int n, const T* x, int step_x, const T* y, int step_y, T* result) {
    T sum = 0;
    for (int i = 0; i < n; i++) sum += x[(size_t)i * step_x] * y[(size_t)i * step_y];
    *result = sum;
    return SUCCESS;
}

}  // namespace

extern "C" {

// ---- handles --------------------------------------------------------------------------------------------------
Status cublasCreate_v2(Handle** handle) {
    *handle = new Handle{0, 0, nullptr};
    return SUCCESS;
}

Status cublasDestroy_v2(Handle* handle) {
    delete handle;
    return SUCCESS;
}

Status cublasGetVersion_v2(Handle*, int* version) {
    *version = 130200;
    return SUCCESS;
}

Status cublasSetStream_v2(Handle* handle, void* stream) {
    handle->stream = stream;
    return SUCCESS;
}

Status cublasGetStream_v2(Handle* handle, void** stream) {
    *stream = handle->stream;
    return SUCCESS;
}

Status cublasSetMathMode(Handle* handle, int mode) {
    handle->math_mode = mode;
    return SUCCESS;
}

Status cublasGetMathMode(Handle* handle, int* mode) {
    *mode = handle->math_mode;
    return SUCCESS;
}

Status cublasSetPointerMode_v2(Handle* handle, int mode) {
    handle->pointer_mode = mode;
    return SUCCESS;
}

Status cublasGetPointerMode_v2(Handle* handle, int* mode) {
    *mode = handle->pointer_mode;
    return SUCCESS;
}

// ---- products of mixed types ----------------------------------------------------------------------------------
Status cublasSgemmEx(Handle*, int trans_a, int trans_b, int m, int n, int k, const float* alpha, void* a, int type_a,
                     int lda, void* b, int type_b, int ldb, const float* beta, void* c, int type_c, int ldc) {
    return count(gemm(trans_a, trans_b, m, n, k, *alpha, {a, type_a, lda}, {b, type_b, ldb}, *beta, {c, type_c, ldc}));
}

Status cublasGemmEx(Handle*, int trans_a, int trans_b, int m, int n, int k, const void* alpha, void* a, int type_a,
                    int lda, void* b, int type_b, int ldb, const void* beta, void* c, int type_c, int ldc, int, int) {
    if (type_c == C64 || type_c == C128) {
        if (type_a != type_c || type_b != type_c) return NOT_SUPPORTED;
        auto run = type_c == C64 ? complex_gemm<std::complex<float>> : complex_gemm<std::complex<double>>;
        return count(run(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc));
    }
    return count(gemm(trans_a, trans_b, m, n, k, scalar(alpha, type_c), {a, type_a, lda}, {b, type_b, ldb},
                      scalar(beta, type_c), {c, type_c, ldc}));
}

Status cublasGemmStridedBatchedEx(Handle*, int trans_a, int trans_b, int m, int n, int k, const void* alpha, void* a,
                                  int type_a, int lda, long long stride_a, void* b, int type_b, int ldb,
                                  long long stride_b, const void* beta, void* c, int type_c, int ldc, long long stride_c,
                                  int batch, int, int) {
    if (type_c == C64 || type_c == C128) {
        if (type_a != type_c || type_b != type_c) return NOT_SUPPORTED;
        auto run = type_c == C64 ? complex_strided<std::complex<float>> : complex_strided<std::complex<double>>;
        return count(run(trans_a, trans_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch));
    }
    return count(gemm_strided(trans_a, trans_b, m, n, k, scalar(alpha, type_c), {a, type_a, lda}, stride_a,
                              {b, type_b, ldb}, stride_b, scalar(beta, type_c), {c, type_c, ldc}, stride_c, batch));
}

// ---- products and vectors of one type: the S and the D family -------------------------------------------------
#define HC_ONE_TYPE(LETTER, T, TYPE)                                                                                    \
    Status cublas##LETTER##gemm_v2(Handle*, int trans_a, int trans_b, int m, int n, int k, const T* alpha, T* a,        \
                                   int lda, T* b, int ldb, const T* beta, T* c, int ldc) {                             \
        return count(gemm(trans_a, trans_b, m, n, k, *alpha, {a, TYPE, lda}, {b, TYPE, ldb}, *beta, {c, TYPE, ldc}));  \
    }                                                                                                                  \
    Status cublas##LETTER##gemmStridedBatched(Handle*, int trans_a, int trans_b, int m, int n, int k, const T* alpha,  \
                                              T* a, int lda, long long stride_a, T* b, int ldb, long long stride_b,    \
                                              const T* beta, T* c, int ldc, long long stride_c, int batch) {           \
        return count(gemm_strided(trans_a, trans_b, m, n, k, *alpha, {a, TYPE, lda}, stride_a, {b, TYPE, ldb},         \
                                  stride_b, *beta, {c, TYPE, ldc}, stride_c, batch));                                  \
    }                                                                                                                  \
    Status cublas##LETTER##gemmBatched(Handle*, int trans_a, int trans_b, int m, int n, int k, const T* alpha, T** a,  \
                                       int lda, T** b, int ldb, const T* beta, T** c, int ldc, int batch) {            \
        for (int i = 0; i < batch; i++) {                                                                              \
            Status status = gemm(trans_a, trans_b, m, n, k, *alpha, {a[i], TYPE, lda}, {b[i], TYPE, ldb}, *beta,       \
                                 {c[i], TYPE, ldc});                                                                   \
            if (status != SUCCESS) return status;                                                                      \
        }                                                                                                              \
        return count(SUCCESS);                                                                                         \
    }                                                                                                                  \
    Status cublas##LETTER##gemv_v2(Handle*, int transposed, int m, int n, const T* alpha, const T* a, int lda,         \
                                   const T* x, int step_x, const T* beta, T* y, int step_y) {                          \
        return gemv(transposed, m, n, alpha, a, lda, x, step_x, beta, y, step_y);                                      \
    }                                                                                                                  \
    Status cublas##LETTER##dot_v2(Handle*, int n, const T* x, int step_x, const T* y, int step_y, T* result) {         \
        return dot(n, x, step_x, y, step_y, result);                                                                   \
    }

HC_ONE_TYPE(S, float, F32)
HC_ONE_TYPE(D, double, F64)

// ---- and of complex numbers: the C and the Z family -----------------------------------------------------------
#define HC_COMPLEX(LETTER, T)                                                                                          \
    Status cublas##LETTER##gemm_v2(Handle*, int trans_a, int trans_b, int m, int n, int k, const T* alpha, T* a,       \
                                   int lda, T* b, int ldb, const T* beta, T* c, int ldc) {                             \
        return count(complex_gemm<T>(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc));                 \
    }                                                                                                                  \
    Status cublas##LETTER##gemmBatched(Handle*, int trans_a, int trans_b, int m, int n, int k, const T* alpha, T** a,  \
                                       int lda, T** b, int ldb, const T* beta, T** c, int ldc, int batch) {            \
        for (int i = 0; i < batch; i++) {                                                                              \
            Status status = complex_gemm<T>(trans_a, trans_b, m, n, k, alpha, a[i], lda, b[i], ldb, beta, c[i], ldc);  \
            if (status != SUCCESS) return status;                                                                      \
        }                                                                                                              \
        return count(SUCCESS);                                                                                         \
    }                                                                                                                  \
    Status cublas##LETTER##dotu_v2(Handle*, int n, const T* x, int step_x, const T* y, int step_y, T* result) {        \
        return dot(n, x, step_x, y, step_y, result);                                                                   \
    }

HC_COMPLEX(C, std::complex<float>)
HC_COMPLEX(Z, std::complex<double>)

}  // extern "C"
