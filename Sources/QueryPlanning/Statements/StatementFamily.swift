// StatementFamily: every statement of PostgreSQL's grammar with the decision how it is served. The one table to read for
// "what happens to X".
import CPGQuery

/// How a kind of statement is served.
enum StatementFamily: Equatable {
    /// SELECT, VALUES, UPDATE, DELETE, MERGE: the analyser's.
    case query
    case transaction, set, show, discard, setConstraints
    case prepare, execute, deallocate, declareCursor, fetch, closeCursor
    case listen, unlisten, notify
    case insert, copy, explain
    case createTable, alterTable, alterSequence, createIndex, createView, createTableAs, createSchema, drop, rename, setSchema, role
    case vacuum, reindex, cluster, lock, policy
    /// On all shards in one transaction.
    case definition(changesCatalog: Bool)
    /// On all shards one after the other, as PostgreSQL does not allow it in a transaction block.
    case shardByShard
    case refused(String, hint: String)

    struct Entry: Equatable {
        var kind: PgQuery__Node__NodeCase
        var family: StatementFamily
        /// For messages and statistics.
        var command: String

        static func == (left: Entry, right: Entry) -> Bool { left.kind.rawValue == right.kind.rawValue }
    }

    /// The decision for a top-level node; nil for nodes that are no statement.
    static func of(_ kind: PgQuery__Node__NodeCase) -> Entry? { byKind[kind.rawValue] }

    /// How many kinds of statements have a decision.
    static var count: Int { byKind.count }

    private static let byKind: [UInt32: Entry] = {
        let all = sessionEntries + dataEntries + tableEntries + routineEntries + typeEntries + roleEntries + clusterEntries
        return Dictionary(uniqueKeysWithValues: all.map { entry in
            (entry.0.rawValue, Entry(kind: entry.0, family: entry.1, command: entry.2))
        })
    }()

    private typealias Row = (PgQuery__Node__NodeCase, StatementFamily, String)

    private static let sessionEntries: [Row] = [
        (PG_QUERY__NODE__NODE_TRANSACTION_STMT, .transaction, "TRANSACTION"),
        (PG_QUERY__NODE__NODE_VARIABLE_SET_STMT, .set, "SET"),
        (PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT, .show, "SHOW"),
        (PG_QUERY__NODE__NODE_DISCARD_STMT, .discard, "DISCARD"),
        (PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT, .setConstraints, "SET CONSTRAINTS"),
        (PG_QUERY__NODE__NODE_PREPARE_STMT, .prepare, "PREPARE"),
        (PG_QUERY__NODE__NODE_EXECUTE_STMT, .execute, "EXECUTE"),
        (PG_QUERY__NODE__NODE_DEALLOCATE_STMT, .deallocate, "DEALLOCATE"),
        (PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT, .declareCursor, "DECLARE CURSOR"),
        (PG_QUERY__NODE__NODE_FETCH_STMT, .fetch, "FETCH"),
        (PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT, .closeCursor, "CLOSE CURSOR"),
        (PG_QUERY__NODE__NODE_LISTEN_STMT, .listen, "LISTEN"),
        (PG_QUERY__NODE__NODE_UNLISTEN_STMT, .unlisten, "UNLISTEN"),
        (PG_QUERY__NODE__NODE_NOTIFY_STMT, .notify, "NOTIFY"),
        (
            PG_QUERY__NODE__NODE_LOAD_STMT,
            .refused(
                "LOAD is not supported: it would change one server session only",
                hint: "Add the library to session_preload_libraries or shared_preload_libraries of every shard."), "LOAD"
        ),
    ]

    private static let dataEntries: [Row] = [
        (PG_QUERY__NODE__NODE_SELECT_STMT, .query, "SELECT"),
        (PG_QUERY__NODE__NODE_UPDATE_STMT, .query, "UPDATE"),
        (PG_QUERY__NODE__NODE_DELETE_STMT, .query, "DELETE"),
        (PG_QUERY__NODE__NODE_MERGE_STMT, .query, "MERGE"),
        (PG_QUERY__NODE__NODE_INSERT_STMT, .insert, "INSERT"),
        (PG_QUERY__NODE__NODE_COPY_STMT, .copy, "COPY"),
        (PG_QUERY__NODE__NODE_EXPLAIN_STMT, .explain, "EXPLAIN"),
        (PG_QUERY__NODE__NODE_TRUNCATE_STMT, .definition(changesCatalog: false), "TRUNCATE TABLE"),
        (PG_QUERY__NODE__NODE_LOCK_STMT, .lock, "LOCK TABLE"),
        (PG_QUERY__NODE__NODE_VACUUM_STMT, .vacuum, "VACUUM"),
        (PG_QUERY__NODE__NODE_REINDEX_STMT, .reindex, "REINDEX"),
        (PG_QUERY__NODE__NODE_CLUSTER_STMT, .cluster, "CLUSTER"),
        (PG_QUERY__NODE__NODE_CHECK_POINT_STMT, .shardByShard, "CHECKPOINT"),
        (PG_QUERY__NODE__NODE_DO_STMT, .refused(opaqueCode("DO"), hint: opaqueCodeHint), "DO"),
        (PG_QUERY__NODE__NODE_CALL_STMT, .refused(opaqueCode("CALL"), hint: opaqueCodeHint), "CALL"),
    ]

