// ValueOIDs: puts another server's OIDs into a value in binary format, in place: an OID takes four bytes on every server.
//
// Formats: array_send in utils/adt/arrayfuncs.c, record_send in rowtypes.c, range_send in rangetypes.c, multirange_send in
// multirangetypes.c. What is not built as its type says is left as it is from there on: the server that reads it checks it.

/// Walks one value.
struct ValueOIDs {
    let map: TypeOIDMap
    /// What is put in place of a type that the other server does not have; nil: that is an error.
    let substitute: UInt32?

    /// - Throws: `UnmappedType` where there is no substitute.
    func rewrite(_ value: UnsafeMutableRawBufferPointer, type: UInt32) throws(UnmappedType) {
        try rewrite(value, type, depth: 0)
    }

    /// Deeper than PostgreSQL's own stack would take a value.
    private static let depthLimit = 1_000

    private func rewrite(_ value: UnsafeMutableRawBufferPointer, _ type: UInt32, depth: Int) throws(UnmappedType) {
        guard depth < Self.depthLimit else { return }
        switch map.shape(of: type) {
        case .plain: return
        case .array: try rewriteArray(value, depth)
        case .record: try rewriteRecord(value, depth)
        case .range(let subtype): try rewriteRange(value, subtype, depth)
        case .multirange(let range): try rewriteMultirange(value, range, depth)
        case .domain(let base): try rewrite(value, base, depth: depth + 1)
        }
    }

    /// Dimensions, a flag, the elements' type; two numbers a dimension; the elements.
    private func rewriteArray(_ value: UnsafeMutableRawBufferPointer, _ depth: Int) throws(UnmappedType) {
        guard value.count >= 12 else { return }
        let element = try rewriteOID(value, at: 8)
        guard map.carriesOIDs(element) else { return }
        let dimensions = Int(integer(value, at: 0))
        guard dimensions >= 0, dimensions <= (value.count - 12) / 8 else { return }
        var position = 12 + 8 * dimensions
        while let part = next(value, &position) {
            if let part { try rewrite(part, element, depth: depth + 1) }
        }
    }

    /// How many columns; each with its type and value.
    private func rewriteRecord(_ value: UnsafeMutableRawBufferPointer, _ depth: Int) throws(UnmappedType) {
        var position = 4
        while position + 8 <= value.count {
            let column = try rewriteOID(value, at: position)
            position += 4
            guard let part = next(value, &position) else { return }
            if let part, map.carriesOIDs(column) { try rewrite(part, column, depth: depth + 1) }
        }
    }

    /// A byte of flags; the bounds that there are.
    private func rewriteRange(_ value: UnsafeMutableRawBufferPointer, _ subtype: UInt32, _ depth: Int) throws(UnmappedType) {
        guard map.carriesOIDs(subtype) else { return }
        var position = 1
        while let part = next(value, &position) {
            if let part { try rewrite(part, subtype, depth: depth + 1) }
        }
    }

    /// How many ranges; the ranges.
    private func rewriteMultirange(_ value: UnsafeMutableRawBufferPointer, _ range: UInt32, _ depth: Int) throws(UnmappedType) {
        guard map.carriesOIDs(range) else { return }
        var position = 4
        while let part = next(value, &position) {
            if let part { try rewrite(part, range, depth: depth + 1) }
        }
    }

    /// The OID as it was.
    private func rewriteOID(_ value: UnsafeMutableRawBufferPointer, at offset: Int) throws(UnmappedType) -> UInt32 {
        let known = UInt32(bitPattern: integer(value, at: offset))
        guard let other = map[known] ?? substitute else { throw UnmappedType(oid: known) }
        if other != known { value.store(integer: other, at: offset) }
        return known
    }

    private func integer(_ value: UnsafeMutableRawBufferPointer, at offset: Int) -> Int32 {
        UnsafeRawBufferPointer(value).integer(at: offset, as: Int32.self)
    }

    /// The value behind the length at `position`: nil at the end, nil in it for NULL.
    private func next(_ value: UnsafeMutableRawBufferPointer, _ position: inout Int) -> UnsafeMutableRawBufferPointer?? {
        guard position + 4 <= value.count else { return nil }
        let length = Int(integer(value, at: position))
        position += 4
        if length < 0 { return .some(nil) }
        guard length <= value.count - position else { return nil }
        defer { position += length }
        return UnsafeMutableRawBufferPointer(rebasing: value[position..<position + length])
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Writes a big-endian integer; `offset` must leave room for it (checked).
    func store(integer value: UInt32, at offset: Int) {
        precondition(offset >= 0 && offset <= count - 4, "write outside the bytes")
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
    }
}
