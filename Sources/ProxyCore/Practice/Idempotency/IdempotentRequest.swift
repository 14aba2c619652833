// IdempotentRequest: one transaction under a key, and what has been answered in it.
//
// States:    unclaimed -> claimed | replayed
//   unclaimed   the key's shard has not been asked: nothing has run under the key
//   claimed     the key is this transaction's; statements run, and their answers are stored before COMMIT
//   replayed    the request was committed before: nothing runs, and what was stored is answered
import Primitives
import WireProtocol

/// One statement's answer.
struct StoredAnswer: Equatable {
    /// What an answer takes beside its frames: a row, and the hash of what was asked.
    static let overheadBytes = 96
    /// What was asked (`RequestHash`).
    var request: [UInt8]
    /// The tag of its CommandComplete.
    var tag: String
    /// RowDescription where there are rows, also where the client has asked for it apart; DataRow messages; CommandComplete.
    var frames: [UInt8]
    /// The values and formats that were asked with.
    var form = RequestForm()
}

final class IdempotentRequest {
    /// What a retry of a statement finds.
    enum Replay: Equatable {
        case answer(StoredAnswer)
        /// Another was asked then, or nothing more.
        case otherRequest
        /// The same may have been asked, but the answer is in other formats, or values cannot be compared.
        case otherFormats
    }

    enum State: Equatable { case unclaimed, claimed, replayed }

    let key: String
    private(set) var state = State.unclaimed
    /// The key's shard; known when it is claimed.
    private(set) var home: ShardIndex?
    /// What has been answered, or is to be.
    private(set) var answers: [StoredAnswer] = []
    private(set) var answerBytes = 0
    /// How many of the stored answers have been given.
    private(set) var replayedCount = 0
    /// The answers are stored with the transaction.
    var isStored = false

    init(key: String) { self.key = key }

    /// The key's shard has answered.
    /// - Parameter stored: nil: nobody has committed the key, and nobody else can now.
    func claim(on home: ShardIndex, stored: [StoredAnswer]?) {
        self.home = home
        state = stored == nil ? .claimed : .replayed
        answers = stored ?? []
    }

    /// Keeps an answer.
    /// - Returns: false: all of them together are longer than they may be.
    func keep(_ answer: StoredAnswer, limit: Int) -> Bool {
        answerBytes += answer.frames.count + answer.form.bytes.count + StoredAnswer.overheadBytes
        guard answerBytes <= limit else { return false }
        answers.append(answer)
        return true
    }

    /// The stored answer to the next statement.
    func replay(_ asked: RequestIdentity) -> Replay {
        guard replayedCount < answers.count else { return .otherRequest }
        let stored = answers[replayedCount]
        guard stored.request == asked.hash else { return .otherRequest }
        guard stored.form.parameters == asked.form.parameters else { return .otherFormats }
        guard stored.form.values == asked.form.values else { return .otherRequest }
        if stored.form.results != asked.form.results {
            let columns = stored.frames.withUnsafeBytes { AnswerFrames($0).columns }
            guard stored.form.answers(asked.form, columnCount: columns.count) else { return .otherFormats }
        }
        replayedCount += 1
        return .answer(stored)
    }

    /// It is a replay that has left something out.
    var isShort: Bool { state == .replayed && replayedCount < answers.count }

    var mustBeStored: Bool { state == .claimed && !isStored && !answers.isEmpty }

    var otherFormats: DatabaseMessage {
        DatabaseMessage(
            error: .featureNotSupported, "the request under the idempotency key \"\(key)\" has been committed, with values or an answer in other formats",
            detail: "Statement \(replayedCount + 1) of it has an answer that cannot be given in the formats of now, or values that cannot be compared.",
            hint: "Do not make it under another key. Retry in the formats of the first time, or ask pgbraid.outcome what is known of it.")
    }

    var otherRequest: DatabaseMessage {
        DatabaseMessage(
            error: .invalidParameterValue, "another request has been committed under the idempotency key \"\(key)\"",
            detail: "Statement \(min(replayedCount, answers.count) + 1) of it is not the same: text, values, addressed shard, role or a setting differ.",
            hint: "Repeat the request exactly as it was, or use another key; pgbraid.outcome tells what is known of this one.")
    }
}

extension IdempotentRequest {
    /// Reads the rows that pgbraid.idempotency_claim has answered with: number, request, answer and formats.
    /// - Returns: nil where they are not what has been stored.
    static func stored(_ rows: [[String?]]) -> [StoredAnswer]? {
        guard rows.first?.first == "0" else { return nil }
        var answers: [StoredAnswer] = []
        for (place, row) in rows.dropFirst().enumerated() {
            guard row.count == 4, row[0] == "\(place + 1)", let request = row[1].flatMap(Hexadecimal.bytes), let frames = row[2].flatMap(Hexadecimal.bytes),
                let form = row[3].flatMap(Hexadecimal.bytes).flatMap(RequestForm.init(bytes:))
            else { return nil }
            answers.append(StoredAnswer(request: request, tag: "", frames: frames, form: form))
        }
        return answers
    }

    /// The statement that stores the answers.
    var storingText: String {
        let rows = answers.enumerated().map { place, answer in
            let bytes = [answer.request, answer.frames, answer.form.bytes].map { "pg_catalog.decode('\(Hexadecimal.text($0))', 'hex')" }
            return "(\(quoteLiteral(key)), \(place + 1), \(bytes[0]), \(quoteLiteral(answer.tag)), \(bytes[1]), \(bytes[2]))"
        }
        return """
            SELECT pgbraid.idempotency_held(\(quoteLiteral(key))); \
            INSERT INTO pgbraid.idempotency (key, number, request, tag, answer, formats) VALUES \(rows.joined(separator: ", "))
            """
    }
}

/// Bytes as hexadecimal digits, which no setting changes the meaning of.
enum Hexadecimal {
    static func text(_ bytes: [UInt8]) -> String {
        String(unsafeUninitializedCapacity: 2 * bytes.count) { target in
            for (place, byte) in bytes.enumerated() {
                target[2 * place] = digit(byte >> 4)
                target[2 * place + 1] = digit(byte & 15)
            }
            return 2 * bytes.count
        }
    }

    /// nil for anything but pairs of digits.
    static func bytes(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for place in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[place]), let low = value(digits[place + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
