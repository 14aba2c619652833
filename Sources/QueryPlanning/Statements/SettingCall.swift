// SettingCall: a SELECT of nothing but calls of set_config, as frameworks send it that keep a tenant, a role or a token's claims in
// settings. Its settings follow the session to all shards, as those of SET do.
import CPGQuery

/// One call of set_config, whose arguments are constants or parameters.
public struct SettingCall: Sendable, Equatable {
    public enum Operand: Sendable, Equatable {
        /// As text; nil is NULL.
        case constant(String?)
        case parameter(Int)
    }

    public var name: Operand
    public var value: Operand
    public var isLocal: Operand

    /// Refuses what the proxy could not follow.
    /// - Parameter name: in lower case.
    /// - Throws: for settings of the transaction, and for values that would change how PostgreSQL reads statements.
    public static func check(name: String, value: String) throws(Refusal) {
        if name.hasPrefix("transaction_") || name == "session_authorization" {
            throw Refusal("0A000", "set_config cannot be used for \(name)", hint: "Use SET TRANSACTION or SET SESSION AUTHORIZATION.")
        }
        try SettingValues.check(name, [.string(value)])
    }

    /// The third argument's text as PostgreSQL reads a boolean; nil where it would not.
    public static func boolean(_ word: String) -> Bool? { SettingValues.boolean(word) }
}

extension StatementPlanner {
    /// The plan of a SELECT that only calls set_config; nil for others.
    func planSettingCalls(_ query: BoundQuery, _ usage: StatementUsage) -> StatementPlan? {
        guard usage.changesSettings, let select = query.node, Self.isTargetListOnly(select.pointee) else { return nil }
        var calls: [SettingCall] = []
        for target in NodeList(select.pointee.target_list, select.pointee.n_target_list).nodes {
            guard let value = target.resTarget?.pointee.val, let call = Node(value)?.funcCall, let setting = settingCall(call) else { return nil }
            calls.append(setting)
        }
        return StatementPlan(
            action: .setting(.configure(calls)), effect: .reads, commandName: "SELECT", parameterCount: binder.parameterCount,
            reason: "set_config: as SET")
    }

    static func isTargetListOnly(_ select: PgQuery__SelectStmt) -> Bool {
        select.n_from_clause == 0 && select.where_clause == nil && select.n_group_clause == 0 && select.having_clause == nil
            && select.n_window_clause == 0 && select.n_values_lists == 0 && select.n_sort_clause == 0 && select.n_distinct_clause == 0
            && select.limit_offset == nil && select.limit_count == nil && select.n_locking_clause == 0 && select.with_clause == nil
            && select.into_clause == nil && select.op == PG_QUERY__SET_OPERATION__SETOP_NONE
    }

    private func settingCall(_ call: Message<PgQuery__FuncCall>) -> SettingCall? {
        let names = NodeList(call.pointee.funcname, call.pointee.n_funcname).strings
        guard names == ["set_config"] || names == ["pg_catalog", "set_config"], context.facts(of: call)?.effect == .setting,
            call.pointee.n_args == 3, call.pointee.func_variadic == 0, call.pointee.agg_star == 0, call.pointee.agg_distinct == 0,
            call.pointee.agg_filter == nil, call.pointee.over == nil, call.pointee.n_agg_order == 0
        else { return nil }
        let operands = NodeList(call.pointee.args, call.pointee.n_args).nodes.compactMap(operand)
        return operands.count == 3 ? SettingCall(name: operands[0], value: operands[1], isLocal: operands[2]) : nil
    }

    private func operand(_ node: Node) -> SettingCall.Operand? { SettingCall.Operand(node) }
}

extension SettingCall.Operand {
    /// - Parameter casts: further types that a value may be cast to.
    /// - Returns: nil for anything but a constant or a parameter.
    init?(_ node: Node, casts: Set<String> = []) {
        guard let operand = Self.read(node, casts) else { return nil }
        self = operand
    }

    /// Casts of parameters to other types than these would change the value.
    private static let plainCasts: Set<String> = ["text", "varchar", "bool", "regclass", "name"]

    private static func read(_ node: Node, _ casts: Set<String>) -> SettingCall.Operand? {
        if let parameter = node.paramRef { return .parameter(Int(parameter.pointee.number)) }
        if let cast = node.typeCast {
            guard let type = cast.pointee.type_name?.pointee, type.n_array_bounds == 0, type.n_typmods == 0,
                let name = NodeList(type.names, type.n_names).strings.last, Self.plainCasts.contains(name) || casts.contains(name)
            else { return nil }
            return Node(cast.pointee.arg).flatMap { read($0, casts) }
        }
        switch node.literal?.value {
        case .string(let text): return .constant(text)
        case .boolean(let value): return .constant(value ? "true" : "false")
        case .null: return .constant(nil)
        default: return nil
        }
    }
}