    private static let tableEntries: [Row] = [
        (PG_QUERY__NODE__NODE_CREATE_STMT, .createTable, "CREATE TABLE"),
        (PG_QUERY__NODE__NODE_ALTER_TABLE_STMT, .alterTable, "ALTER TABLE"),
        (PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT, .createTableAs, "CREATE TABLE AS"),
        (PG_QUERY__NODE__NODE_INDEX_STMT, .createIndex, "CREATE INDEX"),
        (PG_QUERY__NODE__NODE_VIEW_STMT, .createView, "CREATE VIEW"),
        (PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT, .createSchema, "CREATE SCHEMA"),
        (PG_QUERY__NODE__NODE_DROP_STMT, .drop, "DROP"),
        (PG_QUERY__NODE__NODE_RENAME_STMT, .rename, "ALTER"),
        (PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT, .setSchema, "ALTER"),
        (PG_QUERY__NODE__NODE_ALTER_TABLE_MOVE_ALL_STMT, .definition(changesCatalog: false), "ALTER TABLE"),
        (PG_QUERY__NODE__NODE_CREATE_SEQ_STMT, .createTable, "CREATE SEQUENCE"),
        (PG_QUERY__NODE__NODE_ALTER_SEQ_STMT, .alterSequence, "ALTER SEQUENCE"),
        (PG_QUERY__NODE__NODE_CREATE_TRIG_STMT, .definition(changesCatalog: true), "CREATE TRIGGER"),
        (PG_QUERY__NODE__NODE_CREATE_POLICY_STMT, .policy, "CREATE POLICY"),
        (PG_QUERY__NODE__NODE_ALTER_POLICY_STMT, .policy, "ALTER POLICY"),
        (PG_QUERY__NODE__NODE_CREATE_STATS_STMT, .definition(changesCatalog: false), "CREATE STATISTICS"),
        (PG_QUERY__NODE__NODE_ALTER_STATS_STMT, .definition(changesCatalog: false), "ALTER STATISTICS"),
        (
            PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT,
            .refused("materialized views are not supported", hint: "Use a table and INSERT."), "REFRESH MATERIALIZED VIEW"
        ),
        (
            PG_QUERY__NODE__NODE_RULE_STMT,
            .refused(
                "CREATE RULE is not supported: a rule would change statements after they were routed",
                hint: "Use a trigger or a view."), "CREATE RULE"
        ),
        (PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT, .definition(changesCatalog: true), "CREATE FOREIGN TABLE"),
        (PG_QUERY__NODE__NODE_IMPORT_FOREIGN_SCHEMA_STMT, .definition(changesCatalog: true), "IMPORT FOREIGN SCHEMA"),
        (PG_QUERY__NODE__NODE_COMMENT_STMT, .definition(changesCatalog: true), "COMMENT"),
        (PG_QUERY__NODE__NODE_SEC_LABEL_STMT, .definition(changesCatalog: false), "SECURITY LABEL"),
    ]

