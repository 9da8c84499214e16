// One lock around every compilation of an operator, by Jittor or by jsra, in all processes that share a cache.
//
// Jittor's own lock is a record lock: it is gone with the process that held it, while the compilers which that process
// started still write into the cache; a wait for it says nothing, and a signal makes it an error. flock belongs to the open
// file, which the compilers inherit: it is free when the last of them has ended. Jittor's lock is taken too, for processes
// without jsra; its own use of it is switched off by compile_lock.py.
#include <cerrno>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

namespace jittor {  // what its op_compiler.cc defines
struct Op;
typedef void (*jit_op_entry_t)(Op*);
extern jit_op_entry_t (*do_compile_hook)(Op*);
jit_op_entry_t do_compile_inner(Op*);
}  // namespace jittor

namespace {

std::mutex mutex;
int holders = 0;  // threads that compile now
int ours = -1, jittors = -1, out = -1;
std::string message;

bool record_lock(short kind) {
    struct flock whole = {};
    whole.l_type = kind;
    whole.l_whence = SEEK_SET;
    return fcntl(jittors, F_SETLK, &whole) == 0 || (errno != EAGAIN && errno != EACCES);
}

// False if another process has it. A file system without locks is no reason not to compile.
bool take() {
    if (flock(ours, LOCK_EX | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EINTR)) return false;
    if (record_lock(F_WRLCK)) return true;
    flock(ours, LOCK_UN);
    return false;
}

struct Guard {
    Guard() {
        std::lock_guard<std::mutex> one(mutex);
        if (holders++) return;
        auto start = std::chrono::steady_clock::now();
        static bool said = false;
        while (!take()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            if (!said && std::chrono::steady_clock::now() - start > std::chrono::seconds(1)) {
                said = true;
                dprintf(out, "%s\n", message.c_str());
            }
        }
    }
    ~Guard() {
        std::lock_guard<std::mutex> one(mutex);
        if (--holders) return;
        record_lock(F_UNLCK);
        flock(ours, LOCK_UN);
    }
};

jittor::jit_op_entry_t compile(jittor::Op* op) {
    Guard guard;
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
