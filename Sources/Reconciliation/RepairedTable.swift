// RepairedTable: what is known of the table that a comparison of queries names for its repairs. It is asked for where the target is, since what a
// statement would do there depends on the table: generated columns take no values, and foreign keys change other tables.
import Primitives
import WireProtocol

extension RepairText.Table {
    private static let columnsText = """
        SELECT a.attname, a.attgenerated = '', a.attidentity = 'a' FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
        WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """
    private static let cascadeText = "SELECT conname FROM pg_catalog.pg_constraint WHERE confrelid = pg_catalog.to_regclass($1) AND \(ClusterTables.isCascade) LIMIT 1"

    /// - Parameters:
    ///   - name: as SQL text.
    ///   - session: one of the target, outside of transactions: what it refuses leaves only a doubt.
    /// - Throws: ConnectionLost.
    init(named name: String, in session: DatabaseSession) throws {
        self.init(name: name)
        do {
            let rows = try session.execute(Self.columnsText, [name]).rows
            columns = rows.compactMap { $0[0] }
            insertable = rows.filter { $0[1] == "t" }.compactMap { $0[0] }
            hasOwnNumbers = rows.contains { $0[2] == "t" }
            hasCascade = try !session.execute(Self.cascadeText, [name]).rows.isEmpty
            if rows.isEmpty { doubt = "\(name) is no table of \(session.name)" }
        } catch let error as DatabaseMessage {
            doubt = "it cannot be told what else this would do to \(name) (\(error.message))"
        }
    }

    /// Why a statement is only told as a comment; nil: it does what it says.
    /// - Parameter compared: the columns that it would name.
    func reservation(about compared: [String]) -> String? {
        if let doubt { return doubt }
        guard let columns, let other = compared.first(where: { column in !columns.contains { $0.isExactly(column) } }) else { return nil }
        return "\(name) has no column \(SQL.name(other))"
    }
}
