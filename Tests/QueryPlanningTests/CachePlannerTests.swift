// What the planner remembers, under which key, and what it must not.
import Primitives
import ShardMap
import Testing

@testable import QueryPlanning

@Suite struct CachePlannerTests {
    let bench: CacheBench
    init() throws { bench = try CacheBench() }

    @Test func onePlanServesAllTextsOfAShape() throws {
        #expect(try bench.target("SELECT a FROM t WHERE k = 1") == nil)
        try bench.plan("SELECT a FROM t WHERE k = 1")
        let analyses = bench.analyser.analyses
        for key: Int64 in [1, 2, 12345, 2_147_483_647] {
            #expect(try bench.target("select A from t /* x */ where k = \(key)") == bench.shard(key))
        }
        #expect(try bench.target("SELECT a FROM t WHERE k = 3000000000") == nil, "bigint is another class")
        #expect(try bench.target("SELECT a FROM t WHERE k = -1") == nil, "the sign is part of the shape")
        #expect(bench.analyser.analyses == analyses)
    }

    @Test func negativeKeysAndStringsAreKeysToo() throws {
        try bench.plan("SELECT a FROM t WHERE k = 1 AND b = 'x'")
        try bench.plan("SELECT a FROM t WHERE k = '1'")
        #expect(try bench.target("SELECT a FROM t WHERE k = '-77'") == bench.shard(-77))
        #expect(try bench.target("SELECT a FROM t WHERE k = ' 77'") == bench.shard(77))
        #expect(try bench.target("SELECT a FROM t WHERE k = 'x'") == .unknown)
        #expect(try bench.target("SELECT a FROM t WHERE k = '7''7'") == .unknown)
        #expect(try bench.target("SELECT a FROM t WHERE k = ''") == .unknown)
    }

