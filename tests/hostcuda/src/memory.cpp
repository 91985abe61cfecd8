// "Device" memory: host memory that is told apart from the rest by its address.
#include "hostcuda.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

namespace hostcuda {
namespace {

constexpr size_t PAGE = 4096;
constexpr size_t CUDA_ALIGNMENT = 512;
constexpr size_t VECTOR_ALIGNMENT = 16;  // what float4 loads need
constexpr int RUBBISH = 0xCB;            // cudaMalloc promises nothing about the contents, zeros would hide bugs

std::map<char*, size_t> blocks;  // start -> bytes

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

// The array ends (up to 15 bytes of alignment) where an unmapped page begins.
char* guarded_malloc(size_t bytes) {
    size_t mapped = round_up(bytes, PAGE);
    void* memory = mmap(nullptr, mapped + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    mprotect((char*)memory + mapped, PAGE, PROT_NONE);
    return (char*)memory + mapped - round_up(bytes, VECTOR_ALIGNMENT);
}

void guarded_free(char* pointer, size_t bytes) {
    size_t mapped = round_up(bytes, PAGE);
    munmap(pointer + round_up(bytes, VECTOR_ALIGNMENT) - mapped, mapped + PAGE);
}

struct sigaction previous_action;

// Names the kernel, then lets the fault happen again under the handler that was there before (Python's
// faulthandler, or the default one).
void on_fault(int, siginfo_t* info, void*) {
    char text[400];
    const char* kernel = running_kernel();
    int length = snprintf(text, sizeof text,
                          "hostcuda: segmentation fault at %p %s%.200s%s\n", info->si_addr,
                          *kernel ? "in the kernel " : "outside a kernel", kernel,
                          *kernel ? ": it reads or writes outside its arrays (or its stack)" : "");
    ssize_t written = write(2, text, std::min(length, (int)sizeof text - 1));
    (void)written;
    sigaction(SIGSEGV, &previous_action, nullptr);
}

}  // namespace

void* device_malloc(size_t bytes) {
    std::lock_guard<std::recursive_mutex> hold(lock);
    char* pointer = hc_guard ? guarded_malloc(bytes)
                             : (char*)aligned_alloc(CUDA_ALIGNMENT, round_up(bytes, CUDA_ALIGNMENT));
    if (!pointer) return nullptr;
    memset(pointer, RUBBISH, bytes);
    blocks[pointer] = bytes;
    hc_stats[HC_MALLOCS]++;
    return pointer;
}

bool device_free(void* pointer) {
    std::lock_guard<std::recursive_mutex> hold(lock);
    if (!pointer) return true;
    auto block = blocks.find((char*)pointer);
    if (block == blocks.end()) return false;
    if (hc_guard) guarded_free(block->first, block->second);
    else free(pointer);
    blocks.erase(block);
    return true;
}

bool is_device(const void* pointer) {
    std::lock_guard<std::recursive_mutex> hold(lock);
    auto block = blocks.upper_bound((char*)pointer);
    if (block == blocks.begin()) return false;
    --block;
    return (char*)pointer < block->first + std::max<size_t>(block->second, 1);
}

void register_global(void* pointer, size_t bytes) {
    std::lock_guard<std::recursive_mutex> hold(lock);
    blocks[(char*)pointer] = bytes;
}

}  // namespace hostcuda

// Called once by Python before the first allocation.
extern "C" void hc_set_guard(int guard) {
    hc_guard = guard;
    if (!guard) return;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = hostcuda::on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &hostcuda::previous_action);
}
