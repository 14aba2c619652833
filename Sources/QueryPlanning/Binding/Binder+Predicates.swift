// Conjuncts: which columns a WHERE or ON makes equal, and which it confines to constants.
//
// Only top-level AND conjuncts count, only `=` of pg_catalog between plain columns and constants: never anything below
// OR, NOT, CASE or a function.
import CPGQuery
import ShardMap

extension Binder {
    /// The conjuncts of a bound condition.
    func predicates(_ condition: Node?) -> [Predicate] {
        guard let condition else { return [] }
        if let bool = condition.boolExpr {
            guard bool.pointee.boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR else { return [.other] }
            return NodeList(bool.pointee.args, bool.pointee.n_args).nodes.flatMap { predicates($0) }
        }
        guard let expression = condition.operatorExpression, isEquality(expression) else { return [.other] }
        switch expression.pointee.kind {
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP: return comparison(expression)
        case PG_QUERY__A__EXPR__KIND__AEXPR_IN: return membership(expression)
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY: return arrayMembership(expression)
        default: return [.other]
        }
    }

    private func isEquality(_ expression: Message<PgQuery__AExpr>) -> Bool {
        let names = NodeList(expression.pointee.name, expression.pointee.n_name).strings
        return names == ["="] || names == ["pg_catalog", "="]
    }

    private func comparison(_ expression: Message<PgQuery__AExpr>) -> [Predicate] {
        guard let left = Node(expression.pointee.lexpr), let right = Node(expression.pointee.rexpr) else { return [.other] }
        if let leftRow = rowItems(left), let rightRow = rowItems(right), leftRow.count == rightRow.count {
            return zip(leftRow, rightRow).flatMap { comparison($0, $1) }
        }
        return comparison(left, right)
    }

    private func rowItems(_ node: Node) -> [Node]? {
        node.rowExpr.map { NodeList($0.pointee.args, $0.pointee.n_args).nodes }
    }

    private func comparison(_ left: Node, _ right: Node) -> [Predicate] {
        switch (variable(left), variable(right)) {
        case (let left?, let right?): return equality(left, right)
        case (let column?, nil): return member(column, right)
        case (nil, let column?): return member(column, left)
        case (nil, nil): return [.other]
        }
    }

    private func member(_ column: Variable, _ value: Node) -> [Predicate] {
        guard isComparedAsKey(column), let term = constantTerm(value) else { return [.other] }
        return [.member(column, ConstantSet(terms: [term]))]
    }

    /// Two columns made equal, when equal values of their types are placed alike.
    func equality(_ left: Variable, _ right: Variable) -> [Predicate] {
        guard let leftType = type(of: left), let rightType = type(of: right), let one = keyFamily(leftType),
            let other = keyFamily(rightType), one == other
        else { return [.other] }
        return [.equal(left, right)]
    }

    /// Values that are equal to a constant in this column are the constant: not with padding, nor where the collation finds others equal.
    private func isComparedAsKey(_ column: Variable) -> Bool { type(of: column).map { keyFamily($0) != nil } ?? false }

    /// The family of keys whose equality is this type's equality.
    func keyFamily(_ type: SQLType) -> KeyFamily? {
        guard let key = KeyType(typeOID: type.oid) else { return nil }
        guard key.family == .text else { return key.family }
        guard case .oid(let collation) = type.collation else { return nil }
        if let known = context.environment.catalog.facts.collations[collation] { return known.isDeterministic ? .text : nil }
        return collation < TypeOID.firstUserDefined ? .text : nil
    }

    // MARK: IN and ANY

    private func membership(_ expression: Message<PgQuery__AExpr>) -> [Predicate] {
        guard let left = Node(expression.pointee.lexpr), let list = Node(expression.pointee.rexpr)?.listNode else { return [.other] }
        let items = NodeList(list.pointee.items, list.pointee.n_items).nodes
        guard let row = rowItems(left) else { return [confinement(of: left, to: items)] }
        let rows = items.map { rowItems($0) ?? [] }
        return row.enumerated().map { index, column in
            confinement(of: column, to: rows.compactMap { $0.indices.contains(index) ? $0[index] : nil }, count: rows.count)
        }
    }

    private func confinement(of column: Node, to values: [Node], count: Int? = nil) -> Predicate {
        let terms = values.compactMap { constantTerm($0) }
        guard let column = variable(column), isComparedAsKey(column), !terms.isEmpty, terms.count == count ?? values.count else { return .other }
        return .member(column, ConstantSet(terms: terms))
    }

    private func arrayMembership(_ expression: Message<PgQuery__AExpr>) -> [Predicate] {
        guard let left = Node(expression.pointee.lexpr), let right = Node(expression.pointee.rexpr),
            let column = variable(left), isComparedAsKey(column)
        else { return [.other] }
        if let array = right.arrayExpression ?? castArray(right) {
            return [confinement(of: left, to: NodeList(array.pointee.elements, array.pointee.n_elements).nodes)]
        }
        return arrayParameter(right).map { [.member(column, ConstantSet(terms: [$0], isArray: true))] } ?? [.other]
    }

    /// `ARRAY[...]::bigint[]` of a key type.
    private func castArray(_ node: Node) -> Message<PgQuery__AArrayExpr>? {
        guard let cast = node.typeCast, let target = type(named: cast.pointee.type_name),
            target.modifier == -1, let element = TypeOID.elementByArray[target.oid], KeyType(typeOID: element) != nil
        else { return nil }
        return Node(cast.pointee.arg)?.arrayExpression
    }

    /// `$1` or `$1::bigint[]`; the term's cast is the element's type.
    private func arrayParameter(_ node: Node) -> ConstantTerm? {
        if let parameter = node.paramRef {
            return ConstantTerm(value: .parameter(Int(parameter.pointee.number)), location: nil, castTypeOID: nil)
        }
        guard let cast = node.typeCast, let parameter = Node(cast.pointee.arg)?.paramRef,
            let target = type(named: cast.pointee.type_name), target.modifier == -1, let element = TypeOID.elementByArray[target.oid]
        else { return nil }
        return ConstantTerm(value: .parameter(Int(parameter.pointee.number)), location: nil, castTypeOID: element)
    }

    // MARK: Constants

    /// A literal or parameter, plain or under one cast to a type without modifier.
    func constantTerm(_ node: Node) -> ConstantTerm? {
        if let literal = node.literal {
            return ConstantTerm(value: .literal(literal.value), location: viewDepth == 0 ? literal.location : nil, castTypeOID: nil)
        }
        if let parameter = node.paramRef {
            return ConstantTerm(value: .parameter(Int(parameter.pointee.number)), location: nil, castTypeOID: nil)
        }
        guard let cast = node.typeCast, let inner = Node(cast.pointee.arg), inner.typeCast == nil,
            var term = constantTerm(inner), let target = type(named: cast.pointee.type_name), target.modifier == -1
        else { return nil }
        term.castTypeOID = target.oid
        return term
    }
}
