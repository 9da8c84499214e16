// One lock around every compilation of an operator, by Jittor or by jsra, in all processes that share a cache, and a lock for
// each operator.
//
// Jittor's own lock is a record lock: it is released when the process that held it ends, although compilers started by that
// process may still write into the cache; waiting for it prints no message, and a signal during the wait is an error. flock
// belongs to the open file, which the compilers inherit: it is released when the last of them has ended. Jittor's lock is
// acquired too, because of processes without jsra; compile_lock.py switches off Jittor's own use of it.
//
// An operator that is in the cache is loaded in a few milliseconds, without the lock of all: it does not wait until another
// process has compiled something else. But Jittor writes and reads its source again, so only one process at a time does that.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

namespace jittor {  // declared in its op.h, jit_key.h and op_compiler.h
struct JitKey;
JitKey& get_jk();
struct Op {
    std::string get_jit_key(JitKey&);
    static std::string get_filename_from_jit_key(const std::string& key, const std::string& suffix);
};
typedef void (*jit_op_entry_t)(Op*);
extern jit_op_entry_t (*do_compile_hook)(Op*);
jit_op_entry_t do_compile_inner(Op*);
}  // namespace jittor

namespace {

std::mutex mutex;
std::condition_variable released;
std::atomic<int> holders{0};    // number of threads that have the lock of all compilations
std::atomic<int> compiling{0};  // number of threads that compile or load an operator
thread_local int depth = 0;  // a compilation may start another
int ours = -1, queue = -1, jittors = -1, operators = -1, out = -1;
std::atomic<pid_t> owner{-1};   // the process that opened them
std::atomic<pid_t> opening{-1};  // the forked process in which a thread opens them
std::string own_path, jittors_path, message;
bool said = false;  // whether the message was printed

// 0, or an errno.
int open_locks() {
    ours = open(own_path.c_str(), O_RDWR | O_CREAT, 0666);
    queue = open((own_path + ".queue").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    jittors = open(jittors_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    operators = open((own_path + ".operators").c_str(), O_RDWR | O_CREAT, 0666);
    owner = getpid();
    return ours < 0 || queue < 0 || jittors < 0 || operators < 0 ? errno : 0;
}

// If two threads compile the same operator, the second waits: Jittor writes the source again while the first one reads it.
struct Once {
    std::string key;
    static std::mutex mutex;
    static std::condition_variable done;
    static std::set<std::string> keys;

    explicit Once(std::string k) : key(std::move(k)) {
        std::unique_lock<std::mutex> one(mutex);
        done.wait(one, [this] { return !keys.count(key); });
        keys.insert(key);
    }
    ~Once() {
        std::lock_guard<std::mutex> one(mutex);
        keys.erase(key);
        done.notify_all();
    }
};
std::mutex Once::mutex;
std::condition_variable Once::done;
std::set<std::string> Once::keys;

// A forked process shares its parent's open files, so flock would not separate the two: it opens its own files.
void after_fork() {
    new (&mutex) std::mutex;
    new (&released) std::condition_variable;
    new (&Once::mutex) std::mutex;
    new (&Once::done) std::condition_variable;
    new (&Once::keys) std::set<std::string>;  // of threads that are not in this process
    holders = compiling = 0;
    depth = 0;
    for (int file : {ours, queue, jittors, operators}) close(file);
    open_locks();
}

// After a fork, the first thread that compiles opens the files; others that begin at the same moment wait for it.
void separate() {
    pid_t self = getpid(), before = opening;
    if (owner == self) return;
    if (before != self && opening.compare_exchange_strong(before, self)) after_fork();
    while (owner != self) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

bool record_lock(short kind) {
    struct flock whole = {};
    whole.l_type = kind;
    whole.l_whence = SEEK_SET;
    return fcntl(jittors, F_SETLK, &whole) == 0 || (errno != EAGAIN && errno != EACCES);
}

bool free_for_us(int lock) { return flock(lock, LOCK_EX | LOCK_NB) == 0 || (errno != EWOULDBLOCK && errno != EINTR); }

// False if another process has the lock. On a file system without locks, compile anyway.
bool take() {
    if (!free_for_us(ours)) return false;
    if (record_lock(F_WRLCK)) return true;
    flock(ours, LOCK_UN);
    return false;
}

// A process that waits for the lock holds the queue.
bool another_waits() {
    if (!free_for_us(queue)) return true;
    flock(queue, LOCK_UN);
    return false;
}

template <class Done>
void wait_until(Done done) {
    auto start = std::chrono::steady_clock::now();
    while (!done()) {
        // Most turns are short: an operator that is in the cache is only loaded, in a few milliseconds.
        std::this_thread::sleep_for(std::chrono::microseconds(500));
        if (!said && std::chrono::steady_clock::now() - start > std::chrono::seconds(1)) {
            said = true;
            dprintf(out, "%s\n", message.c_str());
        }
    }
}

// The threads of a process hold the lock together. While another process waits, no new thread joins them: it waits until they
// have finished and that process has had its turn. So a process with many operators to compile does not block the others.
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

// One operator among all processes: the byte of a file at the hash of the operator's name. Like flock, a lock that belongs to
// the open file and that the compilers inherit.
struct OperatorLock {
    off_t place;

    explicit OperatorLock(const std::string& name) : place(std::hash<std::string>()(name) >> 2) {
        wait_until([this] { return set(F_WRLCK); });
    }
    ~OperatorLock() { set(F_UNLCK); }

    bool set(short kind) {
        struct flock byte = {};
        byte.l_type = kind;
        byte.l_whence = SEEK_SET;
        byte.l_start = place;
        byte.l_len = 1;
        return fcntl(operators, F_OFD_SETLK, &byte) == 0 || (errno != EAGAIN && errno != EACCES);
    }
};

// Jittor names the files of some fused operators by a key that it knows only after its tuning: links lead from the first name.
const char* const TUNED = ".tuned";

bool in_cache(const std::string& library) {  // Jittor writes the key when the compiler has finished
    for (const std::string& name : {library, library + TUNED})
        if (access(name.c_str(), F_OK) == 0 && access((name + ".key").c_str(), F_OK) == 0) return true;
    return false;
}

void remember(const std::string& library, const std::string& tuned) {
    if (tuned == library) return;
    for (const char* end : {".key", ""}) {
        std::string link = library + TUNED + end;
        unlink(link.c_str());
        if (symlink((tuned + end).c_str(), link.c_str())) return;  // only slower
    }
}

struct Count {
    Count() { ++compiling; }
    ~Count() { --compiling; }
};

// A signal to the process group (Ctrl-C, a closed terminal, a batch system) ends the compilers too. Jittor ends the process
// if a signal ended one of its children, and a training run could not save: compile again instead. Any other signal stays
// Jittor's: SIGKILL, if the system has too little memory.
bool sent_to_group(int number) {
    return number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM || number == SIGUSR1;
}

struct sigaction jittors_action;

void child_ended(int number, siginfo_t* info, void* context) {
    bool by_signal = info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED;
    if (compiling && by_signal && sent_to_group(info->si_status)) return;
    jittors_action.sa_sigaction(number, info, context);
}

void watch_children() {
    sigaction(SIGCHLD, nullptr, &jittors_action);
    if (!(jittors_action.sa_flags & SA_SIGINFO)) return;
    struct sigaction action = jittors_action;
    action.sa_sigaction = child_ended;
    sigaction(SIGCHLD, &action, nullptr);
}

// Whether Jittor's message is not that of a compiler that found an error: it has the status of wait(), which is 256 then, and
// the number of the signal, or -1, after a signal.
bool ended_by_signal(const std::string& error) {
    return error.find("Run cmd failed") != std::string::npos && error.find("ret(256)") == std::string::npos;
}

jittor::jit_op_entry_t compile(jittor::Op* op) {
    separate();
    Count count;
    auto file = [op] { return jittor::Op::get_filename_from_jit_key(op->get_jit_key(jittor::get_jk()), ".so"); };
    std::string library = file();
    std::unique_ptr<Guard> guard(in_cache(library) ? nullptr : new Guard);
    Once once(library);
    if (in_cache(library)) guard.reset();  // another process compiled it meanwhile
    OperatorLock lock(library);
    for (int again = 3;; again--) {
        try {
            auto entry = jittor::do_compile_inner(op);
            if (guard) remember(library, file());
            return entry;
        } catch (const std::exception& error) {
            if (!again || !ended_by_signal(error.what())) throw;
            dprintf(out, "jsra: a compiler was ended by a signal; it runs again\n");
        }
    }
}

}  // namespace

// Lock compilations from now on; 0, or the errno of a lock file that cannot be opened.
extern "C" int jsra_lock_compilations(const char* own, const char* of_jittor, const char* waiting) {
    own_path = own;
    jittors_path = of_jittor;
    message = waiting;
    out = fcntl(2, F_DUPFD_CLOEXEC, 3);  // stderr, even if it is redirected during the compilation
    if (int error = open_locks()) return error;
    watch_children();
    jittor::do_compile_hook = compile;
    return 0;
}
