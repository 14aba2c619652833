// What tells one request from another, and how answers are kept and taken apart.
import Primitives
import QueryPlanning
import Testing
import WireProtocol

@testable import ProxyCore

@Suite struct IdempotentRequestTests {
    private let plan = StatementPlan(action: .empty, effect: .reads, commandName: "")

    private func frame(_ type: Character, _ body: [UInt8]) -> [UInt8] {
        [type.asciiValue ?? 0] + withUnsafeBytes(of: UInt32(body.count + 4).bigEndian) { Array($0) } + body
    }

    private func bind(portal: String = "", statement: String = "", _ rest: [UInt8]) -> [UInt8] {
        frame("B", Array(portal.utf8) + [0] + Array(statement.utf8) + [0] + rest)
    }

    private func hash(_ text: String, bind: [UInt8]? = nil, types: [UInt32] = [], rows: Int32 = 0, user: String = "u", settings: [String?] = [nil, "x"]) -> [UInt8] {
        var call = StatementCall(plan: plan, text: Array(text.utf8))
        call.bind = bind
        call.declaredTypes = types
        call.maximumRows = rows
        return RequestHash.of(call, user: user, settings: settings)
    }

    @Test func howTheKeyIsNamedDoesNotMatter() {
        let text = "INSERT INTO t VALUES (1, ';')"
        for same in ["/* pgbraid: idempotency_key=a */ \(text)", "/*pgbraid:idempotency_key=b*/\(text);", "  \(text) ; ", "\n\(text)"] { #expect(hash(same) == hash(text), "\(same)") }
        for other in ["/* a */ \(text)", "INSERT INTO t VALUES (1, '; ')", "insert INTO t VALUES (1, ';')", ""] { #expect(hash(other) != hash(text), "\(other)") }
    }

    @Test func allThatAnAnswerDependsOnCounts() {
        let first = hash("SELECT $1", bind: bind([0, 0, 0, 1, 0, 0, 0, 1, 0x35, 0, 0]), types: [23])
        #expect(hash("SELECT $1", bind: bind(portal: "p", statement: "s", [0, 0, 0, 1, 0, 0, 0, 1, 0x35, 0, 0]), types: [23]) == first)
        let others = [
            hash("SELECT $1", bind: bind([0, 0, 0, 1, 0, 0, 0, 1, 0x36, 0, 0]), types: [23]),
            hash("SELECT $1", bind: bind([0, 0, 0, 1, 0, 0, 0, 1, 0x35, 0, 1, 0, 1]), types: [23]),
            hash("SELECT $1", bind: bind([0, 0, 0, 1, 0, 0, 0, 1, 0x35, 0, 0]), types: [20]),
            hash("SELECT $1", bind: bind([0, 0, 0, 1, 0, 0, 0, 1, 0x35, 0, 0]), types: [23], rows: 1),
            hash("SELECT $1", bind: bind([0, 0, 0, 1, 0, 0, 0, 1, 0x35, 0, 0]), types: [23], user: "v"),
            hash("SELECT $1", bind: bind([0, 0, 0, 1, 0, 0, 0, 1, 0x35, 0, 0]), types: [23], settings: ["x", nil]),
            hash("SELECT $1"),
        ]
        #expect(!others.contains(first))
        #expect(Set(others).count == others.count)
    }

    @Test func aReplayGivesWhatWasStoredInItsOrder() {
        let request = IdempotentRequest(key: "k", isOfSession: true)
        let answers = [StoredAnswer(request: [1], tag: "", frames: [10]), StoredAnswer(request: [2], tag: "", frames: [20])]
        request.claim(on: ShardIndex(1), stored: answers)
        #expect(request.replay([2]) == nil)
        #expect(request.replay([1]) == answers[0])
        #expect(request.isShort)
        #expect(request.replay([2]) == answers[1])
        #expect(!request.isShort && request.replay([2]) == nil && !request.mustBeStored)
    }

    @Test func answersAreKeptUpToTheirLimit() {
        let request = IdempotentRequest(key: "k'", isOfSession: false)
        request.claim(on: ShardIndex(0), stored: nil)
        #expect(!request.mustBeStored)
        #expect(request.keep(StoredAnswer(request: [0xAB], tag: "UPDATE 1", frames: [1, 2]), limit: 200))
        #expect(request.mustBeStored)
        #expect(
            request.storingText
                == "INSERT INTO pgbraid.idempotency (key, number, request, tag, answer) VALUES ('k''', 1, pg_catalog.decode('ab', 'hex'), 'UPDATE 1', pg_catalog.decode('0102', 'hex'))")
        #expect(!request.keep(StoredAnswer(request: [1], tag: "", frames: Array(repeating: 0, count: 200)), limit: 200))
    }

    @Test func storedRowsAreReadAsTheyWereWritten() {
        #expect(IdempotentRequest.stored([["0", nil, nil]]) == [])
        #expect(IdempotentRequest.stored([["0", nil, nil], ["1", "ab", "0102"]]) == [StoredAnswer(request: [0xAB], tag: "", frames: [1, 2])])
        for wrong: [[String?]] in [[], [["1", "ab", "01"]], [["0", nil, nil], ["2", "ab", "01"]], [["0", nil, nil], ["1", "a", "01"]], [["0", nil, nil], ["1", "ab", nil]]] {
            #expect(IdempotentRequest.stored(wrong) == nil, "\(wrong)")
        }
        let bytes = (0...255).map { UInt8($0) }
        #expect(Hexadecimal.bytes(Hexadecimal.text(bytes)) == bytes)
        #expect(Hexadecimal.bytes("0g") == nil)
    }

    @Test func anAnswerIsTakenApart() {
        let (notice, row, complete) = (frame("N", [0]), frame("D", [0, 0]), frame("C", Array("SELECT 2".utf8) + [0]))
        let description = frame("T", [0, 0])
        let frames = (notice + description + row + row + complete).withUnsafeBytes { AnswerFrames($0) }
        #expect(frames.tag == "SELECT 2" && frames.rowCount == 2)
        #expect(frames.kept == description + row + row + complete)
        #expect(frames.told(withDescription: false) == notice + row + row + complete)
        #expect(frames.told(withDescription: true) == notice + description + row + row + complete)
    }
}
