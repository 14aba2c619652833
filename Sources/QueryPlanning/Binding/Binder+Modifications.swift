// INSERT, UPDATE, DELETE and MERGE: as statements (the last three) and as WITH items.
import CPGQuery

extension Binder {
    /// A data-modifying WITH item; its columns are those of RETURNING.
    func bindModifyingQuery(_ node: Node, _ scope: Scope) -> BoundQuery {
        guard let modification = bindModification(node, parent: scope) else {
            unsupported = unsupported ?? "a WITH item of this kind"
            return BoundQuery(body: .select(makeLevel()), columns: [], node: nil)
        }
        modifications.append(modification.0)
        return modification.1
    }

    /// Binds a data-modifying statement; the query stands for its RETURNING rows.
    func bindModification(_ node: Node, parent: Scope?) -> (BoundModification, BoundQuery)? {
        if let update = node.updateStmt { return bindUpdate(update.pointee, parent) }
        if let delete = node.deleteStmt { return bindDelete(delete.pointee, parent) }
        if let insert = node.insertStmt { return bindInsert(insert.pointee, parent) }
        if let merge = node.mergeStmt { return bindMerge(merge.pointee, parent) }
        return nil
    }

    /// A level with the target table visible.
    private struct Opening {
        let level: BoundLevel
        let scope: Scope
        let modification: BoundModification
        let query: BoundQuery
        let commonTables: [BoundCTE]
        var binding: LevelBinding { LevelBinding(level: level, query: query) }
    }

    private func open(
        _ kind: BoundModification.Kind, _ relation: Message<PgQuery__RangeVar>?, with: Message<PgQuery__WithClause>?, _ parent: Scope?
    ) -> Opening? {
        guard let relation else { return nil }
        let level = makeLevel()
        let scope = Scope(level: level.id, parent: parent)
        let commonTables = bindWith(with, scope)
        let query = BoundQuery(body: .select(level), columns: [], node: nil)
        query.commonTables = commonTables
        // A WITH item's name does not hide the target table.
        let binding = LevelBinding(level: level, query: query)
        let item = tableItem(relation, binding, Scope(level: level.id, parent: nil))
        scope.items += item.namespace
        guard case .entry(let target) = item.tree else { return nil }
        let modification = BoundModification(kind: kind, target: target, level: level)
        query.body = .modification(modification)
        for table in commonTables { adopt(table.query.outerReferences, into: query, level: level.id) }
        return Opening(level: level, scope: scope, modification: modification, query: query, commonTables: commonTables)
    }

    private func finish(_ opening: Opening, _ returning: NodeList) -> (BoundModification, BoundQuery) {
        bindTargets(returning, opening.binding, opening.scope, .returning)
        opening.query.columns = opening.level.targets.map { column(of: $0) }
        return (opening.modification, opening.query)
    }

    private func bindUpdate(_ update: PgQuery__UpdateStmt, _ parent: Scope?) -> (BoundModification, BoundQuery)? {
        guard let opening = open(.update, update.relation, with: update.with_clause, parent) else { return nil }
        let from = bindFrom(NodeList(update.from_clause, update.n_from_clause), opening.binding, opening.scope)
        opening.level.from = .inner([.entry(opening.modification.target), from], [])
        bind(Node(update.where_clause), opening.binding, opening.scope, .filter)
        opening.level.filter = predicates(Node(update.where_clause))
        opening.modification.filterNode = Node(update.where_clause)
        for target in NodeList(update.target_list, update.n_target_list).nodes.compactMap(\.resTarget) {
            let value = Node(target.pointee.val)
            bind(value, opening.binding, opening.scope, .assignment)
            for part in NodeList(target.pointee.indirection, target.pointee.n_indirection).nodes {
                bind(part, opening.binding, opening.scope, .assignment)
            }
            let isWhole = target.pointee.n_indirection == 0 && value?.multiAssignRef == nil
            opening.modification.assignments.append(.init(column: text(target.pointee.name), value: isWhole ? value : nil))
        }
        return finish(opening, NodeList(update.returning_list, update.n_returning_list))
    }

    private func bindDelete(_ delete: PgQuery__DeleteStmt, _ parent: Scope?) -> (BoundModification, BoundQuery)? {
        guard let opening = open(.delete, delete.relation, with: delete.with_clause, parent) else { return nil }
        let from = bindFrom(NodeList(delete.using_clause, delete.n_using_clause), opening.binding, opening.scope)
        opening.level.from = .inner([.entry(opening.modification.target), from], [])
        bind(Node(delete.where_clause), opening.binding, opening.scope, .filter)
        opening.level.filter = predicates(Node(delete.where_clause))
        opening.modification.filterNode = Node(delete.where_clause)
        return finish(opening, NodeList(delete.returning_list, delete.n_returning_list))
    }

