// CatalogQuery: the questions put to a shard to learn the database's schema.
//
// One script, one round trip, one snapshot: every question is asked inside one REPEATABLE READ transaction whose
// search_path is empty, so that nothing a client set can redirect a name (CVE-2025-12819 of PgBouncer) and every
// expression is printed with its schemas. Results come in the order of `allCases`, in text format.

/// One question of the catalog, and the shape of its answer.
public enum CatalogQuery: Int, CaseIterable, Sendable {
    case database, schemas, relations, columns, constraints, types, enumLabels, collations, functions, operators, placements

    /// All questions as one simple Query; answers with rows are those of `allCases`, in order, between other tags.
    public static var script: String {
        let opening = [
            "/* pgbraid: catalog */ BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            "SET LOCAL search_path TO ''", "SET LOCAL bytea_output TO hex", "SET LOCAL quote_all_identifiers TO off",
        ]
        return (opening + allCases.map(\.text) + ["COMMIT"]).joined(separator: ";\n")
    }

    /// How many columns a row of the answer has.
    public var columnCount: Int {
        switch self {
        case .database: 7
        case .schemas: 1
        case .relations: 12
        case .columns: 10
        case .constraints: 8
        case .types: 14
        case .enumLabels: 2
        case .collations: 6
        case .functions: 16
        case .operators: 5
        case .placements: 4
        }
    }

    /// The same within a transaction that has locked tables, where to wait for who has locked others could be a deadlock: it tells
    /// nothing that needs locks of relations but those that the transaction itself has locked (`CatalogBuilder.fill(from:)`).
    public var textWithoutWaiting: String {
        switch self {
        case .relations: Self.relationsText.replacing("WHEN c.relkind = 'v'", with: "WHEN \(Self.isOwn("c.oid")) AND c.relkind = 'v'")
        case .columns: Self.columnsText.replacing("WHEN a.attgenerated <> ''", with: "WHEN NOT \(Self.isOwn("a.attrelid")) THEN NULL WHEN a.attgenerated <> ''")
        default: text
        }
    }

    private static func isOwn(_ oid: String) -> String {
        """
        \(oid) IN (SELECT l.relation FROM pg_catalog.pg_locks l
            WHERE l.pid = pg_catalog.pg_backend_pid() AND l.relation IS NOT NULL AND l.mode = 'AccessExclusiveLock')
        """
    }

    /// The question's SQL.
    public var text: String {
        switch self {
        case .database: Self.databaseText
        case .schemas: "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp)'"
        case .relations: Self.relationsText
        case .columns: Self.columnsText
        case .constraints: Self.constraintsText
        case .types: Self.typesText
        case .enumLabels:
            "SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum ORDER BY enumtypid, enumsortorder"
        case .collations: Self.collationsText
        case .functions: Self.functionsText
        case .operators: Self.operatorsText
        case .placements: "SELECT name::pg_catalog.oid, kind, key_number, method FROM pgbraid.placement ORDER BY name"
        }
    }

    private static let databaseText = """
        SELECT d.datname, pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
               coalesce(j.row ->> 'datlocprovider', 'c'), coalesce(j.row ->> 'daticulocale', j.row ->> 'datlocale'),
               pg_catalog.current_setting('server_version_num')
        FROM pg_catalog.pg_database d, LATERAL (SELECT pg_catalog.to_jsonb(d)) j(row)
        WHERE d.datname = pg_catalog.current_database()
        """

    /// Temporary tables (of other sessions), TOAST, indexes and composite types are left out; the proxy's own triggers are
    /// not counted.
    private static let relationsText = """
        SELECT c.oid, n.nspname, c.relname, c.relkind,
               CASE WHEN c.relkind = 'v' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                    THEN pg_catalog.pg_get_viewdef(c.oid) END,
               EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
                       JOIN pg_catalog.pg_namespace s ON s.oid = p.pronamespace
                       WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 1 = 1
                         AND s.nspname <> 'pgbraid'),
               EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
                       JOIN pg_catalog.pg_namespace s ON s.oid = p.pronamespace
                       WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 1 = 0
                         AND s.nspname <> 'pgbraid'),
               c.relrowsecurity,
               EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN'),
               (SELECT pg_catalog.string_agg(i.inhparent::pg_catalog.text, ',' ORDER BY i.inhseqno)
                FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid),
               c.relispartition,
               (SELECT pg_catalog.array_to_string(k.conkey, ',') FROM pg_catalog.pg_constraint k
                WHERE k.conrelid = c.oid AND k.contype = 'p')
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_(toast|temp)'
        ORDER BY c.oid
        """

