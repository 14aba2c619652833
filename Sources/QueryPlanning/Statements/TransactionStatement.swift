// TransactionStatement: BEGIN, COMMIT, SAVEPOINT and their family.
import CPGQuery

extension StatementClassifier {
    func transaction(_ node: Node) throws(Refusal) -> StatementPlan {
        guard let statement = node.transactionStmt?.pointee else { throw Refusal("XX000", "not a transaction statement") }
        let name = text(statement.savepoint_name)
        let gid = text(statement.gid)
        let isChained = statement.chain != 0
        let options = NodeList(statement.options, statement.n_options)
        let (command, word): (TransactionCommand, String)
        switch statement.kind {
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
            (command, word) = (.begin(modes: TransactionModes.text(options), tag: "BEGIN"), "BEGIN")
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
            (command, word) = (.begin(modes: TransactionModes.text(options), tag: "START TRANSACTION"), "START TRANSACTION")
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT: (command, word) = (.commit(chain: isChained), "COMMIT")
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK: (command, word) = (.rollback(chain: isChained), "ROLLBACK")
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT: (command, word) = (.savepoint(name), "SAVEPOINT")
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE: (command, word) = (.release(name), "RELEASE")
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO: (command, word) = (.rollbackTo(name), "ROLLBACK")
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE: (command, word) = (.prepare(gid: gid), "PREPARE TRANSACTION")
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT_PREPARED:
            (command, word) = (.commitPrepared(gid: gid), "COMMIT PREPARED")
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_PREPARED:
            (command, word) = (.rollbackPrepared(gid: gid), "ROLLBACK PREPARED")
        default: throw Refusal("0A000", "transaction statement of an unknown kind")
        }
        return StatementPlan(action: .transaction(command), effect: .reads, commandName: word)
    }
}

/// Transaction modes, in PostgreSQL's spelling and in the order written; a mode given twice stands twice, as PostgreSQL
/// lets the last one win.
enum TransactionModes {
    static func text(_ options: NodeList) -> String {
        options.nodes.compactMap(\.defElem).compactMap { option -> String? in
            let value = Node(option.pointee.arg)?.literal?.value
            return mode(nonEmptyText(option.pointee.defname) ?? "", value)
        }.joined(separator: " ")
    }

    /// The mode that setting one of the `transaction_...` variables means; nil for other variables and values.
    static func mode(_ name: String, _ value: Literal?) -> String? {
        switch (name, value) {
        case ("transaction_isolation", .string(let level)): isolation(level)
        case ("transaction_read_only", _): isTrue(value).map { $0 ? "READ ONLY" : "READ WRITE" }
        case ("transaction_deferrable", _): isTrue(value).map { $0 ? "DEFERRABLE" : "NOT DEFERRABLE" }
        default: nil
        }
    }

    private static func isolation(_ level: String) -> String? {
        let known = ["serializable", "repeatable read", "read committed", "read uncommitted"]
        return known.contains(level.lowercased()) ? "ISOLATION LEVEL " + level.uppercased() : nil
    }

    private static func isTrue(_ value: Literal?) -> Bool? {
        switch value {
        case .integer(let number): number != 0
        case .boolean(let value): value
        case .string(let word): SettingValues.boolean(word)
        default: nil
        }
    }
}
