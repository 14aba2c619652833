// ReconciliationResult: what came of one comparison, as rows of reconciliation_tasks, the command's text and its JSON tell it.
import Foundation

/// One inconsistency.
public struct Inconsistency: Codable, Sendable, Equatable {
    /// missing, extra, changed, duplicate, misplaced, unlike, orphan, prepared, failed or waiting.
    public var kind: String
    public var table: String?
    public var shard: Int?
    /// Where the row belongs.
    public var expectedShard: Int?
    /// What tells the row apart.
    public var key: [String: String?]
    /// The rows of either side; what they have apart from the key.
    public var source: [String: String?]?
    public var target: [String: String?]?

    enum CodingKeys: String, CodingKey {
        case kind, table, shard, key, source, target
        case expectedShard = "expected_shard"
    }
}

/// How a comparison ended; the raw value is the column `status`.
public enum ReconciliationStatus: String, Codable, Sendable {
    case equal, differences
    /// Nothing but rows that differed at every look, each time otherwise: they are being changed.
    case unsettled
    case error
}

public struct ReconciliationResult: Codable, Sendable {
    public var name: String
    public var entityType: String
    public var sourceSystem: String
    public var targetSystem: String
    public var status = ReconciliationStatus.equal
    /// All that were found.
    public var inconsistencyCount = 0
    /// Of these, how many were seen once only, since there were too many to look at again.
    public var unverifiedCount = 0
    /// Rows that differed at every look, each time otherwise; they are not among the inconsistencies.
    public var unsettledCount = 0
    /// What differed at the first look: the inconsistencies, and work in flight.
    public var firstLookCount = 0
    public var rowCount = 0
    public var seconds = 0.0
    /// The first inconsistencies.
    public var inconsistencies: [Inconsistency] = []
    /// What has kept the comparison, or a part of it, from being made.
    public var error: String?
    /// Tables that could not be checked: nothing is known of them. The first ones are told in `error`.
    public var uncheckedTables = 0

    enum CodingKeys: String, CodingKey {
        case name, status, seconds, error, inconsistencies
        case entityType = "entity_type"
        case sourceSystem = "source_system"
        case targetSystem = "target_system"
        case inconsistencyCount = "inconsistency_count"
        case unverifiedCount = "unverified_count"
        case unsettledCount = "unsettled_count"
        case firstLookCount = "first_look_count"
        case rowCount = "row_count"
        case uncheckedTables = "unchecked_tables"
    }

    /// SQL that would repair what was found, for people to read and run; not part of the JSON.
    public var repair: [String] = []

    public init(name: String, entityType: String, sourceSystem: String = "cluster", targetSystem: String = "cluster") {
        self.name = name
        self.entityType = entityType
        self.sourceSystem = sourceSystem
        self.targetSystem = targetSystem
    }

    /// Takes one inconsistency; what the limits leave room for is told and repaired, all are counted.
    /// - Parameter repair: asked for only if somebody wants repairs.
    mutating func add(_ inconsistency: Inconsistency, repair: @autoclosure () -> String, _ room: inout DetailRoom) {
        inconsistencyCount += 1
        if let text = room.fitting(repair: repair) { self.repair.append(text) }
        if let told = room.fitting(inconsistency) { inconsistencies.append(told) }
    }

    /// Says among the repairs how many inconsistencies have none.
    mutating func tellMissingRepairs() {
        let missing = inconsistencyCount - repair.count
        if missing > 0 { repair.append(RepairText.comment("\(name): \(missing) further inconsistencies have no repair here, there are too many")) }
    }

    /// Takes a table of which nothing could be found out.
    mutating func addUnchecked(_ table: String, _ reason: String) {
        uncheckedTables += 1
        guard uncheckedTables <= Self.toldTables else { return }
        error = (error.map { $0 + "; " } ?? "not checked: ") + "\(table.prefix(Self.toldCharacters)): \(reason.prefix(Self.toldCharacters))"
    }

    /// Tables told one by one of those that could not be checked, and characters of the name and the reason.
    private static let (toldTables, toldCharacters) = (20, 300)

    /// Sets the status by the counts.
    mutating func conclude(seconds: Double) {
        self.seconds = seconds
        status = inconsistencyCount > 0 ? .differences : error != nil ? .error : unsettledCount > 0 ? .unsettled : .equal
        if uncheckedTables > Self.toldTables { error = (error ?? "") + "; and \(uncheckedTables - Self.toldTables) more" }
    }

    /// One line of JSON, with sorted keys.
    public var json: String {
        get throws { String(decoding: try Self.encoder.encode(self), as: UTF8.self) }
    }

    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    /// For people: a line of what came of it, and one for each inconsistency that is told.
    public var text: String {
        let head = "\(name): \(status.rawValue), \(inconsistencyCount) inconsistencies in \(rowCount) rows of \(sourceSystem) and \(targetSystem)"
        var lines = [head + String(format: ", %.1f s", seconds)]
        if let error { lines = status == .error ? ["\(name): error: \(error)"] : lines + ["  \(error)"] }
        lines += inconsistencies.map { "  \($0.text)" }
        if inconsistencies.count < inconsistencyCount { lines.append("  and \(inconsistencyCount - inconsistencies.count) more") }
        if unverifiedCount > 0 { lines.append("  \(unverifiedCount) of them were seen once only: there are too many to look again") }
        if unsettledCount > 0 { lines.append("  \(unsettledCount) rows differed at every look, each time otherwise: they are being changed") }
        return lines.joined(separator: "\n")
    }
}

extension Inconsistency {
    var text: String {
        var words = [kind]
        if let table { words.append(table) }
        if let shard { words.append("on shard \(shard)" + (expectedShard.map { ", belongs on shard \($0)" } ?? "")) }
        words.append(Self.written(key))
        if let source { words.append("source \(Self.written(source))") }
        if let target { words.append("target \(Self.written(target))") }
        return words.joined(separator: " ")
    }

    private static func written(_ values: [String: String?]) -> String {
        "(" + values.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value ?? "NULL")" }.joined(separator: ", ") + ")"
    }
}
