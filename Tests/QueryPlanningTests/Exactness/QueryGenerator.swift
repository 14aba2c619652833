// QueryGenerator: random queries over the schema of GoldenCatalog, biased towards what planners get wrong: joins of every
// kind with and without the key, subqueries everywhere, grouping, DISTINCT, windows, set operations, LIMIT.
//
// Values whose choice is PostgreSQL's own (rows under LIMIT without total order, equal but different numbers) are avoided, so
// that every difference is a fault.
import Testing

struct QueryGenerator {
    enum Kind: CaseIterable { case int8, int4, numeric, text, stamp, bool }

    struct Column {
        let name: String
        let kind: Kind
        var isKey = false
    }

    private var dice: Dice
    private var aliases = 0
    /// WITH items in scope.
    private var commonTables: [(name: String, columns: [Column])] = []

    init(seed: UInt64) { dice = Dice(seed: seed) }

    private static let tables: [(name: String, columns: [Column])] = [
        ("users", [Column(name: "user_id", kind: .int8, isKey: true), Column(name: "name", kind: .text), Column(name: "country", kind: .text), Column(name: "active", kind: .bool), Column(name: "balance", kind: .numeric)]),
        ("orders", [Column(name: "user_id", kind: .int8, isKey: true), Column(name: "order_id", kind: .int8), Column(name: "amount", kind: .numeric), Column(name: "quantity", kind: .int4), Column(name: "status", kind: .text), Column(name: "created_at", kind: .stamp)]),
        ("accounts", [Column(name: "user_id", kind: .int8, isKey: true), Column(name: "account_id", kind: .int8), Column(name: "balance", kind: .numeric)]),
        ("countries", [Column(name: "code", kind: .text), Column(name: "name", kind: .text), Column(name: "population", kind: .int8)]),
        ("regions", [Column(name: "id", kind: .int4), Column(name: "country", kind: .text)]),
        ("active_users", [Column(name: "user_id", kind: .int8, isKey: true), Column(name: "name", kind: .text)]),
    ]

    // MARK: Statements

