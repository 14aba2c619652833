// MessageOIDs: puts another server's OIDs into the messages that hold some, in place. Lengths stay as they are.

/// A result column whose binary values hold OIDs.
public struct CarrierColumn: Equatable, Sendable {
    public var index: Int
    /// The OID as the server that sends the values knows it.
    public var type: UInt32
}

extension TypeOIDMap {
    /// Rewrites a whole RowDescription frame.
    /// - Parameters:
    ///   - tables: the other server's OIDs of tables. Of one that is not there, columns are said to come from no table.
    /// - Returns: the columns whose values hold OIDs too.
    /// - Throws: `UnmappedType` for a type that the other server does not have; the frame is then of no use.
    public func rewriteRowDescription(
        _ frame: UnsafeMutableRawBufferPointer, tables: [UInt32: UInt32]
    ) throws(UnmappedType) -> [CarrierColumn] {
        var carriers: [CarrierColumn] = []
        guard var cursor = try? MessageCursor(frame: UnsafeRawBufferPointer(frame)), let count = try? cursor.count() else { return [] }
        var lastTable: UInt32 = 0
        var lastTableThere: UInt32 = 0
        for index in 0..<count {
            guard (try? cursor.string()) != nil, let fixed = try? cursor.bytes(FieldDescription.fixedBytes) else { return carriers }
            let field = UnsafeMutableRawBufferPointer(mutating: fixed)
            let table = fixed.integer(at: 0, as: UInt32.self)
            if table >= Self.firstUserOID {
                if table != lastTable { (lastTable, lastTableThere) = (table, tables[table] ?? 0) }
                field.store(integer: lastTableThere, at: 0)
                if lastTableThere == 0 { field.storeBytes(of: 0, toByteOffset: 4, as: Int16.self) }
            }
            let type = fixed.integer(at: 6, as: UInt32.self)
            if fixed.integer(at: 16, as: Int16.self) == FormatCode.binary.rawValue, carriesOIDs(type) {
                carriers.append(CarrierColumn(index: index, type: type))
            }
            guard type >= Self.firstUserOID else { continue }
            guard let other = self[type] else { throw UnmappedType(oid: type) }
            field.store(integer: other, at: 6)
        }
        return carriers
    }

    /// Rewrites a whole ParameterDescription frame.
    /// - Throws: `UnmappedType` for a type that the other server does not have; the frame is then of no use.
    public func rewriteParameterDescription(_ frame: UnsafeMutableRawBufferPointer) throws(UnmappedType) {
        guard let message = try? ParameterDescriptionMessage(UnsafeRawBufferPointer(frame)) else { return }
        for index in 0..<message.parameterCount {
            let type = message.parameterType(index)
            guard type >= Self.firstUserOID else { continue }
            guard let other = self[type] else { throw UnmappedType(oid: type) }
            frame.store(integer: other, at: FrameHeader.bytes + 2 + 4 * index)
        }
    }

    /// Rewrites the values of some columns of a whole DataRow frame.
    /// - Throws: `UnmappedType` for a type that the other server does not have; the frame is then of no use.
    public func rewriteDataRow(_ frame: UnsafeMutableRawBufferPointer, _ columns: [CarrierColumn]) throws(UnmappedType) {
        guard let message = try? DataRowMessage(UnsafeRawBufferPointer(frame)) else { return }
        let values = ValueOIDs(map: self, substitute: nil)
        var walk = message.makeWalk()
        var next = 0
        for column in columns where column.index < message.fieldCount {
            while next < column.index {
                _ = walk.next()
                next += 1
            }
            next += 1
            guard let value = walk.next() else { continue }
            try values.rewrite(UnsafeMutableRawBufferPointer(mutating: value), type: column.type)
        }
    }

    /// Rewrites the values of a whole Bind frame that are in binary format and hold OIDs. A type that the other server does not have
    /// becomes one that no server has, so that it refuses the value.
    /// - Parameter types: of the parameters, as this server knows them; those beyond are not known and hold none.
    public func rewriteBind(_ frame: UnsafeMutableRawBufferPointer, types: [UInt32]) {
        guard let message = try? BindMessage(UnsafeRawBufferPointer(frame)) else { return }
        let values = ValueOIDs(map: self, substitute: Self.noType)
        message.forEachParameter { index, parameter in
            guard index < types.count, parameter.format == .binary, carriesOIDs(types[index]), let value = parameter.value else { return }
            try? values.rewrite(UnsafeMutableRawBufferPointer(mutating: value), type: types[index])
        }
    }

    /// Whether `rewriteBind` would have to look into a value.
    public func concerns(_ message: BindMessage, types: [UInt32]) -> Bool {
        for index in 0..<min(types.count, message.parameterCount) where carriesOIDs(types[index]) {
            if message.parameterFormat(index) == .binary { return true }
        }
        return false
    }

    /// The other server's OIDs for parameters; 0 stays open.
    public func parameterTypes(_ types: [UInt32]) -> [UInt32] { types.map { self[$0] ?? Self.noType } }
}
