// TimeLiterals: which literals of a statement PostgreSQL may read as the present time.
//
// A literal has the type that its place gives it. Where that is certain to be a text, 'now' is a word like any other.
import CPGQuery

struct TimeLiterals {
    private let context: AnalysisContext
    private let binder: Binder
    /// Places of literals that are no times.
    private var texts: Set<Int> = []

    /// Looks at an INSERT, UPDATE, DELETE, MERGE or SELECT.
    init(_ statement: Node, _ context: AnalysisContext) {
        self.context = context
        binder = Binder(context)
        guard stand(in: statement) else { return }
        let bound = binder.bindModification(statement, parent: nil)
        // What was a text may become a time there.
        if readsTexts(statement) { return }
        if let (modification, _) = bound {
            noteAssignments(modification)
            if let insert = statement.insertStmt?.pointee { noteInserted(insert, modification) }
        }
        TreeWalk.nodes(under: statement) { node in
            note(node)
            return .descend
        }
    }

    /// Whether one that may be a time stands in a part of the statement.
    func stand(in node: Node) -> Bool { !TreeWalk.nodes(under: node) { mayBeTime($0) ? .stop : .descend } }

    func stand<T>(below message: Message<T>) -> Bool { !TreeWalk.nodes(below: message) { mayBeTime($0) ? .stop : .descend } }

    private func mayBeTime(_ node: Node) -> Bool {
        guard let literal = node.literal, case .string(let word) = literal.value else { return false }
        return DateWords.isIn(word) && !texts.contains(literal.location)
    }

    /// Whether times are read of expressions that may be texts, or of JSON.
    private func readsTexts(_ statement: Node) -> Bool {
        !TreeWalk.nodes(under: statement) { node in
            if let cast = node.typeCast?.pointee, let value = Node(cast.arg), value.literal == nil, value.paramRef == nil {
                let isTime = binder.type(named: cast.type_name).map { !context.holdsNoTime($0.oid) } ?? true
                if isTime, mayBeText(value) { return .stop }
            }
            guard let call = node.funcCall, let name = FunctionNames.name(of: call) else { return .descend }
            if name.contains("_to_record") || name.contains("_populate_record") { return .stop }
            let arguments = NodeList(call.pointee.args, call.pointee.n_args).nodes
            return DateWords.types.contains(name) && arguments.contains { $0.literal == nil && mayBeText($0) } ? .stop : .descend
        }
    }

    private func mayBeText(_ node: Node) -> Bool { binder.inferType(node).map { context.isText($0.oid) } ?? true }

    private mutating func mark(_ node: Node?) {
        if let location = node?.literal?.location { texts.insert(location) }
    }

    // MARK: Assignments

    private mutating func noteAssignments(_ modification: BoundModification) {
        for assignment in modification.assignments + modification.insertedRows.flatMap({ $0 }) {
            assign(assignment.value, to: assignment.column, modification)
        }
    }

    private mutating func assign(_ value: Node?, to name: String, _ modification: BoundModification) {
        guard case .table(let relation) = modification.target.source, let column = relation.columns.first(where: { $0.name == name }),
            context.holdsNoTime(column.typeOID)
        else { return }
        mark(value)
    }

    private mutating func noteInserted(_ insert: PgQuery__InsertStmt, _ modification: BoundModification) {
        if let source = Node(insert.select_stmt)?.selectStmt {
            for row in Self.insertedRows(source) {
                for (value, name) in zip(row, modification.columns) { assign(value, to: name, modification) }
            }
        }
        guard let conflict = insert.on_conflict_clause?.pointee else { return }
        for target in NodeList(conflict.target_list, conflict.n_target_list).nodes.compactMap(\.resTarget) where target.pointee.n_indirection == 0 {
            assign(Node(target.pointee.val), to: text(target.pointee.name), modification)
        }
    }

    /// Values that take the types of the columns they are for; not those that have become a query's before.
    static func insertedRows(_ source: Message<PgQuery__SelectStmt>) -> [[Node]] {
        if source.isPlainValues {
            return NodeList(source.pointee.values_lists, source.pointee.n_values_lists).nodes.compactMap(\.listNode)
                .map { NodeList($0.pointee.items, $0.pointee.n_items).nodes }
        }
        let values = NodeList(source.pointee.target_list, source.pointee.n_target_list).nodes.compactMap { $0.resTarget.flatMap { Node($0.pointee.val) } }
        let isPlain = source.pointee.op == PG_QUERY__SET_OPERATION__SETOP_NONE && source.pointee.n_distinct_clause == 0
        return isPlain && !values.contains(where: isStar) ? [values] : []
    }

    /// `*`, which stands for several columns.
    private static func isStar(_ value: Node) -> Bool {
        guard let column = value.columnRef?.pointee else { return value.indirection != nil }
        return NodeList(column.fields, column.n_fields).strings.count < Int(column.n_fields)
    }

    // MARK: Expressions

