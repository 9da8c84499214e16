// A stand-in for the CUDA launch and its built-ins, so that the kernel files run on a machine without a GPU.
//
// Every CUDA thread of a block is a fiber; __syncthreads and the warp shuffles switch fibers. Blocks run one after the
// other. For tests of index arithmetic, and of what a launch asks for: a block of more threads or shared memory than every GPU
// has is refused. It cannot show a missing barrier, a race, a misaligned vector load or a kernel with too many registers.
#pragma once
#include <ucontext.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <math.h>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/macros.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

struct dim3 {
  unsigned int x, y, z;
  dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) : x(x_), y(y_), z(z_) {}
};
using cudaStream_t = void*;

static dim3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

namespace jsra {
namespace host {

// A barrier for the fibers of a block or of a warp; a fiber that ends leaves it.
struct Barrier {
  int members = 0, arrived = 0;
  unsigned int generation = 0;
  void release() {
    arrived = 0;
    ++generation;
  }
};

struct Block {
  std::vector<ucontext_t> contexts;
  std::vector<std::vector<char>> stacks;
  std::vector<dim3> indices;
  std::vector<char> done;
  std::vector<uint64_t> slots;  // what a lane hands to the others in a shuffle
  std::vector<Barrier> warps;
  Barrier all;
  ucontext_t scheduler;
  int current = 0;
  std::function<void()> body;
  std::vector<unsigned char> shared;
};

inline Block& block() {
  static Block b;
  return b;
}

inline void yield() {
  Block& b = block();
  swapcontext(&b.contexts[b.current], &b.scheduler);
}

inline void wait(Barrier& barrier) {
  if (++barrier.arrived == barrier.members) {
    barrier.release();
    return;
  }
  const unsigned int generation = barrier.generation;
  while (barrier.generation == generation) yield();
}

inline void leave(Barrier& barrier) {
  --barrier.members;
  if (barrier.members > 0 && barrier.arrived == barrier.members) barrier.release();
}

inline void fiber() {
  Block& b = block();
  b.body();
  b.done[b.current] = 1;
  leave(b.all);
  leave(b.warps[b.current / warpSize]);
  yield();
}

inline void run_block(int threads) {
  constexpr size_t STACK = 1 << 16;
  Block& b = block();
  while ((int)b.stacks.size() < threads) b.stacks.emplace_back(STACK);
  b.contexts.resize(threads);
  b.slots.assign(threads, 0);
  b.done.assign(threads, 0);
  b.warps.assign((threads + warpSize - 1) / warpSize, Barrier());
  b.all = Barrier();
  b.all.members = threads;
  for (int t = 0; t < threads; ++t) {
    ++b.warps[t / warpSize].members;
    getcontext(&b.contexts[t]);
    b.contexts[t].uc_stack.ss_sp = b.stacks[t].data();
    b.contexts[t].uc_stack.ss_size = STACK;
    b.contexts[t].uc_link = nullptr;
    makecontext(&b.contexts[t], fiber, 0);
  }
  for (int left = threads; left > 0;) {
    left = 0;
    for (int t = 0; t < threads; ++t) {
      if (b.done[t]) continue;
      b.current = t;
      threadIdx = b.indices[t];
      swapcontext(&b.scheduler, &b.contexts[t]);
      left += !b.done[t];
    }
  }
}

constexpr size_t MAX_THREADS = 1024, MAX_SHARED = 48 << 10;  // of a block, without asking for more

template <class Kernel, class... Args>
void launch(const char* function, Kernel kernel, dim3 grid, dim3 threads, size_t shared, Args... args) {
  const size_t count = (size_t)threads.x * threads.y * threads.z;
  if (!count || count > MAX_THREADS || shared > MAX_SHARED || !grid.x || !grid.y || !grid.z || grid.y > 65535 || grid.z > 65535)
    throw std::runtime_error(std::string("CUDA kernel of ") + function + " was not launched: " + std::to_string(count) +
                             " threads of a block, " + std::to_string(shared) + " bytes of dynamic shared memory, grid " +
                             std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " + std::to_string(grid.z));
  Block& b = block();
  gridDim = grid;
  blockDim = threads;
  b.shared.assign(shared + 16, 0xff);  // not zero, as on a GPU
  b.indices.clear();
  for (unsigned int z = 0; z < threads.z; ++z)
    for (unsigned int y = 0; y < threads.y; ++y)
      for (unsigned int x = 0; x < threads.x; ++x) b.indices.emplace_back(x, y, z);
  b.body = [=] { kernel(args...); };
  for (unsigned int z = 0; z < grid.z; ++z)
    for (unsigned int y = 0; y < grid.y; ++y)
      for (unsigned int x = 0; x < grid.x; ++x) {
        blockIdx = dim3(x, y, z);
        run_block((int)b.indices.size());
      }
}

// The value that lane `source` of this warp holds in `value`.
template <class T> T exchange(T value, int source) {
  static_assert(sizeof(T) <= sizeof(uint64_t), "shuffles move up to 8 bytes");
  Block& b = block();
  const int me = b.current, warp = me / warpSize;
  std::memcpy(&b.slots[me], &value, sizeof(T));
  wait(b.warps[warp]);
  const int from = warp * warpSize + source;
  T result = value;
  if (source >= 0 && source < warpSize && from < (int)b.slots.size()) std::memcpy(&result, &b.slots[from], sizeof(T));
  wait(b.warps[warp]);
  return result;
}

inline int lane() { return block().current % warpSize; }

inline unsigned char* aligned_shared() {
  auto address = reinterpret_cast<uintptr_t>(block().shared.data());
  return reinterpret_cast<unsigned char*>((address + 15) & ~uintptr_t(15));
}

}  // namespace host

// Few, so that grids have to stride.
template <class Kernel> int64_t resident_blocks(Kernel, int, size_t) { return 2; }

}  // namespace jsra

inline void __syncthreads() { jsra::host::wait(jsra::host::block().all); }
inline void __syncwarp(unsigned = 0xffffffffu) {
  jsra::host::wait(jsra::host::block().warps[jsra::host::block().current / warpSize]);
}
template <class T> T __shfl_sync(unsigned, T v, int source, int = 32) { return jsra::host::exchange(v, source); }
template <class T> T __shfl_down_sync(unsigned, T v, unsigned delta, int = 32) {
  return jsra::host::exchange(v, jsra::host::lane() + (int)delta);
}
template <class T> T __shfl_xor_sync(unsigned, T v, int mask, int = 32) {
  return jsra::host::exchange(v, jsra::host::lane() ^ mask);
}
inline unsigned __ballot_sync(unsigned, int predicate) {
  unsigned bits = 0;
  for (int i = 0; i < warpSize; ++i) bits |= (jsra::host::exchange(predicate, i) ? 1u : 0u) << i;
  return bits;
}
template <class T> T __ldg(const T* p) { return *p; }
template <class T, class U> T atomicAdd(T* p, U v) {
  T old = *p;
  *p = old + T(v);
  return old;
}
template <class T, class U> T atomicMax(T* p, U v) {
  T old = *p;
  if (T(v) > old) *p = T(v);
  return old;
}
template <class T, class U> T atomicOr(T* p, U v) {
  T old = *p;
  *p = old | T(v);
  return old;
}

struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) float2 { float x, y; };

#define JSRA_LAUNCH(kernel, grid, block_, shared_, stream, ...) \
  ((void)(stream), jsra::host::launch(__func__, kernel, dim3(grid), dim3(block_), (shared_), __VA_ARGS__))
#define JSRA_DYNAMIC_SHARED(T, name) T* name = reinterpret_cast<T*>(jsra::host::aligned_shared())