    mutating func question() -> Question {
        aliases = 0
        commonTables = []
        var with = ""
        if dice.chance(15) {
            let (sql, columns) = query(depth: 1, outer: [], signature: nil)
            with = "WITH w1 AS (\(sql)) "
            commonTables = [("w1", columns)]
        }
        let (sql, columns) = query(depth: 2, outer: [], signature: nil)
        guard dice.chance(50), !columns.isEmpty else { return Question(text: with + sql) }
        let directions = ["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]
        var order = (1...columns.count).map { "\($0)\(dice.choice(directions))" }
        order.shuffle(with: &dice)
        var text = with + sql + " ORDER BY " + order.joined(separator: ", ")
        if dice.chance(50) { text += " LIMIT \(dice.number(12))" }
        if dice.chance(25) { text += " OFFSET \(dice.number(5))" }
        return Question(text: text, isOrdered: true)
    }

    private mutating func query(depth: Int, outer: [Column], signature: [Kind]?) -> (String, [Column]) {
        guard depth > 0, dice.chance(15) else { return select(depth: depth, outer: outer, signature: signature) }
        let kinds = signature ?? [dice.chance(60) ? .int8 : .text] + (dice.chance(50) ? [Kind.text] : [])
        let (left, columns) = select(depth: depth - 1, outer: outer, signature: kinds)
        let (right, _) = select(depth: depth - 1, outer: outer, signature: kinds)
        let word = dice.choice(["UNION", "UNION ALL", "UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL"])
        return ("\(left) \(word) \(right)", columns)
    }

    // MARK: SELECT

    private mutating func select(depth: Int, outer: [Column], signature: [Kind]?) -> (String, [Column]) {
        let (from, columns) = fromClause(depth: depth, outer: outer)
        var conditions: [String] = []
        for _ in 0..<dice.number(3) { conditions.append(predicate(columns, outer, depth: depth)) }
        if !outer.isEmpty, dice.chance(75) { conditions.append(tie(columns, outer)) }
        let filter = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        let style = dice.number(100)
        if style < 25 { return grouped(from + filter, columns, depth, signature) }
        return plain(from + filter, columns, outer, depth, signature, isDistinct: style < 38, hasWindow: style >= 38 && style < 46)
    }

    private mutating func plain(
        _ source: String, _ columns: [Column], _ outer: [Column], _ depth: Int, _ signature: [Kind]?, isDistinct: Bool, hasWindow: Bool
    ) -> (String, [Column]) {
        let kinds = signature ?? (0..<1 + dice.number(3)).map { _ in dice.choice([Kind.int8, .text, .int4, .stamp, .bool]) }
        var items: [(String, Column)] = kinds.enumerated().map { index, kind in
            let (text, isKey) = expression(kind, columns)
            return (text, Column(name: "c\(index + 1)", kind: kind, isKey: isKey))
        }
        if signature == nil {
            if dice.chance(40), let key = columns.first(where: \.isKey) { items.append((key.name, Column(name: "c\(items.count + 1)", kind: .int8, isKey: true))) }
            if dice.chance(10), depth > 0 {
                let (sub, _) = select(depth: 0, outer: columns + outer, signature: [.int8])
                items.append(("(SELECT count(*) FROM (\(sub)) s)", Column(name: "c\(items.count + 1)", kind: .int8)))
            }
            if hasWindow {
                let partition = dice.choice(columns).name
                items.append(("count(*) OVER (PARTITION BY \(partition))", Column(name: "c\(items.count + 1)", kind: .int8)))
            }
        }
        let list = items.map { "\($0.0) AS \($0.1.name)" }.joined(separator: ", ")
        return ("SELECT \(isDistinct ? "DISTINCT " : "")\(list)\(source)", items.map(\.1))
    }

    private mutating func grouped(_ source: String, _ columns: [Column], _ depth: Int, _ signature: [Kind]?) -> (String, [Column]) {
        let keys = (0..<dice.number(3)).map { _ in dice.choice(columns.filter { $0.kind != .numeric }.isEmpty ? columns : columns.filter { $0.kind != .numeric }) }
        var items: [(String, Column)] = []
        if let signature {
            for (index, kind) in signature.enumerated() {
                if let key = keys.first(where: { $0.kind == kind }), dice.chance(70) {
                    items.append((key.name, Column(name: "c\(index + 1)", kind: kind, isKey: key.isKey)))
                } else {
                    items.append((aggregate(kind, columns), Column(name: "c\(index + 1)", kind: kind)))
                }
            }
        } else {
            for key in keys where dice.chance(80) { items.append((key.name, Column(name: "c\(items.count + 1)", kind: key.kind, isKey: key.isKey))) }
            for _ in 0..<1 + dice.number(2) {
                let kind = dice.choice([Kind.int8, .int8, .numeric, .text, .int4, .bool])
                items.append((aggregate(kind, columns), Column(name: "c\(items.count + 1)", kind: kind)))
            }
        }
        var text = "SELECT " + items.map { "\($0.0) AS \($0.1.name)" }.joined(separator: ", ") + source
        if !keys.isEmpty {
            let list = keys.map(\.name).joined(separator: ", ")
            text += " GROUP BY " + (dice.chance(12) ? "ROLLUP (\(list))" : list)
        }
        if dice.chance(25) { text += " HAVING count(*) > \(dice.number(4))" }
        return (text, items.map(\.1))
    }

    private mutating func aggregate(_ kind: Kind, _ columns: [Column]) -> String {
        let column = columns.filter { $0.kind == kind }
        let filter = dice.chance(15) ? " FILTER (WHERE \(simplePredicate(columns)))" : ""
        switch kind {
        case .int8:
            let options = ["count(*)", "count(\(dice.choice(columns).name))", "count(DISTINCT \(dice.choice(columns).name))"]
            let sums = columns.filter { $0.kind == .int4 }.map { "sum(\($0.name))" }
            return dice.choice(options + sums) + filter
        case .numeric:
            guard let name = column.first?.name else { return "sum(length('abc')::numeric)" }
            return dice.choice(["sum(\(name))\(filter)", "avg(\(name))\(filter)", "round(avg(\(name)), 2)", "coalesce(sum(\(name))\(filter), 0)", "sum(DISTINCT length(\(name)::text)::numeric)"])
        case .bool: return "bool_or(\(simplePredicate(columns)))" + filter
        case .text, .int4, .stamp:
            let values = columns.filter { $0.kind == kind }
            guard !values.isEmpty else { return constant(kind) }
            return "\(dice.choice(["min", "max"]))(\(dice.choice(values).name))" + filter
        }
    }

    // MARK: FROM

    private mutating func fromClause(depth: Int, outer: [Column]) -> (String, [Column]) {
        var (text, columns) = relation(depth: depth, outer: outer)
        for _ in 0..<[0, 0, 1, 1, 1, 2][dice.number(6)] {
            if dice.chance(10), depth > 0 {
                let (sub, subColumns) = lateral(columns)
                text += dice.chance(50) ? " CROSS JOIN LATERAL \(sub)" : " LEFT JOIN LATERAL \(sub) ON true"
                columns += subColumns
                continue
            }
            let (right, rightColumns) = relation(depth: depth - 1, outer: outer)
            let word = dice.choice(["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
            var condition = joinCondition(columns, rightColumns)
            if dice.chance(20), word != "FULL JOIN" { condition += " AND " + simplePredicate(columns + rightColumns) }
            text += " \(word) \(right) ON \(condition)"
            columns += rightColumns
        }
        return (" FROM " + text, columns)
    }

    private mutating func relation(depth: Int, outer: [Column]) -> (String, [Column]) {
        aliases += 1
        let alias = "t\(aliases)"
        if depth > 0, dice.chance(22) {
            let (sql, columns) = query(depth: depth - 1, outer: [], signature: nil)
            var text = sql
            if dice.chance(15), !columns.isEmpty { text += " ORDER BY " + (1...columns.count).map(String.init).joined(separator: ", ") + " LIMIT \(1 + dice.number(5))" }
            return ("(\(text)) AS \(alias)", columns.map { Column(name: "\(alias).\($0.name)", kind: $0.kind, isKey: $0.isKey) })
        }
        let table = dice.choice(Self.tables + commonTables + commonTables)
        return ("\(table.name) AS \(alias)", table.columns.map { Column(name: "\(alias).\($0.name)", kind: $0.kind, isKey: $0.isKey) })
    }

    private mutating func lateral(_ columns: [Column]) -> (String, [Column]) {
        let (sql, subColumns) = select(depth: 0, outer: columns, signature: nil)
        aliases += 1
        let alias = "t\(aliases)"
        var text = sql
        if dice.chance(30), !subColumns.isEmpty { text += " ORDER BY " + (1...subColumns.count).map(String.init).joined(separator: ", ") + " LIMIT \(1 + dice.number(3))" }
        return ("(\(text)) AS \(alias)", subColumns.map { Column(name: "\(alias).\($0.name)", kind: $0.kind, isKey: $0.isKey) })
    }

    private mutating func joinCondition(_ left: [Column], _ right: [Column]) -> String {
        if dice.chance(70), let one = left.filter(\.isKey).randomElement(with: &dice), let other = right.filter(\.isKey).randomElement(with: &dice) {
            return "\(one.name) = \(other.name)"
        }
        let pairs = left.flatMap { one in right.filter { $0.kind == one.kind && $0.kind != .numeric }.map { (one, $0) } }
        guard let pair = pairs.randomElement(with: &dice) else { return "true" }
        return "\(pair.0.name) = \(pair.1.name)"
    }

    // MARK: Expressions

    private mutating func tie(_ columns: [Column], _ outer: [Column]) -> String { joinCondition(columns, outer) }

    private mutating func predicate(_ columns: [Column], _ outer: [Column], depth: Int) -> String {
        let keys = columns.filter(\.isKey)
        let roll = dice.number(100)
        if roll < 18, let key = keys.randomElement(with: &dice) { return "\(key.name) = \(dice.number(30))" }
        if roll < 24, let key = keys.randomElement(with: &dice) { return "\(key.name) IN (\(dice.number(30)), \(dice.number(30)))" }
        if roll < 44, depth > 0 { return subqueryPredicate(columns, outer, depth) }
        if roll < 52 { return "(\(simplePredicate(columns)) OR \(simplePredicate(columns)))" }
        if roll < 60, let pair = samePair(columns) { return "\(pair.0) = \(pair.1)" }
        return simplePredicate(columns)
    }

    private mutating func samePair(_ columns: [Column]) -> (String, String)? {
        let one = dice.choice(columns)
        guard let other = columns.filter({ $0.kind == one.kind && $0.name != one.name }).randomElement(with: &dice) else { return nil }
        return (one.name, other.name)
    }

    private mutating func subqueryPredicate(_ columns: [Column], _ outer: [Column], _ depth: Int) -> String {
        let column = (dice.chance(60) ? columns.filter(\.isKey).randomElement(with: &dice) : nil) ?? dice.choice(columns)
        switch dice.number(5) {
        case 0, 1:
            let (sub, _) = query(depth: depth - 1, outer: dice.chance(30) ? columns : [], signature: [column.kind])
            return "\(column.name) \(dice.choice(["IN", "NOT IN", "= ANY", "<> ALL", "= ALL"])) (\(sub))"
        case 2, 3:
            let (sub, _) = select(depth: depth - 1, outer: columns + outer, signature: nil)
            return "\(dice.choice(["EXISTS", "NOT EXISTS"])) (\(sub))"
        default:
            let (sub, _) = select(depth: depth - 1, outer: columns, signature: [.int8])
            return "(SELECT count(*) FROM (\(sub)) s) \(dice.choice([">", "=", "<"])) \(dice.number(4))"
        }
    }

    private mutating func simplePredicate(_ columns: [Column]) -> String {
        let column = dice.choice(columns)
        if dice.chance(10) { return "\(column.name) IS \(dice.choice(["", "NOT "]))NULL" }
        return "\(column.name) \(dice.choice(["=", "<>", "<", ">="])) \(constant(column.kind))"
    }

    private mutating func constant(_ kind: Kind) -> String {
        switch kind {
        case .int8: "\(dice.number(30))::bigint"
        case .int4: "\(dice.number(8))"
        case .numeric: dice.choice(["1.5", "100", "-3"])
        case .text: dice.choice(["'a'", "'b'", "'de'", "'z'"]) + "::text"
        case .stamp: "'2024-01-03'::timestamp"
        case .bool: dice.choice(["true", "false"])
        }
    }

    private mutating func expression(_ kind: Kind, _ columns: [Column]) -> (String, Bool) {
        let fitting = columns.filter { $0.kind == kind }
        if let column = fitting.randomElement(with: &dice), dice.chance(85) {
            if dice.chance(12) {
                switch kind {
                case .int8, .int4: return ("\(column.name) + 1", false)
                case .text: return ("upper(\(column.name))", false)
                case .stamp: return ("date_trunc('day', \(column.name))", false)
                default: break
                }
            }
            return (column.name, column.isKey)
        }
        return (constant(kind), false)
    }
}

extension Array {
    func randomElement(with dice: inout Dice) -> Element? { isEmpty ? nil : self[dice.number(count)] }

    mutating func shuffle(with dice: inout Dice) {
        for index in indices.reversed() where index > 0 { swapAt(index, dice.number(index + 1)) }
    }
}
