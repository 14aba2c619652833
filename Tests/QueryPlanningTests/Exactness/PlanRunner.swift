// PlanRunner: carries out plans of many statements over the shards' databases and compares the answers with those of the one
// database that has all rows.
import Primitives
import ResultMerging
import ShardMap
import Testing

@testable import QueryPlanning

/// One statement of a comparison.
struct Question {
    let text: String
    /// ORDER BY makes the order total, so rows are compared in order.
    var isOrdered = false
    /// Which rows come is PostgreSQL's choice (LIMIT over ties): only their number is compared.
    var isVague = false
}

struct Outcome {
    var planned = 0
    var refused: [String: Int] = [:]
    var differences: [String] = []
    /// How many of the planned gave rows, and how many errors, on the one server.
    var withRows = 0
    var withErrors = 0
}

final class PlanRunner {
    private let world: ExactnessWorld
    private let environment: PlanningEnvironment

    init(_ world: ExactnessWorld) {
        self.world = world
        var environment = GoldenCatalog.environment(shardCount: ExactnessWorld.shardCount)
        environment.temporaryTables = []
        self.environment = environment
    }

    private struct Work {
        let question: Question
        let plan: StatementPlan
        let targets: [Int]
        var partial: [[[String?]]] = []
        var error: String?
    }

    func compare(_ questions: [Question]) throws -> Outcome {
        var outcome = Outcome()
        var works: [Work] = []
        for question in questions {
            guard let work = try work(question, &outcome) else { continue }
            works.append(work)
        }
        outcome.planned = works.count
        let expected = try world.run(works.map(\.question.text), database: ExactnessWorld.one)
        try runShards(&works)
        let results = try finish(works)
        for index in works.indices { check(works[index], expected[index], results[index], &outcome) }
        return outcome
    }

    /// Plans; nil for what is refused.
    private func work(_ question: Question, _ outcome: inout Outcome) throws -> Work? {
        let statements = try GoldenCatalog.analyser.analyse(
            text: question.text, parameterTypes: [], environment: environment, acrossShards: false)
        var plan = statements[0].plan
        var targets = try self.targets(plan, question.text)
        if case .passThrough = plan.action, targets.count > 1 {
            plan = try GoldenCatalog.analyser.analyse(
                text: question.text, parameterTypes: [], environment: environment, acrossShards: true)[0].plan
            targets = try self.targets(plan, question.text)
        }
        if case .refuse(let refusal) = plan.action {
            outcome.refused[refusal.message, default: 0] += 1
            return nil
        }
        return Work(question: question, plan: plan, targets: targets)
    }

    private func targets(_ plan: StatementPlan, _ text: String) throws -> [Int] {
        let route: Route
        switch plan.action {
        case .passThrough(let passed): route = passed
        case .scatter(let scattered, _): route = scattered
        default: return []
        }
        let resolved = try Array(text.utf8).withUnsafeBytes { try RouteResolver(map: world.map, text: $0).resolve(route) }
        switch resolved {
        case .shards(let shards): return shards.shards.map(\.int)
        case .any, .catalog, .home, .participant, .writer: return [1]
        }
    }

    private func runShards(_ works: inout [Work]) throws {
        for shard in 0..<ExactnessWorld.shardCount {
            let indexes = works.indices.filter { works[$0].targets.contains(shard) }
            let texts = indexes.map { index -> String in
                if case .scatter(_, let scatter) = works[index].plan.action { return scatter.shardText }
                return works[index].question.text
            }
            let answers = try world.run(texts, database: ExactnessWorld.shard(shard))
            for (index, answer) in zip(indexes, answers) {
                works[index].partial.append(answer.rows)
                works[index].error = works[index].error ?? answer.sqlState
            }
        }
    }

