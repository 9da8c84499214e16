// One lock around every compilation of an operator, by Jittor or by jsra, in all processes that share a cache.
//
// Jittor's own lock is a record lock: it is gone with the process that held it, while the compilers which that process
// started still write into the cache; a wait for it says nothing, and a signal makes it an error. flock belongs to the open
// file, which the compilers inherit: it is free when the last of them has ended. Jittor's lock is taken too, for processes
// without jsra; its own use of it is switched off by compile_lock.py.
#include <cerrno>
#include <chrono>
#include <condition_variable>
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
std::condition_variable released;
int holders = 0;  // threads that compile now
thread_local int depth = 0;  // a compilation may start another
int ours = -1, queue = -1, jittors = -1, out = -1;
std::string message;

bool record_lock(short kind) {
    struct flock whole = {};
    whole.l_type = kind;
    whole.l_whence = SEEK_SET;
    return fcntl(jittors, F_SETLK, &whole) == 0 || (errno != EAGAIN && errno != EACCES);
}

bool free_for_us(int lock) { return flock(lock, LOCK_EX | LOCK_NB) == 0 || (errno != EWOULDBLOCK && errno != EINTR); }

// False if another process has it. A file system without locks is no reason not to compile.
bool take() {
    if (!free_for_us(ours)) return false;
    if (record_lock(F_WRLCK)) return true;
    flock(ours, LOCK_UN);
    return false;
}

// Whoever waits for the lock holds the queue.
bool another_waits() {
    if (!free_for_us(queue)) return true;
    flock(queue, LOCK_UN);
    return false;
}

template <class Done>
void wait_until(Done done) {
    auto start = std::chrono::steady_clock::now();
    static bool said = false;
    while (!done()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        if (!said && std::chrono::steady_clock::now() - start > std::chrono::seconds(1)) {
            said = true;
            dprintf(out, "%s\n", message.c_str());
        }
    }
}

// The threads of a process hold the lock together. When another process waits, no thread joins them: it waits for their end
// and behind that process, so that one with many operators to compile leaves the others their turn after each.
struct Guard {
    Guard() {
        std::unique_lock<std::mutex> one(mutex);
        while (holders && !depth && another_waits()) released.wait_for(one, std::chrono::milliseconds(20));
        ++depth;
        if (holders++) return;
        wait_until([] { return free_for_us(queue); });
        wait_until(take);
        flock(queue, LOCK_UN);
    }
    ~Guard() {
        std::lock_guard<std::mutex> one(mutex);
        --depth;
        if (--holders) return;
        record_lock(F_UNLCK);
        flock(ours, LOCK_UN);
        released.notify_all();
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
    queue = open((std::string(own) + ".queue").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    jittors = open(of_jittor, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    out = fcntl(2, F_DUPFD_CLOEXEC, 3);  // stderr, wherever it leads while something compiles
    if (ours < 0 || queue < 0 || jittors < 0) return errno;
    message = waiting;
    jittor::do_compile_hook = compile;
    return 0;
}
