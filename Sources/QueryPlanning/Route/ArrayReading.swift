// ArrayReading: the elements of an array parameter (`key = ANY ($1)`), in text and binary format.
//
// Sources: array_recv and array_in of PostgreSQL 15, src/backend/utils/adt/arrayfuncs.c; manual, section 8.15.6. Only plain
// forms are read; explicit bounds (`[2:3]={...}`) and whatever is not well formed are left to the shards.
import ShardMap
import WireProtocol

enum ArrayReading {
    /// Array types of the key types: int2[] 1005, int4[] 1007, int8[] 1016, text[] 1009, varchar[] 1015, uuid[] 2951.
    private static func elementOID(ofArray typeOID: UInt32) -> UInt32? {
        switch typeOID {
        // An array tells in binary what its elements are.
        case 0, 705, BoundParameters.openType: 0
        case 1005: 21
        case 1007: 23
        case 1016: 20
        case 1009: 25
        case 1015: 1043
        case 2951: 2950
        default: nil
        }
    }

    /// The elements of an array parameter, to be compared with a key of `keyType`; nil if they cannot be read.
    static func elements(of parameter: BoundParameters.Value, keyType: KeyType) -> [KeyReading]? {
        guard let elementOID = elementOID(ofArray: parameter.typeOID),
            let type = KeyReading.type(elementOID, comparedWith: keyType)
        else { return nil }
        guard let bytes = parameter.bytes else { return [.null] }
        switch parameter.format {
        case .text: return textElements(bytes, type: type)
        case .binary: return binaryElements(bytes, keyType: keyType)
        default: return nil
        }
    }

    private static func binaryElements(_ bytes: UnsafeRawBufferPointer, keyType: KeyType) -> [KeyReading]? {
        do throws(ProtocolViolation) {
            var cursor = MessageCursor(bytes: bytes)
            let dimensions = try cursor.integer(Int32.self)
            _ = try cursor.integer(Int32.self)
            let elementOID = try cursor.integer(UInt32.self)
            guard (0...6).contains(dimensions), let type = KeyReading.type(elementOID, comparedWith: keyType) else {
                return nil
            }
            var count = dimensions == 0 ? 0 : 1
            for _ in 0..<dimensions {
                let size = Int(try cursor.integer(Int32.self))
                _ = try cursor.integer(Int32.self)
                // Each element takes four bytes or more.
                guard size >= 0, size <= bytes.count, count * size <= bytes.count else { return nil }
                count *= size
            }
            var elements: [KeyReading] = []
            for _ in 0..<count {
                elements.append(try cursor.value().map { KeyReading(binary: $0, type: type) } ?? .null)
            }
            return cursor.remaining == 0 ? elements : nil
        } catch {
            return nil
        }
    }

    private static func textElements(_ bytes: UnsafeRawBufferPointer, type: KeyType) -> [KeyReading]? {
        var reader = ArrayTextReader(bytes)
        return reader.read().map { elements in
            elements.map { element in
                guard let element else { return .null }
                if type.family == .text { return .ownedText(element) }
                let reading = element.withUnsafeBytes { KeyReading(text: $0, type: type) }
                // The element's memory ends here.
                if case .malformed = reading { return .unknown }
                return reading
            }
        }
    }
}

/// Reads an array's text: braces, commas, quotes, backslashes.
struct ArrayTextReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var elements: [[UInt8]?] = []

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// All elements of all dimensions, nil for NULL; nil as a whole for text that is not read here.
    mutating func read() -> [[UInt8]?]? {
        guard readBraces(depth: 1) else { return nil }
        skipSpace()
        return position == bytes.count ? elements : nil
    }

    /// MAXDIM: an array has at most six dimensions.
    private mutating func readBraces(depth: Int) -> Bool {
        skipSpace()
        guard depth <= 6, take(UInt8(ascii: "{")) else { return false }
        skipSpace()
        if take(UInt8(ascii: "}")) { return true }
        while true {
            skipSpace()
            let isNested = position < bytes.count && bytes[position] == UInt8(ascii: "{")
            guard isNested ? readBraces(depth: depth + 1) : readElement() else { return false }
            skipSpace()
            if take(UInt8(ascii: "}")) { return true }
            guard take(UInt8(ascii: ",")) else { return false }
        }
    }

    private mutating func readElement() -> Bool {
        if take(UInt8(ascii: "\"")) { return readQuoted() }
        let start = position
        while position < bytes.count, !Self.endsElement(bytes[position]) {
            // Quotes or escapes inside a bare element are rare; the shards read them.
            if bytes[position] == UInt8(ascii: "\\") || bytes[position] == UInt8(ascii: "\"") { return false }
            position += 1
        }
        var element = Array(bytes[start..<position])
        while let last = element.last, Self.isSpace(last) { element.removeLast() }
        guard !element.isEmpty else { return false }
        let isNull = element.count == 4 && zip(element, Array("null".utf8)).allSatisfy { $0 | 0x20 == $1 }
        elements.append(isNull ? nil : element)
        return true
    }

    private mutating func readQuoted() -> Bool {
        var element: [UInt8] = []
        while position < bytes.count {
            var byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") {
                elements.append(element)
                return true
            }
            if byte == UInt8(ascii: "\\") {
                guard position < bytes.count else { return false }
                byte = bytes[position]
                position += 1
            }
            element.append(byte)
        }
        return false
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
    }

    /// array_isspace
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func endsElement(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "{")
    }
}
