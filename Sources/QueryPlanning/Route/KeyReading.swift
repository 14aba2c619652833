// KeyReading: what a sharding key's value turned out to be, and the reading of parameters.
//
// A value is read only where PostgreSQL would certainly read the same: key types' own text and binary formats, by the
// parsers of ShardMap, which follow PostgreSQL's input functions. Whatever else may come (a numeric compared with an
// integer key, bpchar, float) is `unknown`, and the caller asks all shards.
import ShardMap
import WireProtocol

/// The value of one key operand.
enum KeyReading {
    case integer(Int64)
    /// Text in memory that outlives the reading.
    case text(UnsafeRawBufferPointer)
    /// Text that had to be put together.
    case ownedText([UInt8])
    case uuid(UUIDKey)
    case null
    /// No value of the key's type: PostgreSQL will refuse it. With the text that is none; empty for binary values.
    case malformed(KeyFormatError, UnsafeRawBufferPointer)
    /// Some value that is not read here.
    case unknown

    /// PostgreSQL's pseudo-type of literals whose type is open.
    private static let unknownTypeOID: UInt32 = 705

    /// Reads a parameter that is compared with, or stored in, a key of `keyType`. Allocates nothing.
    @inline(__always)
    init(_ parameter: BoundParameters.Value, keyType: KeyType) {
        if parameter.typeOID == BoundParameters.openType {
            // Its text means the same as what type whatever.
            guard parameter.format == .text, let bytes = parameter.bytes else {
                self = parameter.bytes == nil ? .null : .unknown
                return
            }
            self.init(text: bytes, type: keyType)
            return
        }
        guard let type = Self.type(parameter.typeOID, comparedWith: keyType) else {
            // A text that is cast to the key's type is read as the key's own text, and is its own binary format.
            if let bytes = parameter.bytes, KeyType(typeOID: parameter.typeOID)?.family == .text {
                self.init(text: bytes, type: keyType)
            } else {
                self = .unknown
            }
            return
        }
        guard let bytes = parameter.bytes else {
            self = .null
            return
        }
        switch parameter.format {
        case .text: self.init(text: bytes, type: type)
        case .binary: self.init(binary: bytes, type: type)
        default: self = .unknown
        }
    }

    /// The type a value is read as: its own, or the key's where it has none; nil when it is not of the key's family.
    @inline(__always)
    static func type(_ typeOID: UInt32, comparedWith keyType: KeyType) -> KeyType? {
        if typeOID == 0 || typeOID == unknownTypeOID { return keyType }
        guard let type = KeyType(typeOID: typeOID), type.family == keyType.family else { return nil }
        return type
    }

    /// Whether the value reads the same in every client encoding.
    var isASCII: Bool {
        switch self {
        case .text(let bytes): bytes.allSatisfy { $0 < 0x80 }
        case .ownedText(let bytes): bytes.allSatisfy { $0 < 0x80 }
        case .integer, .uuid, .null, .malformed, .unknown: true
        }
    }

    /// Reads the text format of `type`.
    @inline(__always)
    init(text: UnsafeRawBufferPointer, type: KeyType) {
        do throws(KeyFormatError) {
            switch type.family {
            case .integer: self = .integer(try type.integer(text: text))
            case .text: self = .text(text)
            case .uuid: self = .uuid(try KeyType.uuid(text: text))
            }
        } catch {
            self = .malformed(error, text)
        }
    }

    /// Reads the binary format of `type`.
    @inline(__always)
    init(binary: UnsafeRawBufferPointer, type: KeyType) {
        do throws(KeyFormatError) {
            switch type.family {
            case .integer: self = .integer(try type.integer(binary: binary))
            case .text: self = .text(binary)
            case .uuid: self = .uuid(try KeyType.uuid(binary: binary))
            }
        } catch {
            self = .malformed(error, UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }
}