    /// The second step: finishers, and merges by ORDER BY (which PostgreSQL does here in the merger's stead).
    private func finish(_ works: [Work]) throws -> [Answer] {
        var answers = works.map { Answer(rows: $0.partial.flatMap { $0 }, sqlState: $0.error) }
        var indexes: [Int] = []
        var texts: [String] = []
        for (index, work) in works.enumerated() where work.error == nil {
            guard case .scatter(_, let scatter) = work.plan.action else { continue }
            if let text = secondText(scatter, answers[index].rows) {
                indexes.append(index)
                texts.append(text)
            }
        }
        for (index, answer) in zip(indexes, try world.run(texts, database: ExactnessWorld.shard(0))) { answers[index] = answer }
        for (index, work) in works.enumerated() where answers[index].sqlState == nil {
            guard case .scatter(_, let scatter) = work.plan.action, scatter.finisher == nil, scatter.merge.aggregate == nil else { continue }
            answers[index].rows = merged(answers[index].rows, scatter)
        }
        return answers
    }

    private func secondText(_ scatter: ScatterPlan, _ rows: [[String?]]) -> String? {
        if let finisher = scatter.finisher {
            let isMixed = finisher.columnCounts.count > 1
            let arrays = finisher.columnCounts.enumerated().flatMap { kind, count in
                let own = isMixed ? rows.filter { $0[0] == "\(kind + 1)" }.map { Array($0.dropFirst()) } : rows
                return (0..<count).map { column in Self.array(own.map { $0[column] }) }
            }
            var text = finisher.text
            for (index, array) in arrays.enumerated().reversed() {
                text = text.replacing("$\(finisher.firstArrayParameter + index)::pg_catalog.text[]", with: array + "::pg_catalog.text[]")
            }
            return text
        }
        if let aggregate = scatter.merge.aggregate { return aggregateText(aggregate, scatter, rows) }
        guard !scatter.merge.sortKeys.isEmpty else { return nil }
        let width = rows.first?.count ?? 0
        guard width > 0 else { return nil }
        let arrays = (0..<width).map { column in Self.array(rows.map { $0[column] }) + "::text[]" }
        let keys = scatter.merge.sortKeys.map { key -> String in
            let type = TypeOID.nameByOID[key.typeOID] ?? "text"
            let collate = TypeOID.isCollatable(key.typeOID) ? " COLLATE \"C\"" : ""
            return "c\(key.column + 1)::\"\(type)\"\(collate)" + (key.isDescending ? " DESC" : " ASC") + (key.nullsFirst ? " NULLS FIRST" : " NULLS LAST")
        }
        return "SELECT * FROM unnest(\(arrays.joined(separator: ", "))) AS r (\((1...width).map { "c\($0)" }.joined(separator: ", "))) ORDER BY "
            + keys.joined(separator: ", ")
    }

    /// The proxy's own combination of partial aggregates, done by PostgreSQL.
    private func aggregateText(_ aggregate: AggregateMerge, _ scatter: ScatterPlan, _ rows: [[String?]]) -> String {
        let width = scatter.merge.visibleColumnCount + scatter.merge.hiddenColumnCount
        let arrays = (0..<width).map { column in Self.array(rows.map { $0[column] }) + "::text[]" }
        let type = { (oid: UInt32) in "::\"\(TypeOID.nameByOID[oid] ?? "text")\"" + (TypeOID.isCollatable(oid) ? " COLLATE \"C\"" : "") }
        var groups = aggregate.hiddenGroupColumns
        let outputs = aggregate.outputs.enumerated().map { index, output -> String in
            let column = "c\(aggregate.inputColumns[index] + 1)"
            switch output {
            case .group:
                groups.append(aggregate.inputColumns[index])
                return "min(\(column))" + type(aggregate.outputTypeOIDs[index])
            case .count: return "coalesce(sum(\(column)::int8), 0)::int8"
            case .sumBigint: return "sum(\(column)::int8)::int8"
            case .sumNumeric: return "sum(\(column)::numeric)"
            case .minimum(let oid): return "min(\(column)\(type(oid)))"
            case .maximum(let oid): return "max(\(column)\(type(oid)))"
            case .boolAnd: return "bool_and(\(column)::bool)"
            case .boolOr: return "bool_or(\(column)::bool)"
            }
        }
        var text = "SELECT \(outputs.joined(separator: ", ")) FROM unnest(\(arrays.joined(separator: ", "))) AS r (\((1...width).map { "c\($0)" }.joined(separator: ", ")))"
        if !groups.isEmpty { text += " GROUP BY " + groups.map { "c\($0 + 1)" }.joined(separator: ", ") }
        let keys = scatter.merge.sortKeys.map { key -> String in
            let output = aggregate.inputColumns.firstIndex(of: key.column)
            let value = output.map { outputs[$0] } ?? "min(c\(key.column + 1))" + type(key.typeOID)
            return value + (key.isDescending ? " DESC" : " ASC") + (key.nullsFirst ? " NULLS FIRST" : " NULLS LAST")
        }
        if !keys.isEmpty { text += " ORDER BY " + keys.joined(separator: ", ") }
        if case .constant(let count)? = scatter.limit { text += " LIMIT \(count)" }
        if case .constant(let count)? = scatter.offset { text += " OFFSET \(count)" }
        return text
    }

