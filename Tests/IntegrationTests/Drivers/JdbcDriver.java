// The JDBC driver at work, scene by scene; see transcript.py for the rules of a transcript.
//
// Usage: java JdbcDriver PORT SERVER_PORT[,SERVER_PORT ...]
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.io.*;
import java.sql.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

public class JdbcDriver {
    static final String SCHEMA = "drivers";
    static int port;
    static String[] serverPorts;
    static final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    interface Scene { void play() throws Exception; }

    static Connection connect(String... options) throws SQLException {
        return connect(port, "currentSchema=" + SCHEMA + "&" + String.join("&", options));
    }

    static Connection connect(int port, String options) throws SQLException {
        return DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + port + "/postgres?user=postgres&" + options);
    }

    static void show(Object... values) {
        var words = new ArrayList<String>();
        for (Object value : values) words.add(text(value));
        out.println(String.join(" ", words));
    }

    static String text(Object value) {
        try {
            if (value instanceof byte[] bytes) return HexFormat.of().formatHex(bytes);
            if (value instanceof int[] numbers) return Arrays.toString(numbers);
            if (value instanceof java.sql.Array array) return Arrays.deepToString((Object[]) array.getArray());
            return String.valueOf(value);
        } catch (SQLException error) { return "!! " + error.getMessage(); }
    }

    static List<String> rows(ResultSet result) throws SQLException {
        var rows = new ArrayList<String>();
        int count = result.getMetaData().getColumnCount();
        while (result.next()) {
            var row = new ArrayList<String>();
            for (int column = 1; column <= count; column++) row.add(text(result.getObject(column)));
            rows.add(row.toString());
        }
        result.close();
        return rows;
    }

    static List<String> rows(Connection connection, String statement) throws SQLException {
        try (var made = connection.createStatement()) { return rows(made.executeQuery(statement)); }
    }

    static void showError(SQLException error) {
        for (SQLException next = error; next != null; next = next.getNextException())
            show(next.getClass().getSimpleName(), next.getSQLState(), next.getMessage());
    }

    interface Action { void run() throws SQLException, IOException; }

    static void failing(Action action) throws IOException {
        try { action.run(); show("nothing failed"); } catch (SQLException error) { showError(error); }
    }

    static int update(Connection connection, String statement) throws SQLException {
        try (var made = connection.createStatement()) { return made.executeUpdate(statement); }
    }

    static void tables() throws SQLException {
        try (var connection = connect(port, "")) {
            update(connection, "DROP SCHEMA IF EXISTS drivers CASCADE");
            update(connection, "CREATE SCHEMA drivers");
        }
        try (var connection = connect()) {
            update(connection, "CREATE TABLE account (user_id int PRIMARY KEY, name text NOT NULL, balance numeric(12,2) DEFAULT 0)");
            update(connection, "CREATE TABLE currency (code varchar(3) PRIMARY KEY, digits int)");
            update(connection, "COMMENT ON TABLE currency IS 'all currencies'");
            update(connection, "CREATE TABLE thing (user_id bigint PRIMARY KEY, small smallint, number int, amount numeric, ratio float8,"
                + " line text, moment timestamptz, local timestamp, day date, hour time, identity uuid, document jsonb, raw bytea,"
                + " flag bool, numbers int[], lines text[])");
            update(connection, "CREATE TABLE entry (user_id int REFERENCES account, entry_id bigserial, note text DEFAULT 'n', currency varchar(3) REFERENCES currency,"
                + " PRIMARY KEY (user_id, entry_id))");
            update(connection, "CREATE INDEX entry_note ON entry (note)");
            update(connection, "CREATE VIEW rich AS SELECT * FROM account WHERE balance > 100");
        }
    }

    static void rowsAreMadeReadChangedAndDeleted() throws Exception {
        try (var connection = connect()) {
            try (var insert = connection.prepareStatement("INSERT INTO account VALUES (?, ?, ?)")) {
                for (int user = 1; user <= 12; user++) {
                    insert.setInt(1, user);
                    insert.setString(2, "name " + user);
                    insert.setBigDecimal(3, new BigDecimal(user * 10).movePointLeft(1));
                    show(insert.executeUpdate());
                }
            }
            show(rows(connection, "SELECT * FROM account ORDER BY user_id"));
            show(rows(connection, "SELECT count(*), sum(balance), avg(user_id), max(name) FROM account"));
            try (var select = connection.prepareStatement("SELECT name, balance FROM account WHERE user_id = ?")) {
                for (int turn = 0; turn < 12; turn++) {
                    select.setInt(1, turn + 1);
                    show(rows(select.executeQuery()));
                }
            }
            try (var all = connection.prepareStatement("SELECT count(*), sum(balance) FROM account WHERE user_id > ?")) {
                for (int turn = 0; turn < 8; turn++) { all.setInt(1, turn); show(rows(all.executeQuery())); }
            }
            show(update(connection, "UPDATE account SET balance = balance + 1 WHERE user_id > 6"), update(connection, "DELETE FROM account WHERE user_id IN (11, 12)"));
            try (var several = connection.createStatement()) {
                boolean isResult = several.execute("SELECT 1 AS one; UPDATE account SET name = 'script' WHERE user_id = 5; SELECT count(*) FROM account");
                while (isResult || several.getUpdateCount() != -1) {
                    if (isResult) show(rows(several.getResultSet())); else show(several.getUpdateCount());
                    isResult = several.getMoreResults();
                }
            }
        }
    }

    static void generatedKeys() throws Exception {
        try (var connection = connect()) {
            try (var insert = connection.prepareStatement("INSERT INTO entry (user_id, note) VALUES (?, ?)", new String[] {"user_id", "note"})) {
                for (int user = 1; user < 5; user++) {
                    insert.setInt(1, user);
                    insert.setString(2, "note " + user);
                    show(insert.executeUpdate(), rows(insert.getGeneratedKeys()));
                }
            }
            try (var insert = connection.prepareStatement("INSERT INTO entry (user_id) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
                insert.setInt(1, 6);
                show(insert.executeUpdate());
                var keys = insert.getGeneratedKeys();
                keys.next();
                show(keys.getMetaData().getColumnCount(), keys.getInt("user_id"), keys.getLong("entry_id") > 0, keys.getString("note"));
            }
            show(rows(connection, "SELECT count(*), count(DISTINCT user_id) FROM entry"));
        }
    }

    static void allTypes(String options) throws Exception {
        try (var connection = connect(options)) {
            update(connection, "DELETE FROM thing");
            try (var insert = connection.prepareStatement("INSERT INTO thing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb, ?, ?, ?, ?)")) {
                for (int user = 1; user < 10; user++) {
                    insert.setLong(1, user * 1_000_000_000_000L);
                    if (user == 9) {
                        int[] types = {Types.SMALLINT, Types.INTEGER, Types.NUMERIC, Types.DOUBLE, Types.VARCHAR, Types.TIMESTAMP_WITH_TIMEZONE, Types.TIMESTAMP,
                            Types.DATE, Types.TIME, Types.OTHER, Types.VARCHAR, Types.BINARY, Types.BOOLEAN, Types.ARRAY, Types.ARRAY};
                        for (int place = 0; place < types.length; place++) insert.setNull(place + 2, types[place]);
                    } else {
                        insert.setShort(2, (short) (user - 4));
                        insert.setInt(3, user * 1000003);
                        insert.setBigDecimal(4, new BigDecimal("12345678901234567890.1234567890").multiply(new BigDecimal(user)));
                        insert.setDouble(5, user / 7.0);
                        insert.setString(6, "line " + user + " äöü ' \" \\ \t");
                        insert.setObject(7, OffsetDateTime.of(2024, 2, 29, 23, 59, 59, 123456000 + user * 1000, ZoneOffset.ofHours(2)));
                        insert.setObject(8, LocalDateTime.of(1999, 12, 31, 0, 0, user));
                        insert.setObject(9, LocalDate.of(2000, 1, user));
                        insert.setObject(10, LocalTime.of(1, 2, 3));
                        insert.setObject(11, new UUID(user, -user));
                        insert.setString(12, "{\"user\": " + user + ", \"list\": [1, null]}");
                        // The driver cannot write binary data into a statement's text.
                        if (options.contains("simple")) insert.setNull(13, Types.BINARY); else insert.setBytes(13, new byte[] {0, (byte) user, -1, 92, 39});
                        insert.setBoolean(14, user % 2 == 0);
                        insert.setArray(15, connection.createArrayOf("int4", new Integer[] {user, null, -1}));
                        insert.setArray(16, connection.createArrayOf("text", new String[] {"a,b", null, "", "\"", "{}", "ü"}));
                    }
                    show(insert.executeUpdate());
                }
            }
            try (var select = connection.prepareStatement("SELECT * FROM thing WHERE user_id >= ? ORDER BY user_id")) {
                // From the fifth time on the driver uses a named statement, and binary results.
                for (int turn = 0; turn < 7; turn++) {
                    select.setLong(1, turn * 1_000_000_000_000L);
                    show(rows(select.executeQuery()));
                }
            }
            try (var select = connection.prepareStatement("SELECT moment, day, raw, numbers, amount FROM thing WHERE user_id = ?")) {
                for (int user = 1; user < 10; user++) {
                    select.setLong(1, user * 1_000_000_000_000L);
                    var result = select.executeQuery();
                    result.next();
                    show(result.getObject(1, OffsetDateTime.class), result.getObject(2, LocalDate.class), result.getBytes(3), result.getArray(4), result.getBigDecimal(5), result.wasNull());
                }
            }
            show(rows(connection, "SELECT flag, count(*), sum(amount), max(moment), min(day) FROM thing GROUP BY flag ORDER BY flag"));
        }
    }

    static void batches(String options) throws Exception {
        try (var connection = connect(options)) {
            update(connection, "DELETE FROM account WHERE user_id >= 100");
            try (var insert = connection.prepareStatement("INSERT INTO account VALUES (?, ?, ?)")) {
                for (int user = 100; user < 400; user++) {
                    insert.setInt(1, user);
                    insert.setString(2, "batch");
                    insert.setBigDecimal(3, new BigDecimal(user));
                    insert.addBatch();
                }
                int[] counts = insert.executeBatch();
                show(counts.length, Arrays.stream(counts).allMatch(count -> count == 1 || count == Statement.SUCCESS_NO_INFO));
            }
            show(rows(connection, "SELECT count(*), sum(balance) FROM account WHERE name = 'batch'"));
            try (var update = connection.prepareStatement("UPDATE account SET balance = balance + ? WHERE user_id = ?")) {
                for (int user = 90; user < 110; user++) {
                    update.setInt(1, 1);
                    update.setInt(2, user);
                    update.addBatch();
                }
                show(update.executeBatch());
            }
            try (var mixed = connection.createStatement()) {
                mixed.addBatch("UPDATE account SET name = 'mixed' WHERE user_id = 100");
                mixed.addBatch("DELETE FROM account WHERE user_id BETWEEN 101 AND 110");
                mixed.addBatch("INSERT INTO account VALUES (101, 'mixed')");
                show(mixed.executeBatch());
            }
            try (var insert = connection.prepareStatement("INSERT INTO account VALUES (?, 'lost')")) {
                for (int user : new int[] {1000, 1001, 1002, 150, 1003}) { insert.setInt(1, user); insert.addBatch(); }
                try { insert.executeBatch(); } catch (BatchUpdateException error) {
                    show(error.getSQLState(), error.getUpdateCounts());
                    show(error.getNextException().getMessage());
                }
            }
            show(rows(connection, "SELECT count(*) FROM account WHERE user_id >= 1000"));
            try (var insert = connection.prepareStatement("INSERT INTO entry (user_id, note) VALUES (?, ?)", new String[] {"note"})) {
                for (int user = 1; user < 9; user++) { insert.setInt(1, user); insert.setString(2, "keys " + user); insert.addBatch(); }
                show(insert.executeBatch().length);
                show(rows(insert.getGeneratedKeys()));
            }
        }
    }

    static void moreClientsThanLinks() throws Exception {
        var executor = Executors.newFixedThreadPool(12);
        var answers = new ArrayList<Future<String>>();
        for (int client = 0; client < 12; client++) {
            int number = client;
            answers.add(executor.submit(() -> {
                var seen = new StringBuilder();
                try (var connection = connect("prepareThreshold=1");
                     var select = connection.prepareStatement("SELECT name FROM account WHERE user_id = ?");
                     var count = connection.prepareStatement("SELECT count(*) FROM account WHERE user_id BETWEEN ? AND 10");
                     var update = connection.prepareStatement("UPDATE account SET balance = balance + 1 WHERE user_id = ?")) {
                    connection.setAutoCommit(false);
                    for (int turn = 0; turn < 12; turn++) {
                        int user = 200 + (number + turn) % 20;
                        select.setInt(1, user);
                        update.setInt(1, user);
                        count.setInt(1, turn % 8 + 1);
                        seen.append(rows(select.executeQuery())).append(update.executeUpdate());
                        connection.commit();
                        seen.append(rows(count.executeQuery()));
                        connection.commit();
                    }
                }
                return seen.toString();
            }));
        }
        for (var answer : answers) show(answer.get());
        executor.shutdown();
        try (var connection = connect()) { show(rows(connection, "SELECT user_id, balance FROM account WHERE user_id BETWEEN 200 AND 220 ORDER BY user_id")); }
    }

    static void fetchSizes() throws Exception {
        try (var connection = connect()) {
            connection.setAutoCommit(false);
            for (String statement : new String[] {
                "SELECT user_id FROM account WHERE user_id BETWEEN 100 AND 160 ORDER BY user_id", "SELECT entry_id > 0, note FROM entry WHERE user_id = 3 ORDER BY note"}) {
                try (var select = connection.prepareStatement(statement)) {
                    for (int turn = 0; turn < 7; turn++) {
                        select.setFetchSize(3 + turn);
                        show(rows(select.executeQuery()));
                    }
                }
            }
            try (var select = connection.prepareStatement("SELECT user_id FROM account ORDER BY user_id")) {
                select.setFetchSize(5);
                select.setMaxRows(12);
                show(rows(select.executeQuery()));
            }
            connection.commit();
        }
    }

    static void copyInAndOut() throws Exception {
        try (var connection = connect()) {
            CopyManager copies = connection.unwrap(PGConnection.class).getCopyAPI();
            var text = new StringBuilder();
            for (int user = 2000; user < 4000; user++) text.append(user).append("\tcopied\t").append(user % 7).append("\n");
            show(copies.copyIn("COPY account FROM STDIN", new StringReader(text.toString())));
            show(rows(connection, "SELECT count(*), sum(balance) FROM account WHERE name = 'copied'"));
            var bytes = new ByteArrayOutputStream();
            show(copies.copyOut("COPY account (user_id, name) TO STDOUT (FORMAT csv)", bytes));
            show(new TreeSet<>(bytes.toString().lines().toList()).first(), bytes.size());
            bytes.reset();
            show(copies.copyOut("COPY account TO STDOUT (FORMAT binary)", bytes));
            update(connection, "DELETE FROM entry");
            update(connection, "DELETE FROM account");
            show(copies.copyIn("COPY account FROM STDIN (FORMAT binary)", new ByteArrayInputStream(bytes.toByteArray())));
            show(rows(connection, "SELECT count(*), sum(balance) FROM account"));
            failing(() -> copies.copyIn("COPY account FROM STDIN", new StringReader("5000\tnew\t1\nx\tbad\t1\n")));
            failing(() -> copies.copyIn("COPY account FROM STDIN", new StringReader("5000\tnew\t1\n2000\tthere already\t1\n")));
            var given = copies.copyIn("COPY account FROM STDIN");
            given.writeToCopy("5001\tnew\t1\n".getBytes(), 0, 11);
            given.cancelCopy();
            show(rows(connection, "SELECT count(*) FROM account WHERE user_id >= 5000"));
        }
    }

    static void transactionsAndSavepoints() throws Exception {
        try (var connection = connect()) {
            connection.setAutoCommit(false);
            update(connection, "UPDATE account SET name = 'outer' WHERE user_id IN (100, 200, 201, 202)");
            Savepoint savepoint = connection.setSavepoint("here");
            update(connection, "UPDATE account SET name = 'inner' WHERE user_id IN (200, 201)");
            failing(() -> update(connection, "INSERT INTO account VALUES (200, 'there already')"));
            failing(() -> rows(connection, "SELECT 1"));
            connection.rollback(savepoint);
            show(rows(connection, "SELECT user_id, name FROM account WHERE user_id IN (100, 200, 201, 202) ORDER BY 1"));
            connection.commit();
            update(connection, "DELETE FROM account WHERE user_id BETWEEN 90 AND 300");
            connection.rollback();
            show(rows(connection, "SELECT user_id, name FROM account WHERE user_id IN (100, 200, 201, 202) ORDER BY 1"));
            connection.rollback();
            connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            show(rows(connection, "SHOW transaction_isolation"));
            connection.rollback();
            connection.setReadOnly(true);
            failing(() -> update(connection, "DELETE FROM account WHERE user_id = 200"));
            connection.rollback();
        }
        try (var connection = connect("autosave=always")) {
            connection.setAutoCommit(false);
            update(connection, "UPDATE account SET name = 'saved' WHERE user_id = 300");
            failing(() -> update(connection, "INSERT INTO account VALUES (300, 'there already')"));
            update(connection, "UPDATE account SET name = 'saved' WHERE user_id = 301");
            connection.commit();
            show(rows(connection, "SELECT count(*) FROM account WHERE name = 'saved'"));
        }
    }

    static void errorsAndNotices() throws Exception {
        try (var connection = connect()) {
            for (String statement : new String[] {
                "INSERT INTO account VALUES (200, 'there already')", "INSERT INTO account VALUES (6000, NULL)", "INSERT INTO account VALUES (6001, 'a'), (200, 'b')",
                "INSERT INTO entry (user_id, note) VALUES (7777, 'no such account')", "SELEC 1", "SELECT nothing FROM account", "SELECT * FROM missing", "SELECT 1/0",
                "SELECT 1 / (user_id - 200) FROM account", "CREATE TABLE account (user_id int)"})
                failing(() -> { try (var made = connection.createStatement()) { made.execute(statement); } });
            try (var made = connection.createStatement()) {
                made.execute("DROP TABLE IF EXISTS missing");
                show(made.getWarnings().getSQLState(), made.getWarnings().getMessage());
            }
            show(connection.isValid(5));
        }
    }

    static boolean isRunning(String call) throws SQLException {
        for (String serverPort : serverPorts)
            try (var server = connect(Integer.parseInt(serverPort), "");
                 var query = server.prepareStatement("SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND position(? in query) > 0")) {
                query.setString(1, call);
                var result = query.executeQuery();
                result.next();
                if (result.getInt(1) > 0) return true;
            }
        return false;
    }

    static void cancellation() throws Exception {
        try (var connection = connect()) {
            for (String[] pair : new String[][] {{"(66)", "SELECT pg_sleep(66) FROM account WHERE user_id = 200"}, {"(67)", "SELECT count(pg_sleep(67)) FROM account"}})
                try (var made = connection.createStatement()) {
                    var canceller = CompletableFuture.runAsync(() -> {
                        try {
                            while (!isRunning(pair[0])) Thread.sleep(20);
                            made.cancel();
                        } catch (Exception error) { throw new CompletionException(error); }
                    });
                    failing(() -> made.executeQuery(pair[1]));
                    canceller.get(20, TimeUnit.SECONDS);
                }
            try (var made = connection.createStatement()) {
                made.setQueryTimeout(1);
                failing(() -> made.executeQuery("SELECT pg_sleep(68) FROM account WHERE user_id = 200"));
            }
            show(rows(connection, "SELECT name FROM account WHERE user_id = 200"));
        }
    }

    static void listening() throws Exception {
        try (var listener = connect(); var speaker = connect()) {
            update(listener, "LISTEN news");
            update(speaker, "NOTIFY news, 'first'");
            rows(speaker, "SELECT pg_notify('news', 'second')");
            update(listener, "NOTIFY news, 'own'");
            int process = listener.unwrap(PGConnection.class).getBackendPID();
            int count = 0;
            while (count < 3)
                for (PGNotification notification : listener.unwrap(PGConnection.class).getNotifications(5000)) {
                    show(notification.getName(), notification.getParameter(), notification.getPID() == process);
                    count++;
                }
        }
    }

    static List<String> sorted(ResultSet result, String... columns) throws SQLException {
        var rows = new TreeSet<String>();
        while (result.next()) {
            var row = new ArrayList<String>();
            for (String column : columns) row.add(result.getString(column));
            rows.add(row.toString());
        }
        result.close();
        return new ArrayList<>(rows);
    }

    static void metadata() throws Exception {
        try (var connection = connect()) {
            var about = connection.getMetaData();
            show(about.getDatabaseProductName(), about.getDatabaseProductVersion(), about.getUserName(), about.getMaxColumnNameLength());
            show(connection.getCatalog(), connection.getSchema());
            show(sorted(about.getTables(null, SCHEMA, "%", null), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS"));
            show(sorted(about.getColumns(null, SCHEMA, "%", "%"), "TABLE_NAME", "COLUMN_NAME", "TYPE_NAME", "DATA_TYPE", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE", "COLUMN_DEF", "ORDINAL_POSITION", "IS_AUTOINCREMENT"));
            for (String table : new String[] {"account", "entry", "currency"}) {
                show(sorted(about.getPrimaryKeys(null, SCHEMA, table), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
                show(sorted(about.getIndexInfo(null, SCHEMA, table, false, true), "NON_UNIQUE", "INDEX_NAME", "COLUMN_NAME", "TYPE"));
                show(sorted(about.getImportedKeys(null, SCHEMA, table), "PKTABLE_NAME", "PKCOLUMN_NAME", "FKTABLE_NAME", "FKCOLUMN_NAME", "FK_NAME"));
                show(sorted(about.getTablePrivileges(null, SCHEMA, table), "GRANTEE", "PRIVILEGE"));
            }
            show(sorted(about.getSchemas(null, SCHEMA), "TABLE_SCHEM"));
            show(sorted(about.getTypeInfo(), "TYPE_NAME").contains("[int4]"), sorted(about.getFunctions(null, "pg_catalog", "lower"), "FUNCTION_NAME"));
        }
    }

    static void whatResultsSayOfTheirTables() throws Exception {
        try (var connection = connect()) {
            try (var select = connection.prepareStatement("SELECT a.name AS alias, a.user_id, balance, 1 AS one FROM account a WHERE user_id = ?")) {
                var columns = select.getMetaData();
                for (int column = 1; column <= columns.getColumnCount(); column++)
                    show(columns.getColumnLabel(column), columns.getColumnTypeName(column), columns.getPrecision(column), columns.getScale(column), columns.isNullable(column),
                        columns.isAutoIncrement(column), ((org.postgresql.PGResultSetMetaData) columns).getBaseTableName(column), ((org.postgresql.PGResultSetMetaData) columns).getBaseColumnName(column));
                show(select.getParameterMetaData().getParameterTypeName(1));
            }
            try (var made = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                for (int user : new int[] {200, 201, 202, 203}) {
                    var result = made.executeQuery("SELECT user_id, name FROM account WHERE user_id = " + user);
                    result.next();
                    result.updateString("name", "updated in place");
                    result.updateRow();
                    show(rows(connection, "SELECT name FROM account WHERE user_id = " + user));
                }
            }
        }
    }

    static void typesMadeThroughTheConnection() throws Exception {
        try (var connection = connect("prepareThreshold=1")) {
            update(connection, "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')");
            update(connection, "CREATE TYPE spot AS (x int, y numeric, label text)");
            update(connection, "CREATE TABLE feeling (user_id int PRIMARY KEY, mood mood, place spot, moods mood[])");
            String[] moods = {"sad", "ok", "happy"};
            try (var insert = connection.prepareStatement("INSERT INTO feeling VALUES (?, ?::mood, ?::spot, ?)")) {
                for (int user = 1; user < 9; user++) {
                    insert.setInt(1, user);
                    insert.setString(2, moods[user % 3]);
                    insert.setObject(3, "(" + user + ",1.5,\"a b\")", Types.OTHER);
                    insert.setArray(4, connection.createArrayOf("mood", new String[] {moods[user % 3], null}));
                    show(insert.executeUpdate());
                }
            }
            try (var select = connection.prepareStatement("SELECT * FROM feeling WHERE user_id = ?")) {
                for (int user = 1; user < 9; user++) {
                    select.setInt(1, user);
                    var result = select.executeQuery();
                    show(result.getMetaData().getColumnTypeName(2), result.getMetaData().getColumnTypeName(3), result.getMetaData().getColumnTypeName(4));
                    show(rows(result));
                }
            }
            show(rows(connection, "SELECT user_id, mood FROM feeling ORDER BY mood, user_id"));
            show(rows(connection, "SELECT * FROM feeling ORDER BY user_id"));
            try (var changed = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                for (int user = 1; user < 9; user++) {
                    var result = changed.executeQuery("SELECT user_id, mood, moods FROM feeling WHERE user_id = " + user);
                    result.next();
                    show(((org.postgresql.PGResultSetMetaData) result.getMetaData()).getBaseTableName(2), result.getArray(3).getBaseTypeName());
                    result.updateArray("moods", connection.createArrayOf("mood", new String[] {"ok"}));
                    result.updateRow();
                    show(rows(connection, "SELECT moods FROM feeling WHERE user_id = " + user));
                }
            }
            show(sorted(connection.getMetaData().getUDTs(null, SCHEMA, "%", null), "TYPE_NAME", "DATA_TYPE"));
        }
    }

    static void play(String title, Scene scene) {
        show("== " + title);
        try { scene.play(); } catch (Exception error) { show("!!", error.getClass().getSimpleName(), error.getMessage()); }
    }

    public static void main(String[] arguments) {
        TimeZone.setDefault(TimeZone.getTimeZone("Asia/Kathmandu"));
        port = Integer.parseInt(arguments[0]);
        serverPorts = arguments[1].split(",");
        play("tables", JdbcDriver::tables);
        play("rows are made, read, changed and deleted", JdbcDriver::rowsAreMadeReadChangedAndDeleted);
        play("generated keys", JdbcDriver::generatedKeys);
        play("all types", () -> allTypes(""));
        play("all types, prepared and in binary at once", () -> allTypes("prepareThreshold=-1"));
        play("all types, simple protocol", () -> allTypes("preferQueryMode=simple"));
        play("batches", () -> batches(""));
        play("batches rewritten to multi-row inserts", () -> batches("reWriteBatchedInserts=true"));
        play("more clients than links", JdbcDriver::moreClientsThanLinks);
        play("fetch sizes", JdbcDriver::fetchSizes);
        play("metadata", JdbcDriver::metadata);
        play("transactions and savepoints", JdbcDriver::transactionsAndSavepoints);
        play("errors and notices", JdbcDriver::errorsAndNotices);
        play("cancellation", JdbcDriver::cancellation);
        play("listening", JdbcDriver::listening);
        play("copy in and out", JdbcDriver::copyInAndOut);
        play("what results say of their tables", JdbcDriver::whatResultsSayOfTheirTables);
        play("types made through the connection", JdbcDriver::typesMadeThroughTheConnection);
    }
}
