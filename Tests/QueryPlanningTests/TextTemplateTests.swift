// A template must never say anything but what a scan of the text says.
import Primitives
import Testing

@testable import QueryPlanning

/// Templates beside the scanner they stand in for.
private final class TemplateBench {
    let scanner = ShapeScanner()
    let templates = TextTemplates()
    let found = UnsafeMutablePointer<ShapeLiteral>.allocate(capacity: ShapeScanner.maximumLiteralCount)
    private(set) var shapes: [[UInt8]] = []

    deinit {
        scanner.free()
        templates.free()
        found.deallocate()
    }

    /// The shape of a text and its literals, by the scanner; nil if it has none.
    func scan(_ bytes: [UInt8]) -> (shape: [UInt8], literals: [ShapeLiteral])? {
        bytes.withUnsafeBytes { text in
            let shape = scanner.scan(text)
            guard shape.refusal == .none else { return nil }
            return (
                Array(UnsafeBufferPointer(start: scanner.bytes, count: shape.byteCount)),
                Array(UnsafeBufferPointer(start: scanner.literals, count: shape.literalCount))
            )
        }
    }

    /// Keeps a text as a template; the entry's slot is the number of its shape.
    func keep(_ bytes: [UInt8], environment: UInt32 = 1) {
        guard let (shape, literals) = scan(bytes) else { return }
        shapes.append(shape)
        bytes.withUnsafeBytes { text in
            templates.insert(
                text, environment: environment, literals: literals, count: literals.count,
                entry: ShapeEntry(slot: shapes.count - 1, serial: UInt64(shapes.count)))
        }
    }

    /// The shape and literals by a template; nil if none shows them.
    func find(_ bytes: [UInt8], environment: UInt32 = 1) -> (shape: [UInt8], entry: ShapeEntry)? {
        let entry = bytes.withUnsafeBytes { templates.find($0, environment: environment, literals: found) }
        return entry.map { (shapes[$0.slot], $0) }
    }

    /// Whether a text is found; it then must have the shape and the literals that a scan gives it.
    func isFound(_ bytes: [UInt8]) -> Bool {
        guard let (shape, _) = find(bytes) else { return false }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let scanned = scan(bytes) else {
            Issue.record("found, though it has no shape: \(text)")
            return true
        }
        #expect(shape == scanned.shape, "\(text)")
        for (index, literal) in scanned.literals.enumerated() {
            let other = found[index]
            #expect(
                literal.start == other.start && literal.tokenStart == other.tokenStart && literal.end == other.end
                    && literal.literalClass == other.literalClass && literal.integer == other.integer, "\(text)")
        }
        return true
    }

    func isFound(_ text: String) -> Bool { isFound(Array(text.utf8)) }
}

@Suite struct TextTemplateTests {
    static let seeds = [
        "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;",
        "SELECT abalance FROM pgbench_accounts WHERE aid = -12345 AND bid=7",
        "UPDATE accounts SET balance = balance + 17 WHERE name = 'x' AND k = 4",
        "INSERT INTO history (a, b, c) VALUES (1, 'two', 3000000000), (-4, '', 6)",
        "SELECT a FROM sbtest1 WHERE id BETWEEN 1 AND 100 LIMIT 5 OFFSET 10",
        "SELECT a FROM t1 WHERE name LIKE 'a%'\n  AND k = 5 -- end",
        "SELECT a FROM t1 WHERE k IN (1, 2, '3') /* c */ AND d > 1.5",
        "SELECT a FROM t1 WHERE u = 'abc'::text AND k = 5::int4",
        "SELECT 1, f(5, 'x') FROM t1 WHERE k = 5 ORDER BY 1",
    ]
    static let alphabet = Array("'\"$\\/*-+.:;,()=<>@aEeUx019 \n\u{0}é".utf8)