    private static let routineEntries: [Row] = [
        (PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT, .definition(changesCatalog: true), "CREATE FUNCTION"),
        (PG_QUERY__NODE__NODE_ALTER_FUNCTION_STMT, .definition(changesCatalog: true), "ALTER FUNCTION"),
        (PG_QUERY__NODE__NODE_CREATE_PLANG_STMT, .definition(changesCatalog: false), "CREATE LANGUAGE"),
        (PG_QUERY__NODE__NODE_CREATE_EVENT_TRIG_STMT, .definition(changesCatalog: false), "CREATE EVENT TRIGGER"),
        (PG_QUERY__NODE__NODE_ALTER_EVENT_TRIG_STMT, .definition(changesCatalog: false), "ALTER EVENT TRIGGER"),
        (PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT, .definition(changesCatalog: true), "CREATE EXTENSION"),
        (PG_QUERY__NODE__NODE_ALTER_EXTENSION_STMT, .definition(changesCatalog: true), "ALTER EXTENSION"),
        (PG_QUERY__NODE__NODE_ALTER_EXTENSION_CONTENTS_STMT, .definition(changesCatalog: true), "ALTER EXTENSION"),
        (PG_QUERY__NODE__NODE_ALTER_OBJECT_DEPENDS_STMT, .definition(changesCatalog: false), "ALTER"),
        (PG_QUERY__NODE__NODE_CREATE_TRANSFORM_STMT, .definition(changesCatalog: false), "CREATE TRANSFORM"),
        (PG_QUERY__NODE__NODE_CREATE_AM_STMT, .definition(changesCatalog: false), "CREATE ACCESS METHOD"),
    ]

    private static let typeEntries: [Row] = [
        (PG_QUERY__NODE__NODE_DEFINE_STMT, .definition(changesCatalog: true), "CREATE"),
        (PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT, .definition(changesCatalog: true), "CREATE DOMAIN"),
        (PG_QUERY__NODE__NODE_ALTER_DOMAIN_STMT, .definition(changesCatalog: true), "ALTER DOMAIN"),
        (PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT, .definition(changesCatalog: true), "CREATE TYPE"),
        (PG_QUERY__NODE__NODE_CREATE_ENUM_STMT, .definition(changesCatalog: true), "CREATE TYPE"),
        (PG_QUERY__NODE__NODE_CREATE_RANGE_STMT, .definition(changesCatalog: true), "CREATE TYPE"),
        (PG_QUERY__NODE__NODE_ALTER_ENUM_STMT, .definition(changesCatalog: true), "ALTER TYPE"),
        (PG_QUERY__NODE__NODE_ALTER_TYPE_STMT, .definition(changesCatalog: true), "ALTER TYPE"),
        (PG_QUERY__NODE__NODE_ALTER_COLLATION_STMT, .definition(changesCatalog: true), "ALTER COLLATION"),
        (PG_QUERY__NODE__NODE_ALTER_OPERATOR_STMT, .definition(changesCatalog: true), "ALTER OPERATOR"),
        (PG_QUERY__NODE__NODE_CREATE_CAST_STMT, .definition(changesCatalog: true), "CREATE CAST"),
        (PG_QUERY__NODE__NODE_CREATE_CONVERSION_STMT, .definition(changesCatalog: false), "CREATE CONVERSION"),
        (PG_QUERY__NODE__NODE_CREATE_OP_CLASS_STMT, .definition(changesCatalog: true), "CREATE OPERATOR CLASS"),
        (PG_QUERY__NODE__NODE_CREATE_OP_FAMILY_STMT, .definition(changesCatalog: true), "CREATE OPERATOR FAMILY"),
        (PG_QUERY__NODE__NODE_ALTER_OP_FAMILY_STMT, .definition(changesCatalog: true), "ALTER OPERATOR FAMILY"),
        (PG_QUERY__NODE__NODE_ALTER_TSDICTIONARY_STMT, .definition(changesCatalog: false), "ALTER TEXT SEARCH DICTIONARY"),
        (PG_QUERY__NODE__NODE_ALTER_TSCONFIGURATION_STMT, .definition(changesCatalog: false), "ALTER TEXT SEARCH CONFIGURATION"),
    ]

