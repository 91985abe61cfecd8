// Runs a grid of CUDA threads on one host thread.
//
// A kernel without barriers is a plain loop over its threads. A kernel with barriers or warp collectives gives
// each thread of the block a fiber (a stack of its own); a fiber that waits switches back to the scheduler, which
// goes round the fibers until all have finished. Because the scheduler knows who waits where, it sees what a GPU
// leaves undefined: barriers reached by half a block, collectives without all lanes of their mask.
#include "hostcuda.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

extern "C" {
// CUDA's built-in variables; hostcuda_device.h maps threadIdx and its kin to them.
uint3 hc_tid, hc_bid;
dim3 hc_bdim, hc_gdim;
alignas(64) char hc_dynsmem[228 * 1024];

long hc_stats[HC_COUNTERS];
int hc_order = 0;
int hc_guard = 0;

// Saves the callee-saved registers and the stack pointer in *save, then continues on the stack `to`.
void hc_switch(void** save, void* to);
}

asm(R"(
    .text
    .globl hc_switch
    .type hc_switch, @function
hc_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size hc_switch, . - hc_switch
)");

namespace hostcuda {

std::recursive_mutex lock;

namespace {

constexpr unsigned WARP = 32;
constexpr size_t STACK = 128 * 1024;
constexpr size_t PAGE = 4096;

enum State { READY, WAITS_FOR_BLOCK, WAITS_FOR_WARP, DONE };

struct Fiber {
    void* stack_pointer;
    char* stack;
    uint3 thread;
    State state;
    long barrier_line;  // source line of the __syncthreads it waits at
    unsigned lane, warp;
};

struct Warp {
    unsigned long long value[WARP];  // what each lane has published
    unsigned generation[WARP];       // how many gates each lane has passed
    unsigned arrived;                // lanes that stand at the gate now
    unsigned gates;                  // gates opened so far: tells the scheduler that something moved
};

const Kernel* kernel_now = nullptr;
void** arguments_now = nullptr;
std::vector<Fiber> fibers;
std::vector<Warp> warps;
void* scheduler_stack_pointer;
unsigned current;
bool in_fiber = false;

void to_scheduler() { hc_switch(&fibers[current].stack_pointer, scheduler_stack_pointer); }

void fiber_main() {
    kernel_now->entry(arguments_now);
    fibers[current].state = DONE;
    to_scheduler();
    abort();  // a finished fiber is never resumed
}

void make_stacks(unsigned count) {
    while (fibers.size() < count) {
        Fiber fiber{};
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void* memory = mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (memory == MAP_FAILED) die("no memory for the stacks of a block's threads");
        mprotect(memory, PAGE, PROT_NONE);  // a local array too large for the stack must not go unseen
        fiber.stack = (char*)memory + PAGE;
        fibers.push_back(fiber);
    }
}

void reset_fiber(unsigned index) {
    Fiber& fiber = fibers[index];
    fiber.thread = {index % hc_bdim.x, index / hc_bdim.x % hc_bdim.y, index / (hc_bdim.x * hc_bdim.y)};
    fiber.lane = index % WARP;
    fiber.warp = index / WARP;
    fiber.state = READY;
    // The first switch pops six registers and returns into fiber_main, where the ABI wants rsp = 8 mod 16.
    void** top = (void**)(fiber.stack + STACK - 56);
    *top = nullptr;
    *--top = (void*)fiber_main;
    top -= 6;
    memset(top, 0, 6 * sizeof(void*));
    fiber.stack_pointer = top;
}

std::vector<unsigned> schedule(unsigned count) {
    std::vector<unsigned> order(count);
    for (unsigned i = 0; i < count; i++) order[i] = i;
    if (hc_order == 1) std::reverse(order.begin(), order.end());
    if (hc_order > 1) std::shuffle(order.begin(), order.end(), std::mt19937(hc_order));
    return order;
}

// Runs one fiber until it waits or ends; true if anything changed.
bool resume(unsigned index) {
    const Warp& warp = warps[fibers[index].warp];
    State before = fibers[index].state;
    unsigned gates = warp.gates, arrived = warp.arrived;
    current = index;
    hc_tid = fibers[index].thread;
    fibers[index].state = READY;
    hc_switch(&scheduler_stack_pointer, fibers[index].stack_pointer);
    return before == READY || fibers[index].state != WAITS_FOR_WARP || warp.gates != gates || warp.arrived != arrived;
}

// Opens the block's barrier if all threads that are still alive wait at it. (A thread that has left the kernel
// counts as arrived, as it does on the hardware.)
bool open_barrier(unsigned count) {
    long line = -1;
    for (unsigned i = 0; i < count; i++) {
        if (fibers[i].state == DONE) continue;
        if (fibers[i].state != WAITS_FOR_BLOCK) return false;
        if (line != -1 && line != fibers[i].barrier_line) {
            die("threads of one block wait at different __syncthreads(): undefined on a GPU.\n"
                "Move the barrier out of the branch, so that all threads of the block reach the same one");
        }
        line = fibers[i].barrier_line;
    }
    for (unsigned i = 0; i < count; i++) {
        if (fibers[i].state == WAITS_FOR_BLOCK) fibers[i].state = READY;
    }
    return true;
}

void run_block_in_fibers(unsigned count) {
    make_stacks(count);
    warps.assign((count + WARP - 1) / WARP, Warp{});
    for (unsigned i = 0; i < count; i++) reset_fiber(i);
    std::vector<unsigned> order = schedule(count);
    in_fiber = true;
    for (unsigned done = 0; done < count;) {
        bool progress = false;
        for (unsigned index : order) {
            State state = fibers[index].state;
            if (state == READY || state == WAITS_FOR_WARP) progress |= resume(index);
        }
        done = 0;
        for (unsigned i = 0; i < count; i++) done += fibers[i].state == DONE;
        if (done < count && !open_barrier(count) && !progress) {
            die("deadlock: a warp collective (__shfl_sync, __syncwarp, ...) waits for lanes of its mask that never\n"
                "come. Call it from all lanes named in the mask, or name fewer lanes");
        }
    }
    in_fiber = false;
}

void run_block_as_loop(const Kernel& kernel, void** arguments) {
    for (unsigned z = 0; z < hc_bdim.z; z++) {
        for (unsigned y = 0; y < hc_bdim.y; y++) {
            for (unsigned x = 0; x < hc_bdim.x; x++) {
                hc_tid = {x, y, z};
                kernel.entry(arguments);
            }
        }
    }
}

// Returns once every lane of `mask` stands here.
void warp_gate(unsigned lane, Warp& warp, unsigned mask) {
    unsigned generation = warp.generation[lane];
    warp.arrived |= 1u << lane;
    if ((warp.arrived & mask) == mask) {
        warp.arrived &= ~mask;
        warp.gates++;
        for (unsigned i = 0; i < WARP; i++) warp.generation[i] += mask >> i & 1;
    }
    while (warp.generation[lane] == generation) {
        fibers[current].state = WAITS_FOR_WARP;
        to_scheduler();
    }
}

}  // namespace

const char* running_kernel() { return kernel_now ? kernel_now->name.c_str() : ""; }

void die(const char* message) {
    fprintf(stderr, "hostcuda: %s\n", message);
    if (kernel_now) fprintf(stderr, "hostcuda: in the kernel %s\n", kernel_now->name.c_str());
    fflush(stderr);
    abort();
}

void run_grid(const Kernel& kernel, dim3 grid, dim3 block, unsigned shared_bytes, void** arguments) {
    kernel_now = &kernel;
    arguments_now = arguments;
    hc_gdim = grid;
    hc_bdim = block;
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x; x++) {
                hc_bid = {hc_order == 1 ? grid.x - 1 - x : x, y, z};
                memset(hc_dynsmem, 0xA5, shared_bytes);  // shared memory starts as rubbish, not as zeros
                if (kernel.has_barriers) run_block_in_fibers(block.x * block.y * block.z);
                else run_block_as_loop(kernel, arguments);
            }
        }
    }
    kernel_now = nullptr;
}

}  // namespace hostcuda

