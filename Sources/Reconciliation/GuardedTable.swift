// GuardedTable: whoever reads a table, as its owner, can be sure that it is still that owner's.
//
// Tables are listed once, and some of them are read much later. Meanwhile the owner of a schema can drop a table in it that belongs to somebody who may
// do more, and make another one by its name, with an index that calls a function: whoever reads that runs the function. So a table is locked
// first, which keeps it and its name as they are until the transaction ends, and then every shard is asked whose it is.
import Primitives

/// A table as it was found.
struct FoundTable: Equatable {
    /// On the lowest shard.
    var oid: String
    var schema: String
    var name: String
    /// The role that it belongs to.
    var owner: String

    var sqlName: String { "\(SQL.name(schema)).\(SQL.name(name))" }
}

struct GuardedTable {
    let table: FoundTable
    let shardCount: Int
    /// Who reads has the rights of the table's owner, which others may lack.
    let isReadAsOwner: Bool

    /// Comes before the snapshot of a transaction, which then shows the table as it stays.
    func lock(in session: DatabaseSession) throws { try session.execute("LOCK TABLE \(table.sqlName) IN ACCESS SHARE MODE") }

    /// - Throws: ReconciliationError where it is not the table that was found, or the lock does not keep others from putting one in its place.
    func check(in session: DatabaseSession) throws {
        for shard in 0..<shardCount {
            guard let row = try session.execute(SQL.addressed(shard, text)).rows.first, row[1]?.isExactly(table.owner) == true, row[2] == "r" || row[2] == "p",
                shard > 0 || row[0] == table.oid
            else {
                throw ReconciliationError("55000", "on shard \(shard) it is another table, or another owner's, than when the tables were listed", hint: "Compare again.")
            }
            guard isReadAsOwner, let role = row[3] else { continue }
            throw ReconciliationError(
                "42501", "role \(role) may rename its schema, and so put a table of its own in its place while it is read",
                hint: "Let the schema belong to the table's owner, or take from the role the right to CREATE in the database.")
        }
    }

    /// What a shard has by the table's name. With GROUP BY the proxy takes the catalog as it is, and so the statement for one of a single shard.
    private var text: String {
        """
        SELECT c.oid, pg_catalog.pg_get_userbyid(c.relowner), c.relkind, (\(Self.renamer))
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = \(SQL.literal(table.schema)) AND c.relname = \(SQL.literal(table.name)) GROUP BY c.oid, c.relowner, c.relkind, n.nspowner
        """
    }

    /// A role that gains by what the lock does not hinder: to rename the schema, and make another one by its name. Nobody logs in as
    /// pg_database_owner; the database's owner counts as its member.
    private static let renamer = """
        SELECT r.rolname FROM pg_catalog.pg_roles AS r
        WHERE NOT r.rolsuper AND r.rolname <> 'pg_database_owner' AND pg_catalog.pg_has_role(r.oid, n.nspowner, 'MEMBER')
          AND NOT pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER') AND pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CREATE')
        ORDER BY r.rolname LIMIT 1
        """
}
