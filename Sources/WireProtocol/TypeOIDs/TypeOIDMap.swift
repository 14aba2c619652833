// TypeOIDMap: what the types that one server knows by its OIDs are called by another, and what values of these types hold further OIDs.
//
// PostgreSQL gives types of the user's own OIDs from 16384 on, each server in its own order. Types below are the same on all servers.
// OIDs stand in descriptions, and in the binary format of arrays (array_send: the elements' type) and records (record_send: each
// column's type), also where these are elements, columns or bounds of others.

/// How the binary format of a type's values is built, as far as OIDs can be in it.
public enum TypeShape: Equatable, Sendable {
    /// Holds no OID of a type.
    case plain
    case array
    case record
    /// A range over a type.
    case range(subtype: UInt32)
    /// A multirange over ranges of a type.
    case multirange(range: UInt32)
    /// A domain: its values are those of its base type.
    case domain(base: UInt32)
}

/// One direction: from the OIDs of one server to those of another.
public struct TypeOIDMap: Sendable {
    /// The first OID that servers give away as objects are made (FirstNormalObjectId in access/transam.h).
    public static let firstUserOID: UInt32 = 16384
    /// Stands for a type that the other server does not have: no server gives this OID to anything, so that it is refused there.
    public static let noType: UInt32 = 0xFFFF_FFFF

    /// The other server's OIDs, by this one's.
    private let numbers: [UInt32: UInt32]
    /// By this server's OIDs.
    private let shapes: [UInt32: TypeShape]
    /// Types whose values may hold OIDs that are others there.
    private var carriers: Set<UInt32> = []

    public init(numbers: [UInt32: UInt32], shapes: [UInt32: TypeShape]) {
        self.numbers = numbers
        self.shapes = shapes
        carriers = Set(shapes.keys.filter { carriesOIDs($0, depth: 0) })
    }

    /// What the other server calls a type; nil: it has none of that name.
    @inline(__always)
    public subscript(_ type: UInt32) -> UInt32? { type < Self.firstUserOID ? type : numbers[type] }

    /// Whether binary values of a type may hold OIDs that are others there.
    public func carriesOIDs(_ type: UInt32) -> Bool {
        type < Self.firstUserOID ? shape(of: type) != .plain : carriers.contains(type)
    }

    /// How values of a type are built.
    func shape(of type: UInt32) -> TypeShape {
        if type >= Self.firstUserOID { return shapes[type] ?? .plain }
        switch type {
        case Self.recordType: return .record
        case Self.recordArrayType, Self.anyArrayType: return .array
        default: return .plain
        }
    }

    private static let recordType: UInt32 = 2249
    private static let recordArrayType: UInt32 = 2287
    /// pg_statistic has columns of it.
    private static let anyArrayType: UInt32 = 2277

    /// Types cannot hold themselves but by records, which end the search: the depth only bounds what a broken catalog could do.
    private func carriesOIDs(_ type: UInt32, depth: Int) -> Bool {
        guard depth < 64 else { return true }
        switch shape(of: type) {
        case .plain: return false
        // Its elements' type is another one there, as the array itself is.
        case .array, .record: return true
        case .range(let subtype): return carriesOIDs(subtype, depth: depth + 1)
        case .multirange(let range): return carriesOIDs(range, depth: depth + 1)
        case .domain(let base): return carriesOIDs(base, depth: depth + 1)
        }
    }
}

/// A type that the other server does not have.
public struct UnmappedType: Error, Equatable, Sendable {
    public var oid: UInt32
}
