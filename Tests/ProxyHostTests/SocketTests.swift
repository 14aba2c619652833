// Sockets: addresses, listening, and the threads around the event loops.
import Glibc
import Logging
import Primitives
import ProxyCore
import Synchronization
import TestSupport
import Testing

@testable import ProxyHost

@Suite struct ListenAddressTests {
    @Test func addressesReadAsTheyAreWritten() {
        #expect(ListenAddress(text: "127.0.0.1:6432") == .tcp(host: "127.0.0.1", port: 6432))
        #expect(ListenAddress(text: "[::1]:6432") == .tcp(host: "::1", port: 6432))
        #expect(ListenAddress(text: "*:6432") == .tcp(host: "*", port: 6432))
        #expect(ListenAddress(text: "/run/pg:6432") == .unix(directory: "/run/pg", port: 6432))
        for text in [
            "", ":6432", "6432", "localhost", "localhost:", "localhost:x", "localhost:65536", "::1:6432", "[]:1",
        ] {
            #expect(ListenAddress(text: text) == nil, "\(text)")
        }
    }
}

@Suite struct ListeningSocketTests {
    private func port(_ sockets: ListeningSockets) throws -> Int {
        try System.localAddress(sockets.byWorker[0][0].descriptor).port
    }

    private func close(_ sockets: ListeningSockets) {
        for socket in sockets.byWorker.joined() where !socket.isShared { System.close(socket.descriptor) }
        sockets.remove()
    }

    @Test(arguments: [1, 3])
    func aTakenPortIsAnErrorEvenBetweenProxiesOfOneUser(workers: Int) throws {
        let first = try ListeningSockets([.tcp(host: "127.0.0.1", port: 0)], workerCount: workers)
        defer { close(first) }
        let taken = ListenAddress.tcp(host: "127.0.0.1", port: try port(first))
        for socket in first.byWorker.joined() { try System.listen(socket.descriptor, backlog: 1) }
        let error = #expect(throws: SystemError.self) { try ListeningSockets([taken], workerCount: workers) }
        #expect(error?.code == EADDRINUSE)
    }

    @Test func everyWorkerListensOnThePort() throws {
        let sockets = try ListeningSockets([.tcp(host: "127.0.0.1", port: 0)], workerCount: 3)
        defer { close(sockets) }
        let ports = try sockets.byWorker.map { try System.localAddress($0[0].descriptor).port }
        #expect(Set(ports).count == 1)
        #expect(Set(sockets.byWorker.map { $0[0].descriptor }).count == 3)
    }

    @Test func aSocketFileLeftByAKilledProxyIsReplacedAndALivingOneIsNot() throws {
        let directory = try TestDirectory.make()
        let address = ListenAddress.unix(directory: directory, port: 7)
        let path = SocketAddress.unixPath(directory: directory, port: 7)
        let killed = try ListeningSockets([address], workerCount: 2)
        System.close(killed.byWorker[0][0].descriptor)
        #expect(FileSystem.exists(path))
        let living = try ListeningSockets([address], workerCount: 2)
        try System.listen(living.byWorker[0][0].descriptor, backlog: 1)
        let error = #expect(throws: SystemError.self) { try ListeningSockets([address], workerCount: 1) }
        #expect(error?.code == EADDRINUSE)
        living.remove()
        #expect(!FileSystem.exists(path))
        rmdir(directory)
    }

    @Test func addressesReadForPeople() throws {
        #expect(try System.resolve(host: "127.0.0.1", port: 5432)[0].description == "127.0.0.1:5432")
        #expect(try System.resolve(host: "::1", port: 5432, numericOnly: true)[0].description == "[::1]:5432")
        #expect(try #require(SocketAddress(unixPath: "/tmp/x")).description == "[local]")
        #expect(SocketAddress(unixPath: "/" + String(repeating: "x", count: 107)) == nil)
    }
}

@Suite struct ThreadTests {
    @Test func mailArrivesInOrderFromOtherThreads() throws {
        let mailbox = try Mailbox()
        let threads = try (0..<4).map { number in
            try Thread.start(name: "sender", stackBytes: 1 << 20) {
                for count in 0..<1000 { mailbox.put(.worker(.cancel(process: Int32(number), secret: Int32(count)))) }
            }
        }
        for thread in threads { thread.join() }
        var next = [Int32](repeating: 0, count: 4)
        for mail in mailbox.take() {
            guard case .worker(.cancel(let process, let secret)) = mail else { continue }
            #expect(secret == next[Int(process)])
            next[Int(process)] += 1
        }
        #expect(next == [1000, 1000, 1000, 1000])
        #expect(mailbox.take().isEmpty)
    }

    @Test func aWorkersThreadHasRoomForDeepRecursion() throws {
        let depth = Mutex(0)
        @Sendable func descend(_ level: Int) -> Int {
            withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { bytes in
                bytes[0] = UInt8(truncatingIfNeeded: level)
                return level == 0 ? Int(bytes[0]) : descend(level - 1) + 1
            }
        }
        // 300 MB of frames: far beyond the usual 8 MB.
        try Thread.start(name: "deep", stackBytes: Thread.workerStackBytes) {
            let reached = descend(300_000)
            depth.withLock { $0 = reached }
        }.join()
        #expect(depth.withLock { $0 } == 300_000)
    }

    @Test func namesAreResolvedOnceAndRemembered() throws {
        let resolver = Resolver()
        let mailbox = try Mailbox()
        let id = StreamID(index: 1, generation: 0)
        #expect(resolver.resolve(host: "127.0.0.1", port: 1, now: System.now(), answer: { _ in })?.count == 1)
        #expect(
            resolver.resolve(host: "localhost", port: 1, now: System.now(), answer: { mailbox.put(.resolved(id, $0)) })
                == nil)
        var file = pollfd(fd: mailbox.bell, events: Int16(POLLIN), revents: 0)
        #expect(poll(&file, 1, 30_000) == 1)
        guard case .resolved(_, .success(let addresses))? = mailbox.take().first else {
            Issue.record("localhost was not resolved")
            return
        }
        let remembered = resolver.resolve(host: "localhost", port: 1, now: System.now(), answer: { _ in })
        #expect(remembered?.map(\.description) == addresses.map(\.description))
    }
}

@Suite struct StandardErrorLogTests {
    @Test func anEventIsOneLineWhateverItHolds() {
        let line = StandardErrorLog.line(
            level: .warning, message: "login failed\nfake line",
            metadata: ["user": "anna", "reason": "no \"such\" role", "empty": "", "number": "7"])
        let rest = line.drop { $0 != " " }
        #expect(
            rest == " warning login failed\\nfake line empty=\"\" number=7 reason=\"no \\\"such\\\" role\" user=anna\n")
        #expect(line.prefix(while: { $0 != " " }).count == "2026-03-01T12:00:00.000Z".count)
    }
}
