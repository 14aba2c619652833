// ColumnNames: the name PostgreSQL gives a target without AS.
//
// Source: FigureColnameInternal in src/backend/parser/parse_target.c. A strong name wins over the type name of a cast.
import CPGQuery

enum ColumnNames {
    static func name(of node: Node) -> String { find(node)?.name ?? "?column?" }

    private struct Found {
        let name: String
        let isStrong: Bool
    }

    private static func strong(_ name: String?) -> Found? { name.map { Found(name: $0, isStrong: true) } }

    private static func find(_ node: Node) -> Found? {
        if let column = node.columnRef { return strong(NodeList(column.pointee.fields, column.pointee.n_fields).strings.last) }
        if let call = node.funcCall { return strong(NodeList(call.pointee.funcname, call.pointee.n_funcname).strings.last) }
        if let indirection = node.indirection {
            let fields = NodeList(indirection.pointee.indirection, indirection.pointee.n_indirection).strings
            return strong(fields.last) ?? Node(indirection.pointee.arg).flatMap { find($0) }
        }
        if let cast = node.typeCast { return castName(cast) }
        if let collate = node.collateClause { return Node(collate.pointee.arg).flatMap { find($0) } }
        if let expression = node.operatorExpression {
            return expression.pointee.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF ? strong("nullif") : nil
        }
        if let sublink = node.subLink { return sublinkName(sublink) }
        if let choice = node.caseExpr {
            let inner = Node(choice.pointee.defresult).flatMap { find($0) }
            return inner?.isStrong == true ? inner : Found(name: "case", isStrong: false)
        }
        if let value = node.sqlvalueFunction { return strong(valueNames[Int(value.pointee.op.rawValue)]) }
        return strong(fixedName(node))
    }

    private static func castName(_ cast: Message<PgQuery__TypeCast>) -> Found? {
        let inner = Node(cast.pointee.arg).flatMap { find($0) }
        if inner?.isStrong == true { return inner }
        guard let type = cast.pointee.type_name,
            let name = NodeList(type.pointee.names, type.pointee.n_names).strings.last
        else { return inner }
        return Found(name: name, isStrong: false)
    }

    private static func sublinkName(_ sublink: Message<PgQuery__SubLink>) -> Found? {
        switch sublink.pointee.sub_link_type {
        case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK: return strong("exists")
        case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK: return strong("array")
        case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK:
            guard let select = Node(sublink.pointee.subselect)?.selectStmt,
                let target = NodeList(select.pointee.target_list, select.pointee.n_target_list).first??.resTarget
            else { return nil }
            return strong(nonEmptyText(target.pointee.name)) ?? Node(target.pointee.val).flatMap { find($0) }
        default: return nil
        }
    }

    private static func fixedName(_ node: Node) -> String? {
        switch node.kind {
        case PG_QUERY__NODE__NODE_GROUPING_FUNC: "grouping"
        case PG_QUERY__NODE__NODE_A_ARRAY_EXPR: "array"
        case PG_QUERY__NODE__NODE_ROW_EXPR: "row"
        case PG_QUERY__NODE__NODE_COALESCE_EXPR: "coalesce"
        case PG_QUERY__NODE__NODE_XML_SERIALIZE: "xmlserialize"
        case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
            node.minMaxExpr?.pointee.op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least"
        default: nil
        }
    }

    /// By SQLValueFunctionOp.
    private static let valueNames = [
        "", "current_date", "current_time", "current_time", "current_timestamp", "current_timestamp", "localtime", "localtime",
        "localtimestamp", "localtimestamp", "current_role", "current_user", "user", "session_user", "current_catalog",
        "current_schema",
    ]
}
