// CUDA C++'s device language on a host compiler: force-included before a kernel's source (compile.py).
#pragma once
#define __CUDACC_VER_MAJOR__ 13

#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <type_traits>
#include <utility>

#include <vector_types.h>
#include <vector_functions.h>
#include <cuda_fp16.h>  // NVIDIA's own headers: half and bfloat16 work on the host too
#include <cuda_bf16.h>

// ---- the language ---------------------------------------------------------------------------------------------
extern "C" {
extern uint3 hc_tid, hc_bid;
extern dim3 hc_bdim, hc_gdim;
extern char hc_dynsmem[];
void hc_syncthreads(long line);
unsigned hc_lane();
unsigned long long hc_warp(unsigned mask, unsigned long long value, int source, unsigned long long* all);
}

#undef __shared__
#define __shared__ static  // blocks run one after another, so one copy is enough
#define __launch_bounds__(...)
#define __syncthreads() hc_syncthreads(__LINE__)
#define threadIdx hc_tid
#define blockIdx hc_bid
#define blockDim hc_bdim
#define gridDim hc_gdim
static const int warpSize = 32;

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __trap() { abort(); }
#define clock64() 0ll

// ---- mathematics CUDA has and libm lacks, or has under another name -------------------------------------------
using std::abs;
using std::isfinite;
using std::isinf;
using std::isnan;
using std::max;
using std::min;
using std::signbit;

template <class A, class B>
using hc_mixed = std::enable_if_t<!std::is_same<A, B>::value && std::is_arithmetic<A>::value && std::is_arithmetic<B>::value,
                                  std::common_type_t<A, B>>;
template <class A, class B> inline hc_mixed<A, B> min(A a, B b) { return b < a ? b : a; }
template <class A, class B> inline hc_mixed<A, B> max(A a, B b) { return a < b ? b : a; }