    private mutating func note(_ node: Node) {
        if let cast = node.typeCast?.pointee, let type = binder.type(named: cast.type_name), context.holdsNoTime(type.oid) { mark(Node(cast.arg)) }
        if let expression = node.operatorExpression { noteOperands(expression.pointee) }
        if let call = node.funcCall { noteArguments(call) }
        if let coalesce = node.coalesceExpr { noteAlternatives(NodeList(coalesce.pointee.args, coalesce.pointee.n_args).nodes) }
        if let extreme = node.minMaxExpr { noteAlternatives(NodeList(extreme.pointee.args, extreme.pointee.n_args).nodes) }
        guard let choice = node.caseExpr?.pointee else { return }
        let cases = NodeList(choice.args, choice.n_args).nodes.compactMap(\.caseWhen)
        noteAlternatives((cases.map { Node($0.pointee.result) } + [Node(choice.defresult)]).compactMap { $0 })
        if let compared = Node(choice.arg), isText(compared) { for item in cases { mark(Node(item.pointee.expr)) } }
    }

    private func isUntyped(_ node: Node) -> Bool { binder.inferType(node)?.oid == TypeOID.unknown }

    private func isText(_ node: Node) -> Bool { binder.inferType(node).map { context.isText($0.oid) } ?? false }

    /// Literals without a type become what the others are, or texts.
    private mutating func noteAlternatives(_ values: [Node]) {
        guard values.allSatisfy({ isUntyped($0) || isText($0) }) else { return }
        for value in values { mark(value) }
    }

    /// A literal is first taken for the type of the other side.
    private mutating func noteOperands(_ expression: PgQuery__AExpr) {
        let name = NodeList(expression.name, expression.n_name).strings.last ?? ""
        guard context.environment.catalog.facts.operators[name] == nil, let left = Node(expression.lexpr), let right = Node(expression.rexpr) else { return }
        let others = right.listNode.map { NodeList($0.pointee.items, $0.pointee.n_items).nodes } ?? [right]
        if isText(left) {
            for other in others {
                mark(other)
                for element in other.arrayExpression.map({ NodeList($0.pointee.elements, $0.pointee.n_elements).nodes }) ?? [] { mark(element) }
            }
        }
        if others.contains(where: isText), others.allSatisfy({ isUntyped($0) || isText($0) }) { mark(left) }
    }

    // MARK: Calls

    private mutating func noteArguments(_ call: Message<PgQuery__FuncCall>) {
        guard let name = FunctionNames.name(of: call), context.environment.catalog.facts.functions[name] == nil else { return }
        let arguments = NodeList(call.pointee.args, call.pointee.n_args).nodes
        let functions = (BuiltInFunctions.byName[name] ?? []).filter { $0.accepts(argumentCount: arguments.count) }
        for (position, argument) in arguments.enumerated() where argument.literal != nil {
            let types = functions.map { $0.argumentTypeOIDs[min(position, $0.argumentTypeOIDs.count - 1)] }
            // Of several functions PostgreSQL prefers one that takes a text.
            let takesText = types.contains { context.isText($0) || $0 == 2276 }
            let isAlone = arguments.count == 1 || types.allSatisfy { context.isText($0) || context.holdsNoTime($0) || $0 == 2276 }
            if takesText && isAlone || !types.isEmpty && types.allSatisfy(Self.polymorphic.contains) && isOfTexts(arguments) { mark(argument) }
        }
    }

    /// anyelement, anyarray, anynonarray, anycompatible, anycompatiblearray, anycompatiblenonarray: what the other arguments are.
    private static let polymorphic: Set<UInt32> = [2283, 2277, 2776, 5077, 5078, 5079]

    private func isOfTexts(_ arguments: [Node]) -> Bool {
        let types = arguments.map { binder.inferType($0)?.oid ?? 0 }
        return types.contains { context.isText($0) } && types.allSatisfy { $0 == TypeOID.unknown || context.holdsNoTime($0) }
    }
}

extension AnalysisContext {
    /// Strings, JSON, enums, domains over them and arrays of them.
    func isText(_ oid: UInt32) -> Bool {
        let base = baseOID(oid)
        if let element = elementOID(of: base) { return isText(element) }
        if [TypeOID.text, TypeOID.varchar, TypeOID.bpchar, TypeOID.name, TypeOID.json, TypeOID.jsonb].contains(base) { return true }
        guard let type = environment.catalog.facts.types[base] else { return false }
        return type.kind == "e" || type.kind == "b" && type.category == "S"
    }

    /// Types whose input reads no time: neither dates nor ranges, rows or types of one's own, which may have some in them.
    func holdsNoTime(_ oid: UInt32) -> Bool {
        let base = baseOID(oid)
        if let element = elementOID(of: base) { return holdsNoTime(element) }
        let others: Set<UInt32> = [
            TypeOID.bool, TypeOID.bytea, TypeOID.char, TypeOID.int2, TypeOID.int4, TypeOID.int8, TypeOID.oid, TypeOID.float4, TypeOID.float8, TypeOID.money,
            TypeOID.bit, TypeOID.varbit, TypeOID.numeric, TypeOID.uuid, TypeOID.interval,
        ]
        return isText(base) || others.contains(base)
    }
}
