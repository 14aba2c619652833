// ShownRows: what a SHOW command answered, read by the names of its columns.
import DatabaseClient

struct ShownRows: Equatable, Sendable {
    var columns: [String] = []
    var rows: [[String?]] = []

    init(columns: [String], rows: [[String?]]) {
        self.columns = columns
        self.rows = rows
    }

    init(_ result: StatementResult) { self.init(columns: result.columnNames, rows: result.rows) }

    func has(_ column: String) -> Bool { columns.contains(column) }

    /// The rows' values by column; NULL is not among them.
    var records: [[String: String]] {
        rows.map { row in Dictionary(zip(columns, row).compactMap { name, value in value.map { (name, $0) } }) { first, _ in first } }
    }
}
