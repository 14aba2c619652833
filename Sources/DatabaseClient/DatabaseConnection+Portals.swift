// DatabaseConnection: results read in parts when the caller wants them, several of one transaction in turn: named portals of the extended protocol.
import Primitives
import WireProtocol

extension DatabaseConnection {
    /// The columns of a query's result; nothing is run.
    /// - Throws: DatabaseMessage where the server refuses the text; ConnectionLost.
    public func describe(_ text: String) throws -> [FieldDescription] {
        begin()
        output.writeParse(name: "", text: text)
        output.writeDescribe(.statement, name: "")
        output.writeSync()
        try flush()
        var fields: [FieldDescription] = []
        try untilReady { frame, type in if type == BackendMessageType.rowDescription { fields = try RowDescriptionMessage(frame).fields } }
        return fields
    }

    /// Reads the next rows of a portal, in text format. The portal lives as long as the transaction block, which must be open.
    /// - Parameters:
    ///   - text: the query, which opens the portal; nil: it is open.
    ///   - values: of the query's parameters.
    ///   - body: called with each DataRow frame, whose bytes are valid only meanwhile.
    /// - Returns: whether there may be more rows.
    /// - Throws: DatabaseMessage, with the connection ready again; ConnectionLost; what `body` throws, when the part has been read.
    public func fetch(portal: String, opening text: String?, _ values: [String?] = [], rows: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
        begin()
        if let text {
            output.writeParse(name: "", text: text)
            output.writeBind(portal: portal, values: values.map { $0.map { Array($0.utf8) } })
        }
        output.writeExecute(portal: portal, maximumRows: Int32(clamping: rows))
        output.writeSync()
        try flush()
        var isSuspended = false
        var failure: (any Error)?
        try untilReady { frame, type in
            switch type {
            case BackendMessageType.dataRow: if failure == nil { do { try body(frame) } catch { failure = error } }
            case BackendMessageType.portalSuspended: isSuspended = true
            default: break
            }
        }
        if let failure { throw failure }
        return isSuspended
    }

    /// Hands on everything up to ReadyForQuery but errors, of which the first is thrown behind it.
    private func untilReady(_ body: (UnsafeRawBufferPointer, UInt8) throws -> Void) throws {
        var failure: DatabaseMessage?
        var isReady = false
        while !isReady {
            try nextFrame { frame, type in
                switch type {
                case BackendMessageType.errorResponse: failure = try failure ?? DatabaseMessage(frame: frame)
                case BackendMessageType.readyForQuery: isReady = true
                default: try body(frame, type)
                }
            }
        }
        if let failure { throw failure }
    }
}
