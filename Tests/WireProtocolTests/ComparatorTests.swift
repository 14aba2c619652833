// Comparators against PostgreSQL 15: each list is what `dense_rank() OVER (ORDER BY v)` gave for the values, in
// binary format. Words are in ascending order; values of one word separated by "=" have the same rank.
import Testing

@testable import WireProtocol

@Suite struct ComparatorTests {
    typealias Comparator = @Sendable (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Int

    struct Ranking: Sendable {
        let type: String
        let compare: Comparator
        let ascending: String
    }

    static let rankings: [Ranking] = [
        Ranking(
            type: "numeric", compare: { compareNumeric($0, $1) },
            ascending: """
                00000000f0000020 00010001400000000001 0002000040000001270f1388 00010000400000000001 \
                0001fffb400000140001 0000000000000002=0000000000000001=0000000000000000 0001fffb000000140001 \
                0001fffe0000000503e8 0001ffff000000040001 \
                00010000000000020001=00010000000000000001=00010000000000010001 0001000000000000270f \
                0002000000000004270f270f=0002000000000008270f270f 00010001000000000001 0003000100000004000100000001 \
                000200010000000000010001 00010002000000000001 0003000200000000000100000001 \
                0008000700000000000c0d801ed204d2162e23340d801ed2 00010019000000000001=00010019000000000001 \
                00000000d0000020 00000000c0000000
                """),
        Ranking(
            type: "float8", compare: { compareFloat8($0, $1) },
            ascending: """
                fff0000000000000 fe37e43c8800759c bff0000000000000 0000000000000000=8000000000000000 \
                01a56e1fc2f8f359 3ff0000000000000 7e37e43c8800759c 7ff0000000000000 7ff8000000000000
                """),
        Ranking(
            type: "float4", compare: { compareFloat4($0, $1) },
            ascending: """
                ff800000 bf800000 00000000=80000000 0da24260 3fc00000 7149f2ca 7f800000 7fc00000
                """),
        Ranking(
            type: "interval", compare: { compareInterval($0, $1) },
            ascending: """
                00000000000000000000000080af3a00 0000000000000000ffffffff00000000 00000000000000000000000000000000 \
                00000000000000010000000000000000 00000000000000000000000100000000=000000141dd760000000000000000000 \
                00000000000000000000000000000001=00000000000000000000001e00000000=0000025b7f3d40000000000000000000 \
                00000000000000000000016800000000=0000000000000000000000000000000c 00000000000000000000016d00000000 \
                0000000000000000000000007f50c600 00000000000000007fffffff7f50c600
                """),
        Ranking(
            type: "timetz", compare: { compareTimeWithZone($0, $1) },
            ascending: """
                0000000000000000ffff2d10 0000000ae57f5400ffffe3e0 0000000bbc12f800ffffe3e0 0000000a0eebb00000000000 \
                0000000861c4680000001c20 0000000a0eebb00100000000 000000141dd760000000d2f0
                """),
        Ranking(
            type: "inet", compare: { compareNetwork($0, $1) },
            ascending: """
                0200000400000000 0220000409ffffff 020700040a000000 020700040b000000 020800040a000000 \
                020800040a000001 021000040a000000 022000040a000001 021000040a010000 02180004c0a80105 \
                02200004c0a80105 0300001000000000000000000000000000000000 0380001000000000000000000000000000000001 \
                030a0010fe800000000000000000000000000000
                """),
        Ranking(
            type: "varbit", compare: { compareBitString($0, $1) },
            ascending: """
                00000000 0000000100 0000000240 0000000180 0000000280 0000000380 00000008ff 00000009ff00
                """),
        Ranking(
            type: "\"char\"", compare: { compareInternalChar($0, $1) },
            ascending: """
                00 61 7a 7e
                """),
        Ranking(
            type: "bool", compare: { compareBool($0, $1) },
            ascending: """
                00 01
                """),
        Ranking(
            type: "timestamp", compare: { compareTimestamp($0, $1) },
            ascending: """
                8000000000000000 ffffffffffffffff 0000000000000000 0000000000000001 7fffffffffffffff
                """),
        Ranking(
            type: "date", compare: { compareDate($0, $1) },
            ascending: """
                80000000 ffffffff 00000000 7fffffff
                """),
        Ranking(
            type: "bpchar(3)", compare: { compareBlankPaddedC($0, $1) },
            ascending: """
                202020 206120 612020=612020=612020 616220
                """),
        Ranking(
            type: "text", compare: { compareTextC($0, $1) },
            ascending: """
                empty 42 61 6162 62 c3a9
                """),
        Ranking(
            type: "bytea", compare: { compareBytea($0, $1) },
            ascending: """
                empty 00 0001 7f ff
                """),
        Ranking(
            type: "macaddr", compare: { compareHardwareAddress($0, $1) },
            ascending: """
                08002b010203 08002b010204 ff002b010203
                """),
        Ranking(
            type: "pg_lsn", compare: { compareUnsigned8($0, $1) },
            ascending: """
                0000000000000001 7fffffffffffffff ffffffff00000000
                """),
        Ranking(
            type: "oid", compare: { compareOID($0, $1) },
            ascending: """
                00000000 7fffffff ffffffff
                """),
        Ranking(
            type: "int8", compare: { compareInt8($0, $1) },
            ascending: """
                8000000000000000 ffffffffffffffff 0000000000000000 7fffffffffffffff
                """),
        Ranking(
            type: "int2", compare: { compareInt2($0, $1) },
            ascending: """
                8000 ffff 0000 7fff
                """),
        Ranking(
            type: "uuid", compare: { compareUUID($0, $1) },
            ascending: """
                00000000000000000000000000000001 7fffffff000000000000000000000001 ffffffff000000000000000000000001
                """),
    ]

    @Test(arguments: rankings) func valuesSortAsInPostgreSQL(_ ranking: Ranking) throws {
        let ranks = ranking.ascending.split(separator: " ").map { $0.split(separator: "=").map(hexadecimal) }
        let values = ranks.enumerated().flatMap { rank, members in members.map { (rank, $0) } }
        for (rankA, a) in values {
            for (rankB, b) in values {
                let expected = rankA < rankB ? -1 : (rankA == rankB ? 0 : 1)
                let actual = peeking(a) { a in peeking(b) { b in ranking.compare(a, b) } }
                #expect(actual == expected, "\(ranking.type): \(a) against \(b)")
            }
        }
    }

    @Test func int4AndAnOIDBeyondItsSignDiffer() {
        let (low, high): ([UInt8], [UInt8]) = ([0, 0, 0, 1], [0xFF, 0, 0, 0])
        #expect(peeking(low) { a in peeking(high) { b in compareInt4(a, b) } } == 1)
        #expect(peeking(low) { a in peeking(high) { b in compareOID(a, b) } } == -1)
    }

    @Test func valuesOfImpossibleLengthsNeverTrap() {
        let broken = ["empty", "00", "0002", "0009000040000000", "01ff0004ffffffff", "0000000000000000000000"]
            .map { hexadecimal($0[...]) }
        let whole = Self.rankings.flatMap { $0.ascending.split(separator: " ").flatMap { $0.split(separator: "=") } }
            .map(hexadecimal)
        for ranking in Self.rankings {
            for a in broken {
                for b in broken + whole {
                    let (forward, backward) = peeking(a) { a in
                        peeking(b) { b in (ranking.compare(a, b), ranking.compare(b, a)) }
                    }
                    #expect(forward == -backward, "\(ranking.type): \(a) against \(b)")
                }
            }
        }
    }
}
