// KeyedText: a text that begins with a comment naming an idempotency key. Every request has another key, so such a text never comes again but for a
// retry; without the comment it does. So it is planned with blanks in the comment's place, which leave every other byte where it was.
import Primitives

struct KeyedText {
    let key: String
    /// The text with blanks for the comment.
    let bytes: [UInt8]

    /// nil for every text that does not begin with /* pgbraid: idempotency_key=KEY */ and nothing more in the comment; others are read by `Directives`.
    init?(_ text: UnsafeRawBufferPointer) {
        guard text.count > Self.leastCount, text[0] == UInt8(ascii: "/"), text[1] == UInt8(ascii: "*") else { return nil }
        var place = 2
        guard Self.skip("pgbraid:", in: text, &place), Self.skip(IdempotencyKey.directiveName, in: text, &place), Self.skip("=", in: text, &place) else { return nil }
        Self.skipBlanks(in: text, &place)
        let begin = place
        while place < text.count, Self.isOfKey(text[place]), place - begin <= IdempotencyKey.maximumBytes { place += 1 }
        let end = place
        guard end > begin, end - begin <= IdempotencyKey.maximumBytes, Self.skip("*/", in: text, &place) else { return nil }
        key = String(decoding: text[begin..<end], as: UTF8.self)
        bytes = Array(repeating: UInt8(ascii: " "), count: place) + text[place...]
    }

    private static let leastCount = 24

    /// What has a meaning in a comment is left to who reads all of it.
    private static func isOfKey(_ byte: UInt8) -> Bool {
        (0x21...0x7E).contains(byte) && byte != UInt8(ascii: ",") && byte != UInt8(ascii: "*") && byte != UInt8(ascii: "/")
    }

    private static func skipBlanks(in text: UnsafeRawBufferPointer, _ place: inout Int) {
        while place < text.count, text[place] == UInt8(ascii: " ") { place += 1 }
    }

    /// Whether the word stands there, behind blanks.
    private static func skip(_ word: String, in text: UnsafeRawBufferPointer, _ place: inout Int) -> Bool {
        skipBlanks(in: text, &place)
        guard text.count - place >= word.utf8.count, text[place..<place + word.utf8.count].elementsEqual(word.utf8) else { return false }
        place += word.utf8.count
        return true
    }
}

extension StatementPlan {
    /// Its text has a key, by a comment or as the value of SET.
    var namesKey: Bool {
        if case .idempotencyKey(.set) = action { true } else { idempotencyKey != nil }
    }
}

extension Planner {
    /// The plan of a text that begins with a key.
    /// - Throws: as `plan`; 0A000 for several statements, 42601 for a second key.
    func plan(
        _ keyed: KeyedText, parameterTypes: [UInt32], environment: PlanningEnvironment
    ) throws(Refusal) -> [PlannedStatement] {
        var planned = try keyed.bytes.withBytes { (text) throws(Refusal) in
            try plan(text: text, parameterTypes: parameterTypes, environment: environment)
        }
        guard planned.count == 1 else { throw Directives.severalStatements }
        guard planned[0].plan.idempotencyKey == nil else { throw Refusal("42601", "the statement has two idempotency keys", hint: "One request has one key.") }
        planned[0].plan = planned[0].plan.changed(idempotencyKey: keyed.key)
        return planned
    }
}
