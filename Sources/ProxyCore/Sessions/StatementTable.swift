// StatementTable: prepared statements shared by text.
//
// Sessions name their statements as they like; on the links a statement is known by its number, so that a thousand
// clients preparing the same text cost each link one Parse. Equal text and parameter types make equal statements, in equal environments:
// a link that has a statement prepared from before tables have changed, or with another search_path, answers it with the error
// 'cached plan must not change result type', which who prepares it now must not see.
import Primitives
import QueryPlanning

/// What a Bind needs of a statement that only passes, in raw memory, so that nothing is counted or copied.
struct HotStatement {
    /// The first field, so that its address is the record's.
    var plan: HotPlan
    let number: UInt32
    /// The environment `plan` is for; `.max`: there is no plan that its parameters alone can carry out.
    var environment: UInt32
    /// By which keys are read (`SharedStatement.routingTypes`).
    let parameterTypes: UnsafeMutableBufferPointer<UInt32>
    let linkName: UnsafeRawBufferPointer
}

/// One shared statement.
final class SharedStatement {
    let number: UInt32
    let text: [UInt8]
    let parameterTypes: [UInt32]
    /// The number of the environment it was prepared in.
    let environment: UInt32
    /// What it means besides its text (`Worker.reading`): `'10:00'` is a constant once it is prepared, and a temporary table its session's.
    let reading: [String]
    /// Sessions that hold it by a name or as the unnamed statement.
    var holders = 0
    /// It is in the table's list of those that may go.
    var isListed = false
    /// Its plan, valid in the environment of this number.
    private(set) var plan: StatementPlan?
    private(set) var planEnvironment: UInt32 = .max
    /// Where each Bind goes, when its parameters alone say so: spares most of them the plan and its route.
    private(set) var hotPlan: HotPlan?
    /// What PostgreSQL said of its parameters' types when a client last had it described.
    var describedTypes: [UInt32] = [] {
        didSet { settleOpenTypes() }
    }
    /// The types by which keys are read from parameters: declared, and where that alone does not tell, described.
    private(set) var routingTypes: [UInt32]
    /// The columns it returns, as it was when a client first had it described.
    var describedColumns: DescribedColumns? {
        didSet { setHotEnvironment() }
    }
    let hash: UInt64
    /// Its name on the links.
    let linkName: [UInt8]
    /// Lives as long as the statement.
    let hot: UnsafeMutablePointer<HotStatement>

    init(number: UInt32, text: [UInt8], parameterTypes: [UInt32], environment: UInt32, reading: [String], hash: UInt64) {
        self.reading = reading
        self.number = number
        self.text = text
        self.parameterTypes = parameterTypes
        self.environment = environment
        self.hash = hash
        linkName = Array("pgbraid_\(number)".utf8)
        routingTypes = BoundParameters.types(declared: parameterTypes, in: text)
        let types = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: routingTypes.count)
        _ = types.initialize(from: routingTypes)
        let name = UnsafeMutableRawBufferPointer.allocate(byteCount: linkName.count, alignment: 8)
        name.copyBytes(from: linkName)
        hot = .allocate(capacity: 1)
        hot.initialize(
            to: HotStatement(
                plan: .none, number: number, environment: .max, parameterTypes: types,
                linkName: UnsafeRawBufferPointer(name)))
    }

    deinit {
        hot.pointee.parameterTypes.deallocate()
        hot.pointee.linkName.deallocate()
        hot.deallocate()
    }

    func keep(_ plan: StatementPlan, hotPlan: HotPlan?, environment: UInt32) {
        self.plan = plan
        self.hotPlan = hotPlan
        planEnvironment = environment
        hot.pointee.plan = hotPlan ?? .none
        setHotEnvironment()
    }

    private func settleOpenTypes() {
        for (index, type) in describedTypes.enumerated() where index < routingTypes.count && routingTypes[index] == BoundParameters.openType {
            routingTypes[index] = type
            hot.pointee.parameterTypes[index] = type
        }
    }

    /// A statement that must be described again is bound with care.
    private func setHotEnvironment() {
        hot.pointee.environment = hotPlan == nil || isUncertain(in: planEnvironment) ? .max : planEnvironment
    }
}

