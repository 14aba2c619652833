// The fields of a DatabaseMessage by name. Setting one keeps PostgreSQL's order; setting nil removes it.

extension DatabaseMessage {
    /// Field codes (PostgreSQL manual, section 55.8).
    public enum FieldCode {
        public static let localizedSeverity = UInt8(ascii: "S")
        public static let severity = UInt8(ascii: "V")
        public static let sqlState = UInt8(ascii: "C")
        public static let message = UInt8(ascii: "M")
        public static let detail = UInt8(ascii: "D")
        public static let hint = UInt8(ascii: "H")
        public static let position = UInt8(ascii: "P")
        public static let internalPosition = UInt8(ascii: "p")
        public static let internalQuery = UInt8(ascii: "q")
        public static let context = UInt8(ascii: "W")
        public static let schemaName = UInt8(ascii: "s")
        public static let tableName = UInt8(ascii: "t")
        public static let columnName = UInt8(ascii: "c")
        public static let dataTypeName = UInt8(ascii: "d")
        public static let constraintName = UInt8(ascii: "n")
        public static let file = UInt8(ascii: "F")
        public static let line = UInt8(ascii: "L")
        public static let routine = UInt8(ascii: "R")

        /// The order in which PostgreSQL sends the fields (send_message_to_frontend in elog.c).
        static let order: [UInt8] = Array("SVCMDHPpqWstcdnFLR".utf8)
    }

    /// Text of a field; bytes that are not UTF-8 are shown as replacement characters.
    public subscript(code: UInt8) -> String? {
        get { fields.first { $0.code == code }.map { String(decoding: $0.value, as: UTF8.self) } }
        set { setField(code, newValue) }
    }

    private mutating func setField(_ code: UInt8, _ text: String?) {
        let place = fields.firstIndex { $0.code == code }
        guard let text else {
            if let place { fields.remove(at: place) }
            return
        }
        let field = Field(code: code, value: Array(text.utf8))
        if let place { fields[place] = field } else { insert(field) }
    }

    private mutating func insert(_ field: Field) {
        let rank = FieldCode.order.firstIndex(of: field.code) ?? FieldCode.order.count
        let place = fields.firstIndex { (FieldCode.order.firstIndex(of: $0.code) ?? FieldCode.order.count) > rank }
        fields.insert(field, at: place ?? fields.count)
    }

    /// The untranslated severity (field V), or the translated one from servers before 9.6.
    public var severity: Severity {
        get { Severity(rawValue: self[FieldCode.severity] ?? self[FieldCode.localizedSeverity] ?? "") }
        set {
            self[FieldCode.localizedSeverity] = newValue.rawValue
            self[FieldCode.severity] = newValue.rawValue
        }
    }

    public var sqlState: SQLState {
        get { SQLState(self[FieldCode.sqlState] ?? "") }
        set { self[FieldCode.sqlState] = newValue.rawValue }
    }

    public var message: String {
        get { self[FieldCode.message] ?? "" }
        set { self[FieldCode.message] = newValue }
    }

    public var detail: String? {
        get { self[FieldCode.detail] }
        set { self[FieldCode.detail] = newValue }
    }

    public var hint: String? {
        get { self[FieldCode.hint] }
        set { self[FieldCode.hint] = newValue }
    }

    /// Character offset in the query text, from 1.
    public var position: Int? {
        get { self[FieldCode.position].flatMap { Int($0) } }
        set { self[FieldCode.position] = newValue.map { String($0) } }
    }

    /// Character offset in `internalQuery`, from 1.
    public var internalPosition: Int? {
        get { self[FieldCode.internalPosition].flatMap { Int($0) } }
        set { self[FieldCode.internalPosition] = newValue.map { String($0) } }
    }

    public var internalQuery: String? {
        get { self[FieldCode.internalQuery] }
        set { self[FieldCode.internalQuery] = newValue }
    }

    /// Where it happened: the call stack of functions (field W, CONTEXT in psql).
    public var context: String? {
        get { self[FieldCode.context] }
        set { self[FieldCode.context] = newValue }
    }

    public var schemaName: String? {
        get { self[FieldCode.schemaName] }
        set { self[FieldCode.schemaName] = newValue }
    }

    public var tableName: String? {
        get { self[FieldCode.tableName] }
        set { self[FieldCode.tableName] = newValue }
    }

    public var columnName: String? {
        get { self[FieldCode.columnName] }
        set { self[FieldCode.columnName] = newValue }
    }

    public var dataTypeName: String? {
        get { self[FieldCode.dataTypeName] }
        set { self[FieldCode.dataTypeName] = newValue }
    }

    public var constraintName: String? {
        get { self[FieldCode.constraintName] }
        set { self[FieldCode.constraintName] = newValue }
    }

    public var file: String? {
        get { self[FieldCode.file] }
        set { self[FieldCode.file] = newValue }
    }

    public var line: Int? {
        get { self[FieldCode.line].flatMap { Int($0) } }
        set { self[FieldCode.line] = newValue.map { String($0) } }
    }

    public var routine: String? {
        get { self[FieldCode.routine] }
        set { self[FieldCode.routine] = newValue }
    }
}
