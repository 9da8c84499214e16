// A lock of its own for each operator that is compiled, by Jittor or by jsra, in all processes that share a cache.
//
// Jittor's own lock is one for everything: a process whose operators are all compiled waits for one that compiles others. It is
// a record lock, which is gone with the process that held it, while the compilers which that process started still write into
// the cache; a wait for it says nothing, and a signal makes it an error. Here an operator is a byte of one file, by the hash of
// its name, under a lock of the open file (F_OFD_SETLK), which the compilers inherit: it is free when the last of them has
// ended. Jittor's lock is shared meanwhile, so that processes without jsra wait; its own use of it is switched off by
// compile_lock.py.
#include <cerrno>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

namespace jittor {  // what its op.h, jit_key.h and op_compiler.cc define
struct JitKey;
struct Op {
    std::string get_jit_key(JitKey& key);
};
JitKey& get_jk();
typedef void (*jit_op_entry_t)(Op*);
extern jit_op_entry_t (*do_compile_hook)(Op*);
jit_op_entry_t do_compile_inner(Op*);
}  // namespace jittor

namespace {

std::mutex mutex;
int compiling = 0;  // threads that compile now
int ours = -1, jittors = -1, out = -1;
std::string message;

// False if another process has it. A file system without locks is no reason not to compile.
bool lock(int file, int command, short kind, off_t start, off_t length) {
    struct flock range = {};
    range.l_type = kind;
    range.l_whence = SEEK_SET;
    range.l_start = start;
    range.l_len = length;
    return fcntl(file, command, &range) == 0 || (errno != EAGAIN && errno != EACCES && errno != EINTR);
}

class Guard {
  public:
    explicit Guard(const std::string& operator_name) : byte(std::hash<std::string>()(operator_name) & 0x7fffffff) {
        auto start = std::chrono::steady_clock::now();
        while (!take()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            if (std::chrono::steady_clock::now() - start > std::chrono::seconds(1)) say();
        }
    }
    ~Guard() {
        lock(ours, F_OFD_SETLK, F_UNLCK, byte, 1);
        std::lock_guard<std::mutex> one(mutex);
        if (--compiling == 0) lock(jittors, F_SETLK, F_UNLCK, 0, 0);
    }

  private:
    bool take() {
        std::lock_guard<std::mutex> one(mutex);
        if (!lock(ours, F_OFD_SETLK, F_WRLCK, byte, 1)) return false;
        if (compiling || lock(jittors, F_SETLK, F_RDLCK, 0, 0)) return ++compiling;
        lock(ours, F_OFD_SETLK, F_UNLCK, byte, 1);
        return false;
    }
    void say() {
        std::lock_guard<std::mutex> one(mutex);
        static bool said = false;
        if (!said) dprintf(out, "%s\n", message.c_str());
        said = true;
    }
    off_t byte;
};

jittor::jit_op_entry_t compile(jittor::Op* op) {
    Guard guard(op->get_jit_key(jittor::get_jk()));
    return jittor::do_compile_inner(op);
}

}  // namespace

// Lock compilations from now on; 0, or the errno of a lock file that cannot be opened.
extern "C" int jsra_lock_compilations(const char* own, const char* of_jittor, const char* waiting) {
    ours = open(own, O_RDWR | O_CREAT, 0666);
    jittors = open(of_jittor, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    out = fcntl(2, F_DUPFD_CLOEXEC, 3);  // stderr, wherever it leads while something compiles
    if (ours < 0 || jittors < 0) return errno;
    message = waiting;
    jittor::do_compile_hook = compile;
    return 0;
}
