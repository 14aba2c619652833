// bytea as text: the hex form and the older escape form (PostgreSQL manual, section 8.4; byteain in varlena.c).

public enum ByteaText {
    /// The bytes a text stands for; nil for what PostgreSQL refuses.
    public static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        let isHexadecimal = text.count >= 2 && text[0] == UInt8(ascii: "\\") && text[1] == UInt8(ascii: "x")
        return isHexadecimal ? decodeHexadecimal(text) : decodeEscapes(text)
    }

    /// The hex form.
    public static func encode(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        Array(#"\x"#.utf8) + bytes.flatMap { hexadecimalPair($0) }
    }

    /// Pairs of digits; blanks, tabs and line ends may stand between pairs.
    private static func decodeHexadecimal(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        var bytes: [UInt8] = []
        var position = 2
        while position < text.count {
            if [0x20, 0x0A, 0x09, 0x0D].contains(text[position]) {
                position += 1
                continue
            }
            guard position + 1 < text.count, let high = hexadecimalDigit(text[position]),
                let low = hexadecimalDigit(text[position + 1])
            else { return nil }
            bytes.append(high << 4 | low)
            position += 2
        }
        return bytes
    }

    /// Bytes as they are, a backslash doubled, or \ooo.
    private static func decodeEscapes(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        var bytes: [UInt8] = []
        var position = 0
        while position < text.count {
            guard text[position] == UInt8(ascii: "\\") else {
                bytes.append(text[position])
                position += 1
                continue
            }
            if position + 1 < text.count, text[position + 1] == UInt8(ascii: "\\") {
                bytes.append(UInt8(ascii: "\\"))
                position += 2
            } else {
                guard let byte = octalEscape(text, position) else { return nil }
                bytes.append(byte)
                position += 4
            }
        }
        return bytes
    }

    private static func octalEscape(_ text: UnsafeRawBufferPointer, _ position: Int) -> UInt8? {
        guard position + 3 < text.count else { return nil }
        let digits = (1...3).map { text[position + $0] &- UInt8(ascii: "0") }
        guard digits[0] <= 3, digits[1] <= 7, digits[2] <= 7 else { return nil }
        return digits[0] << 6 | digits[1] << 3 | digits[2]
    }
}
