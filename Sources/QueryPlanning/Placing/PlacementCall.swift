// PlacementCall: a SELECT of nothing but a call of create_distributed_table, create_reference_table or undistribute_table.
//
// They are functions as in Citus, so that scripts written for it run: names and order of their arguments are the same. The proxy
// carries them out; on the shards there are functions of these names only so that a driver can have the statement described.
import CPGQuery

/// One call, with the values it has in its text or takes from parameters.
public struct PlacementCall: Sendable, Equatable {
    public enum Function: String, Sendable, CaseIterable {
        case distribute = "create_distributed_table"
        case replicate = "create_reference_table"
        case undistribute = "undistribute_table"

        /// The arguments' names in order. A call may leave out those behind `neededCount`.
        var argumentNames: [String] {
            self == .distribute ? ["table_name", "distribution_column", "distribution_type", "colocate_with"] : ["table_name"]
        }
        var neededCount: Int { self == .distribute ? 2 : 1 }
    }

    public typealias Operand = SettingCall.Operand

    public var function: Function
    /// In the order of the function's arguments; nil where one is left out.
    public var arguments: [Operand?]
    /// Of the answer's one column.
    public var columnName: String

    /// nil for every other SELECT.
    /// - Throws: for a call that cannot be carried out as it is written.
    init?(_ select: Message<PgQuery__SelectStmt>, _ context: AnalysisContext) throws(Refusal) {
        guard StatementPlanner.isTargetListOnly(select.pointee) else { return nil }
        let targets = NodeList(select.pointee.target_list, select.pointee.n_target_list).nodes.compactMap(\.resTarget)
        let calls = targets.compactMap { Node($0.pointee.val)?.funcCall }
        guard let target = targets.first, let call = calls.lazy.compactMap({ call in Self.function(of: call).map { ($0, call) } }).first else {
            return nil
        }
        guard targets.count == 1 else {
            throw Refusal("0A000", "\(call.0.rawValue) must be the only thing a SELECT does", hint: "Use one SELECT a table.")
        }
        function = call.0
        arguments = try Self.arguments(of: call.1, call.0)
        columnName = nonEmptyText(target.pointee.name) ?? call.0.rawValue
    }

    private static func function(of call: Message<PgQuery__FuncCall>) -> Function? {
        let names = NodeList(call.pointee.funcname, call.pointee.n_funcname).strings
        guard names.count == 1 || names.count == 2 && names[0] == "pg_catalog" else { return nil }
        return names.last.flatMap { Function(rawValue: $0) }
    }

    private static func arguments(of call: Message<PgQuery__FuncCall>, _ function: Function) throws(Refusal) -> [Operand?] {
        let names = function.argumentNames
        var found: [Operand?] = Array(repeating: nil, count: names.count)
        for (index, node) in NodeList(call.pointee.args, call.pointee.n_args).nodes.enumerated() {
            let named = node.namedArgExpr
            let name = named.map { text($0.pointee.name) }
            guard let place = name.map({ names.firstIndex(of: $0) }) ?? (index < names.count ? index : nil), found[place] == nil else {
                throw misused(function, "has no argument \(name.map { "\"\($0)\"" } ?? "\(index + 1)")")
            }
            guard let value = named.map({ Node($0.pointee.arg) }) ?? node, let operand = Operand(value) else {
                throw misused(function, "takes constants and parameters only")
            }
            found[place] = operand
        }
        guard found.prefix(function.neededCount).allSatisfy({ $0 != nil }) else { throw misused(function, "needs more arguments") }
        return found
    }

    private static func misused(_ function: Function, _ problem: String) -> Refusal {
        let names = function.argumentNames.enumerated().map { $0 < function.neededCount ? $1 : "[\($1)]" }
        return Refusal(
            "42883", "function \(function.rawValue) \(problem)", hint: "SELECT \(function.rawValue)(\(names.joined(separator: ", "))).")
    }
}

extension StatementPlanner {
    func placementPlan(_ call: PlacementCall) -> StatementPlan {
        let highest = call.arguments.reduce(0) { highest, operand in
            if case .parameter(let number)? = operand { max(highest, number) } else { highest }
        }
        return StatementPlan(
            action: .place(call), effect: .writes, changesCatalog: true, commandName: "SELECT", parameterCount: highest,
            reason: "moves the rows of a table")
    }
}
