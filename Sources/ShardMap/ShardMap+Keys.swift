// The shard of a key under any placement method, from every form a key comes in.
import Primitives

extension ShardMap {
    /// The shard of an int2, int4 or int8 key. O(log rule entries), allocates nothing unless it throws.
    /// - Throws: `noShard` or `methodRefusesKey`.
    @inlinable
    public func shard(ofInteger key: Int64, by method: PlacementMethod) throws(PlacementError) -> ShardIndex {
        if case .hash = method { return shard(hashingInteger: key) }
        return try ruledShard(integer: key, method)
    }

    /// The shard of a text or varchar key, given as bytes in the server's encoding.
    /// - Throws: `noShard` or `methodRefusesKey`.
    @inlinable
    public func shard(
        ofText key: UnsafeRawBufferPointer, by method: PlacementMethod
    ) throws(PlacementError) -> ShardIndex {
        if case .hash = method { return shard(hashingBytes: key) }
        return try ruledShard(text: key, method)
    }

    /// The shard of a uuid key.
    /// - Throws: `noShard` or `methodRefusesKey`.
    @inlinable
    public func shard(ofUUID key: UUIDKey, by method: PlacementMethod) throws(PlacementError) -> ShardIndex {
        if case .hash = method { return key.withBytes { shard(hashingBytes: $0) } }
        return try ruledShard(uuid: key, method)
    }

    /// The shard of a key value, for slow paths.
    /// - Throws: `noShard` or `methodRefusesKey`.
    public func shard(of key: KeyValue, by method: PlacementMethod) throws(PlacementError) -> ShardIndex {
        switch key {
        case .integer(let value): return try shard(ofInteger: value, by: method)
        case .uuid(let value): return try shard(ofUUID: value, by: method)
        case .text(let bytes):
            return try bytes.withUnsafeBufferPointer { (key) throws(PlacementError) in
                try shard(ofText: UnsafeRawBufferPointer(key), by: method)
            }
        }
    }

    /// The shard of a key in text format (a literal's content, a text parameter, a COPY field without its escapes).
    /// Allocates nothing unless it throws.
    /// - Throws: `invalidKey` if the type's input function refuses it, `noShard` or `methodRefusesKey`.
    public func shard(
        ofTextFormat text: UnsafeRawBufferPointer, type: KeyType, by method: PlacementMethod
    ) throws(PlacementError) -> ShardIndex {
        switch type.family {
        case .text: return try shard(ofText: text, by: method)
        case .integer:
            let key = try Self.parsed(type, text) { () throws(KeyFormatError) in try type.integer(text: text) }
            return try shard(ofInteger: key, by: method)
        case .uuid:
            let key = try Self.parsed(type, text) { () throws(KeyFormatError) in try KeyType.uuid(text: text) }
            return try shard(ofUUID: key, by: method)
        }
    }

    /// The shard of a key in binary format. Allocates nothing unless it throws.
    /// - Throws: `invalidKey` for a wrong length, `noShard` or `methodRefusesKey`.
    public func shard(
        ofBinaryFormat bytes: UnsafeRawBufferPointer, type: KeyType, by method: PlacementMethod
    ) throws(PlacementError) -> ShardIndex {
        switch type.family {
        case .text: return try shard(ofText: bytes, by: method)
        case .integer:
            let key = try Self.parsed(type, nil) { () throws(KeyFormatError) in try type.integer(binary: bytes) }
            return try shard(ofInteger: key, by: method)
        case .uuid:
            let key = try Self.parsed(type, nil) { () throws(KeyFormatError) in try KeyType.uuid(binary: bytes) }
            return try shard(ofUUID: key, by: method)
        }
    }

    /// What `parse` gives; its error gains the type and text that the message needs.
    @inline(__always)
    private static func parsed<Key>(
        _ type: KeyType, _ text: UnsafeRawBufferPointer?, _ parse: () throws(KeyFormatError) -> Key
    ) throws(PlacementError) -> Key {
        do {
            return try parse()
        } catch {
            let shown = text.map { String(decoding: $0, as: UTF8.self) } ?? ""
            throw .invalidKey(error, type: type, text: shown)
        }
    }
}

// The methods that follow a rule instead of the hash.
extension ShardMap {
    @usableFromInline
    func ruledShard(integer key: Int64, _ method: PlacementMethod) throws(PlacementError) -> ShardIndex {
        try Self.check(method, accepts: .integer)
        let shard: ShardIndex? =
            switch method {
            case .hash: self.shard(hashingInteger: key)
            case .modulo: ShardIndex(Self.remainder(key, shardCount))
            case .range(let range): range.shard(boundsPassed: range.bounds.countUpTo(integer: key))
            case .list(let list): list.shard(at: list.keys.index(integer: key))
            }
        guard let shard else { throw .noShard(.integer(key)) }
        return shard
    }

    @usableFromInline
    func ruledShard(text key: UnsafeRawBufferPointer, _ method: PlacementMethod) throws(PlacementError) -> ShardIndex {
        try Self.check(method, accepts: .text)
        let shard: ShardIndex? =
            switch method {
            case .hash: self.shard(hashingBytes: key)
            case .modulo: nil
            case .range(let range): range.shard(boundsPassed: range.bounds.countUpTo(text: key))
            case .list(let list): list.shard(at: list.keys.index(text: key))
            }
        guard let shard else { throw .noShard(.text([UInt8](key))) }
        return shard
    }

    @usableFromInline
    func ruledShard(uuid key: UUIDKey, _ method: PlacementMethod) throws(PlacementError) -> ShardIndex {
        try Self.check(method, accepts: .uuid)
        let shard: ShardIndex? =
            switch method {
            case .hash: key.withBytes { self.shard(hashingBytes: $0) }
            case .modulo: nil
            case .range(let range): range.shard(boundsPassed: range.bounds.countUpTo(uuid: key))
            case .list(let list): list.shard(at: list.keys.index(uuid: key))
            }
        guard let shard else { throw .noShard(.uuid(key)) }
        return shard
    }

    private static func check(_ method: PlacementMethod, accepts family: KeyFamily) throws(PlacementError) {
        guard method.accepts(family) else { throw .methodRefusesKey(method: method.name, family: family) }
    }

    /// The mathematical remainder, from 0 to divisor - 1, also for negative numbers.
    private static func remainder(_ value: Int64, _ divisor: Int) -> Int {
        let remainder = Int(value % Int64(divisor))
        return remainder < 0 ? remainder + divisor : remainder
    }
}
