// HTTPEndpoint: metrics, health and one page about a proxy, over HTTP.
//
//   server thread     connections, requests, answers; never waits for a worker or a shard
//   facts thread      when somebody asks: SHOW commands that the workers answer out of memory
//   listing threads   when somebody asks: a SHOW command each for which the shards are asked, which may take seconds
//
// Nobody asks: all of them sleep. Many ask: they share a look a second.
import Foundation
import Logging

/// The endpoint of one process; it ends with it.
public struct HTTPEndpoint: Sendable {
    private let server: HTTPServer

    /// Binds the address.
    /// - Throws: HTTPSocketError.
    public init(host: String, port: Int, limits: HTTPLimits = HTTPLimits()) throws { server = try HTTPServer(host: host, port: port, limits: limits) }

    /// Where it can be reached, also when it was to choose the port.
    public var port: Int { server.port }

    /// Serves from now on.
    /// - Parameter token: what clients must show to see more than health; nil: nothing.
    public func start(_ access: AdminAccess, token: String?, logger: Logger) {
        let history = TrafficHistory(start: .now)
        let lastGood = LastGoodFacts()
        let server = server
        let facts = Lookout<FactsOrFailure>(name: "http facts", whenSeen: { server.ring() }) {
            let begun = ContinuousClock.now
            let outcome = FactsReader(access: access).read()
            if case .success(let facts) = outcome {
                history.note(facts, at: begun)
                lastGood.note(facts, at: begun)
            }
            return outcome
        }
        let listings = ListingLookouts(access: access, whenSeen: { server.ring() })
        let responder = StatusResponder(access: access, token: token, facts: facts, listings: listings, history: history, lastGood: lastGood)
        let thread = Thread { server.run(responder) }
        thread.name = "http"
        thread.start()
        logger.info("metrics, health and the status page are served", metadata: ["port": "\(port)"])
    }
}
