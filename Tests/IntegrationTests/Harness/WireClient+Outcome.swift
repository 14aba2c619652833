// What a statement came to, for tests that look at errors, warnings and tags.
import WireProtocol

/// All that a simple Query was answered, up to ReadyForQuery or the end of the connection.
struct StatementOutcome: CustomStringConvertible {
    var rows: [[String?]] = []
    var tags: [String] = []
    var error: DatabaseMessage?
    var warnings: [String] = []
    /// The server closed before it was ready again.
    var isCutOff = false

    var state: String? { error?.sqlState.rawValue }
    var description: String {
        "\(tags) \(error.map { "\($0.sqlState.rawValue) \($0.message) \($0.detail ?? "")" } ?? "") \(warnings)\(isCutOff ? " cut off" : "")"
    }
}

extension WireClient {
    /// Sends a simple Query and waits for all it is answered.
    func run(_ text: String, deadlineSeconds: Double = 20) throws -> StatementOutcome {
        try send(FrontendFrame.query(text))
        return try outcome(deadlineSeconds: deadlineSeconds)
    }

    func outcome(deadlineSeconds: Double = 20) throws -> StatementOutcome {
        var outcome = StatementOutcome()
        while let frame = try next(deadlineSeconds: deadlineSeconds) {
            switch frame.letter {
            case "D":
                try frame.bytes.withUnsafeBytes { bytes in
                    var row: [String?] = []
                    try DataRowMessage(bytes).forEachField { _, field in row.append(field.map { String(decoding: $0, as: UTF8.self) }) }
                    outcome.rows.append(row)
                }
            case "C": outcome.tags.append(String(decoding: frame.bytes[5...].dropLast(), as: UTF8.self))
            case "E" where outcome.error == nil: outcome.error = try frame.bytes.withUnsafeBytes { try DatabaseMessage(frame: $0) }
            case "N": outcome.warnings.append(try frame.bytes.withUnsafeBytes { try DatabaseMessage(frame: $0) }.message)
            case "Z": return outcome
            default: break
            }
        }
        outcome.isCutOff = true
        return outcome
    }
}
