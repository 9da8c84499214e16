// cuDNN for Jittor: the installed header, and for cuDNN 9 the recurrent-network functions that it dropped. Jittor's LSTM
// and GRU on the GPU call them; they answer NOT_SUPPORTED, which Jittor raises as an error. Convolutions need none.
#pragma once
#include "cudnn_installed.h"

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
