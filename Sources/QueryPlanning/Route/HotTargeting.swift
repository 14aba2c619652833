// The hot door of Planner: text -> shape -> hot plan -> shard, without allocating and without counting references.
import Primitives
import ShardMap
import WireProtocol
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
        guard parameterTypes.isEmpty else { return scan(text, environment, parameterTypes)?.pointee }
        return lookUp(text: text, environment: environment)?.pointee
    }

    /// The same where no types are declared: a text that differs only in literals from one asked for lately is not scanned.
    /// The plan stays where it is; it must be used before the planner is asked for anything but `target`.
    public func lookUp(text: UnsafeRawBufferPointer, environment: UInt32) -> UnsafePointer<HotPlan>? {
        if let entry = templates.find(text, environment: environment, literals: scanner.literals) {
            if let plan = shapes.find(entry) { return plan }
            templates.forget(entry)
        }
        return scanAndKeep(text, environment)
    }

    @inline(never)
    private func scanAndKeep(_ text: UnsafeRawBufferPointer, _ environment: UInt32) -> UnsafePointer<HotPlan>? {
        let shape = scanner.scan(text)
        let noTypes = UnsafeBufferPointer<UInt32>(start: nil, count: 0)
        guard let length = scanner.completeKey(shape, environment: environment, parameterTypes: noTypes),
            let plan = shapes.find(scanner.bytes, count: length)
        else { return nil }
        templates.insert(
            text, environment: environment, literals: scanner.literals, count: shape.literalCount,
            entry: shapes.entry(of: plan))
        return plan
    }

    private func scan(
        _ text: UnsafeRawBufferPointer, _ environment: UInt32, _ parameterTypes: UnsafeBufferPointer<UInt32>
    ) -> UnsafePointer<HotPlan>? {
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
        withUnsafePointer(to: plan) { target(of: $0, text: text, parameters: parameters, map: map) }
    }

    /// The same of a plan that stays where it is. Plans with one key, which are nearly all, pay for one.
    public func target(
        of plan: UnsafePointer<HotPlan>, text: UnsafeRawBufferPointer, parameters: BoundParameters = .none,
        map: ShardMap
    ) -> HotTarget {
        if plan.pointee.keyCount != 1 { return targetOfSeveral(plan, text, parameters, map) }
        let key = plan.pointee.keys.0
        return target(of: key, read(key, text, parameters), map)
    }

    /// The same for a prepared statement, without making copies of the message.
    public func target(
        of plan: UnsafePointer<HotPlan>, bind: UnsafePointer<BindMessage>, typeOIDs: UnsafeBufferPointer<UInt32>,
        map: ShardMap
    ) -> HotTarget {
        let key = plan.pointee.keys.0
        guard plan.pointee.keyCount == 1, case .parameter(let number) = key.source, case let number = Int(number),
            number <= bind.pointee.parameterCount
        else {
            let noText = UnsafeRawBufferPointer(start: nil, count: 0)
            return target(
                of: plan, text: noText, parameters: BoundParameters(bind: bind.pointee, typeOIDs: typeOIDs), map: map)
        }
        let parameter = bind.pointee.parameter(number - 1)
        let value = BoundParameters.Value(
            bytes: parameter.value, format: parameter.format,
            typeOID: number <= typeOIDs.count ? typeOIDs[number - 1] : 0)
        return target(of: key, KeyReading(value, keyType: key.keyType), map)
    }

    @inline(__always)
    private func target(of onlyKey: HotKey, _ reading: KeyReading, _ map: ShardMap) -> HotTarget {
        if !onlyKey.isStored, case .null = reading { return .any }
        guard let shard = place(reading, onlyKey, map) else { return .unknown }
        return .shard(shard)
    }

    @inline(never)
    private func targetOfSeveral(
        _ plan: UnsafePointer<HotPlan>, _ text: UnsafeRawBufferPointer, _ parameters: BoundParameters, _ map: ShardMap
    ) -> HotTarget {
        if plan.pointee.keyCount == 0 { return .any }
        var shard: ShardIndex?
        for index in 0..<plan.pointee.keyCount {
            let key = plan.pointee.key(index)
            guard let found = place(read(key, text, parameters), key, map) else { return .unknown }
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
        case .text(let bytes): return bytes.count <= Int(key.plainBytes) ? map.shard(hashingBytes: bytes) : nil
        case .uuid(let uuid): return uuid.withBytes { map.shard(hashingBytes: $0) }
        case .ownedText, .null, .malformed, .unknown: return nil
        }
    }

    @inline(never)
    private func placeUnhashed(_ reading: KeyReading, _ key: HotKey, _ map: ShardMap) -> ShardIndex? {
        switch reading {
        case .text(let bytes) where bytes.count > Int(key.plainBytes): return nil
        case .ownedText(let bytes) where bytes.count > Int(key.plainBytes): return nil
        default: break
        }
        do throws(PlacementError) {
            return try map.shard(of: reading, by: method(key.method))
        } catch {
            return nil
        }
    }

    @inline(__always)
    func read(_ key: HotKey, _ text: UnsafeRawBufferPointer, _ parameters: BoundParameters) -> KeyReading {
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
