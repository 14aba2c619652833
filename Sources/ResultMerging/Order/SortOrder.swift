// SortOrder: ORDER BY made ready for comparing. Each key of a row becomes a KeyImage: a rank (NULLs first or last), a
// 64-bit prefix with the direction already applied, and where the value lies for the rare tie.

/// One sort key of one row.
struct KeyImage {
    /// Ranks in ascending order.
    static let nullFirst: UInt8 = 0
    static let value: UInt8 = 1
    static let nullLast: UInt8 = 2
    /// Above every row: a source that has no more.
    static let exhausted: UInt8 = 3

    var prefix: UInt64
    /// Where the value lies, in bytes from the row's base.
    var offset: Int
    var length: Int32
    var rank: UInt8

    static let afterAll = KeyImage(prefix: 0, offset: 0, length: 0, rank: exhausted)
}

/// The keys by which rows are ordered.
struct SortOrder {
    /// One key made ready.
    struct Key {
        let column: Int
        let kind: KeyKind
        let isDescending: Bool
        let nullRank: UInt8
    }

    let keyCount: Int
    private let keys: UnsafeMutablePointer<Key>

    /// Throws 0A000 for a type whose order is not known.
    /// - Parameter typeOIDs: types of all columns, for keys whose type the plan leaves open (0).
    init(_ sortKeys: [SortKey], typeOIDs: [UInt32]) throws(MergeError) {
        keyCount = sortKeys.count
        var ready: [Key] = []
        for key in sortKeys {
            let typeOID = key.typeOID != 0 || key.column >= typeOIDs.count ? key.typeOID : typeOIDs[key.column]
            guard let kind = KeyKind(typeOID: typeOID) else { throw .cannotOrder(typeOID: typeOID) }
            ready.append(
                Key(
                    column: key.column, kind: kind, isDescending: key.isDescending,
                    nullRank: key.nullsFirst ? KeyImage.nullFirst : KeyImage.nullLast))
        }
        keys = .allocate(capacity: max(1, keyCount))
        keys.initialize(from: ready, count: keyCount)
    }

    /// Call exactly once.
    func free() { keys.deallocate() }

    @inline(__always)
    func column(_ index: Int) -> Int { keys[index].column }

    /// The image of the key at `index` whose value lies at `range` from `base`; nil range length below 0 is NULL.
    @inline(__always)
    func image(_ index: Int, base: UnsafeRawPointer, offset: Int, length: Int) throws(MergeError) -> KeyImage {
        let key = keys[index]
        guard length >= 0 else { return KeyImage(prefix: 0, offset: 0, length: 0, rank: key.nullRank) }
        var value = UnsafeRawBufferPointer(start: base + offset, count: length)
        guard key.kind.accepts(value) else { throw .malformedValue(column: key.column) }
        if key.kind == .bpchar { value = KeyComparison.withoutTrailingBlanks(value) }
        let prefix = KeyPrefix.make(value, key.kind)
        return KeyImage(
            prefix: key.isDescending ? ~prefix : prefix, offset: offset, length: Int32(truncatingIfNeeded: value.count),
            rank: KeyImage.value)
    }

    /// Makes the images of a row whose fields have just been read.
    @inline(__always)
    func makeImages(
        _ images: UnsafeMutablePointer<KeyImage>, fields: borrowing RowFields, base: UnsafeRawPointer
    ) throws(MergeError) {
        for index in 0..<keyCount {
            let range = fields[keys[index].column]
            images[index] = try image(index, base: base, offset: Int(range.offset), length: Int(range.length))
        }
    }

    /// Below, equal or above zero: two rows by their first `count` keys.
    @inline(__always)
    func compare(
        _ left: UnsafePointer<KeyImage>, _ leftBase: UnsafeRawPointer?, _ right: UnsafePointer<KeyImage>,
        _ rightBase: UnsafeRawPointer?, count: Int
    ) -> Int {
        for index in 0..<count {
            let (first, second) = (left + index, right + index)
            if first.pointee.rank != second.pointee.rank { return first.pointee.rank < second.pointee.rank ? -1 : 1 }
            if first.pointee.prefix != second.pointee.prefix {
                return first.pointee.prefix < second.pointee.prefix ? -1 : 1
            }
            if first.pointee.rank == KeyImage.exhausted { return 0 }
            if first.pointee.rank != KeyImage.value || keys[index].kind.isPrefixExact { continue }
            let order = compareValues(index, first.pointee, leftBase, second.pointee, rightBase)
            if order != 0 { return order }
        }
        return 0
    }

    @inline(never)
    private func compareValues(
        _ index: Int, _ left: KeyImage, _ leftBase: UnsafeRawPointer?, _ right: KeyImage, _ rightBase: UnsafeRawPointer?
    ) -> Int {
        guard let leftBase, let rightBase else { return 0 }
        let order = KeyComparison.compare(
            UnsafeRawBufferPointer(start: leftBase + left.offset, count: Int(left.length)),
            UnsafeRawBufferPointer(start: rightBase + right.offset, count: Int(right.length)), keys[index].kind)
        return keys[index].isDescending ? -order : order
    }
}
