// The part of the CUDA driver API that CuPy looks up by name in libcuda.so.1: modules and launches.
//
// A "module image" is the text "HOSTCUDA:<path>", where <path> is a shared object that compile.py made from the
// source CuPy wanted NVRTC to compile. It holds one function hc_launch_<kernel>(void** arguments) per kernel.
#include "hostcuda.h"

#include <cuda.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>

// cuda.h renames these to their newest versions; CuPy asks for the plain names too.
#undef cuCtxGetDevice
#undef cuModuleGetGlobal
#undef cuDevicePrimaryCtxRelease

using hostcuda::Kernel;

namespace {

constexpr int SHARED_LIMIT = 48 * 1024;          // dynamic shared memory without the opt-in
constexpr int SHARED_LIMIT_OPT_IN = 227 * 1024;  // with it, on compute capability 9.0
constexpr char IMAGE_TAG[] = "HOSTCUDA:";

struct Module {
    void* library;
    bool has_barriers;
    std::map<std::string, std::unique_ptr<Kernel>> kernels;
};

int context;  // its address is the one context there is

// The limits a GPU enforces; a launch outside them is an error there and must be one here.
bool valid_launch(const Kernel& kernel, dim3 grid, dim3 block, unsigned shared_bytes) {
    size_t threads = (size_t)block.x * block.y * block.z;
    if (threads == 0 || threads > 1024 || block.z > 64) return false;
    if (!grid.x || !grid.y || !grid.z || grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535) return false;
    return shared_bytes <= (unsigned)std::max(SHARED_LIMIT, kernel.max_dynamic_shared);
}

CUresult launch(CUfunction function, dim3 grid, dim3 block, unsigned shared_bytes, void** arguments) {
    std::lock_guard<std::recursive_mutex> hold(hostcuda::lock);
    const Kernel& kernel = *(Kernel*)function;
    if (!valid_launch(kernel, grid, block, shared_bytes)) return CUDA_ERROR_INVALID_VALUE;
    hc_stats[HC_LAUNCHES]++;
    hc_stats[HC_THREADS] += (long)block.x * block.y * block.z * grid.x * grid.y * grid.z;
    hostcuda::run_grid(kernel, grid, block, shared_bytes, arguments);
    return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

CUresult cuInit(unsigned) { return CUDA_SUCCESS; }

CUresult cuGetErrorName(CUresult error, const char** text) {
    switch (error) {
        case CUDA_ERROR_INVALID_VALUE: *text = "CUDA_ERROR_INVALID_VALUE"; break;
        case CUDA_ERROR_INVALID_IMAGE: *text = "CUDA_ERROR_INVALID_IMAGE"; break;
        case CUDA_ERROR_NOT_FOUND: *text = "CUDA_ERROR_NOT_FOUND"; break;
        case CUDA_ERROR_NOT_SUPPORTED: *text = "CUDA_ERROR_NOT_SUPPORTED"; break;
        default: *text = "CUDA_ERROR_UNKNOWN";
    }
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char** text) {
    switch (error) {
        case CUDA_ERROR_INVALID_VALUE: *text = "hostcuda: grid, block or shared memory beyond a GPU's limits"; break;
        case CUDA_ERROR_INVALID_IMAGE: *text = "hostcuda: only modules compiled from source can be loaded"; break;
        case CUDA_ERROR_NOT_FOUND: *text = "hostcuda: no such kernel; is it declared extern \"C\"?"; break;
        default: *text = "raised by hostcuda";
    }
    return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* current) {
    *current = (CUcontext)&context;
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }

CUresult cuCtxGetDevice(CUdevice* device) {
    *device = 0;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return CUDA_SUCCESS; }

CUresult cuStreamGetCtx(CUstream, CUcontext* current) { return cuCtxGetCurrent(current); }

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
    const char* text = (const char*)image;
    if (strncmp(text, IMAGE_TAG, sizeof IMAGE_TAG - 1)) return CUDA_ERROR_INVALID_IMAGE;
    void* library = dlopen(text + sizeof IMAGE_TAG - 1, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "hostcuda: a compiled kernel does not load: %s\n", dlerror());
        return CUDA_ERROR_INVALID_IMAGE;
    }
    const int* has_barriers = (const int*)dlsym(library, "hc_has_barriers");
    *module = (CUmodule) new Module{library, has_barriers && *has_barriers, {}};
    return CUDA_SUCCESS;
}

// Kept loaded: CuPy may still hold functions of the module.
CUresult cuModuleUnload(CUmodule) { return CUDA_SUCCESS; }

CUresult cuModuleGetFunction(CUfunction* function, CUmodule handle, const char* name) {
    std::lock_guard<std::recursive_mutex> hold(hostcuda::lock);
    Module& module = *(Module*)handle;
    std::unique_ptr<Kernel>& kernel = module.kernels[name];
    if (!kernel) {
        void* entry = dlsym(module.library, (std::string("hc_launch_") + name).c_str());
        if (!entry) return CUDA_ERROR_NOT_FOUND;
        kernel.reset(new Kernel{name, (void (*)(void**))entry, module.has_barriers, 0});
    }
    *function = (CUfunction)kernel.get();
    return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* pointer, size_t* bytes, CUmodule handle, const char* name) {
    void* address = dlsym(((Module*)handle)->library, name);
    if (!address) return CUDA_ERROR_NOT_FOUND;
    Dl_info info;
    const ElfW(Sym)* symbol = nullptr;
    if (!dladdr1(address, &info, (void**)&symbol, RTLD_DL_SYMENT) || !symbol) return CUDA_ERROR_NOT_FOUND;
    hostcuda::register_global(address, symbol->st_size);
    *pointer = (CUdeviceptr)address;
    if (bytes) *bytes = symbol->st_size;
    return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal(CUdeviceptr* pointer, size_t* bytes, CUmodule module, const char* name) {
    return cuModuleGetGlobal_v2(pointer, bytes, module, name);
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream, void** arguments, void**) {
    return launch(function, dim3(grid_x, grid_y, grid_z), dim3(block_x, block_y, block_z), shared_bytes, arguments);
}

// Blocks run one after another, so a grid-wide barrier can only work within a single block.
CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                                   CUstream, void** arguments) {
    if ((size_t)grid_x * grid_y * grid_z != 1) return CUDA_ERROR_NOT_SUPPORTED;
    return launch(function, dim3(1, 1, 1), dim3(block_x, block_y, block_z), shared_bytes, arguments);
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
    *value = 0;
    if (attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK) *value = 1024;
    if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
        *value = std::max(SHARED_LIMIT, ((Kernel*)function)->max_dynamic_shared);
    }
    return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_SUCCESS;
    if (value > SHARED_LIMIT_OPT_IN) return CUDA_ERROR_INVALID_VALUE;
    ((Kernel*)function)->max_dynamic_shared = value;
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction, int, size_t) {
    *blocks = 2;
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSize(int* grid, int* block, CUfunction, CUoccupancyB2DSize, size_t, int) {
    *grid = 8;
    *block = 256;
    return CUDA_SUCCESS;
}

}  // extern "C"
