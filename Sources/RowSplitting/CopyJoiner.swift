// CopyJoiner: the COPY TO streams of several shards as one.
//
// A PostgreSQL server sends one CopyData message a row (manual, Message Flow, COPY Operations), in text and CSV the
// header line as a message of its own; in binary the header is in one message with the first row, and the trailer is a
// message of its own or follows the header. So messages pass whole, in any interleaving of the shards, except that only
// the first header passes and the trailer is held back to the end.
import Primitives

/// Joins COPY TO data of several shards, message by message. A plain value without memory of its own.
public struct CopyJoiner {
    private let format: CopyDataFormat
    /// Shards whose first message was seen.
    private var started = ShardSet()
    private var headerPassed = false

    public init(format: CopyDataFormat) {
        self.format = format
    }

    /// What of one CopyData payload goes to the client; if empty, the message is dropped. O(1).
    public mutating func pass(_ payload: UnsafeRawBufferPointer, from shard: ShardIndex) -> UnsafeRawBufferPointer {
        let isFirst = !started.contains(shard)
        started.insert(shard)
        switch format.kind {
        case .text, .csv: return isFirst && format.hasHeader ? passHeader(payload, bytes: payload.count) : payload
        case .binary: return passBinary(payload, isFirst: isFirst)
        }
    }

    /// What must follow the last row as one more CopyData message; empty if nothing must.
    public var trailer: [UInt8] { format.kind == .binary ? [0xFF, 0xFF] : [] }

    /// Passes a payload that begins with a header of `bytes` bytes, without the header if one has passed already.
    private mutating func passHeader(_ payload: UnsafeRawBufferPointer, bytes: Int) -> UnsafeRawBufferPointer {
        defer { headerPassed = true }
        return headerPassed ? payload.part(bytes..<payload.count) : payload
    }

    private mutating func passBinary(_ payload: UnsafeRawBufferPointer, isFirst: Bool) -> UnsafeRawBufferPointer {
        let headerBytes = isFirst ? Self.headerBytes(of: payload) : 0
        let endsInTrailer =
            payload.count - headerBytes == 2 && payload[headerBytes] == 0xFF && payload[headerBytes + 1] == 0xFF
        let rows = payload.part(0..<payload.count - (endsInTrailer ? 2 : 0))
        return isFirst ? passHeader(rows, bytes: headerBytes) : rows
    }

    /// The header's length: signature, flags, and an extension that knows its length; all of a shorter payload.
    private static func headerBytes(of payload: UnsafeRawBufferPointer) -> Int {
        let fixed = BinaryProgress.signature.count + 8
        guard payload.count >= fixed else { return payload.count }
        let length = Int32(bigEndian: payload.loadUnaligned(fromByteOffset: fixed - 4, as: Int32.self))
        return min(payload.count, fixed + max(0, Int(length)))
    }
}
