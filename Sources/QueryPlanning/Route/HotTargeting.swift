// The hot door of Planner: text -> shape -> hot plan -> shard, without allocating and without counting references.
import Primitives
import ShardMap
#if canImport(Glibc)
    import Glibc
#endif

extension Planner {
    /// Finds the plan of a statement that passes through to one shard whatever its literals are.
    /// - Parameters:
    ///   - text: the text of a Query message, without the zero byte.
    ///   - environment: the number of the session's PlanningEnvironment.
    ///   - parameterTypes: the types Parse declares; empty in the simple protocol.
    /// - Returns: nil if the shape is not known; `plan` then answers, and may make it known. O(bytes).
    public func lookUp(
        text: UnsafeRawBufferPointer, environment: UInt32, parameterTypes: UnsafeBufferPointer<UInt32>
    ) -> HotPlan? {
        let shape = scanner.scan(text)
        guard let length = scanner.completeKey(shape, environment: environment, parameterTypes: parameterTypes) else {
            return nil
        }
        return shapes.find(scanner.bytes, count: length)
    }

    /// Where a statement goes.
    /// - Parameters:
    ///   - plan: what `lookUp` has just returned for `text`, nothing else having been asked of this planner since; or the hot
    ///     plan of a prepared statement.
    ///   - parameters: the values of this execution; `.none` in the simple protocol.
    public func target(
        of plan: HotPlan, text: UnsafeRawBufferPointer, parameters: BoundParameters = .none, map: ShardMap
    ) -> HotTarget {
        if plan.keyCount == 0 { return .any }
        var shard: ShardIndex?
        for index in 0..<plan.keyCount {
            let key = plan.key(index)
            let reading = read(key, text, parameters)
            if plan.keyCount == 1, !key.isStored, case .null = reading { return .any }
            guard let found = place(reading, key, map) else { return .unknown }
            if let shard, shard != found { return .unknown }
            shard = found
        }
        return shard.map { .shard($0) } ?? .unknown
    }

    @inline(__always)
    private func place(_ reading: KeyReading, _ key: HotKey, _ map: ShardMap) -> ShardIndex? {
        if key.method != 0 { return placeUnhashed(reading, key, map) }
        switch reading {
        case .integer(let value): return map.shard(hashingInteger: value)
        case .text(let bytes): return map.shard(hashingBytes: bytes)
        case .uuid(let uuid): return uuid.withBytes { map.shard(hashingBytes: $0) }
        case .ownedText, .null, .malformed, .unknown: return nil
        }
    }

    @inline(never)
    private func placeUnhashed(_ reading: KeyReading, _ key: HotKey, _ map: ShardMap) -> ShardIndex? {
        do throws(PlacementError) {
            return try map.shard(of: reading, by: method(key.method))
        } catch {
            return nil
        }
    }

    @inline(__always)
    private func read(_ key: HotKey, _ text: UnsafeRawBufferPointer, _ parameters: BoundParameters) -> KeyReading {
        switch key.source {
        case .parameter(let number):
            return parameters.value(Int(number)).map { KeyReading($0, keyType: key.keyType) } ?? .unknown
        case .literal(let index):
            let literal = scanner.literals[Int(index)]
            switch literal.literalClass {
            case .int4, .int8: return key.keyType.family == .integer ? .integer(literal.integer) : .unknown
            case .string: return read(string: literal, key, text)
            case .bigInteger, .decimal, .escapeString: return .unknown
            }
        }
    }

    /// A string without quotes inside it.
    private func read(string literal: ShapeLiteral, _ key: HotKey, _ text: UnsafeRawBufferPointer) -> KeyReading {
        let start = Int(literal.tokenStart) + 1
        let count = Int(literal.end) - 1 - start
        guard let base = text.baseAddress, count >= 0, start + count <= text.count,
            memchr(base + start, Int32(UInt8(ascii: "'")), count) == nil
        else { return .unknown }
        return KeyReading(text: UnsafeRawBufferPointer(start: base + start, count: count), type: key.keyType)
    }
}
