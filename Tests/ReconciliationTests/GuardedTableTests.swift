// GuardedTable: a table is read only while it is the one that was found, and nobody can put another in its place.
import TestSupport
import Testing

@testable import Reconciliation

@Suite struct GuardedTableTests {
    /// The schema of one role, with a table of the superuser's in it.
    private struct World {
        let server: TemporaryPostgreSQL
        let session: DatabaseSession

        init() throws {
            server = try TemporaryPostgreSQL()
            try server.psql("CREATE ROLE keeper LOGIN; CREATE SCHEMA kept AUTHORIZATION keeper; CREATE TABLE kept.account (id int)")
            session = try DatabaseSession(server)
        }

        func guarded(isReadAsOwner: Bool = true) throws -> GuardedTable {
            let row = try server.psql("SELECT oid, pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'kept.account'::regclass")[0]
            let table = FoundTable(oid: try #require(row[0]), schema: "kept", name: "account", owner: try #require(row[1]))
            return GuardedTable(table: table, shardCount: 1, isReadAsOwner: isReadAsOwner)
        }

        /// The SQLSTATE of what keeps a transaction from beginning.
        func refusal() throws -> String? {
            defer { try? session.end() }
            do {
                try session.begin()
                return nil
            } catch let error as ReconciliationError {
                return error.state
            }
        }
    }

    @Test func aTableStaysAsItIsWhileItIsRead() throws {
        let world = try World()
        defer { world.server.stop() }
        world.session.guarded = try world.guarded()
        try world.session.begin()
        #expect(throws: (any Error).self) { try world.server.psql("SET lock_timeout = '100ms'; DROP TABLE kept.account", user: "keeper") }
        try world.server.psql("INSERT INTO kept.account VALUES (1)")
        // The snapshot is older.
        #expect(try world.session.execute("SELECT count(*) FROM kept.account").rows == [["0"]])
        try world.session.end()
        try world.session.begin()
        #expect(try world.session.execute("SELECT count(*) FROM kept.account").rows == [["1"]])
        try world.session.end()
        try world.server.psql("DROP TABLE kept.account", user: "keeper")
    }

    /// The lock comes first: a snapshot from before would show a table that is not there any more.
    @Test func theSnapshotIsTakenBehindTheLock() throws {
        let world = try World()
        defer { world.server.stop() }
        world.session.guarded = try world.guarded()
        try world.session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try world.session.guarded?.lock(in: world.session)
        try world.server.psql("INSERT INTO kept.account VALUES (1)")
        #expect(try world.session.execute("SELECT count(*) FROM kept.account").rows == [["1"]])
    }

    @Test(arguments: [
        // By the schema's owner, who may do so.
        "SET ROLE keeper; DROP TABLE kept.account; CREATE TABLE kept.account (id int)",
        "SET ROLE keeper; DROP TABLE kept.account; CREATE VIEW kept.account AS SELECT 1 AS id", "ALTER TABLE kept.account OWNER TO keeper",
        "DROP TABLE kept.account; CREATE TABLE kept.account (id int)",
        "ALTER SCHEMA kept RENAME TO lost; CREATE SCHEMA kept AUTHORIZATION keeper; CREATE TABLE kept.account (id int)",
    ])
    func anotherTableIsNotRead(change: String) throws {
        let world = try World()
        defer { world.server.stop() }
        world.session.guarded = try world.guarded()
        #expect(try world.refusal() == nil)
        try world.server.psql(change)
        #expect(try world.refusal() == "55000")
        world.session.guarded = try world.guarded()
        #expect(try world.refusal() == (change.contains("VIEW") ? "55000" : nil))
    }

    /// No lock of a table keeps its schema's name.
    @Test func aSchemaThatOthersMayRenameIsNotTrusted() throws {
        let world = try World()
        defer { world.server.stop() }
        try world.server.psql("CREATE ROLE mover LOGIN; GRANT keeper TO mover; GRANT CREATE ON DATABASE postgres TO mover")
        world.session.guarded = try world.guarded()
        #expect(try world.refusal() == "42501")
        world.session.guarded = try world.guarded(isReadAsOwner: false)
        #expect(try world.refusal() == nil)
        // Whoever is the owner anyhow gains nothing.
        try world.server.psql("ALTER TABLE kept.account OWNER TO keeper")
        world.session.guarded = try world.guarded()
        #expect(try world.refusal() == nil)
        try world.server.psql("ALTER TABLE kept.account OWNER TO postgres; REVOKE CREATE ON DATABASE postgres FROM mover")
        world.session.guarded = try world.guarded()
        #expect(try world.refusal() == nil)
    }

    /// As in every database whose owner is no superuser: schema public is the owner's.
    @Test func theDatabasesOwnerMayRenameSchemaPublic() throws {
        let world = try World()
        defer { world.server.stop() }
        try world.server.psql("CREATE TABLE public.account (id int)")
        let oid = try #require(try world.server.psql("SELECT 'public.account'::regclass::oid")[0][0])
        world.session.guarded = GuardedTable(table: FoundTable(oid: oid, schema: "public", name: "account", owner: "postgres"), shardCount: 1, isReadAsOwner: true)
        #expect(try world.refusal() == nil)
        try world.server.psql("GRANT CREATE ON DATABASE postgres TO PUBLIC")
        #expect(try world.refusal() == nil)
        try world.server.psql("ALTER DATABASE postgres OWNER TO keeper")
        #expect(try world.refusal() == "42501")
    }
}