    /// A default names no columns, and is shown without its table: that would be locked, and wait for who has locked it.
    private static let columnsText = """
        SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.atthasdef,
               a.attgenerated::pg_catalog.text || a.attidentity::pg_catalog.text, pg_catalog.pg_get_expr(d.adbin, CASE WHEN a.attgenerated <> '' THEN d.adrelid ELSE 0 END)
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
          AND c.relpersistence <> 't' AND n.nspname !~ '^pg_(toast|temp)'
        ORDER BY a.attrelid, a.attnum
        """

    /// Constraints, and unique indexes that belong to none: of these 0 stands for an expression, and for a column whose values are alike by a
    /// collation though they differ.
    private static let constraintsText = """
        SELECT k.conrelid, k.conname, k.contype, pg_catalog.array_to_string(k.conkey, ','), k.confrelid,
               pg_catalog.array_to_string(k.confkey, ','),
               CASE k.contype WHEN 'f' THEN k.confupdtype::pg_catalog.text || k.confdeltype::pg_catalog.text END,
               CASE WHEN k.contype = 'f' AND k.confdeltype IN ('n', 'd') THEN
                   coalesce(nullif(pg_catalog.translate((pg_catalog.to_jsonb(k) -> 'confdelsetcols')::pg_catalog.text, '[] ', ''), 'null'),
                            pg_catalog.array_to_string(k.conkey, ',')) END
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class r ON r.oid = k.conrelid
        WHERE k.contype IN ('p', 'u', 'f', 'x') AND k.conrelid >= 16384 AND r.relpersistence <> 't'
        UNION ALL
        SELECT i.indrelid, c.relname, 'u',
               pg_catalog.array_to_string(ARRAY(
                   SELECT CASE WHEN NOT l.collisdeterministic THEN 0 ELSE k.number END
                   FROM ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indcollation::pg_catalog.oid[]))
                        WITH ORDINALITY k (number, collated, place)
                   LEFT JOIN pg_catalog.pg_collation l ON l.oid = k.collated
                   WHERE k.place <= i.indnkeyatts ORDER BY k.place), ','),
               0, NULL, NULL, NULL
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        WHERE i.indisunique AND i.indrelid >= 16384 AND c.relpersistence <> 't'
          AND c.relnamespace <> 'pg_toast'::pg_catalog.regnamespace
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid)
        """

    private static let typesText = """
        SELECT t.oid, n.nspname, t.typname, t.typtype, t.typcategory, t.typbasetype, t.typtypmod,
               CASE WHEN t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc THEN t.typelem ELSE 0 END,
               t.typarray, t.typcollation, pg_catalog.pg_get_expr(t.typdefaultbin, 0),
               t.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid),
               t.typsend <> 0::pg_catalog.regproc,
               EXISTS (SELECT FROM pg_catalog.pg_cast k
                       WHERE k.oid >= 16384 AND k.castmethod = 'f'
                         AND (k.castsource = t.oid AND k.casttarget = 'pg_catalog.text'::pg_catalog.regtype
                              OR k.casttarget = t.oid AND k.castsource = 'pg_catalog.text'::pg_catalog.regtype)
                         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                                         WHERE d.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass AND d.objid = k.oid AND d.deptype = 'e'))
        FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        WHERE n.nspname !~ '^pg_(toast|temp)'
        """

    private static let collationsText = """
        SELECT l.oid, n.nspname, l.collname, l.collprovider, l.collisdeterministic,
               l.collprovider = 'c' AND l.collcollate IN ('C', 'POSIX')
        FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
        """

    private static let functionsText = """
        SELECT p.oid, n.nspname, p.proname, p.prokind, p.provolatile, p.proisstrict, p.proretset,
               pg_catalog.replace(p.proargtypes::pg_catalog.text, ' ', ','), p.pronargdefaults, p.provariadic <> 0,
               p.prorettype, l.lanname, coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc), p.prosecdef,
               (SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
                WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
                  AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass),
               pg_catalog.obj_description(p.oid, 'pg_proc')
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE n.nspname <> 'pg_catalog' OR p.oid >= 16384
        ORDER BY p.oid
        """

    private static let operatorsText = """
        SELECT n.nspname, o.oprname, o.oprleft, o.oprright, p.provolatile
        FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
        JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
        WHERE n.nspname <> 'pg_catalog' OR o.oid >= 16384
        """
}
