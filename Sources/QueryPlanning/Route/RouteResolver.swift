// RouteResolver: a route and the values of one execution -> the shards that are needed.
import Primitives
import ShardMap

/// Where one execution of a statement goes.
public enum ResolvedRoute: Equatable, Sendable {
    /// Any one shard; prefer one that the transaction already uses.
    case any
    /// The catalog shard.
    case catalog
    /// The session's home link.
    case home
    /// The one shard on which the block has written.
    case participant
    /// The one shard that the transaction writes, or else any that it uses.
    case writer
    /// These shards, at least one.
    case shards(ShardSet)
}

/// Evaluates routes against one placement.
public struct RouteResolver {
    private let map: ShardMap
    private let text: UnsafeRawBufferPointer
    private let parameters: BoundParameters
    private let usesServerEncoding: Bool

    /// - Parameters:
    ///   - text: the text that was planned, whose places the route names.
    ///   - parameters: the values of this execution; `.none` in the simple protocol.
    ///   - usesServerEncoding: as in PlanningEnvironment.
    public init(
        map: ShardMap, text: UnsafeRawBufferPointer, parameters: BoundParameters = .none,
        usesServerEncoding: Bool = true
    ) {
        self.map = map
        self.text = text
        self.parameters = parameters
        self.usesServerEncoding = usesServerEncoding
    }

    /// The shards that `route` means. O(keys); allocates only for arrays and for text with doubled quotes.
    /// - Throws: for stored keys: NULL, values that are none of the key's type or cannot be read, keys without a shard.
    public func resolve(_ route: Route) throws(Refusal) -> ResolvedRoute {
        switch route {
        case .any: return .any
        case .catalog: return .catalog
        case .home: return .home
        case .participant: return .participant
        case .writer: return .writer
        case .all: return .shards(map.allShards)
        case .shard(let shard): return .shards(ShardSet(shard))
        case .keys(let conditions): return Self.resolved(try shards(ofAll: conditions))
        case .keyGroups(let groups):
            var union = ShardSet()
            for conditions in groups { union = union.union(try shards(ofAll: conditions)) }
            return Self.resolved(union)
        }
    }

    /// Conditions that no row meets still need a shard to say so.
    private static func resolved(_ shards: ShardSet) -> ResolvedRoute { shards.isEmpty ? .any : .shards(shards) }

    private func shards(ofAll conditions: [KeyCondition]) throws(Refusal) -> ShardSet {
        var shards = map.allShards
        for condition in conditions { shards = shards.intersection(try self.shards(of: condition)) }
        return shards
    }

    private func shards(of condition: KeyCondition) throws(Refusal) -> ShardSet {
        var shards = ShardSet()
        for operand in condition.operands {
            if condition.isArrayParameter {
                shards = shards.union(try self.shards(ofArray: operand, condition))
            } else {
                shards = shards.union(try self.shards(of: read(operand, condition.placement.keyType), condition))
            }
        }
        return shards
    }

    private func read(_ operand: KeyOperand, _ keyType: KeyType) -> KeyReading {
        switch operand {
        case .null: return .null
        case .literal(let offset): return KeyReading(literalAt: offset, in: text, keyType: keyType)
        case .parameter(let number):
            return parameters.value(number).map { KeyReading($0, keyType: keyType) } ?? .unknown
        case .constant(let value):
            switch value {
            case .integer(let number): return .integer(number)
            case .text(let bytes): return .ownedText(bytes)
            case .uuid(let uuid): return .uuid(uuid)
            }
        }
    }

    private func shards(ofArray operand: KeyOperand, _ condition: KeyCondition) throws(Refusal) -> ShardSet {
        guard case .parameter(let number) = operand, let value = parameters.value(number),
            let elements = ArrayReading.elements(of: value, keyType: condition.placement.keyType)
        else { return map.allShards }
        var shards = ShardSet()
        for element in elements { shards = shards.union(try self.shards(of: element, condition)) }
        return shards
    }

    /// The shard of one value: none for NULL, all for what cannot be read. A stored key must have its shard.
    private func shards(of value: KeyReading, _ condition: KeyCondition) throws(Refusal) -> ShardSet {
        let reading = try stored(usesServerEncoding || value.isASCII ? value : .unknown, condition)
        do throws(PlacementError) {
            if let shard = try map.shard(of: reading, by: condition.placement.method) { return ShardSet(shard) }
        } catch {
            if condition.isStored { throw Refusal(error.sqlState, error.message, hint: error.hint) }
            // A key that no shard holds is the key of no row.
            if case .noShard = error { return ShardSet() }
            return map.allShards
        }
        if case .null = reading, condition.leavesNullToShards { return ShardSet() }
        if condition.isStored { throw Self.refusal(of: reading, condition.placement.keyType) }
        if case .null = reading { return ShardSet() }
        return map.allShards
    }

    /// The value as its column stores it.
    private func stored(_ value: KeyReading, _ condition: KeyCondition) throws(Refusal) -> KeyReading {
        guard let limit = condition.limit else { return value }
        switch value {
        case .text(let bytes):
            guard let stored = limit.stored(bytes) else { throw Refusal("22001", limit.message) }
            return .text(stored)
        case .ownedText(let bytes):
            guard let count = bytes.withUnsafeBytes({ limit.stored($0)?.count }) else { throw Refusal("22001", limit.message) }
            return .ownedText(Array(bytes.prefix(count)))
        case .integer, .uuid, .null, .malformed, .unknown: return value
        }
    }

    private static func refusal(of reading: KeyReading, _ keyType: KeyType) -> Refusal {
        switch reading {
        case .null:
            return Refusal("23502", "null value in the sharding key", hint: "A row without a key belongs to no shard.")
        case .malformed(let error, let text):
            return Refusal(error.sqlState, error.message(type: keyType, text: String(decoding: text, as: UTF8.self)))
        case .integer, .text, .ownedText, .uuid, .unknown:
            return Refusal(
                "0A000", "the value of the sharding key cannot be read",
                hint: "Give the key as a literal or a parameter of type \(keyType.sqlName).")
        }
    }
}

extension ShardMap {
    /// The shard of a key that was read; nil if it has no value.
    /// - Throws: `noShard` or `methodRefusesKey`.
    @inline(__always)
    func shard(of reading: KeyReading, by method: PlacementMethod) throws(PlacementError) -> ShardIndex? {
        switch reading {
        case .integer(let key): return try shard(ofInteger: key, by: method)
        case .text(let key): return try shard(ofText: key, by: method)
        case .ownedText(let bytes): return try shard(of: .text(bytes), by: method)
        case .uuid(let key): return try shard(ofUUID: key, by: method)
        case .null, .malformed, .unknown: return nil
        }
    }
}
