// Routes and values -> shards.
import Primitives
import ShardMap
import Testing

@testable import QueryPlanning

@Suite struct RouteResolverTests {
    let map: ShardMap
    init() throws { map = try fourShards() }

    private func resolve(
        _ route: Route, _ text: String = "", _ values: [WireValue] = [], types: [UInt32] = []
    ) throws -> ResolvedRoute {
        try withParameters(values, types: types) { parameters in
            try Array(text.utf8).withUnsafeBytes {
                try RouteResolver(map: map, text: $0, parameters: parameters).resolve(route)
            }
        }
    }

    private func shard(_ key: Int64) -> ResolvedRoute { .shards(ShardSet(map.shard(hashingInteger: key))) }
    private func shard(_ key: String) throws -> ResolvedRoute {
        .shards(ShardSet(try map.shard(of: .text(key), by: .hash)))
    }
    private var all: ResolvedRoute { .shards(map.allShards) }

    @Test func simpleRoutesNeedNoValues() throws {
        #expect(try resolve(.any) == .any)
        #expect(try resolve(.catalog) == .catalog)
        #expect(try resolve(.home) == .home)
        #expect(try resolve(.all) == all)
    }

    @Test(
        arguments: [
            ("7", 7), ("-7", -7), ("- /* x */ 7", -7), ("'7'", 7), ("' -7 '", -7), ("007", 7), ("7.", 7), ("7.00", 7),
            ("E'7'", 7),
            ("9223372036854775807", Int64.max), ("-9223372036854775808", Int64.min), ("3000000000", 3_000_000_000),
        ] as [(String, Int64)])
    func integerLiterals(text: String, key: Int64) throws {
        #expect(try resolve(.keys([condition(.int8, .literal(offset: 2))]), "k=\(text) AND x", []) == shard(key))
    }

    @Test(arguments: ["7.5", "7e0", "'x'", "'7' \n '8'", "E'\\067'", "x", "9223372036854775808", "$1", "+7", "'7", ""])
    func literalsThatAreNotReadGoToAllShards(text: String) throws {
        #expect(try resolve(.keys([condition(.int8, .literal(offset: 2))]), "k=\(text)") == all)
    }

    @Test func textAndUUIDLiterals() throws {
        let text: Route = .keys([condition(.text, .literal(offset: 0))])
        #expect(try resolve(text, "'it''s'") == shard("it's"))
        #expect(try resolve(text, "''") == shard(""))
        #expect(try resolve(text, "'é '") == shard("é "))
        #expect(try resolve(text, "'a'\n'b'") == all)
        #expect(try resolve(text, "5") == all)
        let uuid: Route = .keys([condition(.uuid, .literal(offset: 0))])
        let plain = try resolve(uuid, "'550e8400-e29b-41d4-a716-446655440000'")
        #expect(numbers(plain)?.count == 1)
        #expect(try resolve(uuid, "'{550E8400e29b41d4a716446655440000}'") == plain)
        #expect(try resolve(uuid, "'550e'") == all)
    }

