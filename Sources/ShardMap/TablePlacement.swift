// TablePlacement: where a table's rows live, and which tables live together.

/// Where a table's rows live.
public enum TablePlacement: Hashable, Sendable {
    /// Each row on the shard of its key. The key column's type is known to the catalog, not to the rules.
    case sharded(keyColumn: String, method: PlacementMethod)
    /// Every row on every shard.
    case reference
    /// Each row on the shard that its transaction writes anyway; read on all.
    case local

    /// The colocation group of a sharded table with a key of `keyType`; nil for other kinds.
    /// - Throws: `methodRefusesKey` if the method cannot place keys of that type.
    public func colocationGroup(keyType: KeyType) throws(PlacementError) -> ColocationGroup? {
        guard case .sharded(_, let method) = self else { return nil }
        return try ColocationGroup(method: method, keyType: keyType)
    }
}

/// Tables of one group keep rows with equal keys on the same shard, so they can be joined there by key.
public struct ColocationGroup: Hashable, Sendable {
    public let method: PlacementMethod
    public let keyFamily: KeyFamily

    /// - Throws: `methodRefusesKey` if `method` cannot place keys of `keyType`.
    public init(method: PlacementMethod, keyType: KeyType) throws(PlacementError) {
        guard method.accepts(keyType.family) else {
            throw .methodRefusesKey(method: method.name, family: keyType.family)
        }
        self.method = method
        keyFamily = keyType.family
    }
}
