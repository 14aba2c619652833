// RouteSupport: Bind messages, placements and key conditions for tests.
import Primitives
import ShardMap
import WireProtocol

@testable import QueryPlanning

/// A parameter's value as it travels.
enum WireValue {
    case text(String)
    case binary([UInt8])
    case null

    static func int2(_ value: Int16) -> WireValue { .binary(bigEndian(value)) }
    static func int4(_ value: Int32) -> WireValue { .binary(bigEndian(value)) }
    static func int8(_ value: Int64) -> WireValue { .binary(bigEndian(value)) }

    static func bigEndian<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}

/// The bytes of a Bind frame with the unnamed portal and statement.
func bindFrame(_ values: [WireValue]) -> [UInt8] {
    var body: [UInt8] = [0, 0]
    body += WireValue.bigEndian(Int16(values.count))
    for value in values { if case .binary = value { body += [0, 1] } else { body += [0, 0] } }
    body += WireValue.bigEndian(Int16(values.count))
    for value in values {
        switch value {
        case .null: body += WireValue.bigEndian(Int32(-1))
        case .text(let text): body += WireValue.bigEndian(Int32(text.utf8.count)) + Array(text.utf8)
        case .binary(let bytes): body += WireValue.bigEndian(Int32(bytes.count)) + bytes
        }
    }
    body += [0, 0]
    return [UInt8(ascii: "B")] + WireValue.bigEndian(Int32(body.count + 4)) + body
}

/// Calls `body` with the parameters of a Bind frame.
func withParameters<Result>(
    _ values: [WireValue], types: [UInt32] = [], _ body: (BoundParameters) throws -> Result
) throws -> Result {
    try bindFrame(values).withUnsafeBytes { frame in
        let bind = try BindMessage(frame)
        return try types.withUnsafeBufferPointer { try body(BoundParameters(bind: bind, typeOIDs: $0)) }
    }
}

/// Four shards, hash placement.
func fourShards() throws -> ShardMap { try ShardMap(shardCount: 4) }

func condition(
    _ type: KeyType, _ operands: KeyOperand..., array: Bool = false, stored: Bool = false,
    method: PlacementMethod = .hash
) -> KeyCondition {
    KeyCondition(
        placement: KeyPlacement(keyType: type, method: method), operands: operands, isArrayParameter: array,
        isStored: stored)
}

/// The shards of a set, as numbers.
func numbers(_ route: ResolvedRoute) -> [Int]? {
    guard case .shards(let set) = route else { return nil }
    return set.shards.map(\.int)
}