    @Test func textAndUUIDKeys() throws {
        bench.analyser.keyType = .text
        try bench.plan("SELECT a FROM t WHERE k = 'a'")
        #expect(
            try bench.target("SELECT a FROM t WHERE k = 'é b'") == .shard(bench.map.shard(of: .text("é b"), by: .hash)))
        #expect(try bench.target("SELECT a FROM t WHERE k = 'it''s'") == .unknown)
        bench.analyser.keyType = .uuid
        let uuid = "550e8400-e29b-41d4-a716-446655440000"
        try bench.plan("SELECT a FROM u WHERE k = '\(uuid)'::uuid")
        let found = try bench.target("SELECT a FROM u WHERE k = '\(uuid.uppercased())'::uuid")
        guard case .shard? = found else {
            Issue.record("no shard for a uuid")
            return
        }
    }

    @Test func textKeysOfAnotherEncodingAreNotReadOnTheHotPath() throws {
        bench.analyser.keyType = .text
        var environment = bench.environment(9)
        environment.usesServerEncoding = false
        let text = "SELECT a FROM t WHERE k = 'a'"
        _ = try Array(text.utf8).withUnsafeBytes { try bench.planner.plan(text: $0, environment: environment) }
        #expect(try bench.target(text, environment: 9) == nil)
    }

    @Test func parametersAreReadFromBind() throws {
        let text = "SELECT a FROM t WHERE b = $1 AND k = $2"
        try bench.plan(text, types: [0, 20])
        #expect(try bench.target(text, types: [0, 20], values: [.null, .int8(99)]) == bench.shard(99))
        #expect(try bench.target(text, types: [0, 20], values: [.text("x"), .text("99")]) == bench.shard(99))
        #expect(try bench.target(text, types: [0, 20], values: [.text("x"), .null]) == .any)
        #expect(try bench.target(text, types: [0, 20], values: [.text("x")]) == .unknown)
        #expect(try bench.target(text, types: [], values: []) == nil, "declared types are part of the key")
        #expect(try bench.target(text, types: [20, 0], values: []) == nil)
    }

    @Test func aPreparedStatementKeepsItsHotPlan() throws {
        let plan = try bench.plan("SELECT a FROM t WHERE k = $1 AND b = 5", types: [20])[0].plan
        let hot = try #require(bench.planner.hotPlan(of: plan, environment: bench.environment()))
        try bench.plan("SELECT something ELSE")
        let target = try withParameters([.int8(99)], types: [20]) { parameters in
            bench.planner.target(
                of: hot, text: UnsafeRawBufferPointer(start: nil, count: 0), parameters: parameters, map: bench.map)
        }
        #expect(target == bench.shard(99))
        let literal = try bench.plan("SELECT a FROM t WHERE k = 5")[0].plan
        #expect(bench.planner.hotPlan(of: literal, environment: bench.environment()) == nil)
    }

    @Test func severalKeysMustAgree() throws {
        try bench.plan("SELECT a FROM t, u WHERE k = 1 AND k = 2")
        #expect(try bench.target("SELECT a FROM t, u WHERE k = 5 AND k = 5") == bench.shard(5))
        let apart = try #require((6..<100).first { bench.shard(Int64($0)) != bench.shard(5) })
        #expect(try bench.target("SELECT a FROM t, u WHERE k = 5 AND k = \(apart)") == .unknown)
    }

    @Test func environmentsAreApartAndCanBeForgotten() throws {
        let text = "SELECT a FROM t WHERE k = 1"
        try bench.plan(text, environment: 1)
        try bench.plan(text, environment: 2)
        try bench.plan("BEGIN pinned", environment: 2)
        #expect(try bench.target(text, environment: 3) == nil)
        bench.planner.forget(environment: 2)
        #expect(try bench.target(text, environment: 2) == nil)
        #expect(try bench.target(text, environment: 1) == bench.shard(1))
        #expect(bench.planner.statistics.texts.entries == 0)
    }

    @Test func plansThatLeaveTracesAreKeptByTextOnly() throws {
        for text in [
            "SELECT a, pinned FROM t WHERE k = 1", "SELECT a, tainting FROM t WHERE k = 1", "BEGIN",
            "SELECT 1; SELECT 2",
        ] {
            try bench.plan(text)
            #expect(try bench.target(text) == nil)
            let analyses = bench.analyser.analyses
            try bench.plan(text)
            #expect(bench.analyser.analyses == analyses)
        }
        #expect(bench.planner.statistics.texts.entries == 4)
        #expect(bench.planner.statistics.shapes.entries == 0)
    }

    @Test func aPlanThatDependsOnLiteralsDoesNotServeAShape() throws {
        bench.analyser.comparesLiterals = true
        try bench.plan("SELECT a FROM t, u WHERE k = 1 AND k = 2")
        #expect(try bench.target("SELECT a FROM t, u WHERE k = 1 AND k = 2") == nil)
        try bench.plan("SELECT a FROM t, u WHERE k = 3 AND k = 3")
        #expect(try bench.target("SELECT a FROM t, u WHERE k = 3 AND k = 3") == nil)
        bench.analyser.looksAtValues = true
        try bench.plan("SELECT a FROM t WHERE k = 7")
        #expect(try bench.target("SELECT a FROM t WHERE k = 8") == nil)
    }

    @Test func aPlanFoundByShapeNamesThePlacesOfItsOwnText() throws {
        let first = try bench.plan("SELECT a FROM t WHERE b = 1 AND k = 2;")
        #expect(first.map(\.range) == [0..<38])
        let analyses = bench.analyser.analyses
        let second = try bench.plan("SELECT a FROM t WHERE b = 100000 AND k = 2000  ;")
        #expect(bench.analyser.analyses == analyses)
        #expect(second.map(\.range) == [0..<47])
        guard case .passThrough(let route) = second[0].plan.action else {
            Issue.record("not passed through")
            return
        }
        #expect(route == .keyGroups([[condition(.int8, .literal(offset: 41))]]))
    }

    @Test func plansAcrossShardsAreKeptApart() throws {
        let text = "SELECT a FROM t, u WHERE k = 1 AND k = 2"
        try bench.plan(text)
        let plan = try bench.planAcrossShards(text)
        guard case .modify = plan[0].plan.action else {
            Issue.record("not planned across shards")
            return
        }
        let analyses = bench.analyser.analyses
        _ = try bench.planAcrossShards(text)
        #expect(bench.analyser.analyses == analyses)
        #expect(try bench.target(text) != nil)
    }

    @Test func errorsAreNotKept() throws {
        #expect(throws: Refusal("42601", "syntax error", position: 1)) { try bench.plan("wrong") }
        #expect(bench.planner.statistics.texts.entries == 0)
    }

    @Test func textsThatNoParserShouldSeeAreRefused() throws {
        var limits = Limits()
        limits.statementBytes = 100
        limits.statementDepth = 50
        let bench = try CacheBench(limits: limits)
        func refusal(_ text: [UInt8]) -> String? {
            text.withUnsafeBytes { text in
                do throws(Refusal) {
                    _ = try bench.planner.plan(text: text, environment: bench.environment())
                    return nil
                } catch {
                    return error.sqlState
                }
            }
        }
        #expect(refusal(Array("SELECT \(String(repeating: " ", count: 94))".utf8)) == "54001")
        #expect(refusal(Array("SELECT \(String(repeating: "(", count: 60))".utf8)) == "54001")
        #expect(refusal(Array("SELECT '".utf8) + [0xFF]) == "22021")
        #expect(refusal(Array("SELECT 1".utf8) + [0]) == "22021")
        #expect(refusal(Array("SELECT 1".utf8)) == nil)
        #expect(bench.analyser.analyses == 1)
    }
}
