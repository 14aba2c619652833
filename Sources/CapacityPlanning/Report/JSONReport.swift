// JSONReport: the report for programs. Bytes and days are numbers; what is not known is missing.
import Foundation

extension CapacityReport {
    /// One object, with sorted keys.
    /// - Throws: EncodingError for numbers that JSON has not, which a report has none of.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
