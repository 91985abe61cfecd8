// Stand-in for libcurand: a splitmix64 generator. The values are not cuRAND's, the distributions are.
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace {

typedef int Status;
constexpr Status SUCCESS = 0, LENGTH_NOT_MULTIPLE = 105;
constexpr uint64_t STEP = 0x9E3779B97F4A7C15ull;

struct Generator {
    uint64_t state;

    uint64_t next() {
        uint64_t z = (state += STEP);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return z ^ (z >> 31);
    }

    // In (0, 1], as cuRAND's.
    double uniform() { return ((next() >> 11) + 1) * (1.0 / 9007199254740992.0); }
    float uniform_float() { return ((next() >> 40) + 1) * (1.0f / 16777216.0f); }

    double normal() {
        double radius = sqrt(-2 * log(uniform()));
        return radius * cos(6.283185307179586 * uniform());
    }
};

template <class T> Status normals(Generator* generator, T* to, size_t n, T mean, T deviation) {
    if (n % 2) return LENGTH_NOT_MULTIPLE;  // cuRAND makes them in pairs
    for (size_t i = 0; i < n; i++) to[i] = mean + deviation * (T)generator->normal();
    return SUCCESS;
}

}  // namespace

extern "C" {

Status curandCreateGenerator(Generator** generator, int) {
    *generator = new Generator{0};
    return SUCCESS;
}

Status curandDestroyGenerator(Generator* generator) {
    delete generator;
    return SUCCESS;
}

Status curandGetVersion(int* version) {
    *version = 10400;
    return SUCCESS;
}

Status curandSetStream(Generator*, void*) { return SUCCESS; }

Status curandSetPseudoRandomGeneratorSeed(Generator* generator, unsigned long long seed) {
    generator->state = seed;
    return SUCCESS;
}

Status curandSetGeneratorOffset(Generator* generator, unsigned long long offset) {
    generator->state += offset * STEP;
    return SUCCESS;
}

Status curandSetGeneratorOrdering(Generator*, int) { return SUCCESS; }

Status curandGenerate(Generator* generator, unsigned* to, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = (unsigned)generator->next();
    return SUCCESS;
}

Status curandGenerateLongLong(Generator* generator, unsigned long long* to, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = generator->next();
    return SUCCESS;
}

Status curandGenerateUniform(Generator* generator, float* to, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = generator->uniform_float();
    return SUCCESS;
}

Status curandGenerateUniformDouble(Generator* generator, double* to, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = generator->uniform();
    return SUCCESS;
}

Status curandGenerateNormal(Generator* generator, float* to, size_t n, float mean, float deviation) {
    return normals(generator, to, n, mean, deviation);
}

Status curandGenerateNormalDouble(Generator* generator, double* to, size_t n, double mean, double deviation) {
    return normals(generator, to, n, mean, deviation);
}

}  // extern "C"
