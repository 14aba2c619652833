// HotPlanMaking: which plans may serve all texts of a shape, and how their keys are named there.
import ShardMap

/// Turns plans into hot plans; keeps the placement methods that hot plans refer to by number.
struct HotPlanMaker {
    /// The first is always `.hash`.
    private(set) var methods: [PlacementMethod] = [.hash]
    /// The first is an unknown one, as are those beyond the last number.
    private(set) var columns: [KeyColumn] = [.unknown]
    private var columnNumbers: [String: UInt16] = [:]

    /// The hot plan of a statement, or nil if its plan must not be found by shape: it does more than pass through, leaves
    /// traces on the link, or takes a key from anything but parameters and literals taken out of the shape.
    /// - Parameters:
    ///   - literalStarts: where in the planned text the literals taken out begin.
    ///   - readsText: text keys hash as they come.
    mutating func hotPlan(of plan: StatementPlan, literalStarts: [Int], readsText: Bool) -> HotPlan? {
        guard case .passThrough(let route) = plan.action, plan.pins.isEmpty, !plan.changesCatalog, !plan.taintsLink,
            !plan.isCopyIn, let conditions = Self.conditions(of: route)
        else { return nil }
        var keys: [HotKey] = []
        for condition in conditions {
            guard let key = hotKey(condition, literalStarts), readsText || key.keyType.family != .text else {
                return nil
            }
            keys.append(key)
        }
        guard keys.count <= HotPlan.maximumKeyCount else { return nil }
        return HotPlan(effect: plan.effect, parameterCount: plan.parameterCount, keys: keys, runsTriggers: plan.runsTriggers)
    }

    /// The conditions of a route that the hot path can evaluate. It only asks whether all keys lie on the same shard, so that
    /// intersection and union are the same to it.
    private static func conditions(of route: Route) -> [KeyCondition]? {
        switch route {
        case .any: []
        case .keys(let conditions): conditions.isEmpty ? nil : conditions
        case .keyGroups(let groups): groups.contains(where: \.isEmpty) || groups.isEmpty ? nil : Array(groups.joined())
        case .catalog, .all, .home, .participant, .writer, .shard: nil
        }
    }

    private mutating func hotKey(_ condition: KeyCondition, _ literalStarts: [Int]) -> HotKey? {
        guard condition.operands.count == 1, !condition.isArrayParameter else { return nil }
        let source: HotKey.Source
        switch condition.operands[0] {
        case .constant, .null: return nil
        case .parameter(let number):
            guard let number = UInt16(exactly: number) else { return nil }
            source = .parameter(number)
        case .literal(let offset):
            guard let index = literalStarts.firstIndex(of: offset), let index = UInt8(exactly: index) else {
                return nil
            }
            source = .literal(index)
        }
        return HotKey(
            source: source, keyType: condition.placement.keyType, isStored: condition.isStored,
            method: number(of: condition.placement.method),
            plainBytes: condition.limit.map { UInt16(clamping: $0.maximumCharacters) } ?? .max, column: number(of: condition.column))
    }

    private mutating func number(of column: KeyColumn) -> UInt16 {
        let name = "\(column.table).\(column.column)"
        if let number = columnNumbers[name] { return number }
        guard !column.column.isEmpty, columns.count <= Int(UInt16.max) else { return 0 }
        columns.append(column)
        columnNumbers[name] = UInt16(columns.count - 1)
        return UInt16(columns.count - 1)
    }

    private mutating func number(of method: PlacementMethod) -> UInt16 {
        if let index = methods.firstIndex(of: method) { return UInt16(truncatingIfNeeded: index) }
        methods.append(method)
        return UInt16(truncatingIfNeeded: methods.count - 1)
    }
}

extension StatementPlan {
    /// The same plan for another text of its shape.
    /// - Parameters:
    ///   - old: where the literals taken out begin in the text this plan was made for.
    ///   - new: where they begin in the other text, in the same order.
    func moved(from old: [Int], to new: [Int]) -> StatementPlan {
        guard old != new, case .passThrough(let route) = action else { return self }
        return changed(action: .passThrough(route.moved(from: old, to: new)))
    }
}

extension Route {
    fileprivate func moved(from old: [Int], to new: [Int]) -> Route {
        switch self {
        case .any, .catalog, .all, .home, .participant, .writer, .shard: self
        case .keys(let conditions): .keys(conditions.map { $0.moved(from: old, to: new) })
        case .keyGroups(let groups): .keyGroups(groups.map { $0.map { $0.moved(from: old, to: new) } })
        }
    }
}

extension KeyCondition {
    fileprivate func moved(from old: [Int], to new: [Int]) -> KeyCondition {
        var condition = self
        condition.operands = operands.map { operand in
            guard case .literal(let offset) = operand, let index = old.firstIndex(of: offset) else { return operand }
            return .literal(offset: new[index])
        }
        return condition
    }
}
