// LogicalCatalog: the system catalogs as one server would have them.
//
// The catalogs that clients read are the lowest shard's. Two things in them are not the cluster's: schema pgbraid with what is
// in it, which no client has made and no dump must hold, and the definitions of sequences, of which each shard has the part it
// gives numbers from (`pgbraid.sequence` keeps the clients'). So what stands in FROM is replaced: a catalog by its rows
// without those of schema pgbraid, the catalogs of sequences by what the clients defined.

/// SQL that stands in the place of a system catalog or view in FROM, with the same columns. It needs an alias.
struct LogicalCatalog {
    let text: String
    /// Rows are left out, and nothing else is another.
    let isOnlyHiding: Bool

    /// - Parameter showsSystemColumns: of a table, `tableoid` and its like are wanted behind its own columns.
    init?(_ relation: Relation, showsSystemColumns: Bool) {
        guard relation.placement == .system else { return nil }
        let name = "\(relation.schema).\(relation.name)"
        let system = showsSystemColumns && relation.kind == "r" ? Binder.systemColumns.sorted() : []
        if let text = Self.definitions[name] {
            self.init(text: text, isOnlyHiding: false)
        } else if name == "pg_catalog.pg_sequence" {
            self.init(text: Self.sequenceCatalog(system), isOnlyHiding: false)
        } else if name == "information_schema.columns" {
            self.init(text: Self.columnsView(relation.columns.map(\.name)), isOnlyHiding: false)
        } else if let column = Self.schemaNumbers[name] {
            let condition = "\(column) OPERATOR(pg_catalog.<>) 'pgbraid'::pg_catalog.regnamespace"
            self.init(text: "(SELECT \((["*"] + system).joined(separator: ", ")) FROM \(name) WHERE \(condition))", isOnlyHiding: true)
        } else if let column = Self.schemaNames[name] {
            self.init(text: "(SELECT * FROM \(name) WHERE \(column) OPERATOR(pg_catalog.<>) 'pgbraid'::pg_catalog.name)", isOnlyHiding: true)
        } else {
            return nil
        }
    }

    private init(text: String, isOnlyHiding: Bool) {
        self.text = text
        self.isOnlyHiding = isOnlyHiding
    }

    /// Catalogs by the column with the OID of the schema.
    private static let schemaNumbers = [
        "pg_catalog.pg_namespace": "oid", "pg_catalog.pg_class": "relnamespace", "pg_catalog.pg_proc": "pronamespace",
        "pg_catalog.pg_type": "typnamespace", "pg_catalog.pg_constraint": "connamespace",
    ]

    /// Views by the column with the schema's name.
    private static let schemaNames = [
        "pg_catalog.pg_tables": "schemaname", "pg_catalog.pg_views": "schemaname", "pg_catalog.pg_indexes": "schemaname",
        "pg_catalog.pg_stat_all_tables": "schemaname", "pg_catalog.pg_stat_user_tables": "schemaname",
        "pg_catalog.pg_stat_all_indexes": "schemaname", "pg_catalog.pg_stat_user_indexes": "schemaname",
        "information_schema.schemata": "schema_name", "information_schema.tables": "table_schema",
        "information_schema.views": "table_schema",
        "information_schema.routines": "routine_schema", "information_schema.parameters": "specific_schema",
        "information_schema.table_constraints": "table_schema", "information_schema.key_column_usage": "table_schema",
        "information_schema.constraint_column_usage": "table_schema", "information_schema.check_constraints": "constraint_schema",
        "information_schema.table_privileges": "table_schema", "information_schema.role_table_grants": "table_schema",
    ]

    // MARK: Sequences

    private static let definitions = [
        "pg_catalog.pg_sequences": sequencesView(lastValue: "v.last_value"), "information_schema.sequences": standardSequencesView,
    ]

