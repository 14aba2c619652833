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

    private func hash(_ text: String, bind: [UInt8]? = nil, types: [UInt32] = [], rows: Int32 = 0, user: String = "u", settings: [String?] = [nil, "x"]) -> RequestIdentity {
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

    /// The same text on another shard is another request.
    @Test func theAddressedShardCounts() {
        let (key, text) = ("idempotency_key=a", "DELETE FROM t")
        let first = hash("/* pgbraid: shard=1, \(key) */ \(text)")
        for same in ["/* pgbraid: \(key), shard=1 */ \(text)", "/*pgbraid: shard = 1,idempotency_key=b*/\(text);"] { #expect(hash(same) == first, "\(same)") }
        for other in ["/* pgbraid: shard=2, \(key) */ \(text)", "/* pgbraid: \(key) */ \(text)", "/* pgbraid: \(key) */ /* pgbraid: shard=1 */ \(text)"] {
            #expect(hash(other) != first, "\(other)")
        }
    }

    @Test func settingsThatMayMatterCount() {
        let detail = SessionDetail(facts: AcceptFacts(isUnixSocket: true, address: "", offersTLS: false))
        func settings(_ statements: [(String, String)], local: [(String, String)] = []) -> [String?] {
            detail.settings = SettingList()
            for (name, value) in statements { detail.settings.set(name, statement: "SET \(name) TO '\(value)'") }
            detail.transaction = Transaction(isExplicit: true, beginText: "BEGIN", settingsBefore: detail.settings, temporaryTablesBefore: [], startedAt: .origin)
            for (name, value) in local { detail.transaction?.localSettings.set(name, statement: "SET LOCAL \(name) TO '\(value)'") }
            return detail.settingsOfMeaning
        }
        let none = settings([])
        for name in ["application_name", "lock_timeout", "log_statement", "client_min_messages"] { #expect(settings([(name, "1")]) == none, "\(name)") }
        for name in ["app.tenant", "log_app.tenant", "tcp_.x", "row_security", "session_replication_role", "search_path", "pgbraid.shard", "timezone", "default_text_search_config"] {
            #expect(settings([(name, "1")]) != none && settings([(name, "1")]) != settings([(name, "2")]), "\(name)")
            #expect(settings([(name, "2")], local: [(name, "1")]) == settings([(name, "1")]), "\(name)")
        }
        #expect(settings([("a.b", "1"), ("a.c", "2")]) == settings([("a.c", "2"), ("a.b", "1")]))
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
        for (place, one) in others.enumerated() { #expect(!others[(place + 1)...].contains(one)) }
    }

    /// Values of a parameter by format and bytes, and formats of the result, as in a Bind frame.
    private func identity(_ values: [(format: UInt8, bytes: [UInt8]?)], results: [UInt8] = [], types: [UInt32] = []) -> RequestIdentity {
        func count(_ number: Int) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xFF)] }
        var rest = count(values.count)
        for value in values { rest += [0, value.format] }
        rest += count(values.count)
        for value in values {
            // -1 is NULL.
            guard let bytes = value.bytes else { rest += [0xFF, 0xFF, 0xFF, 0xFF]; continue }
            rest += [0, 0] + count(bytes.count) + bytes
        }
        rest += count(results.count)
        for format in results { rest += [0, format] }
        return hash("SELECT $1", bind: bind(rest), types: types)
    }

    /// A request that has been committed with one statement.
    private func committed(_ first: RequestIdentity, columns: Int) -> IdempotentRequest {
        let request = IdempotentRequest(key: "k")
        let field = Array("a".utf8) + [0] + [UInt8](repeating: 0, count: 18)
        let fields: [UInt8] = (0..<columns).flatMap { _ in field }
        let description = frame("T", [0, UInt8(columns)] + fields)
        request.claim(on: ShardIndex(0), stored: [StoredAnswer(request: first.hash, tag: "", frames: columns > 0 ? description : [], form: first.form)])
        return request
    }

    private enum Found { case same, otherRequest, otherFormats }

    private func retry(_ first: RequestIdentity, _ second: RequestIdentity, columns: Int = 0) -> Found {
        switch committed(first, columns: columns).replay(second) {
        case .answer: .same
        case .otherRequest: .otherRequest
        case .otherFormats: .otherFormats
        }
    }

    /// Drivers send the same values as text at first, and in binary later.
    @Test func valuesInBothFormatsCompare() {
        let uuid = Array("00112233-4455-6677-8899-aabbccddeeff".utf8)
        let pairs: [(type: UInt32, text: [UInt8], binary: [UInt8])] = [
            (23, Array("5".utf8), [0, 0, 0, 5]), (23, Array("-2".utf8), [0xFF, 0xFF, 0xFF, 0xFE]), (21, Array("258".utf8), [1, 2]),
            (20, Array("-9223372036854775808".utf8), [0x80, 0, 0, 0, 0, 0, 0, 0]), (25, Array("a".utf8), Array("a".utf8)), (1043, [], []),
            (2950, uuid, (0..<16).map { UInt8($0) * 0x11 }),
        ]
        for (type, text, binary) in pairs { #expect(retry(identity([(0, text)], types: [type]), identity([(1, binary)], types: [type])) == .same, "\(type)") }
        #expect(retry(identity([(0, [0x35])], types: [23]), identity([(1, [0, 0, 0, 6])], types: [23])) == .otherRequest)
        #expect(retry(identity([(0, nil)], types: [23]), identity([(1, nil)], types: [23])) == .same)
        #expect(retry(identity([(0, nil)], types: [23]), identity([(0, [])], types: [23])) == .otherRequest)
        // What is not known here is not guessed, and not taken for another request.
        #expect(retry(identity([(0, [0x35])], types: [701]), identity([(1, [0x40, 0x14, 0, 0, 0, 0, 0, 0])], types: [701])) == .otherFormats)
        #expect(retry(identity([(1, [1])]), identity([(1, [1])])) == .same)
        #expect(retry(identity([(1, [1])]), identity([(1, [2])])) == .otherRequest)
    }

    @Test func formatsOfTheResultMatterWhereThereAreRows() {
        let cases: [(first: [UInt8], second: [UInt8], columns: Int, found: Found)] = [
            ([], [0], 2, .same), ([1], [1, 1], 2, .same), ([], [1], 0, .same), ([], [1], 1, .otherFormats), ([1, 0], [1], 2, .otherFormats), ([0, 0], [], 2, .same),
        ]
        for (first, second, columns, found) in cases { #expect(retry(identity([], results: first), identity([], results: second), columns: columns) == found, "\(first) \(second)") }
    }

    @Test func aFormIsReadAsItIsWritten() {
        for form in [RequestForm(), identity([]).form, identity([(1, [7]), (0, nil), (1, [8]), (0, [9])], results: [1, 0]).form] { #expect(RequestForm(bytes: form.bytes) == form) }
        let bytes = identity([(1, [7])]).form.bytes
        #expect(RequestForm(bytes: Array(bytes.dropLast())) == nil && RequestForm(bytes: bytes + [2]) == nil && RequestForm(bytes: [1]) == nil)
    }

    @Test func aReplayGivesWhatWasStoredInItsOrder() {
        let request = IdempotentRequest(key: "k")
        let answers = [StoredAnswer(request: [1], tag: "", frames: [10]), StoredAnswer(request: [2], tag: "", frames: [20])]
        let (first, second) = (RequestIdentity(hash: [1]), RequestIdentity(hash: [2]))
        request.claim(on: ShardIndex(1), stored: answers)
        #expect(request.replay(second) == .otherRequest)
        #expect(request.replay(first) == .answer(answers[0]))
        #expect(request.isShort)
        #expect(request.replay(second) == .answer(answers[1]))
        #expect(!request.isShort && request.replay(second) == .otherRequest && !request.mustBeStored)
    }

    @Test func answersAreKeptUpToTheirLimit() {
        let request = IdempotentRequest(key: "k'")
        request.claim(on: ShardIndex(0), stored: nil)
        #expect(!request.mustBeStored)
        #expect(request.keep(StoredAnswer(request: [0xAB], tag: "UPDATE 1", frames: [1, 2]), limit: 200))
        #expect(request.mustBeStored)
        #expect(
            request.storingText
                == "SELECT pgbraid.idempotency_held('k'''); INSERT INTO pgbraid.idempotency (key, number, request, tag, answer, formats) VALUES ('k''', 1, pg_catalog.decode('ab', 'hex'), 'UPDATE 1', pg_catalog.decode('0102', 'hex'), pg_catalog.decode('', 'hex'))")
        #expect(!request.keep(StoredAnswer(request: [1], tag: "", frames: Array(repeating: 0, count: 200)), limit: 200))
    }

    @Test func storedRowsAreReadAsTheyWereWritten() {
        let claim: [String?] = ["0", nil, nil, ""]
        #expect(IdempotentRequest.stored([claim]) == [])
        #expect(IdempotentRequest.stored([claim, ["1", "ab", "0102", ""]]) == [StoredAnswer(request: [0xAB], tag: "", frames: [1, 2])])
        let wrong: [[String?]] = [["2", "ab", "01", ""], ["1", "a", "01", ""], ["1", "ab", nil, ""], ["1", "ab", "01", nil], ["1", "ab", "01", "01"], ["1", "ab", "01"]]
        for row in wrong { #expect(IdempotentRequest.stored([claim, row]) == nil, "\(row)") }
        #expect(IdempotentRequest.stored([]) == nil && IdempotentRequest.stored([["1", "ab", "01", ""]]) == nil)
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
