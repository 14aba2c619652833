// PlanKeys: what plans are found by. A key holds all that a plan depends on, so that comparing keys is comparing all of it.
//
//   by shape   the shape's bytes, each declared parameter type (4 bytes), their number (2), the environment's number (4)
//   by text    the environment's number (4), across shards or not (1), number of types (2), each type (4), the text

extension ShapeScanner {
    /// Statements that declare more parameter types have no shape.
    static let maximumTypeCount = 100

    /// Completes the key of the shape scanned last.
    /// - Returns: the key's length; nil if the text has no shape or declares too many types.
    @inline(__always)
    func completeKey(_ shape: Shape, environment: UInt32, parameterTypes: UnsafeBufferPointer<UInt32>) -> Int? {
        guard shape.refusal == .none, parameterTypes.count <= Self.maximumTypeCount else { return nil }
        let end = UnsafeMutableRawPointer(bytes + shape.byteCount)
        var offset = 0
        for type in parameterTypes {
            end.storeBytes(of: type, toByteOffset: offset, as: UInt32.self)
            offset += 4
        }
        end.storeBytes(of: UInt16(truncatingIfNeeded: parameterTypes.count), toByteOffset: offset, as: UInt16.self)
        end.storeBytes(of: environment, toByteOffset: offset + 2, as: UInt32.self)
        return shape.byteCount + offset + 6
    }
}

/// A copy of what a scan found, for the slow path, which scans more than one text.
struct ShapeRecord {
    let key: [UInt8]
    let literals: [ShapeLiteral]
    let statementEnd: Int

    /// nil if the text has no shape.
    init?(_ scanner: ShapeScanner, text: UnsafeRawBufferPointer, environment: UInt32, parameterTypes: [UInt32]) {
        let shape = scanner.scan(text)
        let length = parameterTypes.withUnsafeBufferPointer {
            scanner.completeKey(shape, environment: environment, parameterTypes: $0)
        }
        guard let length else { return nil }
        key = Array(UnsafeBufferPointer(start: scanner.bytes, count: length))
        literals = Array(UnsafeBufferPointer(start: scanner.literals, count: shape.literalCount))
        statementEnd = shape.statementEnd
    }

    var literalStarts: [Int] { literals.map { Int($0.start) } }
}

/// Memory in which the keys of texts are put together.
struct TextKeyBuffer {
    private static let capacity = TextPlanCache.maximumTextBytes + 8 + 4 * ShapeScanner.maximumTypeCount
    private let bytes = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)

    func free() { bytes.deallocate() }

    /// The key of a text; empty for texts that are not kept. Valid until the next call.
    func key(
        _ text: UnsafeRawBufferPointer, _ environment: UInt32, _ parameterTypes: [UInt32], acrossShards: Bool
    ) -> UnsafeRawBufferPointer {
        guard let address = text.baseAddress, text.count <= TextPlanCache.maximumTextBytes,
            parameterTypes.count <= ShapeScanner.maximumTypeCount
        else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        bytes.storeBytes(of: environment, as: UInt32.self)
        bytes.storeBytes(of: acrossShards ? 1 : 0, toByteOffset: 4, as: UInt8.self)
        bytes.storeBytes(of: UInt16(truncatingIfNeeded: parameterTypes.count), toByteOffset: 5, as: UInt16.self)
        var offset = 7
        for type in parameterTypes {
            bytes.storeBytes(of: type, toByteOffset: offset, as: UInt32.self)
            offset += 4
        }
        (bytes + offset).copyMemory(from: address, byteCount: text.count)
        return UnsafeRawBufferPointer(start: bytes, count: offset + text.count)
    }
}
