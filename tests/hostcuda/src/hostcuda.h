// What the parts of the stand-in driver share. Built into libcuda.so.1, see build.py.
#pragma once
#include <cstddef>
#include <mutex>
#include <string>

#include <vector_types.h>

extern "C" {
// Counters, in the order of counters.py.
enum { HC_LAUNCHES, HC_MALLOCS, HC_H2D, HC_D2H, HC_D2D, HC_SYNCS, HC_THREADS, HC_GEMMS, HC_COUNTERS };
extern long hc_stats[HC_COUNTERS];

// The order in which the threads of a block run: 0 forward, 1 reverse, n > 1 shuffled with seed n.
extern int hc_order;

// 1: every allocation ends at a page nobody may touch.
extern int hc_guard;
}

namespace hostcuda {

// A kernel compiled for the host: `entry` unpacks CUDA's argument array and runs one thread.
struct Kernel {
    std::string name;
    void (*entry)(void** arguments);
    bool has_barriers;
    int max_dynamic_shared;
};

// CuPy lets go of the GIL around most calls, so two Python threads can be in here at once.
// Recursive, because a host callback may call back.
extern std::recursive_mutex lock;

// Runs every thread of every block, one after another.
void run_grid(const Kernel& kernel, dim3 grid, dim3 block, unsigned shared_bytes, void** arguments);

// The name of the kernel that is running, "" outside one: for the message after a segmentation fault.
const char* running_kernel();

void* device_malloc(size_t bytes);
bool device_free(void* pointer);
bool is_device(const void* pointer);
void register_global(void* pointer, size_t bytes);

[[noreturn]] void die(const char* message);

}  // namespace hostcuda
