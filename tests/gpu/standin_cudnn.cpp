// Stand-ins for the cuDNN functions whose results Jittor reads back: one algorithm, and no workspace.
// Every other function of the library returns 0; standins.py adds those.
#include <cstddef>
#include <cudnn_installed.h>

#define JSRA_WORKSPACE(name, A, B, C, D, Algorithm)                                                 \
  extern "C" cudnnStatus_t name(cudnnHandle_t, A, B, C, D, Algorithm, size_t* size) {               \
    *size = 0;                                                                                      \
    return CUDNN_STATUS_SUCCESS;                                                                    \
  }
#define JSRA_FIND(name, A, B, C, D, Perf)                                                           \
  extern "C" cudnnStatus_t name(cudnnHandle_t, A, const void*, B, const void*, C, D, void*, int,    \
                                int* count, Perf* results, void*, size_t) {                         \
    results[0] = Perf{};                                                                            \
    *count = 1;                                                                                     \
    return CUDNN_STATUS_SUCCESS;                                                                    \
  }
#define JSRA_HEURISTIC(name, A, B, D, Perf)                                                          \
  extern "C" cudnnStatus_t name(cudnnHandle_t, A, B, cudnnConvolutionDescriptor_t, D, int, int* count, \
                                Perf* results) {                                                     \
    results[0] = Perf{};                                                                             \
    *count = 1;                                                                                      \
    return CUDNN_STATUS_SUCCESS;                                                                     \
  }
using Tensor = cudnnTensorDescriptor_t;
using Filter = cudnnFilterDescriptor_t;
using Convolution = cudnnConvolutionDescriptor_t;

JSRA_WORKSPACE(cudnnGetConvolutionForwardWorkspaceSize, Tensor, Filter, Convolution, Tensor, cudnnConvolutionFwdAlgo_t)
JSRA_WORKSPACE(cudnnGetConvolutionBackwardDataWorkspaceSize, Filter, Tensor, Convolution, Tensor,
               cudnnConvolutionBwdDataAlgo_t)
JSRA_WORKSPACE(cudnnGetConvolutionBackwardFilterWorkspaceSize, Tensor, Tensor, Convolution, Filter,
               cudnnConvolutionBwdFilterAlgo_t)
JSRA_FIND(cudnnFindConvolutionForwardAlgorithmEx, Tensor, Filter, Convolution, Tensor, cudnnConvolutionFwdAlgoPerf_t)
JSRA_FIND(cudnnFindConvolutionBackwardDataAlgorithmEx, Filter, Tensor, Convolution, Tensor,
          cudnnConvolutionBwdDataAlgoPerf_t)
JSRA_FIND(cudnnFindConvolutionBackwardFilterAlgorithmEx, Tensor, Tensor, Convolution, Filter,
          cudnnConvolutionBwdFilterAlgoPerf_t)
JSRA_HEURISTIC(cudnnGetConvolutionForwardAlgorithm_v7, Tensor, Filter, Tensor, cudnnConvolutionFwdAlgoPerf_t)
JSRA_HEURISTIC(cudnnGetConvolutionBackwardDataAlgorithm_v7, Filter, Tensor, Tensor, cudnnConvolutionBwdDataAlgoPerf_t)
JSRA_HEURISTIC(cudnnGetConvolutionBackwardFilterAlgorithm_v7, Tensor, Tensor, Filter, cudnnConvolutionBwdFilterAlgoPerf_t)
