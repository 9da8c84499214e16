// cuDNN for Jittor: the installed header, with what Jittor needs otherwise.
#pragma once
#include "cudnn_installed.h"

// Jittor passes the data's type as the type to compute in, so that float16 convolutions would add up in float16, and
// bfloat16 ones would be refused: they accumulate in float32 instead.
inline cudnnStatus_t jsra_set_convolution(cudnnConvolutionDescriptor_t convolution, int axes, const int padding[],
                                          const int stride[], const int dilation[], cudnnConvolutionMode_t mode,
                                          cudnnDataType_t compute) {
  const bool half = compute == CUDNN_DATA_HALF || compute == CUDNN_DATA_BFLOAT16;
  return cudnnSetConvolutionNdDescriptor(convolution, axes, padding, stride, dilation, mode,
                                         half ? CUDNN_DATA_FLOAT : compute);
}
#define cudnnSetConvolutionNdDescriptor jsra_set_convolution

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
