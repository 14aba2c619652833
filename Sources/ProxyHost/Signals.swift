// Signals: SIGTERM, SIGINT and SIGHUP as something to read, so that no code runs inside a signal handler.
import CLinux
import Glibc

/// What an operator asks of the process, by a signal or in the admin database.
enum OperatorRequest: Equatable, Sendable {
    /// SIGTERM or SIGINT: the first lets transactions finish, the second stops at once.
    case stop
    /// SIGHUP: read the configuration again.
    case reload
}

/// The process's signals. Make it before any thread is started: threads inherit the blocked signals.
public struct Signals: Sendable {
    let descriptor: Int32

    public init() throws(SystemError) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] {
            sigaddset(&set, number)
            // A shell lets its background jobs ignore SIGINT, and an ignored signal is not delivered even here.
            signal(number, SIG_DFL)
        }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
        descriptor = try System.check("signalfd") {
            signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        }
    }

    /// The next request, or nil when none waits.
    func next() -> OperatorRequest? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard read(descriptor, &information, size) == size else { return nil }
        return information.ssi_signo == UInt32(SIGHUP) ? .reload : .stop
    }

    /// True when somebody has already asked to stop (used while starting up).
    public func isStopRequested() -> Bool {
        while let request = next() {
            if request == .stop { return true }
        }
        return false
    }
}
