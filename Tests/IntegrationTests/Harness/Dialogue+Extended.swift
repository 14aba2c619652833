// Dialogues of plain queries, held by the extended protocol: each Query becomes Parse, Bind, Describe, Execute and Sync.
extension Dialogue {
    /// In which format rows are asked for.
    enum ResultFormat: Int16, CaseIterable {
        case text, binary
    }

    /// The same conversation with every row in a format; nil where it is about frames of its own.
    func extended(_ format: ResultFormat) -> Dialogue? {
        guard !isRaw, !isForSimpleQueriesAlone else { return nil }
        var result = self
        result.title += " (extended, \(format))"
        result.steps = []
        for step in steps {
            guard case .send(let bytes, let isPiped) = step else {
                result.steps.append(step)
                continue
            }
            guard !isPiped, let query = Self.text(ofQuery: bytes) else { return nil }
            result.steps.append(.send(Self.extendedQuery(query, format), isPiped: false))
        }
        return result
    }

    private static func text(ofQuery frame: [UInt8]) -> String? {
        guard frame.first == UInt8(ascii: "Q"), frame.count > 5 else { return nil }
        return String(decoding: frame[5..<(frame.count - 1)], as: UTF8.self)
    }

    private static func extendedQuery(_ text: String, _ format: ResultFormat) -> [UInt8] {
        FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", [], resultFormats: [format.rawValue]) + FrontendFrame.describe("P", "")
            + FrontendFrame.execute("") + FrontendFrame.sync
    }
}