    private func bindInsert(_ insert: PgQuery__InsertStmt, _ parent: Scope?) -> (BoundModification, BoundQuery)? {
        guard let opening = open(.insert, insert.relation, with: insert.with_clause, parent) else { return nil }
        let modification = opening.modification
        opening.level.from = .entry(modification.target)
        modification.columns = NodeList(insert.cols, insert.n_cols).nodes.compactMap(\.resTarget).map { text($0.pointee.name) }
        if modification.columns.isEmpty { modification.columns = modification.target.columns.map(\.name) }
        if insert.override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE {
            // The values stay in their places, but fill no column.
            let overridden = identityColumns(modification)
            modification.columns = modification.columns.map { overridden.contains($0) ? "" : $0 }
        }
        if let select = Node(insert.select_stmt)?.selectStmt {
            let source = bindQuery(select, parent: opening.scope.seeing([]))
            adopt(source.outerReferences, into: opening.query, level: opening.level.id)
            modification.source = source
        }
        if let conflict = insert.on_conflict_clause {
            bindConflict(conflict.pointee, opening)
        }
        return finish(opening, NodeList(insert.returning_list, insert.n_returning_list))
    }

    private func bindConflict(_ conflict: PgQuery__OnConflictClause, _ opening: Opening) {
        let excluded = opening.scope.items.map { item in
            var item = item
            item.name = "excluded"
            item.areColumnsVisible = false
            return item
        }
        let scope = opening.scope.seeing(opening.scope.items + excluded)
        for target in NodeList(conflict.target_list, conflict.n_target_list).nodes.compactMap(\.resTarget) {
            bind(Node(target.pointee.val), opening.binding, scope, .assignment)
            opening.modification.assignments.append(.init(column: text(target.pointee.name), value: nil))
        }
        bind(Node(conflict.where_clause), opening.binding, scope, .filter)
    }

    private func bindMerge(_ merge: PgQuery__MergeStmt, _ parent: Scope?) -> (BoundModification, BoundQuery)? {
        guard let opening = open(.merge, merge.relation, with: merge.with_clause, parent),
            let sourceNode = Node(merge.source_relation)
        else { return nil }
        let source = bindFromItem(sourceNode, opening.binding, opening.scope, lateral: [])
        opening.scope.items += source.namespace
        let condition = Node(merge.join_condition)
        bind(condition, opening.binding, opening.scope, .on)
        for clause in NodeList(merge.merge_when_clauses, merge.n_merge_when_clauses).nodes.compactMap(\.mergeWhenClause) {
            bindMergeAction(clause.pointee, opening)
        }
        let target = JoinTree.entry(opening.modification.target)
        // The target is looked at only where the condition holds. Where it does not, a source row may be inserted.
        opening.level.from = opening.modification.insertedRows.isEmpty
            ? .inner([source.tree, target], predicates(condition))
            : .outer(.left, source.tree, target, on: predicates(condition), merged: nil)
        opening.modification.filterNode = condition
        return finish(opening, NodeList(nil, 0))
    }

    private func bindMergeAction(_ clause: PgQuery__MergeWhenClause, _ opening: Opening) {
        bind(Node(clause.condition), opening.binding, opening.scope, .filter)
        let targets = NodeList(clause.target_list, clause.n_target_list).nodes.compactMap(\.resTarget)
        let values = NodeList(clause.values, clause.n_values).nodes
        for value in values { bind(value, opening.binding, opening.scope, .assignment) }
        for target in targets { bind(Node(target.pointee.val), opening.binding, opening.scope, .assignment) }
        if clause.command_type == PG_QUERY__CMD_TYPE__CMD_UPDATE {
            opening.modification.assignments += targets.map { .init(column: text($0.pointee.name), value: Node($0.pointee.val)) }
        } else if clause.command_type == PG_QUERY__CMD_TYPE__CMD_INSERT {
            let names = targets.isEmpty ? opening.modification.target.columns.map(\.name) : targets.map { text($0.pointee.name) }
            let isOverriding = clause.override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE
            let overridden = isOverriding ? identityColumns(opening.modification) : []
            opening.modification.insertedRows.append(
                zip(names, values).filter { !overridden.contains($0.0) }.map { .init(column: $0, value: $1) })
        }
    }

    /// The columns whose values OVERRIDING USER VALUE leaves aside.
    private func identityColumns(_ modification: BoundModification) -> Set<String> {
        guard case .table(let relation) = modification.target.source else { return [] }
        return Set(relation.columns.filter(\.isIdentity).map(\.name))
    }
}
