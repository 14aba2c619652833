// A login with a worker that does not come to it ends when the caller says, and not at the limit for servers elsewhere.
import DatabaseClient
import Glibc
import Testing

@Suite struct LoginLimitTests {
    @Test(.timeLimit(.minutes(1))) func aLoginThatIsNotAnsweredIsGivenUp() throws {
        var ends: [Int32] = [-1, -1]
        let isMade = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0
        try #require(isMade)
        let (own, silent) = (ends[0], ends[1])
        defer { close(silent) }
        let begun = ContinuousClock.now
        let error = #expect(throws: ConnectionLost.self) {
            _ = try DatabaseConnection(ConnectionParameters(address: .descriptor(own), user: "postgres", database: "pgbraid"), nonce: [], loginLimit: .milliseconds(200))
        }
        #expect(error?.isTimeout == true && begun.duration(to: .now) < .seconds(10))
    }
}
