// StatusResponder: what is at which path, and what must be known before it is answered.

struct StatusResponder: HTTPResponder {
    /// Seconds for which a look is good enough for others who ask: however many they are, they cost one look a second.
    static let sharedSeconds = 1.0
    /// The same for what the shards are asked.
    static let sharedListingSeconds = 5.0

    let access: AdminAccess
    /// nil: everybody may see everything.
    let token: String?
    let facts: Lookout<FactsOrFailure>
    let listings: ListingLookouts
    let history: TrafficHistory
    /// The last facts there were, for a page whose workers do not answer any more.
    let lastGood: LastGoodFacts

    func response(to request: HTTPRequest, since: ContinuousClock.Instant, isLate: Bool) -> HTTPResponse? {
        guard request.method == "GET" || request.method == "HEAD" else {
            return HTTPResponse(.methodNotAllowed, body: "only GET and HEAD\n", fields: ["Allow: GET, HEAD"])
        }
        guard isMeantForUs(request) else { return Self.misdirected }
        switch request.path {
        // Load balancers seldom have a token; it tells no names.
        case "/healthz": return health(since, isLate: isLate)
        case "/metrics": return isAllowed(request) ? metrics(since, isLate: isLate) : Self.unauthorized
        case "/": return isAllowed(request) ? page(since, isLate: isLate) : Self.unauthorized
        default: return HTTPResponse(.notFound, body: "there is /, /metrics and /healthz\n")
        }
    }

    private static let unauthorized = HTTPResponse(
        .unauthorized, body: "the token of section http in proxy.conf is needed, as a bearer token or as the password of any user\n",
        fields: ["WWW-Authenticate: Bearer realm=\"pgbraid\"", "WWW-Authenticate: Basic realm=\"pgbraid\", charset=\"UTF-8\""])

    private static let misdirected = HTTPResponse(
        .misdirectedRequest, body: "without a token only requests to an IP address or to localhost are answered: set token_file in section http of proxy.conf\n")

    /// Without a token only programs of this machine may ask. A page of somebody else in a browser of this machine could, too, by a name that leads
    /// here (DNS rebinding); the browser then tells that name. Health may be asked for by any name: it tells none.
    private func isMeantForUs(_ request: HTTPRequest) -> Bool { token != nil || request.path == "/healthz" || request.isForAddress }

    /// Takes as long for a token that is nearly right as for any other of its length.
    private func isAllowed(_ request: HTTPRequest) -> Bool {
        guard let token else { return true }
        guard let shown = request.token, shown.utf8.count == token.utf8.count else { return false }
        return zip(shown.utf8, token.utf8).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// Both are asked for before either is waited for.
    private func sights(_ since: ContinuousClock.Instant) -> (Sight<FactsOrFailure>?, ClusterListings) {
        (facts.sight(since: since - .seconds(Self.sharedSeconds)), listings.seen(since: since - .seconds(Self.sharedListingSeconds)))
    }

    private func health(_ since: ContinuousClock.Instant, isLate: Bool) -> HTTPResponse? {
        let phase = access.phase()
        if phase == .draining { return HealthReport(phase: phase, facts: nil).response }
        let sight = facts.sight(since: since - .seconds(Self.sharedSeconds))
        guard sight != nil || isLate else { return nil }
        return HealthReport(phase: access.phase(), facts: sight?.value).response
    }

    /// Figures of some workers, or of earlier, would be wrong ones: then there are none.
    private func metrics(_ since: ContinuousClock.Instant, isLate: Bool) -> HTTPResponse? {
        let phase = access.phase()
        if phase == .draining { return HTTPResponse(contentType: OpenMetrics.contentType, body: OpenMetrics.text(always(phase))) }
        let (sight, told) = sights(since)
        guard sight != nil && told.isWhole || isLate else { return nil }
        switch sight?.value {
        case .success(let known):
            // What the shards did not tell in time was not found out.
            var listed = told
            for listing in ClusterListing.allCases where listed[listing] == nil { listed[listing] = .failed("not in time") }
            let families = always(phase) + ProxyMetrics.families(known) + ListingMetrics.families(listed)
            return HTTPResponse(contentType: OpenMetrics.contentType, body: OpenMetrics.text(families))
        case .failure(let failure): return HTTPResponse(.serviceUnavailable, body: failure.reason + "\n")
        case nil: return HTTPResponse(.serviceUnavailable, body: "the workers have not answered in time\n")
        }
    }

    /// What is known without asking anybody; some of it is read from files of the system, and so only when there is something to answer.
    private func always(_ phase: ProxyPhase) -> [MetricFamily] { ProxyMetrics.always(phase: phase, access: access) + ProcessMetrics.families() }

    private func page(_ since: ContinuousClock.Instant, isLate: Bool) -> HTTPResponse? {
        let phase = access.phase()
        let (sight, told) = sights(since)
        guard sight != nil && told.isWhole || isLate || phase == .draining else { return nil }
        var failure: String?
        if case .failure(let reason)? = sight?.value { failure = reason.reason }
        if sight == nil { failure = "the workers have not answered in time" }
        let good = lastGood.current
        let shown = told.merging(listings.latest) { now, _ in now }
        let content = PageContent(
            phase: phase, version: access.version, workerCount: access.workerCount, facts: good?.value,
            traffic: good.map { history.traffic(until: $0.value, at: $0.begun) },
            factsAge: good.map { $0.begun.duration(to: .now) / .seconds(1) } ?? 0, failure: failure, listings: shown.isEmpty ? nil : shown)
        return HTTPResponse(contentType: StatusPage.contentType, body: StatusPage(content: content).html)
    }
}
