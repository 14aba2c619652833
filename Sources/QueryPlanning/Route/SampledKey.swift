// SampledKey: the key of one statement among many, as text, for counts of which keys are asked for most. Off the hot path: it allocates.
import ShardMap
import WireProtocol

/// What a statement's key was.
public struct SampledKey: Sendable, Hashable {
    public var table: String
    public var column: String
    /// As PostgreSQL writes it.
    public var value: String

    public init(table: String, column: String, value: String) {
        self.table = table
        self.column = column
        self.value = value
    }
}

extension Planner {
    /// Longer text keys are not told.
    private static let sampledValueBytes = 200

    /// The key of a text that `lookUp` finds; nil where it has none, or several.
    public func sampledKey(text: UnsafeRawBufferPointer, environment: UInt32) -> SampledKey? {
        guard let plan = lookUp(text: text, environment: environment)?.pointee else { return nil }
        return sampledKey(plan, text: text, parameters: .none)
    }

    /// The key of a prepared statement's execution.
    public func sampledKey(of plan: HotPlan, bind: BindMessage, typeOIDs: UnsafeBufferPointer<UInt32>) -> SampledKey? {
        sampledKey(plan, text: UnsafeRawBufferPointer(start: nil, count: 0), parameters: BoundParameters(bind: bind, typeOIDs: typeOIDs))
    }

    private func sampledKey(_ plan: HotPlan, text: UnsafeRawBufferPointer, parameters: BoundParameters) -> SampledKey? {
        guard plan.keyCount > 0 else { return nil }
        let key = plan.key(0)
        let column = column(key.column)
        guard let value = read(key, text, parameters).sampledText(limit: Self.sampledValueBytes) else { return nil }
        // The keys of a join are one key where they are equal.
        for other in 1..<max(1, plan.keyCount) where read(plan.key(other), text, parameters).sampledText(limit: Self.sampledValueBytes) != value { return nil }
        return SampledKey(table: column.table, column: column.column, value: value)
    }
}

extension KeyReading {
    fileprivate func sampledText(limit: Int) -> String? {
        switch self {
        case .integer(let number): "\(number)"
        case .text(let bytes): bytes.count <= limit ? String(decoding: bytes, as: UTF8.self) : nil
        case .ownedText(let bytes): bytes.count <= limit ? String(decoding: bytes, as: UTF8.self) : nil
        case .uuid(let uuid): uuid.withBytes { UUIDText.text($0) }
        case .null, .malformed, .unknown: nil
        }
    }
}

private enum UUIDText {
    /// Groups of 8, 4, 4, 4 and 12 digits.
    static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        var text = ""
        for (place, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(place) { text += "-" }
            let digits = String(byte, radix: 16)
            text += digits.count == 1 ? "0" + digits : digits
        }
        return text
    }
}
