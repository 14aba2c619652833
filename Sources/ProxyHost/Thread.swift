// Thread: a POSIX thread with a stack of a chosen size.
//
// Parsing SQL recurses (libpg_query is PostgreSQL's own parser), so a worker's thread gets a very large stack. The
// kernel gives memory only to the pages that are touched.
import CLinux
import Glibc

/// A running thread.
struct Thread {
    /// Stack of a worker's thread. The depth of a statement is limited so that it fits (Limits.statementDepth).
    static let workerStackBytes = 512 << 20

    private let handle: pthread_t

    private final class Body {
        let name: String
        let run: () -> Void

        init(name: String, run: @escaping () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts `body` on a new thread.
    /// - Parameter name: shown by top and gdb; at most 15 bytes.
    static func start(
        name: String, stackBytes: Int, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) -> Thread {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)
        let argument = Unmanaged.passRetained(Body(name: name, run: body))
        var handle = pthread_t()
        let code = pthread_create(&handle, &attributes, Self.entry, argument.toOpaque())
        guard code == 0 else {
            argument.release()
            throw SystemError(call: "pthread_create", code: code)
        }
        return Thread(handle: handle)
    }

    private static let entry: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument else { return nil }
        let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
        clinux_name_thread(body.name)
        body.run()
        return nil
    }

    /// Waits for the thread's end.
    func join() { pthread_join(handle, nil) }

    func detach() { pthread_detach(handle) }
}