    static func array(_ values: [String?]) -> String {
        let items = values.map { value -> String in
            guard let value else { return "NULL" }
            return "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        return "E'{" + items.joined(separator: ",").replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "}'"
    }

    /// DISTINCT, OFFSET, LIMIT and the visible columns.
    private func merged(_ rows: [[String?]], _ scatter: ScatterPlan) -> [[String?]] {
        var seen: Set<[String?]> = []
        var result = rows
        if !scatter.merge.distinctColumns.isEmpty {
            result = result.filter { row in seen.insert(scatter.merge.distinctColumns.map { row[$0] }).inserted }
        }
        if case .constant(let count)? = scatter.offset { result = Array(result.dropFirst(Int(count))) }
        if case .constant(let count)? = scatter.limit { result = Array(result.prefix(Int(clamping: count))) }
        return result.map { Array($0.prefix(scatter.merge.visibleColumnCount)) }
    }

    private func check(_ work: Work, _ expected: Answer, _ actual: Answer, _ outcome: inout Outcome) {
        guard expected.sqlState == nil, actual.sqlState == nil else {
            outcome.withErrors += 1
            if expected.sqlState == nil || (actual.sqlState != nil && expected.sqlState != actual.sqlState) {
                outcome.differences.append("\(work.question.text)\n  error \(actual.sqlState ?? "none"), expected \(expected.sqlState ?? "none")\n  \(describe(work))")
            } else if actual.sqlState == nil {
                outcome.differences.append("\(work.question.text)\n  no error, expected \(expected.sqlState ?? "")\n  \(describe(work))")
            }
            return
        }
        outcome.withRows += expected.rows.isEmpty ? 0 : 1
        let isSame: Bool
        if work.question.isVague {
            isSame = expected.rows.count == actual.rows.count
        } else if work.question.isOrdered {
            isSame = expected.rows == actual.rows
        } else {
            isSame = Self.bag(expected.rows) == Self.bag(actual.rows)
        }
        if !isSame {
            let show = { (rows: [[String?]]) in rows.prefix(8).map { $0.map { $0 ?? "NULL" }.joined(separator: ",") }.joined(separator: " | ") }
            outcome.differences.append(
                "\(work.question.text)\n  expected \(expected.rows.count): \(show(expected.rows))\n  got      \(actual.rows.count): \(show(actual.rows))\n  \(describe(work))")
        }
    }

    private func describe(_ work: Work) -> String {
        PlanDescription(text: work.question.text).lines(work.plan).joined(separator: "\n  ") + "\n  shards \(work.targets)"
    }

    private static func bag(_ rows: [[String?]]) -> [String] {
        rows.map { $0.map { $0 ?? "\u{1}" }.joined(separator: "\u{1F}") }.sorted()
    }
}
