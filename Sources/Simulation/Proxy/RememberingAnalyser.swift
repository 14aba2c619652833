// RememberingAnalyser: plans texts as a proxy does, and each only once: all simulated proxies have one and the same
// catalog, and starting one would otherwise be mostly parsing.
import QueryPlanning

/// Analyses texts for the planners of all worlds of a shop.
final class RememberingAnalyser: StatementAnalyser {
    /// Everything a plan depends on but the catalog.
    private struct Question: Hashable {
        var text: String
        var parameterTypes: [UInt32]
        var acrossShards: Bool
        var shardCount: Int
        var searchPath: [String]
        var usesServerEncoding: Bool
        /// None before the catalog is read.
        var relationCount: Int
    }

    private let analyser = Analyser()
    private var known: [Question: [PlannedStatement]] = [:]
    private static let knownLimit = 8192

    func analyse(
        text: String, parameterTypes: [UInt32], environment: PlanningEnvironment, acrossShards: Bool
    ) throws(Refusal) -> [PlannedStatement] {
        let question = Question(
            text: text, parameterTypes: parameterTypes, acrossShards: acrossShards, shardCount: environment.shardCount,
            searchPath: environment.searchPath, usesServerEncoding: environment.usesServerEncoding,
            relationCount: environment.catalog.relations.count)
        if let found = known[question] { return found }
        let planned = try analyser.analyse(
            text: text, parameterTypes: parameterTypes, environment: environment, acrossShards: acrossShards)
        if known.count >= Self.knownLimit { known.removeAll(keepingCapacity: true) }
        known[question] = planned
        return planned
    }
}
