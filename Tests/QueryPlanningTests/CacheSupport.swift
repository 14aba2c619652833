// CacheSupport: a small analyser for tests. It knows one sharded table, by whose key `k` the conjuncts `k = x` bind.
import Primitives
import ShardMap

@testable import QueryPlanning

/// Plans by looking at tokens; counts how often it was asked.
final class TokenAnalyser: StatementAnalyser {
    var analyses = 0
    var keyType = KeyType.int8
    /// Makes the plan depend on whether two keys are equal, as an analyser must not.
    var comparesLiterals = false
    /// Makes the plan depend on the value of a key.
    var looksAtValues = false

    func analyse(
        text: String, parameterTypes: [UInt32], environment: PlanningEnvironment, acrossShards: Bool
    ) throws(Refusal) -> [PlannedStatement] {
        analyses += 1
        if text.contains("wrong") { throw Refusal("42601", "syntax error", position: 1) }
        let keys = keys(Array(text.utf8))
        let plan = StatementPlan(
            action: acrossShards ? .modify(.all, text: nil, tag: .sum) : .passThrough(route(keys, Array(text.utf8))),
            effect: text.hasPrefix("UPDATE") ? .writes : .reads, pins: text.contains("pinned") ? .listen : [],
            taintsLink: text.contains("tainting"), commandName: "SELECT")
        return [PlannedStatement(plan: plan, range: 0..<text.utf8.count)]
    }

    private func route(_ keys: [KeyOperand], _ text: [UInt8]) -> Route {
        if keys.isEmpty { return .any }
        let values = keys.map {
            if case .literal(let offset) = $0 { Array(text[offset...].prefix { $0 != 0x20 }) } else { [UInt8]() }
        }
        if comparesLiterals, Set(values).count < values.count { return .all }
        if looksAtValues, values == [Array("7".utf8)] { return .any }
        return .keyGroups(keys.map { [condition(keyType, $0)] })
    }

    /// The operands of `k = ...`.
    private func keys(_ text: [UInt8]) -> [KeyOperand] {
        text.withUnsafeBytes { buffer in
            var lexer = Lexer(buffer)
            var before: [String] = []
            var keys: [KeyOperand] = []
            while true {
                let kind = lexer.next()
                if kind == .end || kind == .invalid { return keys }
                let token = String(decoding: text[lexer.start..<lexer.position], as: UTF8.self)
                if before.suffix(2) == ["k", "="] {
                    keys.append(
                        kind == .parameter ? .parameter(Int(token.dropFirst()) ?? 0) : .literal(offset: lexer.start))
                }
                before.append(token)
            }
        }
    }
}

/// A planner over a TokenAnalyser, asked in strings.
struct CacheBench {
    let analyser = TokenAnalyser()
    let planner: Planner
    let map: ShardMap

    init(limits: Limits = Limits()) throws {
        planner = Planner(limits: limits, analyser: analyser)
        map = try fourShards()
    }

    func environment(_ number: UInt32 = 1) -> PlanningEnvironment {
        PlanningEnvironment(
            catalog: Catalog(relations: []), searchPath: ["public"], number: number, temporaryTables: [], shardCount: 4)
    }

    @discardableResult
    func plan(_ text: String, types: [UInt32] = [], environment number: UInt32 = 1) throws(Refusal)
        -> [PlannedStatement]
    {
        let bytes = Array(text.utf8)
        let result: Result<[PlannedStatement], Refusal> = bytes.withUnsafeBytes { bytes in
            do throws(Refusal) {
                return .success(try planner.plan(text: bytes, parameterTypes: types, environment: environment(number)))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    func planAcrossShards(_ text: String) throws -> [PlannedStatement] {
        try Array(text.utf8).withUnsafeBytes { try planner.planAcrossShards(text: $0, environment: environment()) }
    }

    /// Looks up and targets; nil if the shape is unknown.
    func target(
        _ text: String, types: [UInt32] = [], environment: UInt32 = 1, values: [WireValue] = []
    ) throws -> HotTarget? {
        try withParameters(values, types: types) { parameters in
            Array(text.utf8).withUnsafeBytes { bytes in
                let plan = types.withUnsafeBufferPointer {
                    planner.lookUp(text: bytes, environment: environment, parameterTypes: $0)
                }
                return plan.map { planner.target(of: $0, text: bytes, parameters: parameters, map: map) }
            }
        }
    }

    func shard(_ key: Int64) -> HotTarget { .shard(map.shard(hashingInteger: key)) }
}
