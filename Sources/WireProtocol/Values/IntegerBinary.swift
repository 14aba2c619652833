// Integers in binary format.

/// Reads int2, int4 or int8 in binary format; the length tells which. nil for another length.
@inlinable
public func binaryInteger(_ bytes: UnsafeRawBufferPointer) -> Int64? {
    switch bytes.count {
    case 2: return Int64(bytes.integer(at: 0, as: Int16.self))
    case 4: return Int64(bytes.integer(at: 0, as: Int32.self))
    case 8: return bytes.integer(at: 0, as: Int64.self)
    default: return nil
    }
}
