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

        /// The arguments' names in order.
        var argumentNames: [String] {
            self == .distribute ? ["table_name", "distribution_column", "distribution_type", "colocate_with"] : ["table_name"]
        }
        var carried: CarriedFunction {
            CarriedFunction(name: rawValue, argumentNames: argumentNames, neededCount: self == .distribute ? 2 : 1)
        }
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
        arguments = try call.0.carried.arguments(of: call.1)
        columnName = nonEmptyText(target.pointee.name) ?? call.0.rawValue
    }

    private static func function(of call: Message<PgQuery__FuncCall>) -> Function? {
        let names = NodeList(call.pointee.funcname, call.pointee.n_funcname).strings
        guard names.count == 1 || names.count == 2 && names[0] == "pg_catalog" else { return nil }
        return names.last.flatMap { Function(rawValue: $0) }
    }
}

extension StatementPlanner {
    func placementPlan(_ call: PlacementCall) -> StatementPlan {
        StatementPlan(
            action: .place(call), effect: .writes, changesCatalog: true, commandName: "SELECT",
            parameterCount: SettingCall.Operand.highestParameter(of: call.arguments), reason: "moves the rows of a table")
    }
}