inline float rsqrtf(float x) { return 1.f / sqrtf(x); }
inline double rsqrt(double x) { return 1. / sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline float rcbrtf(float x) { return 1.f / cbrtf(x); }
inline double rcbrt(double x) { return 1. / cbrt(x); }
inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return powf(10.f, x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1.f / x; }
inline float __frsqrt_rn(float x) { return 1.f / sqrtf(x); }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __saturatef(float x) { return x < 0 || x != x ? 0.f : x > 1 ? 1.f : x; }
inline double sinpi(double x) { return sin(M_PI * x); }
inline double cospi(double x) { return cos(M_PI * x); }
inline float sinpif(float x) { return (float)sinpi(x); }
inline float cospif(float x) { return (float)cospi(x); }
inline double cyl_bessel_i0(double x) { return std::cyl_bessel_i(0., fabs(x)); }
inline double cyl_bessel_i1(double x) { return copysign(std::cyl_bessel_i(1., fabs(x)), x); }
inline float cyl_bessel_i0f(float x) { return (float)cyl_bessel_i0(x); }
inline float cyl_bessel_i1f(float x) { return (float)cyl_bessel_i1(x); }

// The inverse of erfc on (0, 2): a rough start in logarithms (Winitzki's formula), then Halley's steps.
inline double erfcinv(double y) {
    if (!(y >= 0 && y <= 2)) return NAN;
    if (y == 0 || y == 2) return y == 0 ? INFINITY : -INFINITY;
    if (y > 1) return -erfcinv(2 - y);
    double log_term = log(y * (2 - y)), half = 2 / (M_PI * 0.147) + log_term / 2;
    double x = sqrt(fmax(0., sqrt(half * half - log_term / 0.147) - half));
    for (int step = 0; step < 4; step++) {
        double u = (erfc(x) - y) / (-2 / sqrt(M_PI) * exp(-x * x));
        x -= u / (1 + x * u);
    }
    return x;
}
// Near 0 the subtraction 1 - y would lose digits, so erf itself is inverted there.
inline double erfinv(double y) {
    if (fabs(y) > 0.5) return y < 0 ? -erfcinv(1 + y) : erfcinv(1 - y);
    double x = y * sqrt(M_PI) / 2;
    for (int step = 0; step < 5; step++) {
        double u = (erf(x) - y) / (2 / sqrt(M_PI) * exp(-x * x));
        x -= u / (1 + x * u);
    }
    return x;
}
inline float erfinvf(float y) { return (float)erfinv((double)y); }
inline float erfinv(float y) { return erfinvf(y); }
inline float erfcinvf(float y) { return (float)erfcinv((double)y); }
inline float erfcinv(float y) { return erfcinvf(y); }
inline double normcdf(double x) { return .5 * erfc(-x * M_SQRT1_2); }
inline float normcdff(float x) { return .5f * erfcf(-x * .70710678118654752f); }
inline float normcdf(float x) { return normcdff(x); }
inline double normcdfinv(double p) { return -M_SQRT2 * erfcinv(2 * p); }
inline float normcdfinvf(float p) { return (float)normcdfinv((double)p); }
inline float normcdfinv(float p) { return normcdfinvf(p); }
// exp(x*x) * erfc(x); for large x the product would be inf * 0, so the asymptotic series takes over.
inline double erfcx(double x) {
    if (x < 20) return exp(x * x) * erfc(x);
    double r = 1 / (2 * x * x);
    return (1 - r + 3 * r * r - 15 * r * r * r) / (x * sqrt(M_PI));
}
inline float erfcxf(float x) { return (float)erfcx((double)x); }
inline float erfcx(float x) { return erfcxf(x); }

// ---- bits and conversions -------------------------------------------------------------------------------------
template <class To, class From> inline To hc_bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "");
    To result;
    memcpy(&result, &value, sizeof result);
    return result;
}
inline unsigned __float_as_uint(float x) { return hc_bits<unsigned>(x); }
inline int __float_as_int(float x) { return hc_bits<int>(x); }
inline float __uint_as_float(unsigned x) { return hc_bits<float>(x); }
inline float __int_as_float(int x) { return hc_bits<float>(x); }
inline long long __double_as_longlong(double x) { return hc_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return hc_bits<double>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
inline int __mulhi(int a, int b) { return (int)(((long long)a * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
inline long long __float2ll_rn(float x) { return llrintf(x); }
inline long long __double2ll_rn(double x) { return llrint(x); }
inline int __float2int_rn(float x) { return (int)lrintf(x); }
inline int __double2int_rn(double x) { return (int)lrint(x); }
inline int __float2int_rz(float x) { return (int)x; }
inline int __float2int_rd(float x) { return (int)floorf(x); }
inline float __int2float_rn(int x) { return (float)x; }
inline float __uint2float_rn(unsigned x) { return (float)x; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
template <class T> inline T __ldg(const T* pointer) { return *pointer; }
template <class T> inline T __ldcs(const T* pointer) { return *pointer; }

// ---- warp collectives -----------------------------------------------------------------------------------------
template <class T> inline T hc_exchange(unsigned mask, T value, int source) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    unsigned long long bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = hc_warp(mask, bits, source, nullptr);
    memcpy(&value, &bits, sizeof value);
    return value;
}
template <class T> inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
    int lane = hc_lane();
    return hc_exchange(mask, value, (lane & ~(width - 1)) | (source & (width - 1)));
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
    int lane = hc_lane(), source = lane ^ bits;
    return hc_exchange(mask, value, source / width > lane / width ? lane : source);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
    int lane = hc_lane(), source = lane + (int)delta;
    return hc_exchange(mask, value, source / width != lane / width ? lane : source);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
    int lane = hc_lane(), source = lane - (int)delta;
    return hc_exchange(mask, value, source < 0 || source / width != lane / width ? lane : source);
}
inline void __syncwarp(unsigned mask = 0xffffffffu) { hc_warp(mask, 0, 0, nullptr); }
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    unsigned long long all[32];
    hc_warp(mask, predicate != 0, 0, all);
    unsigned result = 0;
    for (int i = 0; i < 32; i++) {
        if (mask >> i & 1) result |= unsigned(all[i] != 0) << i;
    }
    return result;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
#define __activemask() 0xffffffffu

// ---- atomics: one host thread runs everything, so a plain read, change and write is atomic --------------------
#define HC_ATOMIC(NAME, NEW)                                  \
    template <class T, class U> inline T NAME(T* p, U b) {    \
        T a = *p;                                             \
        *p = (NEW);                                           \
        return a;                                             \
    }
HC_ATOMIC(atomicAdd, (T)(a + (T)b))
HC_ATOMIC(atomicSub, (T)(a - (T)b))
HC_ATOMIC(atomicExch, (T)b)
HC_ATOMIC(atomicMax, a < (T)b ? (T)b : a)
HC_ATOMIC(atomicMin, (T)b < a ? (T)b : a)
HC_ATOMIC(atomicAnd, (T)(a & (T)b))
HC_ATOMIC(atomicOr, (T)(a | (T)b))
HC_ATOMIC(atomicXor, (T)(a ^ (T)b))
HC_ATOMIC(atomicInc, a >= (T)b ? (T)0 : (T)(a + 1))
#undef HC_ATOMIC
template <class T, class U, class V> inline T atomicCAS(T* p, U expected, V value) {
    T old = *p;
    if (old == (T)expected) *p = (T)value;
    return old;
}

// ---- launcher: unpack CUDA's void** by the kernel's own parameter types ---------------------------------------
template <class... A, std::size_t... I>
inline void hc_call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*(std::remove_cv_t<std::remove_reference_t<A>>*)arguments[I]...);
}
template <class... A> inline void hc_launch(void (*kernel)(A...), void** arguments) {
    hc_call(kernel, arguments, std::index_sequence_for<A...>{});
}
