// cuDNN for Jittor: the installed header, with what Jittor needs otherwise.
#pragma once
#include "cudnn_installed.h"

#include <cstdlib>

// Jittor passes the data's type as the type to compute in, so that float16 convolutions would add up in float16, and
// bfloat16 ones would be refused: they accumulate in float32 instead. And cuDNN's default for float32 is TF32, silently: here
// float32 is float32, until Jittor asks for tensor cores (its flag use_tensorcore, which jsra's setting `tf32` sets).
inline cudnnStatus_t jsra_set_convolution(cudnnConvolutionDescriptor_t convolution, int axes, const int padding[],
                                          const int stride[], const int dilation[], cudnnConvolutionMode_t mode,
                                          cudnnDataType_t compute) {
  const bool half = compute == CUDNN_DATA_HALF || compute == CUDNN_DATA_BFLOAT16;
  const cudnnStatus_t status = cudnnSetConvolutionNdDescriptor(convolution, axes, padding, stride, dilation, mode,
                                                               half ? CUDNN_DATA_FLOAT : compute);
  if (status != CUDNN_STATUS_SUCCESS || half) return status;
  return cudnnSetConvolutionMathType(convolution, CUDNN_FMA_MATH);
}
// Jittor asks for 'allow conversion', with which float32 may become float16: tensor cores in TF32 are enough.
inline cudnnStatus_t jsra_set_math(cudnnConvolutionDescriptor_t convolution, cudnnMathType_t math) {
  const bool convert = math == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION;
  return cudnnSetConvolutionMathType(convolution, convert ? CUDNN_TENSOR_OP_MATH : math);
}

// Jittor takes the first algorithm whose status is SUCCESS. The others are struck out here: those that need more workspace
// than JSRA_CUDNN_WORKSPACE_MB (jsra/runtime/arithmetic.py sets both), or the one of least workspace stays; and, with
// JSRA_CUDNN_DETERMINISTIC=1, all that do not give the same bits every time.
template <class Perf>
inline cudnnStatus_t jsra_restrict(cudnnStatus_t status, int count, Perf* found) {
  if (status != CUDNN_STATUS_SUCCESS) return status;
  const char* limit = std::getenv("JSRA_CUDNN_WORKSPACE_MB");
  const char* wanted = std::getenv("JSRA_CUDNN_DETERMINISTIC");
  const double bytes = limit && *limit ? std::atof(limit) * 1048576.0 : 1e300;
  const bool deterministic = wanted && *wanted == '1';
  int least = -1;
  bool any = false;
  for (int i = 0; i < count; ++i) {
    if (deterministic && found[i].determinism != CUDNN_DETERMINISTIC) found[i].status = CUDNN_STATUS_NOT_SUPPORTED;
    if (found[i].status != CUDNN_STATUS_SUCCESS) continue;
    if (least < 0 || found[i].memory < found[least].memory) least = i;
    any = any || (double)found[i].memory <= bytes;
  }
  for (int i = 0; i < count; ++i)
    if (any ? (double)found[i].memory > bytes : i != least) found[i].status = CUDNN_STATUS_NOT_SUPPORTED;
  return status;
}
#define JSRA_CUDNN_RESTRICTED(name, A, B, D, Perf)                                                                \
  inline cudnnStatus_t jsra_##name(cudnnHandle_t handle, A a, B b, cudnnConvolutionDescriptor_t convolution, D d, \
                                   int asked, int* count, Perf* found) {                                          \
    const cudnnStatus_t status = name(handle, a, b, convolution, d, asked, count, found);                         \
    return jsra_restrict(status, *count, found);                                                                  \
  }
JSRA_CUDNN_RESTRICTED(cudnnGetConvolutionForwardAlgorithm_v7, cudnnTensorDescriptor_t, cudnnFilterDescriptor_t,
                      cudnnTensorDescriptor_t, cudnnConvolutionFwdAlgoPerf_t)
JSRA_CUDNN_RESTRICTED(cudnnGetConvolutionBackwardDataAlgorithm_v7, cudnnFilterDescriptor_t, cudnnTensorDescriptor_t,
                      cudnnTensorDescriptor_t, cudnnConvolutionBwdDataAlgoPerf_t)
JSRA_CUDNN_RESTRICTED(cudnnGetConvolutionBackwardFilterAlgorithm_v7, cudnnTensorDescriptor_t, cudnnTensorDescriptor_t,
                      cudnnFilterDescriptor_t, cudnnConvolutionBwdFilterAlgoPerf_t)
#undef JSRA_CUDNN_RESTRICTED
#define cudnnSetConvolutionNdDescriptor jsra_set_convolution
#define cudnnSetConvolutionMathType jsra_set_math
#define cudnnGetConvolutionForwardAlgorithm_v7 jsra_cudnnGetConvolutionForwardAlgorithm_v7
#define cudnnGetConvolutionBackwardDataAlgorithm_v7 jsra_cudnnGetConvolutionBackwardDataAlgorithm_v7
#define cudnnGetConvolutionBackwardFilterAlgorithm_v7 jsra_cudnnGetConvolutionBackwardFilterAlgorithm_v7

// The recurrent-network functions that cuDNN 9 dropped. Jittor's LSTM and GRU on the GPU call them; they answer
// NOT_SUPPORTED, which Jittor raises as an error.
#if CUDNN_MAJOR >= 9
#define JSRA_CUDNN_DROPPED(name)                       \
  template <class... Arguments>                        \
  inline cudnnStatus_t name(const Arguments&...) {     \
    return CUDNN_STATUS_NOT_SUPPORTED;                 \
  }
JSRA_CUDNN_DROPPED(cudnnSetRNNDescriptor_v6)
JSRA_CUDNN_DROPPED(cudnnGetRNNParamsSize)
JSRA_CUDNN_DROPPED(cudnnGetRNNWorkspaceSize)
JSRA_CUDNN_DROPPED(cudnnGetRNNTrainingReserveSize)
JSRA_CUDNN_DROPPED(cudnnGetRNNLinLayerMatrixParams)
JSRA_CUDNN_DROPPED(cudnnGetRNNLinLayerBiasParams)
JSRA_CUDNN_DROPPED(cudnnRNNForwardTraining)
JSRA_CUDNN_DROPPED(cudnnRNNForwardInference)
JSRA_CUDNN_DROPPED(cudnnRNNBackwardData)
JSRA_CUDNN_DROPPED(cudnnRNNBackwardWeights)
#undef JSRA_CUDNN_DROPPED
#endif
