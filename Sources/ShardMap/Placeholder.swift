// Stand-ins until the module lands.
public struct ShardingRules: Sendable { public init() {} }
public enum KeyType: Sendable, Equatable { case int2, int4, int8, text, uuid }
public enum KeyValue: Sendable, Equatable, Hashable { case integer(Int64), text([UInt8]), uuid([UInt8]) }
public enum PlacementMethod: Sendable, Equatable { case hash }