    private static let roleEntries: [Row] = [
        (PG_QUERY__NODE__NODE_CREATE_ROLE_STMT, .role, "CREATE ROLE"),
        (PG_QUERY__NODE__NODE_ALTER_ROLE_STMT, .role, "ALTER ROLE"),
        (PG_QUERY__NODE__NODE_ALTER_ROLE_SET_STMT, .definition(changesCatalog: true), "ALTER ROLE"),
        // A role that is made anew by the name is another one for links that have taken the old one.
        (PG_QUERY__NODE__NODE_DROP_ROLE_STMT, .definition(changesCatalog: true), "DROP ROLE"),
        (PG_QUERY__NODE__NODE_GRANT_STMT, .definition(changesCatalog: false), "GRANT"),
        (PG_QUERY__NODE__NODE_GRANT_ROLE_STMT, .definition(changesCatalog: false), "GRANT ROLE"),
        (PG_QUERY__NODE__NODE_ALTER_DEFAULT_PRIVILEGES_STMT, .definition(changesCatalog: false), "ALTER DEFAULT PRIVILEGES"),
        (PG_QUERY__NODE__NODE_ALTER_OWNER_STMT, .definition(changesCatalog: false), "ALTER"),
        (PG_QUERY__NODE__NODE_DROP_OWNED_STMT, .definition(changesCatalog: true), "DROP OWNED"),
        (PG_QUERY__NODE__NODE_REASSIGN_OWNED_STMT, .definition(changesCatalog: false), "REASSIGN OWNED"),
        (PG_QUERY__NODE__NODE_CREATE_USER_MAPPING_STMT, .definition(changesCatalog: false), "CREATE USER MAPPING"),
        (PG_QUERY__NODE__NODE_ALTER_USER_MAPPING_STMT, .definition(changesCatalog: false), "ALTER USER MAPPING"),
        (PG_QUERY__NODE__NODE_DROP_USER_MAPPING_STMT, .definition(changesCatalog: false), "DROP USER MAPPING"),
    ]

    private static let clusterEntries: [Row] = [
        (PG_QUERY__NODE__NODE_CREATE_FDW_STMT, .definition(changesCatalog: false), "CREATE FOREIGN DATA WRAPPER"),
        (PG_QUERY__NODE__NODE_ALTER_FDW_STMT, .definition(changesCatalog: false), "ALTER FOREIGN DATA WRAPPER"),
        (PG_QUERY__NODE__NODE_CREATE_FOREIGN_SERVER_STMT, .definition(changesCatalog: false), "CREATE SERVER"),
        (PG_QUERY__NODE__NODE_ALTER_FOREIGN_SERVER_STMT, .definition(changesCatalog: false), "ALTER SERVER"),
        (PG_QUERY__NODE__NODE_CREATE_PUBLICATION_STMT, .definition(changesCatalog: false), "CREATE PUBLICATION"),
        (PG_QUERY__NODE__NODE_ALTER_PUBLICATION_STMT, .definition(changesCatalog: false), "ALTER PUBLICATION"),
        (PG_QUERY__NODE__NODE_CREATE_SUBSCRIPTION_STMT, .refused(subscription, hint: subscriptionHint), "CREATE SUBSCRIPTION"),
        (PG_QUERY__NODE__NODE_ALTER_SUBSCRIPTION_STMT, .refused(subscription, hint: subscriptionHint), "ALTER SUBSCRIPTION"),
        (PG_QUERY__NODE__NODE_DROP_SUBSCRIPTION_STMT, .refused(subscription, hint: subscriptionHint), "DROP SUBSCRIPTION"),
        (PG_QUERY__NODE__NODE_ALTER_DATABASE_SET_STMT, .definition(changesCatalog: true), "ALTER DATABASE"),
        (PG_QUERY__NODE__NODE_ALTER_DATABASE_STMT, .shardByShard, "ALTER DATABASE"),
        (PG_QUERY__NODE__NODE_ALTER_DATABASE_REFRESH_COLL_STMT, .definition(changesCatalog: true), "ALTER DATABASE"),
        (PG_QUERY__NODE__NODE_CREATEDB_STMT, .refused(database("CREATE"), hint: databaseHint), "CREATE DATABASE"),
        (PG_QUERY__NODE__NODE_DROPDB_STMT, .refused(database("DROP"), hint: databaseHint), "DROP DATABASE"),
        (PG_QUERY__NODE__NODE_CREATE_TABLE_SPACE_STMT, .shardByShard, "CREATE TABLESPACE"),
        (PG_QUERY__NODE__NODE_DROP_TABLE_SPACE_STMT, .shardByShard, "DROP TABLESPACE"),
        (PG_QUERY__NODE__NODE_ALTER_TABLE_SPACE_OPTIONS_STMT, .definition(changesCatalog: false), "ALTER TABLESPACE"),
        (PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT, .shardByShard, "ALTER SYSTEM"),
    ]

    private static func opaqueCode(_ command: String) -> String {
        "\(command) is not supported: which shards its code uses cannot be known"
    }
    private static let opaqueCodeHint = "Run the statements of the code from the application."
    private static func database(_ command: String) -> String { "\(command) DATABASE is not supported through the proxy" }
    private static let databaseHint = "Run it on each shard and configure the database in the proxy."
    private static let subscription = "subscriptions are not supported: every shard would receive every row"
    private static let subscriptionHint = "Subscribe outside of the cluster and write through the proxy."
}