    @Test func parametersInBothFormatsMeanTheSame() throws {
        let route: Route = .keys([condition(.int8, .parameter(2))])
        for value: WireValue in [.text("42"), .text(" +42 "), .int8(42)] {
            #expect(try resolve(route, "", [.text("0"), value], types: [0, 20]) == shard(42))
            #expect(try resolve(route, "", [.text("0"), value]) == shard(42))
        }
        #expect(try resolve(route, "", [.null, .int4(42)], types: [0, 23]) == shard(42))
        #expect(try resolve(route, "", [.null, .int2(-42)], types: [0, 21]) == shard(-42))
        let text: Route = .keys([condition(.text, .parameter(1))])
        #expect(try resolve(text, "", [.text("a'b")], types: [25]) == shard("a'b"))
        #expect(try resolve(text, "", [.binary(Array("a'b".utf8))], types: [1043]) == shard("a'b"))
        let bytes: [UInt8] = [0x55, 0x0e, 0x84, 0, 0xe2, 0x9b, 0x41, 0xd4, 0xa7, 0x16, 0x44, 0x66, 0x55, 0x44, 0, 0]
        let uuid: Route = .keys([condition(.uuid, .parameter(1))])
        #expect(
            try resolve(uuid, "", [.binary(bytes)])
                == resolve(uuid, "", [.text("550e8400-e29b-41d4-a716-446655440000")]))
    }

    @Test func valuesOfOtherTypesOrFormsGoToAllShards() throws {
        let route: Route = .keys([condition(.int4, .parameter(1))])
        #expect(try resolve(route, "", [.text("42")], types: [1700]) == all)
        #expect(try resolve(route, "", [.text("42")], types: [BoundParameters.openType]) == resolve(route, "", [.text("42")]))
        #expect(try resolve(route, "", [.int8(42)], types: [BoundParameters.openType]) == all)
        // A text is cast to the key's type, and its bytes are the same in either format.
        #expect(try resolve(route, "", [.binary(Array("42".utf8))], types: [25]) == resolve(route, "", [.text("42")]))
        #expect(try resolve(route, "", [.text("x")]) == all)
        #expect(try resolve(route, "", [.text("3000000000")]) == all)
        #expect(try resolve(route, "", [.int8(42)]) == all)
        #expect(try resolve(route, "", []) == all)
        #expect(try resolve(.keys([condition(.text, .parameter(1))]), "", [.text("a")], types: [1042]) == all)
    }

    @Test func textOutsideASCIIInAnotherEncodingIsNotRead() throws {
        let route: Route = .keys([condition(.text, .literal(offset: 0))])
        func resolve(_ text: String) throws -> ResolvedRoute {
            try Array(text.utf8).withUnsafeBytes {
                try RouteResolver(map: map, text: $0, usesServerEncoding: false).resolve(route)
            }
        }
        #expect(try resolve("'a'") == shard("a"))
        #expect(try resolve("'é'") == all)
        #expect(try resolve("'é''x'") == all)
    }

    @Test func nullMeetsNoRowAndAnyShardCanSaySo() throws {
        #expect(try resolve(.keys([condition(.int8, .null)])) == .any)
        #expect(try resolve(.keys([condition(.int8, .parameter(1))]), "", [.null]) == .any)
    }

    @Test func conditionsIntersectAndGroupsUnite() throws {
        let one = condition(.int8, .constant(.integer(1)))
        let three = condition(.int8, .constant(.integer(3)))
        let shards = Set([1, 3].map { map.shard(hashingInteger: $0).int })
        try #require(shards.count == 2, "the keys must lie apart for this test")
        #expect(try resolve(.keys([one, one])) == shard(1))
        #expect(try resolve(.keys([one, three])) == .any)
        #expect(try numbers(resolve(.keyGroups([[one], [three]]))) == shards.sorted())
        #expect(try resolve(.keyGroups([[one], [one]])) == shard(1))
        #expect(try resolve(.keyGroups([[one, three], [three]])) == shard(3))
        let either = condition(.int8, .constant(.integer(1)), .null, .constant(.integer(3)))
        #expect(try numbers(resolve(.keys([either]))) == shards.sorted())
        #expect(try resolve(.keys([either, three])) == shard(3))
    }

    @Test func arraysInBothFormats() throws {
        let route: Route = .keys([condition(.int4, .parameter(1), array: true)])
        let shards = Set([5, 6, 900].map { map.shard(hashingInteger: $0).int }).sorted()
        var binary = WireValue.bigEndian(Int32(1)) + WireValue.bigEndian(Int32(1)) + WireValue.bigEndian(UInt32(23))
        binary += WireValue.bigEndian(Int32(4)) + WireValue.bigEndian(Int32(1))
        for key: Int32 in [5, 6, 900] { binary += WireValue.bigEndian(Int32(4)) + WireValue.bigEndian(key) }
        binary += WireValue.bigEndian(Int32(-1))
        for value: WireValue in [.text("{5,6,NULL,900}"), .text(" { 5 , \"6\" ,{900} } "), .binary(binary)] {
            #expect(try numbers(resolve(route, "", [value], types: [1007])) == shards)
        }
        for value: WireValue in [
            .text("{}"), .null, .text("{null}"), .binary([UInt8](repeating: 0, count: 8) + [0, 0, 0, 23]),
        ] {
            #expect(try resolve(route, "", [value]) == .any)
        }
        for value: WireValue in [
            .text("{5"), .text("5"), .text("{5,}"), .text("[1:1]={5}"), .text("{x}"), .text("{5}x"), .text(""),
            .text("{{{{{{{5}}}}}}}"),
            .binary(Array(binary.dropLast())), .binary(binary + [0]), .binary([]),
            .binary([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1]),
        ] {
            #expect(try resolve(route, "", [value]) == all)
        }
        #expect(try resolve(route, "", [.text("{5}")], types: [1231]) == all)
        let text: Route = .keys([condition(.text, .parameter(1), array: true)])
        #expect(try resolve(text, "", [.text("{\"a\\\"b\"}")], types: [1009]) == shard("a\"b"))
        #expect(try resolve(text, "", [.text("{ a b }")], types: [1009]) == shard("a b"))
        #expect(try resolve(text, "", [.text("{\"NULL\"}")]) == shard("NULL"))
    }

    @Test func aStoredKeyMustHaveItsShard() throws {
        func stored(_ type: KeyType, _ operand: KeyOperand) -> Route { .keys([condition(type, operand, stored: true)]) }
        func refusal(_ route: Route, _ values: [WireValue] = [], types: [UInt32] = []) -> String? {
            do {
                _ = try resolve(route, "'x'", values, types: types)
                return nil
            } catch {
                return (error as? Refusal)?.sqlState
            }
        }
        #expect(refusal(stored(.int8, .null)) == "23502")
        #expect(refusal(stored(.int8, .parameter(1)), [.null]) == "23502")
        #expect(refusal(stored(.int8, .literal(offset: 0))) == "22P02")
        #expect(refusal(stored(.int2, .parameter(1)), [.text("70000")]) == "22003")
        #expect(refusal(stored(.int8, .parameter(1)), [.text("1")], types: [1700]) == "0A000")
        #expect(try resolve(stored(.int8, .parameter(1)), "", [.text("1")]) == shard(1))
        #expect(throws: Refusal("22P02", "invalid input syntax for type bigint: \"x\"")) {
            try resolve(stored(.int8, .literal(offset: 0)), "'x'")
        }
    }

    @Test func aKeyOutsideAllRangesBelongsToNoRow() throws {
        let range = try RangePlacement([(below: .integer(10), shard: ShardIndex(2))])
        func route(stored: Bool) -> Route {
            .keys([condition(.int8, .parameter(1), stored: stored, method: .range(range))])
        }
        #expect(try numbers(resolve(route(stored: false), "", [.text("9")])) == [2])
        #expect(try resolve(route(stored: false), "", [.text("10")]) == .any)
        #expect(throws: Refusal.self) { try resolve(route(stored: true), "", [.text("10")]) }
    }

    @Test func parametersMentionedTwiceAreOpen() {
        let open = BoundParameters.openType
        func types(_ text: String, _ declared: [UInt32]) -> [UInt32] { BoundParameters.types(declared: declared, in: Array(text.utf8)) }
        #expect(types("SELECT $1, $2, $1", []) == [open])
        #expect(types("SELECT $2, $1, $2, '$1'", [20]) == [20, open])
        #expect(types("SELECT $1, $1", [20]) == [20])
        #expect(types("SELECT $1, $1 -- $2 $2", [0, 23]) == [open, 23])
        #expect(types("SELECT 1", []) == [])
    }
}
