// ShardedCursor: a cursor over the rows of several shards, which lives in the proxy. There are two kinds of it: a HeldCursor has all its
// rows since it was declared and can go back among them; a StreamedCursor asks the shards for more when rows are fetched.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

class ShardedCursor {
    let name: String
    /// Declared BINARY: a FETCH by the simple protocol gives binary values.
    let isBinary: Bool
    /// The columns, as RowDescription tells them, in text format.
    let fields: [FieldDescription]
    var position = CursorPosition()
    /// An error while it was read: PostgreSQL lets nothing be done with such a cursor but closing it.
    var hasFailed = false
    /// The settings by which the rows that it holds were written.
    var textStyles: [String?] = []

    init(name: String, isBinary: Bool, fields: [FieldDescription]) {
        self.name = name
        self.isBinary = isBinary
        self.fields = fields.map { field in
            var field = field
            field.format = .text
            return field
        }
    }

    /// Bytes of the rows it holds in the proxy.
    var heldBytes: Int { 0 }
    /// It can only go forward.
    var isForwardOnly: Bool { false }

    /// Why it cannot be moved so; nil: it can.
    func problem(_ movement: CursorMovement, isMove: Bool) -> DatabaseMessage? {
        if hasFailed { return DatabaseMessage(error: .objectNotInPrerequisiteState, "portal \"\(name)\" cannot be run") }
        guard isForwardOnly, position.goesBack(movement, isMove: isMove) else { return nil }
        return DatabaseMessage(
            error: .objectNotInPrerequisiteState, "cursor can only scan forward",
            hint: "Declare it with SCROLL option to enable backward scan.")
    }

    /// The format of each column for one use of the cursor.
    func formats(_ use: CursorUse, _ call: StatementCall) -> [FormatCode] {
        let asked: [FormatCode]
        switch use {
        case .execute: asked = call.resultFormats
        case .fetch, .move: asked = call.bind == nil ? (isBinary ? [.binary] : []) : call.resultFormats
        }
        return fields.asked(asked).map(\.format)
    }


    /// PostgreSQL would write the rows by the settings of now.
    var otherStyles: DatabaseMessage { .otherTextStyles("cursor \"\(name)\"") }

    /// The error of a FETCH in a format in which the rows are not there.
    var otherFormat: DatabaseMessage {
        DatabaseMessage(
            error: .featureNotSupported, "the rows of cursor \"\(name)\" are held in another format than they are to be fetched in",
            hint: "Fetch them all in one format. The rows of a cursor that scrolls, or whose query is finished on one shard, are in text, or in binary format if it is declared BINARY.")
    }
}

extension [FieldDescription] {
    /// The columns in the formats of a Bind: none (all text), one for all, or one a column.
    func asked(_ formats: [FormatCode]) -> [FieldDescription] {
        zip(indices, self).map { index, field in
            var field = field
            field.format = formats.count == 1 ? formats[0] : index < formats.count ? formats[index] : .text
            return field
        }
    }
}

/// What a cursor is read for.
enum CursorUse {
    case fetch, move
    /// Execute of the cursor as a portal of the protocol.
    case execute

    /// The tag; nil where a portal has more rows.
    func tag(_ count: Int64, isBehindLast: Bool) -> String? {
        switch self {
        case .fetch: "FETCH \(count)"
        case .move: "MOVE \(count)"
        case .execute: isBehindLast ? "SELECT \(count)" : nil
        }
    }
}

extension Worker {
    /// Ends the answer to a use of a cursor.
    func tellCursorEnd(_ index: Int32, _ use: CursorUse, _ count: Int64, _ cursor: ShardedCursor) {
        if let tag = use.tag(count, isBehindLast: cursor.position.isBehindLast) { return tellComplete(index, tag) }
        guard sessions.at(index).pointee.phase != .leaving else { return }
        output(ofSession: index).pointee.output.writePortalSuspended()
    }
}

extension DatabaseMessage {
    /// - Parameter limit: in bytes.
    static func tooManyRows(ofCursor name: String, limit: Int) -> DatabaseMessage {
        DatabaseMessage(
            error: .configurationLimitExceeded, "the rows of cursor \"\(name)\" are over the limit of \(limit) bytes",
            hint: "The cursors of a session hold their rows in the proxy. Close those no longer needed, or raise limits.merge.")
    }

    /// - Parameter what: holds the rows.
    static func otherTextStyles(_ what: String) -> DatabaseMessage {
        DatabaseMessage(
            error: .featureNotSupported, "the rows of \(what) were written by other settings than they are to be fetched by",
            hint: "Set TimeZone, DateStyle, IntervalStyle, bytea_output, extra_float_digits and client_encoding before, or set them back.")
    }
}