    private static func sequenceCatalog(_ systemColumns: [String]) -> String {
        let system = systemColumns.map { ", q.\($0)" }.joined()
        return """
            (SELECT q.seqrelid, q.seqtypid, COALESCE(s.start_value, q.seqstart) AS seqstart, \
            COALESCE(s.increment_by, q.seqincrement) AS seqincrement, COALESCE(s.max_value, q.seqmax) AS seqmax, \
            COALESCE(s.min_value, q.seqmin) AS seqmin, q.seqcache, q.seqcycle\(system) \
            FROM pg_catalog.pg_sequence AS q LEFT JOIN pgbraid.sequence AS s ON s.name OPERATOR(pg_catalog.=) q.seqrelid)
            """
    }

    /// - Parameter lastValue: SQL for the column last_value; v is the row of pg_sequences.
    static func sequencesView(lastValue: String) -> String {
        """
        (SELECT v.schemaname, v.sequencename, v.sequenceowner, v.data_type, COALESCE(s.start_value, v.start_value) AS start_value, \
        COALESCE(s.min_value, v.min_value) AS min_value, COALESCE(s.max_value, v.max_value) AS max_value, \
        COALESCE(s.increment_by, v.increment_by) AS increment_by, v.cycle, v.cache_size, \(lastValue) AS last_value \
        FROM pg_catalog.pg_sequences AS v LEFT JOIN \(namedSequences) ON s.nspname OPERATOR(pg_catalog.=) v.schemaname \
        AND s.relname OPERATOR(pg_catalog.=) v.sequencename)
        """
    }

    private static let standardSequencesView = """
        (SELECT v.sequence_catalog, v.sequence_schema, v.sequence_name, v.data_type, v.numeric_precision, v.numeric_precision_radix, \
        v.numeric_scale, COALESCE(s.start_value::information_schema.character_data, v.start_value) AS start_value, \
        COALESCE(s.min_value::information_schema.character_data, v.minimum_value) AS minimum_value, \
        COALESCE(s.max_value::information_schema.character_data, v.maximum_value) AS maximum_value, \
        COALESCE(s.increment_by::information_schema.character_data, v.increment) AS increment, v.cycle_option \
        FROM information_schema.sequences AS v LEFT JOIN \(namedSequences) ON s.nspname OPERATOR(pg_catalog.=) v.sequence_schema \
        AND s.relname OPERATOR(pg_catalog.=) v.sequence_name)
        """

    /// The clients' definitions with the sequences' names. Names are not looked up, which needs privileges.
    private static let namedSequences = """
        (SELECT d.*, n.nspname, c.relname FROM pgbraid.sequence AS d \
        JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) d.name \
        JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace) AS s
        """

    /// The numbers of identity columns are those of their sequences.
    private static func columnsView(_ names: [String]) -> String {
        let defined = [
            "identity_start": "start_value", "identity_increment": "increment_by", "identity_maximum": "max_value", "identity_minimum": "min_value",
        ]
        let columns = names.map { name in
            defined[name].map { "COALESCE(s.\($0)::information_schema.character_data, v.\(name)) AS \(name)" } ?? "v.\(name)"
        }
        return """
            (SELECT \(columns.joined(separator: ", ")) FROM information_schema.columns AS v LEFT JOIN (SELECT d.*, n.nspname, c.relname, \
            a.attname FROM pgbraid.sequence AS d JOIN pg_catalog.pg_depend AS p ON p.objid OPERATOR(pg_catalog.=) d.name \
            AND p.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass \
            AND p.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass AND p.deptype OPERATOR(pg_catalog.=) 'i' \
            JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) p.refobjid \
            JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.=) p.refobjsubid) AS s \
            ON s.nspname OPERATOR(pg_catalog.=) v.table_schema AND s.relname OPERATOR(pg_catalog.=) v.table_name \
            AND s.attname OPERATOR(pg_catalog.=) v.column_name WHERE v.table_schema OPERATOR(pg_catalog.<>) 'pgbraid'::pg_catalog.name)
            """
    }
}
