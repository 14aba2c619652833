// RowMerge: two ordered sides, and where they differ.
import Testing

@testable import Reconciliation

@Suite struct RowMergeTests {
    @Test(arguments: [
        ("1 a,2 b,3 c", "1 a,2 b,3 c", []),
        ("1 a,2 b,3 c", "1 a,3 c", ["missing 2 b"]),
        ("1 a,3 c", "1 a,2 b,3 c", ["extra 2 b"]),
        ("1 a,2 b,3 c", "1 a,2 x,3 c", ["changed 2 b|2 x"]),
        ("", "1 a,2 b", ["extra 1 a", "extra 2 b"]),
        ("1 a,2 b", "", ["missing 1 a", "missing 2 b"]),
        ("1 a,2 b,9 z", "0 q,2 c,10 y", ["extra 0 q", "missing 1 a", "changed 2 b|2 c", "missing 9 z", "extra 10 y"]),
        ("1 -,2 b", "1 a,2 -", ["changed 1 -|1 a", "changed 2 b|2 -"]),
        ("1 -", "1 -", []),
        // A key that several rows have tells them not apart.
        ("1 a,1 b,2 c", "1 a,2 c", ["duplicate 1 a|1 a 2:1"]),
        ("1 a,2 c,2 c,2 d", "1 a,2 c,2 c", ["duplicate 2 c|2 c 3:2"]),
        // Also where the other side has none: an INSERT of one row, or a DELETE, would not make it right.
        ("1 a,2 c,2 d", "1 a", ["duplicate 2 c 2:0"]),
        ("1 a", "1 a,2 c,2 d", ["duplicate 2 c 0:2"]),
        ("-2 a,-1 b,0 c", "-2 a,0 c", ["missing -1 b"]),
        // NULL comes last.
        ("1 a,- b", "1 a", ["missing - b"]),
    ])
    func differencesAreTold(source: String, target: String, told: [String]) throws { #expect(try MergeHarness.merge(source, target) == told) }

    @Test func keysAreComparedByValueAndValuesByText() throws {
        #expect(try MergeHarness.merge("1.0 a,10 b", "1 a,10.000 c") == ["changed 10 b|10.000 c"])
        #expect(try MergeHarness.merge("1 1.0", "1 1") == ["changed 1 1.0|1 1"])
    }

    @Test func textsAreComparedByTheirBytes() throws {
        #expect(try MergeHarness.merge("B 1,a 1,b 1,é 1", "B 1,b 1,z 1,é 1", kinds: [.text]) == ["missing a 1", "extra z 1"])
    }

    @Test func keysMayHaveSeveralColumns() throws {
        #expect(try MergeHarness.merge("1 a x,1 b x,2 a x", "1 a x,1 c x,2 a y", kinds: [.number, .text]) == ["missing 1 b x", "extra 1 c x", "changed 2 a x|2 a y"])
    }

    @Test func aSubsetMayHaveFewerAndTheSameSeveralTimes() throws {
        #expect(try MergeHarness.merge("2,2,3,5", "1,2,3,4", isSubset: true) == ["missing 5"])
    }

    @Test func tolerancesLetValuesBeClose() throws {
        let cent = try #require(ValueTolerance("0.01"))
        #expect(try MergeHarness.merge("1 2.50,2 2.50,3 -", "1 2.51,2 2.52,3 0", tolerances: [nil, cent]) == ["changed 2 2.50|2 2.52", "changed 3 -|3 0"])
    }

    @Test func rowsInAnotherOrderAreAnError() throws {
        for text in ["2 a,1 b", "1 a,2 b,3 c,2 d", "9 a,10 b,2 c"] {
            #expect(throws: ReconciliationError.self, "\(text)") { try MergeHarness.merge(text, "1 a") }
            #expect(throws: ReconciliationError.self, "\(text)") { try MergeHarness.merge("1 a", text) }
        }
        // By their texts these are in order, by their values not.
        #expect(throws: ReconciliationError.self) { try MergeHarness.merge("10 a,9 b", "1 a") }
    }

    @Test func partsMayBeOfAnySize() throws {
        let order = KeyOrder(kinds: [.number])
        let text = (1...1000).map { "\($0) value\($0)" }.joined(separator: ",")
        for rows in [1, 7, 999, 1000, 5000] {
            let reader = MergeHarness.reader(text, order, partRows: rows)
            var count = 0
            try reader.advance()
            while reader.current != nil {
                count += 1
                try reader.advance()
            }
            #expect(count == 1000 && reader.rowCount == 1000)
        }
    }

    /// How many rows are asked for is judged by those before, which were small.
    @Test func whatDoesNotFitIntoAPartIsAskedForAgain() throws {
        let text = (1...200).map { "\($0 - $0 % 2) \(String(repeating: "x", count: $0 > 100 ? 400 : 1))" }.joined(separator: ",")
        var (questions, openings) = ([Int](), 0)
        let reader = MergeHarness.reader(text, KeyOrder(kinds: [.number]), partRows: 64, largestPartBytes: 2000) { rows, isAnew in
            questions.append(rows)
            openings += isAnew ? 1 : 0
        }
        var keys: [String] = []
        try reader.advance()
        while let row = reader.current {
            keys += Array(repeating: row.values[0] ?? "", count: reader.copies)
            try reader.advance()
        }
        #expect(keys == (1...200).map { "\($0 - $0 % 2)" } && reader.rowCount == 200)
        // The second time there are two large rows in a part.
        #expect(openings == 2 && questions.prefix(3) == [2, 64, 64] && questions.dropFirst(4).allSatisfy { $0 <= 2 }, "\(questions)")
    }

    @Test func aRowThatIsTooLargeIsAnError() throws {
        let reader = MergeHarness.reader("1 a,2 abcdefghij", KeyOrder(kinds: [.number]), partRows: 3, largestPartBytes: 20)
        #expect(throws: ReconciliationError.self) {
            while true {
                try reader.advance()
                if reader.current == nil { return }
            }
        }
    }

    /// Which of several rows with one key comes first is chance, so another one is no other finding.
    @Test func looksAreTheSameWhereTheyFoundTheSame() {
        func candidate(_ kind: Candidate.Kind, _ value: UInt8, copies: Int = 1) -> Candidate {
            Candidate(kind: kind, source: ResultRow(bytes: [value]), target: nil, sourceCopies: copies, targetCopies: 0)
        }
        #expect(candidate(.missing, 1).isSame(as: candidate(.missing, 1)))
        #expect(!candidate(.missing, 1).isSame(as: candidate(.missing, 2)))
        #expect(!candidate(.missing, 1).isSame(as: candidate(.changed, 1)))
        #expect(candidate(.duplicate, 1, copies: 2).isSame(as: candidate(.duplicate, 2, copies: 2)))
        #expect(!candidate(.duplicate, 1, copies: 2).isSame(as: candidate(.duplicate, 1, copies: 3)))
    }
}
