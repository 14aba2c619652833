// StatusPage: everything of one proxy on one page, to be read without a manual. No script, nothing from elsewhere: it loads itself again.
/// All that the page shows.
struct PageContent: Sendable {
    var phase: ProxyPhase
    var version: String
    var workerCount: Int
    /// nil before the first answer of the workers.
    var facts: ProxyFacts?
    var traffic: Traffic?
    /// How old `facts` are, in seconds.
    var factsAge: Double
    /// Why there are none of now.
    var failure: String?
    /// nil: the shards have not told yet.
    var listings: ClusterListings?
}

struct StatusPage {
    static let contentType = "text/html; charset=utf-8"
    /// Seconds until the page loads itself again.
    static let refreshSeconds = 5

    let content: PageContent

    var html: String {
        let problems = problems
        let isBad = problems.contains { $0.mood == .bad }
        let word = problems.isEmpty ? "all is well" : problems[0].text
        let verdict = problems.isEmpty
            ? "<p class=\"verdict good\">\(HTML.escaped(wellness))</p>\n"
            : "<ul class=\"verdict \(isBad ? "bad" : "warning")\">\n\(problems.map { "<li class=\"\($0.mood.rawValue)\">\(HTML.escaped($0.text))</li>\n" }.joined())</ul>\n"
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="refresh" content="\(Self.refreshSeconds)">
            <title>\(HTML.escaped("pgbraid: \(word)"))</title>
            <style>
            \(PageStyle.sheet)
            </style>
            </head>
            <body>
            <header>
            <h1>pgbraid</h1>
            <p class="note">\(HTML.escaped(subtitle))</p>
            </header>
            \(verdict)<main>
            \(sections.map(\.html).joined())</main>
            </body>
            </html>

            """
    }

    private var subtitle: String {
        let workers = content.workerCount == 1 ? "one worker" : "\(content.workerCount) workers"
        let clients = content.facts.map { ", \(Quantity.count($0.clientCount)) client\($0.clientCount == 1 ? "" : "s")" } ?? ""
        let age = content.facts == nil || content.factsAge < 2 ? "" : ", figures of \(Quantity.duration(seconds: content.factsAge.rounded())) ago"
        return "version \(content.version), \(workers)\(clients)\(age); reloads every \(Self.refreshSeconds) seconds"
    }

    private var wellness: String {
        let count = content.facts?.shards.count ?? 0
        return count == 1 ? "The shard is up." : "All \(count) shards are up."
    }

    private var sections: [PageSection] {
        guard let facts = content.facts else { return [] }
        let traffic = content.traffic
        return [
            FactSections.shards(facts, traffic), FactSections.pools(facts), FactSections.durations(traffic), FactSections.work(facts),
            FactSections.transactions(facts), FactSections.clients(facts),
        ] + ClusterListing.allCases.map { ListingSections.section($0, content.listings?[$0]) }
    }

    /// What somebody should look at, the worst first.
    private var problems: [PageCell] {
        var problems: [PageCell] = []
        if content.phase == .draining { problems.append(PageCell("The proxy is draining: open transactions may finish, nobody new is let in.", .bad)) }
        if let failure = content.failure, content.phase != .draining { problems.append(PageCell("What is shown is not of now: \(failure).", .bad)) }
        for shard in content.facts?.shards ?? [] where shard.state == .down {
            problems.append(PageCell("Shard \(shard.number) is down\(shard.lastFailure.map { ": \($0)" } ?? "").", .bad))
        }
        for shard in content.facts?.shards ?? [] where shard.state == .fenced {
            problems.append(PageCell("Shard \(shard.number) is closed until what was decided on it is finished.", .bad))
        }
        if content.phase == .starting { problems.append(PageCell("The proxy is starting: no client is let in yet.", .bad)) }
        let old = content.facts?.prepared.filter { $0.ageSeconds >= FactSections.oldSeconds }.count ?? 0
        if old > 0 { problems.append(PageCell("\(old) prepared transaction\(old == 1 ? " is" : "s are") older than a minute.", .warning)) }
        let waiting = content.facts?.pools?.reduce(0) { $0 + $1.waiting } ?? 0
        if waiting > 0 { problems.append(PageCell("\(waiting) session\(waiting == 1 ? " waits" : "s wait") for a connection to a shard.", .warning)) }
        return problems + ListingSections.problems(content.listings ?? [:])
    }
}