// ---- called by compiled kernels (hostcuda_device.h) -----------------------------------------------------------
using namespace hostcuda;

extern "C" void hc_syncthreads(long line) {
    if (!in_fiber) die("__syncthreads() in a kernel taken for barrier-free: compile.py did not see it in the source");
    fibers[current].state = WAITS_FOR_BLOCK;
    fibers[current].barrier_line = line;
    to_scheduler();
}

// The one warp collective all others are made of: every lane of `mask` publishes `value`; when all have, each
// reads lane `source` (and all 32 values, if `all` is given).
extern "C" unsigned long long hc_warp(unsigned mask, unsigned long long value, int source, unsigned long long* all) {
    if (!in_fiber) die("a warp collective in a kernel taken for barrier-free: compile.py did not see it in the source");
    unsigned lane = fibers[current].lane;
    unsigned index = fibers[current].warp;
    unsigned live = std::min(WARP, unsigned(hc_bdim.x * hc_bdim.y * hc_bdim.z) - index * WARP);
    if (live < WARP) mask &= (1u << live) - 1;  // lanes that do not exist cannot come
    if (!(mask >> lane & 1)) die("a lane calls a warp collective whose mask does not name it: undefined on a GPU");
    Warp& warp = warps[index];
    warp.value[lane] = value;
    warp_gate(lane, warp, mask);
    unsigned long long result = warp.value[source & 31];
    if (all) memcpy(all, warp.value, sizeof warp.value);
    warp_gate(lane, warp, mask);  // nobody publishes again before all have read
    return result;
}

extern "C" unsigned hc_lane() {
    if (in_fiber) return fibers[current].lane;
    return (hc_tid.x + hc_bdim.x * (hc_tid.y + hc_bdim.y * hc_tid.z)) % WARP;
}
