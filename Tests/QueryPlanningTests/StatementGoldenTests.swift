// Statements and their plans, one a line: what stands after the arrow is the plan in StatementWorld's words.
import Testing

@testable import QueryPlanning

@Suite("Statements")
struct StatementGoldenTests {
    let world: StatementWorld

    init() throws { world = try StatementWorld() }

    @Test("transactions", arguments: [
        ("begin", "begin(modes: \"\", tag: \"BEGIN\")"),
        (
            "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
            "begin(modes: \"ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE\", tag: \"BEGIN\")"
        ),
        ("start transaction read write", "begin(modes: \"READ WRITE\", tag: \"START TRANSACTION\")"),
        ("COMMIT", "commit(chain: false)"), ("end and chain", "commit(chain: true)"), ("abort", "rollback(chain: false)"),
        ("ROLLBACK AND CHAIN", "rollback(chain: true)"), ("SAVEPOINT \"A b\"", "savepoint(\"A b\")"),
        ("RELEASE a", "release(\"a\")"), ("ROLLBACK TO SAVEPOINT a", "rollbackTo(\"a\")"),
        ("PREPARE TRANSACTION 'x'", "prepare(gid: \"x\")"), ("COMMIT PREPARED 'x'", "commitPrepared(gid: \"x\")"),
        ("ROLLBACK PREPARED 'x'", "rollbackPrepared(gid: \"x\")"),
    ])
    func transactions(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("settings", arguments: [
        ("SET work_mem = '1MB'", "set(name: \"work_mem\", isLocal: false)"),
        ("SET LOCAL \"Work_Mem\" TO DEFAULT", "reset(name: \"work_mem\", isLocal: true)"),
        ("SET TIME ZONE 'UTC'", "set(name: \"timezone\", isLocal: false)"),
        ("SET TIME ZONE INTERVAL '1' HOUR TO MINUTE", "set(name: \"timezone\", isLocal: false)"),
        ("SET NAMES 'UTF8'", "set(name: \"client_encoding\", isLocal: false)"),
        ("SET SCHEMA 'x'", "set(name: \"search_path\", isLocal: false)"), ("SET ROLE a", "set(name: \"role\", isLocal: false)"),
        ("SET SESSION AUTHORIZATION a", "set(name: \"session_authorization\", isLocal: false)"),
        ("RESET SESSION AUTHORIZATION", "reset(name: \"session_authorization\", isLocal: false)"), ("RESET work_mem", "reset(name: \"work_mem\", isLocal: false)"),
        ("SET work_mem TO DEFAULT", "reset(name: \"work_mem\", isLocal: false)"), ("SET LOCAL TIME ZONE LOCAL", "reset(name: \"timezone\", isLocal: true)"),
        ("SET SESSION AUTHORIZATION DEFAULT", "set(name: \"session_authorization\", isLocal: false)"),
        ("RESET ALL", "resetAll"),
        ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "setTransaction(modes: \"ISOLATION LEVEL REPEATABLE READ\")"),
        ("SET transaction_read_only = on", "setTransaction(modes: \"READ ONLY\")"),
        ("SET transaction_isolation TO 'Serializable'", "setTransaction(modes: \"ISOLATION LEVEL SERIALIZABLE\")"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "setSessionCharacteristics(modes: \"READ ONLY\")"),
        ("SET CONSTRAINTS ALL DEFERRED", "setConstraints"), ("SHOW Search_Path", "show(name: \"search_path\")"),
        ("SHOW ALL", "show(name: \"all\")"), ("SHOW TIME ZONE", "show(name: \"timezone\")"), ("DISCARD ALL", "discardAll"),
        ("DISCARD PLANS", "discardPlans"), ("DISCARD SEQUENCES", "discardSequences"), ("DISCARD TEMP", "discardTemporary"),
        ("SET standard_conforming_strings = on", "set(name: \"standard_conforming_strings\", isLocal: false)"),
        ("SET standard_conforming_strings = off", "REFUSED 0A000 standard_conforming_strings must be on"),
        ("SET standard_conforming_strings TO 'f'", "REFUSED 0A000 standard_conforming_strings must be on"),
        ("SET array_nulls = off", "REFUSED 0A000 array_nulls must be on"), ("SET array_nulls = on", "set(name: \"array_nulls\", isLocal: false)"),
        ("SET transform_null_equals = 1", "REFUSED 0A000 transform_null_equals must be off"),
        (
            "SET client_encoding = 'Shift_JIS-2004'",
            "REFUSED 0A000 client encoding Shift_JIS-2004 is not supported: its characters may hold bytes of ASCII characters"
        ),
        ("SET client_encoding = 'LATIN1'", "set(name: \"client_encoding\", isLocal: false)"),
        ("SET TRANSACTION SNAPSHOT '1'", "REFUSED 0A000 SET TRANSACTION SNAPSHOT is not supported"),
    ])
    func settings(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("prepared statements and cursors", arguments: [
        ("PREPARE q AS SELECT 1", "prepare(name: \"q\", typeNames: [], body: \"SELECT 1\")"),
        (
            "PREPARE \"Q\" (int, numeric(10, 2)) AS /* x */ INSERT INTO t (a) VALUES ($1) -- end",
            "prepare(name: \"Q\", typeNames: [\"int\", \"numeric(10, 2)\"], body: \"INSERT INTO t (a) VALUES ($1)\")"
        ),
        ("EXECUTE q", "execute q with , may write"),
        ("EXECUTE q(1, f(2, 3), 'a,b')", "execute q with 1 | f(2, 3) | 'a,b', may write"),
        ("DEALLOCATE PREPARE q", "deallocate(name: Optional(\"q\"))"), ("DEALLOCATE ALL", "deallocate(name: nil)"),
        ("DECLARE c CURSOR FOR SELECT * FROM items WHERE user_id = 5", "declare c key @57"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM countries", "declare c any held, pins cursor"),
        ("DECLARE c CURSOR FOR SELECT * FROM items", "declare c [scatter] at 21"),
        ("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT count(*) FROM items", "declare c [scatter] at 41 held"),
        ("DECLARE c CURSOR FOR SELECT now() FROM items", "draw"),
        ("DECLARE c SCROLL NO SCROLL CURSOR FOR SELECT * FROM items", "REFUSED 42P11 cannot specify both SCROLL and NO SCROLL"),
        (
            "DECLARE c SCROLL CURSOR FOR SELECT * FROM items FOR UPDATE",
            "REFUSED 0A000 DECLARE SCROLL CURSOR ... FOR UPDATE is not supported"
        ),
        (
            "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM items FOR SHARE",
            "REFUSED 0A000 DECLARE CURSOR WITH HOLD ... FOR SHARE is not supported"
        ),
        ("DECLARE c CURSOR FOR SELECT * FROM countries FOR UPDATE", "REFUSED 0A000 a cursor cannot lock rows of reference tables"),
        ("FETCH 5 FROM c", "fetch c forward 5, may write"), ("MOVE ALL IN c", "move c forward \(Int64.max), may write"),
        ("FETCH c", "fetch c forward 1, may write"), ("FETCH PRIOR c", "fetch c backward 1, may write"),
        ("FETCH LAST c", "fetch c absolute -1, may write"), ("MOVE RELATIVE -3 c", "move c relative -3, may write"),
        ("CLOSE c", "close(name: \"c\")"), ("CLOSE ALL", "closeAll"),
        ("LISTEN a", "listen, pins listen"), ("UNLISTEN *", "listen"), ("NOTIFY a, 'b'", "notify, writes"),
        ("EXPLAIN SELECT * FROM items WHERE user_id = 5", "pass key @44"),
        ("EXPLAIN INSERT INTO items VALUES (1, 2)", "pass key! @34"),
        ("EXPLAIN (ANALYZE true) INSERT INTO items VALUES (1, 2)", "pass key! @49, writes"),
        ("EXPLAIN SELECT * FROM items", "explain [EXPLAIN] [scatter] at 8"),
        ("EXPLAIN ANALYZE VERBOSE SELECT * FROM items", "explain [EXPLAIN ANALYZE VERBOSE] runs [scatter] at 24"),
        (
            "EXPLAIN (ANALYZE, FORMAT json) UPDATE items SET name = ''",
            "explain [EXPLAIN (ANALYZE, FORMAT json)] runs json [modify all sum] at 31, writes"
        ),
        ("EXPLAIN (ANALYZE off) DELETE FROM items", "explain [EXPLAIN (ANALYZE off)] [modify all sum] at 22"),
        ("EXPLAIN DECLARE c CURSOR FOR SELECT * FROM items", "explain [EXPLAIN] [scatter] at 8"),
        ("EXPLAIN DECLARE c CURSOR FOR SELECT * FROM items WHERE user_id = 5", "pass key @65"),
        ("EXPLAIN SELECT now() FROM items", "draw"),
        (
            "EXPLAIN (FORMAT yaml) SELECT * FROM items",
            "REFUSED 0A000 EXPLAIN of a statement over several shards is written as TEXT or JSON only"
        ),
        ("EXPLAIN EXECUTE q", "REFUSED 0A000 EXPLAIN EXECUTE is not supported"),
    ])
    func sessions(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("every statement pgbench sends while it creates its tables")
    func pgbench() {
        let all = "modify all first, writes"
        let script = [
            ("drop table if exists pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers", all + ", catalog"),
            ("create table pgbench_history(tid int,bid int,aid    int,delta int,mtime timestamp,filler char(22))", all + ", catalog"),
            ("create table pgbench_tellers(tid int not null,bid int,tbalance int,filler char(84)) with (fillfactor=100)", all + ", catalog"),
            ("create table pgbench_accounts(aid    int not null,bid int,abalance int,filler char(84)) with (fillfactor=100)", all + ", catalog"),
            ("create table pgbench_branches(bid int not null,bbalance int,filler char(88)) with (fillfactor=100)", all + ", catalog"),
            ("begin", "begin(modes: \"\", tag: \"BEGIN\")"),
            ("truncate table pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers", all),
            ("insert into pgbench_branches(bid,bbalance) values(1,0)", "pass key! @50, writes"),
            (
                "copy pgbench_accounts from stdin with (freeze on)",
                "copy in [copy pgbench_accounts (\"aid\", \"bid\", \"abalance\", \"filler\") from stdin with (freeze on)] text key 0 of aid bid abalance filler, writes, copy in"
            ),
            ("commit", "commit(chain: false)"), ("vacuum analyze pgbench_branches", "shard by shard, writes"),
            ("alter table pgbench_branches add primary key (bid)", all + ", catalog"),
            ("alter table pgbench_accounts add primary key (aid)", all + ", catalog"),
        ]
        for (text, plan) in script { #expect(world.plan(text) == plan, "\(text)") }
    }

    @Test("COPY", arguments: [
        ("COPY items TO STDOUT (FORMAT csv, HEADER)", "copy out all csv header"), ("COPY countries TO STDOUT", "pass any"),
        ("COPY pg_class TO STDOUT", "pass catalog"), ("COPY (SELECT * FROM items) TO STDOUT WITH BINARY", "copy out all binary"),
        ("COPY (SELECT * FROM items WHERE user_id = $1) TO STDOUT", "pass key $1"),
        ("COPY ( SELECT count(*) FROM items ) TO STDOUT CSV", "copy query [COPY ( |SELECT count(*) FROM items| ) TO STDOUT CSV]"),
        ("COPY (SELECT DISTINCT user_id + 1 FROM items) TO STDOUT BINARY", "copy query [COPY (|SELECT DISTINCT user_id + 1 FROM items|) TO STDOUT BINARY] binary"),
        (
            "COPY public.items (item_id, user_id, name, made) FROM STDIN CSV HEADER QUOTE '|'",
            "copy in [COPY public.items (item_id, user_id, name, made) FROM STDIN CSV HEADER QUOTE '|'] csv key 1 of item_id user_id name made, writes, copy in"
        ),
        ("COPY BINARY public . \"tokens\" FROM STDIN",
            "copy in [COPY BINARY public . \"tokens\" (\"user_id\", \"value\") FROM STDIN] binary key 0 of user_id value, writes, copy in"),
        ("COPY countries FROM STDIN", "copy in [COPY countries (\"code\", \"name\") FROM STDIN] text key none of code name, writes, copy in"),
        ("COPY scratch FROM STDIN", "pass home, writes, pins temporary, copy in"),
        (
            "COPY items (user_id, item_id) FROM STDIN",
            "REFUSED 0A000 COPY into \"items\" would leave columns to defaults or triggers that differ from shard to shard"
        ),
        ("COPY items (item_id) FROM STDIN", "REFUSED 0A000 the sharding key \"user_id\" of table \"items\" must be given"),
        ("COPY items (nothing) FROM STDIN", "REFUSED 42703 column \"nothing\" of relation \"items\" does not exist"),
        (
            "COPY items FROM '/tmp/x'",
            "REFUSED 0A000 COPY with a file or program of the server is not supported: each shard has its own files"
        ),
        ("COPY nowhere FROM STDIN", "REFUSED 42P01 relation \"nowhere\" does not exist"),
    ])
    func copy(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("COPY options in both syntaxes", arguments: [
        "COPY items FROM STDIN (FORMAT csv, DELIMITER ';', NULL 'nil', QUOTE '|', ESCAPE '\\', HEADER match)",
        "COPY items FROM STDIN CSV HEADER DELIMITER ';' NULL 'nil' QUOTE '|' ESCAPE '\\'",
    ])
    func copyOptions(text: String) throws {
        guard case .copyIn(_, let plan) = try world.planned(text).action else {
            Issue.record("no copy in")
            return
        }
        var options = CopyOptions()
        options.format = .csv
        options.delimiter = UInt8(ascii: ";")
        options.null = "nil"
        options.quote = UInt8(ascii: "|")
        options.escape = UInt8(ascii: "\\")
        options.hasHeader = true
        #expect(plan.options == options)
    }
}