    @Test func otherLiteralsAreFoundWithoutAScan() {
        let bench = TemplateBench()
        for seed in Self.seeds { bench.keep(Array(seed.utf8)) }
        #expect(bench.isFound("SELECT abalance FROM pgbench_accounts WHERE aid = 1;"))
        #expect(bench.isFound("SELECT abalance FROM pgbench_accounts WHERE aid = 2147483647;"))
        #expect(bench.isFound("SELECT abalance FROM pgbench_accounts WHERE aid = -1 AND bid=99"))
        #expect(
            bench.isFound("UPDATE accounts SET balance = balance + 1 WHERE name = 'somebody \\ else' AND k = 40000"))
        #expect(bench.isFound("INSERT INTO history (a, b, c) VALUES (7, '', 9000000000), (-40, 'z', 0)"))
        #expect(bench.isFound("SELECT a FROM sbtest1 WHERE id BETWEEN 007 AND 8 LIMIT 50 OFFSET 0"))
    }

    @Test func whatDiffersInMoreThanLiteralsIsNotFound() {
        let bench = TemplateBench()
        for seed in Self.seeds { bench.keep(Array(seed.utf8)) }
        for text in [
            "SELECT abalance FROM pgbench_accounts WHERE aid = 2147483648;",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 1.5;",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 1",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 1;;",
            "SELECT abalance FROM pgbench_accounts WHERE aid = '1';",
            "SELECT abalance FROM pgbench_accounts WHERE aid = ;",
            "SELECT abalance FROM pgbench_accounts WHERE bid = 1;",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 12345x;",
            "SELECT abalance FROM pgbench_accounts WHERE aid =",
            "UPDATE accounts SET balance = balance + 1 WHERE name = 'it''s' AND k = 4",
            "UPDATE accounts SET balance = balance + 1 WHERE name = 'open AND k = 4",
        ] {
            #expect(bench.find(Array(text.utf8)) == nil, "\(text)")
        }
    }

    @Test func anotherEnvironmentHasItsOwnTemplates() {
        let bench = TemplateBench()
        let text = Array(Self.seeds[0].utf8)
        bench.keep(text, environment: 1)
        #expect(bench.find(text, environment: 2) == nil)
        bench.keep(text, environment: 2)
        #expect(bench.find(text, environment: 1)?.entry.slot == 0)
        #expect(bench.find(text, environment: 2)?.entry.slot == 1)
    }

    @Test func aTemplateIsGoneWithItsEntry() {
        let bench = TemplateBench()
        let text = Array(Self.seeds[0].utf8)
        bench.keep(text)
        bench.templates.forget(ShapeEntry(slot: 0, serial: 1))
        #expect(bench.find(text) == nil)
    }

    /// Texts with the same beginning take each other's places, and none is taken for another.
    @Test func fullSetsKeepTheLatest() {
        let bench = TemplateBench()
        for number in 0..<50 { bench.keep(Array("SELECT abalance FROM table\(number) WHERE k = 5".utf8)) }
        for number in 0..<50 { _ = bench.isFound("SELECT abalance FROM table\(number) WHERE k = 77") }
        #expect(bench.isFound("SELECT abalance FROM table49 WHERE k = 78"))
    }

    @Test func mutatedTextsAreFoundOnlyAsAScanSeesThem() {
        let random = SeededRandomSource(seed: 23)
        var foundCount = 0
        for round in 0..<400 {
            let bench = TemplateBench()
            // Templates of mutated texts, too: what is odd in a template must not mislead.
            for seed in Self.seeds { bench.keep(mutated(Array(seed.utf8), random, steps: round % 3)) }
            for seed in Self.seeds { bench.keep(Array(seed.utf8)) }
            for _ in 0..<250 {
                let seed = Array(Self.seeds[Int(random.next() % UInt64(Self.seeds.count))].utf8)
                if bench.isFound(mutated(seed, random, steps: Int(random.next() % 3))) { foundCount += 1 }
            }
        }
        #expect(foundCount > 20_000)
    }

    private func mutated(_ seed: [UInt8], _ random: SeededRandomSource, steps: Int) -> [UInt8] {
        var bytes = seed
        for _ in 0..<steps where bytes.count > 17 {
            let place = 16 + Int(random.next() % UInt64(bytes.count - 16))
            let byte = Self.alphabet[Int(random.next() % UInt64(Self.alphabet.count))]
            switch random.next() % 4 {
            case 0: bytes[place] = byte
            case 1: bytes.insert(byte, at: place)
            case 2: bytes.remove(at: place)
            default:
                if bytes[place] &- UInt8(ascii: "0") < 10 {
                    bytes[place] = UInt8(ascii: "0") + UInt8(random.next() % 10)
                }
            }
        }
        return bytes
    }
}
