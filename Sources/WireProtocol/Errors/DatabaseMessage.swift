// DatabaseMessage: the value behind an ErrorResponse or NoticeResponse (PostgreSQL manual, sections 55.7, 55.8).
//
// It keeps the fields as bytes in the order they came: a message from a shard that is edited (a position moved, a
// detail added) and sent on stays byte for byte the same elsewhere, whatever its encoding, unknown fields included.

/// An error or notice: a list of fields, each a code and its bytes.
public struct DatabaseMessage: Error, Equatable, Sendable {
    /// One field as it stands in the message.
    public struct Field: Equatable, Sendable {
        public var code: UInt8
        public var value: [UInt8]

        public init(code: UInt8, value: [UInt8]) {
            self.code = code
            self.value = value
        }
    }

    public var fields: [Field]

    public init(fields: [Field]) { self.fields = fields }

    /// A message with the fields every message has.
    public init(severity: Severity, sqlState: SQLState, message: String) {
        fields = [
            Field(code: FieldCode.localizedSeverity, value: Array(severity.rawValue.utf8)),
            Field(code: FieldCode.severity, value: Array(severity.rawValue.utf8)),
            Field(code: FieldCode.sqlState, value: Array(sqlState.rawValue.utf8)),
            Field(code: FieldCode.message, value: Array(message.utf8)),
        ]
    }

    /// An ERROR: ends the statement and fails the transaction.
    /// - Parameter position: character offset in the query text, from 1.
    public init(
        error sqlState: SQLState, _ message: String, detail: String? = nil, hint: String? = nil, position: Int? = nil
    ) {
        self.init(severity: .error, sqlState: sqlState, message: message)
        self.detail = detail
        self.hint = hint
        self.position = position
    }

    /// A FATAL: ends the session.
    public init(fatal sqlState: SQLState, _ message: String, detail: String? = nil, hint: String? = nil) {
        self.init(severity: .fatal, sqlState: sqlState, message: message)
        self.detail = detail
        self.hint = hint
    }

    /// A notice of any severity below ERROR.
    public init(
        notice severity: Severity, _ sqlState: SQLState, _ message: String, detail: String? = nil, hint: String? = nil
    ) {
        self.init(severity: severity, sqlState: sqlState, message: message)
        self.detail = detail
        self.hint = hint
    }

    /// How grave a message is; the raw value is PostgreSQL's untranslated word.
    public struct Severity: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }

        public static let error = Severity(rawValue: "ERROR")
        public static let fatal = Severity(rawValue: "FATAL")
        public static let panic = Severity(rawValue: "PANIC")
        public static let warning = Severity(rawValue: "WARNING")
        public static let notice = Severity(rawValue: "NOTICE")
        public static let debug = Severity(rawValue: "DEBUG")
        public static let info = Severity(rawValue: "INFO")
        public static let log = Severity(rawValue: "LOG")
    }
}
