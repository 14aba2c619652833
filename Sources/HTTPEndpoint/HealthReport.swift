// HealthReport: whether the proxy can do its work, for load balancers and orchestrators: a status code, and why in JSON.
import Foundation

struct HealthReport: Encodable, Equatable {
    struct Shard: Encodable, Equatable {
        var shard: Int
        /// up, fenced or down.
        var state: String
    }

    /// healthy, starting, draining, or unhealthy: a shard or a worker cannot be used.
    var status: String
    /// In a sentence; nil when healthy.
    var reason: String?
    /// nil when they are not known.
    var shards: [Shard]?

    /// - Parameter facts: nil when they are not needed.
    init(phase: ProxyPhase, facts: FactsOrFailure?) {
        if case .success(let known)? = facts { shards = known.shards.map { Shard(shard: $0.number, state: $0.state.word) } }
        switch (phase, facts) {
        case (.draining, _): (status, reason) = ("draining", "open transactions may finish, nobody new is let in")
        case (.starting, _): (status, reason) = ("starting", "no client is let in yet")
        case (.serving, nil): (status, reason) = ("unhealthy", "the workers have not answered")
        case (.serving, .failure(let failure)?): (status, reason) = ("unhealthy", failure.reason)
        case (.serving, .success(let known)?):
            let bad = known.shards.filter { $0.state != .up }
            status = bad.isEmpty ? "healthy" : "unhealthy"
            reason = bad.isEmpty ? nil : bad.map { "shard \($0.number) is \($0.state.word)" }.joined(separator: ", ")
        }
    }

    var response: HTTPResponse {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Numbers and strings can always be written.
        let body = (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
        return HTTPResponse(status == "healthy" ? .ok : .serviceUnavailable, contentType: "application/json", body: body + "\n")
    }
}
