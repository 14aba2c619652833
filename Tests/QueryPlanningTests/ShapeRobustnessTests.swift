// The scanner reads and writes only its own memory, whatever the bytes are.
import Primitives
import Testing

#if canImport(Glibc)
    import Glibc
#endif
@testable import QueryPlanning

@Suite struct ShapeRobustnessTests {
    static let seeds = [
        "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;",
        "INSERT INTO h (a, b) VALUES (1, E'x\\'y', $$z$$, -3), (DEFAULT, 2) ON CONFLICT DO NOTHING",
        "SELECT a FROM t WHERE u = 'x'::uuid::text AND k IN (1, - /* c */ 2) LIMIT 5 -- end",
        "WITH x AS (SELECT U&\"a\" FROM t WHERE b BETWEEN $1 AND 1.5e-3) SELECT 'a'\n'b' FROM x",
    ]
    static let alphabet = Array("'\"$\\/*-+.:;,()[]=<>@aEuUbBxN01e_ \n\u{0}é".utf8)

    /// Scans text that ends right before a page that may not be read.
    private func scanAtPageEnd(_ bytes: [UInt8], _ scanner: ShapeScanner, page: UnsafeMutableRawPointer) -> Shape {
        let start = page + 16384 - bytes.count
        bytes.withUnsafeBytes { if let base = $0.baseAddress { start.copyMemory(from: base, byteCount: $0.count) } }
        let text = UnsafeRawBufferPointer(start: start, count: bytes.count)
        _ = StatementGuard.estimate(text, upTo: 10)
        return scanner.scan(text)
    }

    @Test func mutatedTextsStayInsideTheirMemory() throws {
        let mapped = mmap(nil, 20480, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        let page = try #require(mapped)
        #expect(mprotect(page + 16384, 4096, PROT_NONE) == 0)
        let scanner = ShapeScanner()
        defer { scanner.free(); munmap(page, 20480) }
        let random = SeededRandomSource(seed: 7)
        var shaped = 0
        for _ in 0..<100_000 {
            var bytes = Array(Self.seeds[Int(random.next() % 4)].utf8)
            for _ in 0..<random.next() % 6 {
                let place = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 4 {
                case 0: bytes[place] = Self.alphabet[Int(random.next() % UInt64(Self.alphabet.count))]
                case 1: bytes.insert(Self.alphabet[Int(random.next() % UInt64(Self.alphabet.count))], at: place)
                case 2: bytes.remove(at: place)
                default: bytes.removeSubrange(place...)
                }
                if bytes.isEmpty { break }
            }
            let shape = scanAtPageEnd(bytes, scanner, page: page)
            if shape.refusal == .none { shaped += 1 }
            #expect(shape.byteCount <= 3 * bytes.count + 8)
            for index in 0..<shape.literalCount {
                let literal = scanner.literals[index]
                #expect(literal.start >= 0 && literal.start <= literal.tokenStart && literal.tokenStart < literal.end)
                #expect(literal.end <= bytes.count)
            }
        }
        #expect(shaped > 10_000)
    }

    @Test func randomBytesNeverTrap() {
        let scanner = ShapeScanner()
        defer { scanner.free() }
        let random = SeededRandomSource(seed: 11)
        for round in 0..<20_000 {
            let bytes = Array("SELECT ".utf8) + random.bytes(round % 64)
            let shape = bytes.withUnsafeBytes { scanner.scan($0) }
            #expect(shape.byteCount <= 3 * bytes.count + 8)
        }
    }

    @Test func theLongestFormsFitTheBuffer() {
        let scanner = ShapeScanner()
        defer { scanner.free() }
        for piece in ["5 ", ".5", "+5", "5,", "(5)", "=5::x", "= 5::a ", "\"a\"", ".", "''", "$1", ". .", "-5", "1$1"] {
            let text = "SELECT " + String(repeating: piece, count: (8192 - 7) / piece.utf8.count)
            let shape = Array(text.utf8).withUnsafeBytes { scanner.scan($0) }
            #expect(shape.byteCount <= 3 * 8192, "\(piece)")
        }
    }
}
