// Jittor's helper_cuda.h for CUDA 13, whose cudaDeviceProp lost computeMode and clockRate. The functions of that header
// that read them stand in a block for __CUDA_RUNTIME_H__; nobody in Jittor calls them, so the block is left out.
#pragma once
#include <cuda_runtime.h>
#pragma push_macro("__CUDA_RUNTIME_H__")
#undef __CUDA_RUNTIME_H__
#include_next <helper_cuda.h>
#pragma pop_macro("__CUDA_RUNTIME_H__")