/// All shared statements of one worker. Looking up is O(1).
final class StatementTable {
    private var statements: [UInt32: SharedStatement] = [:]
    private var lastNumber: UInt32 = 0
    private var numbersByHash: [UInt64: [UInt32]] = [:]
    private var unheld: [UInt32] = []
    private var unheldBytes = 0
    private let keepCount: Int
    private let keepBytes: Int
    /// The statements asked for last, by the low bits of their numbers: spares most Binds the dictionary's hashing.
    private var recent: [SharedStatement?] = Array(repeating: nil, count: 256)
    /// The same statements, for `hot`.
    private let recentHot: UnsafeMutablePointer<UnsafeMutablePointer<HotStatement>?>

    /// - Parameters:
    ///   - keepCount: how many statements that nobody holds are kept for the next who asks.
    ///   - keepBytes: how many bytes of text they may take.
    init(keepCount: Int, keepBytes: Int) {
        self.keepCount = keepCount
        self.keepBytes = keepBytes
        recentHot = .allocate(capacity: recent.count)
        recentHot.initialize(repeating: nil, count: recent.count)
    }

    deinit { recentHot.deallocate() }

    /// What a Bind of this statement needs; valid until a statement is released or taken in.
    @inline(__always)
    func hot(_ number: UInt32) -> UnsafeMutablePointer<HotStatement>? {
        if let found = recentHot[Self.place(number)], found.pointee.number == number { return found }
        return findAndRemember(number)?.hot
    }

    @inline(__always)
    func at(_ number: UInt32) -> SharedStatement? {
        if let found = recent[Self.place(number)], found.number == number { return found }
        return findAndRemember(number)
    }

    @inline(never)
    private func findAndRemember(_ number: UInt32) -> SharedStatement? {
        guard let found = statements[number] else { return nil }
        recent[Self.place(number)] = found
        recentHot[Self.place(number)] = found.hot
        return found
    }

    private static func place(_ number: UInt32) -> Int { Int(number & 255) }

    /// The statement of this text and these types in an environment; the caller holds it and must `release` it.
    /// - Parameter reading: what it means besides, where it is prepared (`Worker.reading`).
    func hold(text: UnsafeRawBufferPointer, parameterTypes: [UInt32], environment: UInt32, reading: [String]) -> SharedStatement {
        let hash = Self.hash(text, parameterTypes)
        for number in numbersByHash[hash] ?? [] {
            guard let found = statements[number], found.environment == environment, found.parameterTypes == parameterTypes,
                found.reading == reading, found.text.elementsEqual(text)
            else { continue }
            found.holders += 1
            return found
        }
        lastNumber += 1
        let number = lastNumber
        let statement = SharedStatement(
            number: number, text: Array(text), parameterTypes: parameterTypes, environment: environment, reading: reading, hash: hash)
        statement.holders = 1
        statements[number] = statement
        numbersByHash[hash, default: []].append(number)
        return statement
    }

    func release(_ number: UInt32) {
        guard number != 0, let statement = statements[number] else { return }
        statement.holders -= 1
        guard statement.holders == 0, !statement.isListed else { return }
        statement.isListed = true
        unheld.append(number)
        unheldBytes += statement.text.count
        if unheld.count > 2 * keepCount || unheldBytes > 2 * keepBytes { evict() }
    }

    /// Forgets the oldest statements nobody holds, half of what is kept at most. Their numbers are never used again, so a link that still has one
    /// prepared only wastes a slot until its own limit closes it.
    private func evict() {
        var count = 0
        while unheld.count - count > keepCount || unheldBytes > keepBytes, count < unheld.count {
            forget(unheld[count])
            count += 1
        }
        unheld.removeFirst(count)
    }

    private func forget(_ number: UInt32) {
        guard let statement = statements[number] else { return }
        unheldBytes -= statement.text.count
        statement.isListed = false
        if statement.holders == 0 {
            numbersByHash[statement.hash]?.removeAll { $0 == number }
            if numbersByHash[statement.hash]?.isEmpty == true { numbersByHash[statement.hash] = nil }
            statements[number] = nil
            if recent[Self.place(number)] === statement {
                recent[Self.place(number)] = nil
                recentHot[Self.place(number)] = nil
            }
        }
    }

    /// FNV-1a over the text and the types, eight bytes at a time.
    private static func hash(_ text: UnsafeRawBufferPointer, _ types: [UInt32]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        var offset = 0
        while offset + 8 <= text.count {
            hash = (hash ^ text.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0x0000_0100_0000_01B3
            hash ^= hash >> 29
            offset += 8
        }
        while offset < text.count {
            hash = (hash ^ UInt64(text[offset])) &* 0x0000_0100_0000_01B3
            offset += 1
        }
        for type in types { hash = (hash ^ UInt64(type)) &* 0x0000_0100_0000_01B3 }
        return hash
    }
}
