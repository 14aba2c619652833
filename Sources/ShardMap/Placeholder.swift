// placeholder until the module lands
public struct ShardingRules: Sendable { public init() {} }
